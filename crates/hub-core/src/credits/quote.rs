//! `POST /api/credits/quote`: what a call would cost.

use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use hub_domain::Hub;
use hub_domain::inference::{
    self, ApiVersion, Asked, BadRequest, CallRequest, ChatRequest, Choice, CompletionRequest, EmbeddingsRequest, Gate,
    MessagesRequest, Quote, QuoteInput, ResponsesRequest,
};
use hub_types::{Credits, PriceId, Timestamp};
use hub_web::{ApiError, Authenticated, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::errors;

/// A call: its size, or as it would be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct QuoteBody {
    /// The model; with `inputTokens`, without `request`.
    model: Option<String>,
    /// Prompt tokens.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    input_tokens: Option<i64>,
    /// Completion tokens that are expected.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    output_tokens: Option<i64>,
    /// The body as it would be sent.
    #[schema(value_type = Option<Object>)]
    request: Option<Box<RawValue>>,
    /// To which route.
    #[serde(default)]
    route: RouteQuery,
    /// `openai`, `claude`, or whose service word a provider has; any when not given.
    provider: Option<String>,
    /// The most it may cost, as in `x-max-credits`.
    max_credits: Option<Credits>,
}

/// Whose body `request` is.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RouteQuery {
    /// `/v1/chat/completions`
    #[default]
    Chat,
    /// `/v1/messages`
    Messages,
    /// `/v1/completions`
    Completions,
    /// `/v1/responses`
    Responses,
    /// `/v1/embeddings`
    Embeddings,
}

/// What the call would cost. Nothing is held.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuoteView {
    /// The model.
    model: String,
    /// Service word of whoever would serve it first.
    service: String,
    /// Version of the price.
    price_id: PriceId,
    /// When it came into force.
    #[schema(value_type = String, format = DateTime)]
    price_from: Timestamp,
    /// Micro-credits per million tokens of each class, with `marginPermille` where the caller's role pays a margin.
    #[schema(value_type = Object)]
    unit_prices: Value,
    /// Prompt tokens at most.
    input_tokens: i64,
    /// Completion tokens at most.
    output_limit: i64,
    /// Whether the prompt fits the model's window, where that is known: `inputTokens` as given, `request` by an estimate of its tokens.
    fits: bool,
    /// What would be held for it.
    worst_case: Credits,
    /// The cost at `outputTokens`, if they were given; at `outputLimit` where that is less.
    #[serde(skip_serializing_if = "Option::is_none")]
    typical: Option<Credits>,
    /// What can be spent on it now.
    spendable: Credits,
    /// What bounds that: `balance`, `budget` or `cap`.
    bound_by: &'static str,
    /// Whether it would be let through now, if need be with a shorter answer; never where the `inputTokens` given do not fit.
    affordable: bool,
    /// Completion tokens that can be paid now; none where the `inputTokens` given do not fit.
    affordable_output_tokens: i64,
}

impl TryFrom<Quote> for QuoteView {
    type Error = ApiError;

    fn try_from(quote: Quote) -> Result<Self, ApiError> {
        Ok(Self {
            model: quote.model,
            service: quote.service,
            price_id: quote.price,
            price_from: quote.price_from,
            unit_prices: serde_json::to_value(quote.units).map_err(ApiError::internal)?,
            input_tokens: quote.input_tokens,
            output_limit: quote.output_limit,
            fits: quote.fits,
            worst_case: quote.worst_case,
            typical: quote.typical,
            spendable: quote.spendable,
            bound_by: match quote.bound_by {
                Gate::Balance => "balance",
                Gate::Budget => "budget",
                Gate::Cap => "cap",
            },
            affordable: quote.affordable,
            affordable_output_tokens: quote.affordable_output,
        })
    }
}

impl QuoteBody {
    fn into_input(self) -> Result<QuoteInput, ApiError> {
        let counts = [("inputTokens", self.input_tokens), ("outputTokens", self.output_tokens)];
        for (field, count) in counts {
            if count.is_some_and(|count| !(0..=1_000_000_000).contains(&count)) {
                return Err(ApiError::validation(field, "must be 0 to 1000000000"));
            }
        }
        if self.max_credits.is_some_and(|cap| !cap.is_positive()) {
            return Err(ApiError::validation("maxCredits", "must be a number of credits above zero"));
        }
        let asked = match (self.request, self.model, self.input_tokens) {
            (Some(request), None, None) => {
                Asked::Call(Box::new(call(self.route, &request).map_err(errors::bad_request)?))
            }
            (None, Some(model), Some(input)) => Asked::Tokens { model, input },
            _ => return Err(ApiError::validation("request", "send either request, or model and inputTokens")),
        };
        let choice = match self.provider.as_deref() {
            None | Some("auto") => Choice::Auto,
            Some(service) => Choice::Service(service.to_owned()),
        };
        Ok(QuoteInput { asked, choice, output: self.output_tokens, cap: self.max_credits })
    }
}

fn call(route: RouteQuery, request: &RawValue) -> Result<CallRequest, BadRequest> {
    let body = Bytes::copy_from_slice(request.get().as_bytes());
    Ok(match route {
        RouteQuery::Chat => ChatRequest::parse(body)?.into(),
        // The version that takes more: it makes no difference to the cost.
        RouteQuery::Messages => MessagesRequest::parse(body, ApiVersion::V20230601)?.into(),
        RouteQuery::Completions => CompletionRequest::parse(body)?.into(),
        RouteQuery::Responses => ResponsesRequest::parse(body)?.into(),
        RouteQuery::Embeddings => EmbeddingsRequest::parse(body)?.into(),
    })
}

/// Says what a call would cost at most, and whether it can be paid now, by the same arithmetic that admits calls. Needs
/// `inference:create`. Asks no provider and holds nothing.
#[utoipa::path(post, path = "/api/credits/quote", tag = "credits", request_body = QuoteBody,
    responses((status = 200, body = QuoteView)))]
pub(crate) async fn quote(
    State(hub): State<Arc<Hub>>,
    Authenticated(caller): Authenticated,
    Json(body): Json<QuoteBody>,
) -> Result<Json<QuoteView>, ApiError> {
    let input = body.into_input()?;
    let quote = inference::quote(&hub, &caller, &input).await.map_err(errors::quote)?;
    Ok(Json(quote.try_into()?))
}
