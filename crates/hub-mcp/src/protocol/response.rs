//! What the hub answers in the spec's protocol.

use hub_domain::inference::replay::EventId;
use hub_domain::inference::{Bill, Whole};
use hub_types::{Credits, HoldId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Kind;

/// A whole answer: the spec's `MCPResponse`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct McpCompletion {
    /// The request's id.
    id: String,
    /// Always `completion`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The answer: a text, or the JSON text of a vector.
    data: String,
    /// What it consumed and cost.
    usage: McpUsage,
    /// Who answered.
    metadata: McpMetadata,
}

/// One frame of a streamed answer: the spec's `MCPStreamChunk`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum McpFrame {
    /// More text.
    Chunk {
        /// The request's id.
        id: String,
        /// The text.
        data: String,
        /// The event's id in a recorded stream, for `resume`.
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<String>,
    },
    /// The answer is complete, or the request was cancelled, and paid for.
    Done {
        /// The request's id.
        id: String,
        /// What it consumed and cost.
        usage: McpUsage,
        /// Who answered.
        metadata: McpMetadata,
        /// True when the client cancelled the request: the answer is what came until then.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        cancelled: bool,
        /// The event's id in a recorded stream, for `resume`.
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<String>,
    },
    /// The answer failed or broke off.
    Error {
        /// The request's id; absent when it could not be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The same object as in every error of the hub.
        error: Value,
        /// What had been produced is paid for all the same.
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<McpUsage>,
        /// The event's id in a recorded stream, for `resume`.
        #[serde(skip_serializing_if = "Option::is_none")]
        event: Option<String>,
    },
}

/// What an answer consumed and cost.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct McpUsage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    /// What was charged.
    credits: Credits,
}

/// Who answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct McpMetadata {
    model: String,
    provider: String,
    /// Milliseconds from request to end.
    latency: i64,
    /// The receipt of the charge.
    receipt_id: HoldId,
}

impl McpCompletion {
    pub(crate) fn new(id: String, kind: Kind, whole: Whole) -> Self {
        let data = if kind == Kind::Embedding { vector(&whole.body) } else { whole.text };
        Self {
            id,
            kind: "completion",
            data,
            usage: McpUsage::from(&whole.bill),
            metadata: McpMetadata::from(whole.bill),
        }
    }
}

/// The first vector of an answer in OpenAI's shape, as it stands there.
fn vector(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        data: Vec<Item<'a>>,
    }
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        embedding: &'a RawValue,
    }
    let answer = serde_json::from_slice::<Answer<'_>>(body).ok();
    answer.and_then(|answer| Some(answer.data.first()?.embedding.get().to_owned())).unwrap_or_default()
}

impl McpFrame {
    pub(crate) fn done(id: String, bill: Bill) -> Self {
        let (usage, metadata) = (McpUsage::from(&bill), McpMetadata::from(bill));
        Self::Done { id, usage, metadata, cancelled: false, event: None }
    }

    /// The last frame of a request that its client cancelled.
    pub(crate) fn cancelled(id: String, bill: Bill) -> Self {
        let (usage, metadata) = (McpUsage::from(&bill), McpMetadata::from(bill));
        Self::Done { id, usage, metadata, cancelled: true, event: None }
    }

    /// The same frame as an event of a recorded stream.
    pub(crate) fn numbered(mut self, id: EventId) -> Self {
        match &mut self {
            Self::Chunk { event, .. } | Self::Done { event, .. } | Self::Error { event, .. } => {
                *event = Some(id.to_string());
            }
        }
        self
    }

    /// As text. Strings and numbers always have a JSON form.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<&Bill> for McpUsage {
    fn from(bill: &Bill) -> Self {
        Self {
            prompt_tokens: bill.usage.prompt(),
            completion_tokens: bill.usage.completion(),
            total_tokens: bill.usage.total(),
            credits: bill.credits,
        }
    }
}

impl From<Bill> for McpMetadata {
    fn from(bill: Bill) -> Self {
        Self { model: bill.model, provider: bill.provider, latency: bill.latency_ms, receipt_id: bill.receipt }
    }
}
