//! The `messages` of a chat request: checked, measured, and read as text. They are never re-written.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Text;
use crate::wire::document::{self, member};
use crate::wire::{BadRequest, kept};

/// Most messages in one request.
const MESSAGE_LIMIT: usize = 10_000;
const ROLES: [&str; 6] = ["developer", "system", "user", "assistant", "tool", "function"];

/// How large a prompt is, part by part; what [`crate::llm::count::input_bound`] works from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PromptSize {
    /// Messages.
    pub messages: usize,
    /// UTF-8 bytes of all text, JSON escapes undone.
    pub text_bytes: usize,
    /// JSON bytes of everything else that reaches the model: tools, schemas, tool calls, fields nobody here knows.
    pub other_bytes: usize,
    /// Pictures.
    pub images: usize,
    /// Pictures with `detail: "low"`.
    pub low_images: usize,
    /// JSON bytes of sound.
    pub audio_bytes: usize,
    /// Parts and tools whose tokens cannot be known from the request: files, videos, tools that the provider runs.
    pub unsizable: usize,
}

/// One message as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageText {
    /// Its role.
    pub role: String,
    /// Its text parts, joined by line breaks.
    pub text: String,
}

/// Checks `messages` and adds their size to `size`.
pub(super) fn measure(raw: &RawValue, size: &mut PromptSize) -> Result<(), BadRequest> {
    visit(raw, &mut |message| {
        size.messages += 1;
        size.other_bytes += message.other_bytes;
        match &message.content {
            Content::None => {}
            Content::Text(text) => size.text_bytes += text.len(),
            Content::Parts(parts) => parts.iter().for_each(|part| part.measure(size)),
        }
    })
}

/// Reads the text of every message. `raw` has been checked before; what cannot be read is left out.
pub(super) fn texts(raw: &RawValue) -> Vec<MessageText> {
    let mut texts = Vec::new();
    let read = visit(raw, &mut |message| {
        let text = match message.content {
            Content::None => String::new(),
            Content::Text(text) => text.into_owned(),
            Content::Parts(parts) => {
                let lines: Vec<&str> = parts.iter().filter_map(|part| part.text.get()).collect();
                lines.join("\n")
            }
        };
        texts.push(MessageText { role: message.role.into_owned(), text });
    });
    debug_assert!(read.is_ok(), "messages were checked when the request was read");
    texts
}

/// The messages without `thinking_blocks`; `None` when there are none.
pub(super) fn without_thoughts(messages: &str) -> Option<String> {
    const FIELD: &str = "thinking_blocks";
    if !messages.contains(FIELD) {
        return None;
    }
    let list: Vec<&RawValue> = serde_json::from_str(messages).ok()?;
    let mut changed = false;
    let less = list.into_iter().map(|raw| {
        let Some(fields) = document::top(raw.get()).ok().filter(|fields| fields.get(FIELD).is_some()) else {
            return raw.get().to_owned();
        };
        changed = true;
        let mut out = vec![b'{'];
        for (name, value) in fields.0.iter().filter(|(name, _)| name != FIELD) {
            member(&mut out, name, value.get().as_bytes());
        }
        out.push(b'}');
        String::from_utf8_lossy(&out).into_owned()
    });
    let less: Vec<String> = less.collect();
    changed.then(|| format!("[{}]", less.join(",")))
}

