//! How many tokens a prompt has, asked before a call is made. Costs nothing.

use hub_clients::llm::count::Estimate;
use hub_clients::llm::{CallRequest, ChatCall, LlmError};
use hub_types::{Caller, Permission};

use super::registry::Candidate;
use super::route::plan;
use super::{Choice, InferenceError, breaker, retry, standing};
use crate::{Hub, rbac};

/// Prompt tokens of this call at the model's first provider that is not left alone now; by estimate where none can be asked or it does not
/// answer. How counting ends says nothing about a provider: some do not offer it, and it has limits of its own.
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
    let Some(first) = candidates.first().filter(|_| allowed) else {
        return Err(InferenceError::ModelNotFound { model: model.to_owned() });
    };
    let nothing = Estimate::default();
    let mut ready = None;
    for candidate in &candidates {
        if !rests(hub, candidate).await {
            ready = Some(candidate);
            break;
        }
    }
    let Some(candidate) = ready else { return Ok(first.provider.counted(&request, nothing, nothing).prompt()) };
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
    Ok(candidate.provider.counted(&request, nothing, nothing).prompt())
}

/// Whether the provider failed often, or limits our rate, and is not to be asked now.
async fn rests(hub: &Hub, candidate: &Candidate) -> bool {
    candidate.provider.has_health()
        && (breaker::closed_for(hub, &candidate.key()).await.is_some() || retry::paused(hub, candidate).await.is_some())
}
