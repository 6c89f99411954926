//! The audit trail: who did what to whom. Rows are written in the transaction of the change they tell about, so neither exists
//! without the other. They never hold a password, token, code or key.
//!
//! `docs/audit.md` lists every action. The database refuses to change a row, and to delete one before its time.

mod denied;
mod read;
mod retention;

use hub_store::{StoreError, Tx};
use hub_types::{Acting, AuditId, Caller, Credential, Email, UserId};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{Hub, Origin};

pub use denied::{DeniedCall, record_denied};
pub use hub_store::audit::Entry;
pub use read::{AuditError, Position, Query, begin_export, export_page, list, list_own};
pub(crate) use retention::delete_old;

/// Longest text of one field, in characters.
const LONGEST: usize = 300;

/// `[audit]` in `hub.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Days after which a row is deleted; 0 keeps all for ever.
    pub keep_days: u32,
}

/// Something that happened, such as `auth.login` or `key.created`.
#[derive(Debug, Clone)]
pub struct Event {
    action: &'static str,
    failed: bool,
    actor: Option<UserId>,
    actor_email: String,
    target_kind: &'static str,
    target_id: String,
    user: Option<UserId>,
    acting_as: Option<UserId>,
    details: Value,
}

impl Event {
    /// An event that succeeded, by nobody known, about nothing in particular.
    pub fn new(action: &'static str) -> Self {
        Self {
            action,
            failed: false,
            actor: None,
            actor_email: String::new(),
            target_kind: "",
            target_id: String::new(),
            user: None,
            acting_as: None,
            details: json!({}),
        }
    }

    /// Done by this caller. The command line acts for no account.
    pub fn by(mut self, caller: &Caller) -> Self {
        if let Some(acting) = &caller.acting {
            return self.by_acting(acting, caller.user);
        }
        self.actor = (caller.credential != Credential::Operator).then_some(caller.user);
        caller.email.as_str().clone_into(&mut self.actor_email);
        self
    }

    /// Done by an administrator in the place of this user; `actingAs` in the details says whose.
    pub fn by_acting(mut self, acting: &Acting, user: UserId) -> Self {
        self.acting_as = Some(user);
        self.by_user(acting.user, &acting.email)
    }

    /// Done by this user, where there is no caller yet (sign-in, reset).
    pub fn by_user(mut self, user: UserId, email: &Email) -> Self {
        self.actor = Some(user);
        self.tried_as(email)
    }

    /// Tried under this address by somebody who could not prove it.
    pub fn tried_as(mut self, email: &Email) -> Self {
        email.as_str().clone_into(&mut self.actor_email);
        self
    }

    /// It did not succeed.
    pub fn failed(mut self) -> Self {
        self.failed = true;
        self
    }

    /// What it was done to: `user`, `session`, `key`, …
    pub fn on(mut self, kind: &'static str, id: &str) -> Self {
        self.target_kind = kind;
        id.clone_into(&mut self.target_id);
        self
    }

    /// Whose account it concerns; that user may read the row.
    pub fn about(mut self, user: UserId) -> Self {
        self.user = Some(user);
        self
    }

    /// More facts; no secrets.
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }
}

/// Appends the event to the trail.
pub async fn record(hub: &Hub, tx: &mut Tx, origin: &Origin, mut event: Event) -> Result<(), StoreError> {
    if let (Some(user), Value::Object(details)) = (event.acting_as, &mut event.details) {
        details.insert("actingAs".to_owned(), json!(user));
    }
    let entry = Entry {
        id: AuditId::new(&hub.clock),
        at: hub.clock.now(),
        action: event.action.to_owned(),
        outcome: if event.failed { "failed" } else { "ok" }.to_owned(),
        actor: event.actor,
        actor_email: clean(&event.actor_email),
        target_kind: event.target_kind.to_owned(),
        target_id: clean(&event.target_id),
        user: event.user,
        address: clean(&origin.address),
        user_agent: clean(&origin.user_agent),
        request_id: clean(&origin.request_id),
        details: cleaned(event.details),
    };
    hub_store::audit::insert(tx, &entry).await
}

/// Cuts a text from outside and writes control characters out as `\u{a}`, so that it cannot forge lines or colours where it
/// is shown (ASVS 16.4.1).
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len().min(LONGEST));
    for character in text.chars().take(LONGEST) {
        // Bidirectional overrides reorder what is shown; they are as bad as control characters.
        if character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            cleaned.extend(character.escape_unicode());
        } else {
            cleaned.push(character);
        }
    }
    cleaned
}

/// The same for every text inside a value.
fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text)),
        Value::Array(list) => Value::Array(list.into_iter().map(cleaned).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, cleaned(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_and_colours_are_written_out() {
        assert_eq!(clean("curl\r\nroot ok\u{1b}[31m"), "curl\\u{d}\\u{a}root ok\\u{1b}[31m");
        assert_eq!(clean("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(clean(&"ä".repeat(400)).chars().count(), 300);
    }

    #[test]
    fn details_are_cleaned_however_deep() {
        let dirty = json!({ "a": ["x\ny", { "b": "\u{1b}[0m" }], "n": 1 });
        assert_eq!(cleaned(dirty), json!({ "a": ["x\\u{a}y", { "b": "\\u{1b}[0m" }], "n": 1 }));
    }
}