fn visit(raw: &RawValue, each: &mut dyn FnMut(Message<'_>)) -> Result<(), BadRequest> {
    if !raw.get().starts_with('[') {
        return Err(BadRequest::at("messages", "must be an array"));
    }
    let at = Cell::new(0);
    let mut json = serde_json::Deserializer::from_str(raw.get());
    let read = Messages { each, at: &at }.deserialize(&mut json);
    match (read, at.get()) {
        (Ok(()), 0) => Err(BadRequest::at("messages", "must not be empty")),
        (Ok(()), _) => Ok(()),
        (Err(_), MESSAGE_LIMIT) => Err(BadRequest::at("messages", &format!("must have at most {MESSAGE_LIMIT} items"))),
        (Err(error), index) => {
            let said = error.to_string();
            let message = said.split(" at line ").next().unwrap_or("is not valid");
            Err(BadRequest::at(&format!("messages[{index}]"), message))
        }
    }
}

/// Reads the array message by message, remembering where it is, so that an error can say so.
struct Messages<'c, 'f> {
    each: &'f mut dyn FnMut(Message<'_>),
    at: &'c Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Messages<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Messages<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(message) = items.next_element::<Message<'de>>()? {
            if self.at.get() == MESSAGE_LIMIT {
                return Err(A::Error::custom("too many messages"));
            }
            (self.each)(message);
            self.at.set(self.at.get() + 1);
        }
        Ok(())
    }
}

struct Message<'a> {
    role: Cow<'a, str>,
    content: Content<'a>,
    other_bytes: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = Message<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut role = None;
        let mut content = None;
        let mut other_bytes = 0;
        while let Some(key) = fields.next_key::<Text<'de>>()? {
            match key.as_str() {
                "role" if role.is_none() => role = fields.next_value::<Text<'de>>()?.into_cow(),
                "content" if content.is_none() => content = Some(fields.next_value()?),
                "role" | "content" => return Err(A::Error::custom(format!("has `{}` twice", key.as_str()))),
                name => {
                    let value = fields.next_value::<&'de RawValue>()?.get();
                    // Sound of an earlier answer is named by its id.
                    if name == "audio" && value != "null" {
                        return Err(A::Error::custom(kept::told("audio.id")));
                    }
                    other_bytes += name.len() + value.len();
                }
            }
        }
        match role {
            Some(role) if ROLES.contains(&&*role) => {
                Ok(Message { role, content: content.unwrap_or(Content::None), other_bytes })
            }
            Some(_) => Err(A::Error::custom(format!("role must be one of {}", ROLES.join(", ")))),
            None => Err(A::Error::custom("role is missing")),
        }
    }
}

enum Content<'a> {
    None,
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("content as a string, an array of parts, or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Content::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(raw) = items.next_element::<&'de RawValue>()? {
            if let Some(name) = kept::named(raw) {
                return Err(A::Error::custom(kept::told(name)));
            }
            parts.push(Part::read(raw).map_err(|_| A::Error::custom("content has a part that is not valid"))?);
        }
        Ok(Content::Parts(parts))
    }
}

struct Part<'a> {
    kind: Cow<'a, str>,
    text: Text<'a>,
    low_detail: bool,
    bytes: usize,
}

#[derive(Deserialize)]
struct WirePart<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    image_url: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ImageDetail<'a> {
    #[serde(borrow, default)]
    detail: Text<'a>,
}

impl<'a> Part<'a> {
    fn read(raw: &'a RawValue) -> Result<Self, serde_json::Error> {
        let part: WirePart<'a> = serde_json::from_str(raw.get())?;
        let detail = part.image_url.and_then(|url| serde_json::from_str::<ImageDetail<'_>>(url.get()).ok());
        Ok(Self {
            kind: part.kind.into_cow().unwrap_or_default(),
            text: if part.text.get().is_some() { part.text } else { part.refusal },
            low_detail: detail.is_some_and(|image| image.detail.as_str() == "low"),
            bytes: raw.get().len(),
        })
    }

    fn measure(&self, size: &mut PromptSize) {
        match &*self.kind {
            "text" | "refusal" => size.text_bytes += self.text.as_str().len(),
            "image_url" if self.low_detail => size.low_images += 1,
            "image_url" => size.images += 1,
            "input_audio" => size.audio_bytes += self.bytes,
            _ => {
                size.other_bytes += self.bytes;
                size.unsizable += 1;
            }
        }
    }
}
