//! The content of chat messages as blocks.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::wire::BadRequest;

/// One block of a messages request.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutBlock {
    Text {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Box<RawValue>>,
    },
    Image {
        source: Source,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Box<RawValue>>,
    },
    Document {
        source: Source,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
    },
    ToolUse {
        id: String,
        name: String,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<OutBlock>,
    },
    /// A block of an earlier answer, as it came.
    #[serde(untagged)]
    Kept(Box<RawValue>),
}

impl OutBlock {
    pub(super) fn text(text: String) -> Self {
        Self::Text { text, cache_control: None }
    }
}

/// Where a picture or a document is.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source {
    Base64 { media_type: String, data: String },
    Url { url: String },
}

/// `content` of a chat message.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// One part. Which fields stand depends on `type`.
#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(rename = "type", default)]
    kind: String,
    text: Option<String>,
    refusal: Option<String>,
    image_url: Option<ImageUrl>,
    file: Option<File>,
    cache_control: Option<CacheControl>,
}

#[derive(Deserialize)]
struct ImageUrl {
    url: String,
}

#[derive(Deserialize)]
struct File {
    file_data: Option<String>,
    filename: Option<String>,
}

/// `cache_control`, Anthropic's own field, carried where a caller sets it on a chat part. Not raw JSON, because a part is read through
/// a buffer.
#[derive(Deserialize)]
struct CacheControl(serde_json::Value);

impl CacheControl {
    fn raw(self) -> Option<Box<RawValue>> {
        serde_json::value::to_raw_value(&self.0).ok().filter(|raw| raw.get() != "null")
    }
}

/// The blocks of a message's content. Empty text is refused there, so it is left out.
pub(super) fn blocks(content: Option<Content>, at: &str) -> Result<Vec<OutBlock>, BadRequest> {
    let parts = match content {
        None => return Ok(Vec::new()),
        Some(Content::Text(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(Content::Text(text)) => return Ok(vec![OutBlock::text(text)]),
        Some(Content::Parts(parts)) => parts,
    };
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        let missing = |field: &str| BadRequest::at(at, &format!("a part of type {} needs `{field}`", part.kind));
        match part.kind.as_str() {
            "text" | "refusal" => {
                let text = part.text.or(part.refusal).unwrap_or_default();
                if !text.is_empty() {
                    out.push(OutBlock::Text { text, cache_control: part.cache_control.and_then(CacheControl::raw) });
                }
            }
            "image_url" => {
                let url = part.image_url.ok_or_else(|| missing("image_url"))?.url;
                let cache_control = part.cache_control.and_then(CacheControl::raw);
                out.push(OutBlock::Image { source: picture(url, at)?, cache_control });
            }
            "file" => {
                let file = part.file.ok_or_else(|| missing("file"))?;
                let data = file.file_data.ok_or_else(|| {
                    BadRequest::at(at, "a file kept at OpenAI cannot be read by this model's provider: send its data")
                })?;
                out.push(OutBlock::Document { source: document(&data, at)?, title: file.filename });
            }
            other => {
                return Err(BadRequest::at(
                    at,
                    &format!("parts of type {other:?} cannot be sent to this model's provider"),
                ));
            }
        }
    }
    Ok(out)
}

fn picture(url: String, at: &str) -> Result<Source, BadRequest> {
    match data_url(&url) {
        Some((media_type, data)) => Ok(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() }),
        None if url.starts_with("data:") => Err(BadRequest::at(at, "the data of an image must be base64")),
        None => Ok(Source::Url { url }),
    }
}

fn document(data: &str, at: &str) -> Result<Source, BadRequest> {
    match data_url(data) {
        Some((media_type @ "application/pdf", data)) => {
            Ok(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
        }
        _ => Err(BadRequest::at(at, "only PDF files in a base64 data URL can be sent to this model's provider")),
    }
}

/// Media type and base64 data of a data URL; parameters before `;base64` are left out.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    Some((head.split(';').next().unwrap_or(head), data))
}
