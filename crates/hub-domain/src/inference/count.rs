//! How many tokens a prompt has, asked before a call is made. Costs nothing.

use hub_clients::llm::count::Estimate;
use hub_clients::llm::{CallRequest, ChatCall, LlmError};
use hub_types::{Caller, Permission};

use super::route::plan;
use super::standing;
use super::{Choice, InferenceError};
use crate::{Hub, rbac};

/// Prompt tokens of this call at the model's first provider; by estimate where it cannot be asked or does not answer.
pub async fn count_tokens(
    hub: &Hub,
    caller: &Caller,
    request: CallRequest,
    request_id: &str,
) -> Result<i64, InferenceError> {
    rbac::require(caller, Permission::InferenceCreate)?;
    let model = request.model();
    let allowed = standing::allows(caller, model);
    let candidates = plan(hub, model, &Choice::Auto);
    let Some(candidate) = candidates.first().filter(|_| allowed) else {
        return Err(InferenceError::ModelNotFound { model: model.to_owned() });
    };
    let call = ChatCall {
        request: request.clone(),
        upstream_model: candidate.price.model.clone(),
        max_output: None,
        request_id: request_id.to_owned(),
    };
    match candidate.provider.count_tokens(call).await {
        Ok(Some(counted)) => return Ok(counted),
        Ok(None) => {}
        Err(LlmError::Refused { status, error }) => return Err(InferenceError::Refused { status, fault: error }),
        Err(error) => {
            tracing::warn!(provider = candidate.provider.name(), %error, "a provider could not count; the count is an estimate");
        }
    }
    let nothing = Estimate::default();
    Ok(candidate.provider.counted(&request, nothing, nothing).prompt())
}
