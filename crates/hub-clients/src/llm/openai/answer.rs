//! A whole answer: one JSON document, handed on untouched.

use bytes::Bytes;

use crate::llm::count::Estimate;
use crate::llm::http::Reject;
use crate::llm::{LlmError, WholeAnswer};
use crate::wire::openai::{Completion, Embeddings};

/// Reads the facts out of an answer with status 200; such an answer may still be an error.
pub(super) fn read(body: Bytes, upstream_id: Option<String>, reject: Reject<'_>) -> Result<WholeAnswer, LlmError> {
    let completion: Completion<'_> =
        serde_json::from_slice(&body).map_err(|_| LlmError::Protocol("a JSON answer was expected"))?;
    if completion.error.is_some_and(|error| error.get() != "null") {
        return Err(reject.answer(&body));
    }
    let (usage, terms) = (completion.usage(), completion.terms());
    let Some(mut choices) = completion.choices else {
        return Err(LlmError::Protocol("an answer without choices"));
    };
    choices.text.truncate(choices.first_text_len);
    Ok(WholeAnswer {
        text: choices.text,
        usage,
        terms,
        output: choices.output,
        reasoning: choices.reasoning,
        finish: choices.finish,
        upstream_id,
        dropped: Vec::new(),
        body,
    })
}

/// The same for vectors, which are not looked into.
pub(super) fn read_embeddings(
    body: Bytes,
    upstream_id: Option<String>,
    reject: Reject<'_>,
) -> Result<WholeAnswer, LlmError> {
    let answer: Embeddings<'_> =
        serde_json::from_slice(&body).map_err(|_| LlmError::Protocol("a JSON answer was expected"))?;
    if answer.error.is_some() {
        return Err(reject.answer(&body));
    }
    if answer.data.is_none() {
        return Err(LlmError::Protocol("an answer without vectors"));
    }
    Ok(WholeAnswer {
        text: String::new(),
        usage: answer.usage(),
        terms: None,
        output: Estimate::default(),
        reasoning: Estimate::default(),
        finish: None,
        upstream_id,
        dropped: Vec::new(),
        body,
    })
}
