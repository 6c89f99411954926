//! What the hub answers in the spec's protocol.

use hub_domain::inference::{Bill, Whole};
use hub_types::{Credits, HoldId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A whole answer: the spec's `MCPResponse`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct McpCompletion {
    /// The request's id.
    id: String,
    /// Always `completion`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The answer.
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
    },
    /// The answer is complete and paid for.
    Done {
        /// The request's id.
        id: String,
        /// What it consumed and cost.
        usage: McpUsage,
        /// Who answered.
        metadata: McpMetadata,
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
    pub(crate) fn new(id: String, whole: Whole) -> Self {
        Self {
            id,
            kind: "completion",
            data: whole.text,
            usage: McpUsage::from(&whole.bill),
            metadata: McpMetadata::from(whole.bill),
        }
    }
}

impl McpFrame {
    pub(crate) fn done(id: String, bill: Bill) -> Self {
        Self::Done { id, usage: McpUsage::from(&bill), metadata: McpMetadata::from(bill) }
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
