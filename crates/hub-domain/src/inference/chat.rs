//! The way in: checks that need no money, then the tracked task that owns the call.

use std::sync::Arc;

use hub_clients::llm::CallRequest;
use hub_types::{Caller, Credits, Permission};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::call::Call;
use super::registry::Candidate;
use super::route::plan;
use super::{ChatReply, InferenceError, Progress, measure, standing};
use crate::{Hub, rbac};

/// Which provider the caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Any that serves the model.
    Auto,
    /// Only providers of this service: `openai`, `claude`, `sandbox`, or an own server's.
    Service(String),
}

/// A call as an edge hands it in.
#[derive(Debug)]
pub struct ChatInput {
    /// What the caller sent, in the caller's wire.
    pub request: CallRequest,
    /// Which provider.
    pub choice: Choice,
    /// The route called, for receipt and usage row.
    pub route: &'static str,
    /// `chat`, `completion` or `embedding`, for receipt and usage row.
    pub kind: &'static str,
    /// The request's id.
    pub request_id: String,
    /// The most the caller wants to pay for it. A longer answer is shortened to that, or the call is refused.
    pub cap: Option<Credits>,
}

/// Makes a call and pays for it: the one way to a provider.
pub async fn chat(hub: &Arc<Hub>, caller: &Caller, input: ChatInput) -> Result<ChatReply, InferenceError> {
    run(hub, caller, input, None, CancellationToken::new()).await
}

/// The same for a caller who wants to know where it stands while it waits for its turn, and may cancel the call: it ends as for one who hung
/// up, but its end is told, with what it cost, by [`InferenceError::Cancelled`].
pub async fn chat_with_progress(
    hub: &Arc<Hub>,
    caller: &Caller,
    input: ChatInput,
    progress: Progress,
    cancel: CancellationToken,
) -> Result<ChatReply, InferenceError> {
    run(hub, caller, input, Some(progress), cancel).await
}

async fn run(
    hub: &Arc<Hub>,
    caller: &Caller,
    input: ChatInput,
    progress: Option<Progress>,
    cancel: CancellationToken,
) -> Result<ChatReply, InferenceError> {
    rbac::require(caller, Permission::InferenceCreate)?;
    let candidates = candidates(hub, caller, input.request.model(), &input.choice)?;
    let span = measure::span(&input);
    let (head, answer) = oneshot::channel();
    let call = Call::new(Arc::clone(hub), caller, input, candidates, progress, cancel);
    // The task owns the hold: should this future be dropped because the caller hung up, the call is still metered and settled.
    hub.tasks.spawn(call.run(head).instrument(span));
    answer.await.unwrap_or(Err(InferenceError::Lost))
}

/// Who can serve this model to this caller, best first, at the prices the caller pays.
pub(super) fn candidates(
    hub: &Hub,
    caller: &Caller,
    model: &str,
    choice: &Choice,
) -> Result<Vec<Candidate>, InferenceError> {
    let allowed = standing::allows(caller, model);
    let candidates = plan(hub, model, choice);
    if !allowed || candidates.is_empty() {
        return Err(InferenceError::ModelNotFound { model: model.to_owned() });
    }
    let priced = |candidate: Candidate| Candidate {
        price: hub.settings.pricing.for_caller(candidate.price, caller),
        ..candidate
    };
    Ok(candidates.into_iter().map(priced).collect())
}
