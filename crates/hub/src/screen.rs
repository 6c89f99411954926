//! What a person sees on the terminal when the hub has started: where it is, how to sign in, what to try. Secrets only at the first start.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use crate::config::Settings;
use crate::first_start::FirstAdmin;
use crate::roles::Roles;

/// The facts of one start.
pub(crate) struct Started<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) roles: Roles,
    /// Where the hub answers, such as `http://127.0.0.1:3000`; `None` for a worker alone.
    pub(crate) address: Option<&'a str>,
    pub(crate) data_dir: &'a str,
    /// Names of the providers other than the sandbox.
    pub(crate) providers: Vec<&'a str>,
    pub(crate) first: Option<&'a FirstAdmin>,
}

impl Started<'_> {
    /// The screen.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, f: &mut String) -> fmt::Result {
        let address = self.address.unwrap_or("no listener");
        writeln!(f, "\n  Smart AI Hub {} is running", env!("CARGO_PKG_VERSION"))?;
        writeln!(f, "\n  Address    {address}")?;
        writeln!(f, "  Data       {}", if self.settings.is_embedded() { self.data_dir } else { "PostgreSQL" })?;
        if self.roles != Roles::ALL {
            writeln!(f, "  Roles      {}", self.roles)?;
        }
        let mut providers = self.providers.clone();
        if self.settings.offers_sandbox() {
            providers.push("sandbox");
        }
        writeln!(f, "  Providers  {}", if providers.is_empty() { "none".to_owned() } else { providers.join(", ") })?;
        if let Some(first) = self.first {
            self.first_time(f, address, first)?;
        }
        writeln!(f, "\n  Stop with Ctrl-C.\n")
    }

    fn first_time(&self, f: &mut String, address: &str, first: &FirstAdmin) -> fmt::Result {
        let FirstAdmin { email, password, key, credits } = first;
        writeln!(f, "\n  This is the first start. Shown now and never again:")?;
        writeln!(
            f,
            "\n    Sign in    {email}\n    Password   {password}\n    API key    {key}\n    Credits    {credits}"
        )?;
        writeln!(f, "\n  Forgotten?  hub admin reset-password --email {email}{}", self.data_option())?;
        writeln!(f, "\n  Chat with the sandbox, which needs no account anywhere:")?;
        let body = r#"{"model":"sandbox","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
        writeln!(f, "\n    curl -N {address}/v1/chat/completions -H 'Authorization: Bearer {key}' \\")?;
        writeln!(f, "      -H 'Content-Type: application/json' -d '{body}'")?;
        writeln!(f, "\n  Make a key on the command line:")?;
        writeln!(f, "\n    hub admin create-key --email {email} --name my-program{}", self.data_option())?;
        writeln!(f, "\n  or over HTTP, with the access token of POST {address}/api/auth/login:")?;
        writeln!(f, "\n    curl {address}/api/keys -H \"Authorization: Bearer $ACCESS_TOKEN\" \\")?;
        writeln!(f, "      -H 'Content-Type: application/json' -d '{{\"name\":\"my-program\"}}'")?;
        if self.providers.is_empty() {
            writeln!(
                f,
                "\n  Use real models: stop the hub and start it with OPENAI_API_KEY=sk-… (for another server that speaks its"
            )?;
            writeln!(f, "  protocol also OPENAI_BASE_URL=…), or add [[providers]] to {}/hub.toml.", self.data_dir)?;
        }
        writeln!(f, "\n  Point any OpenAI SDK at {address}/v1 with that key. The API is explained at {address}/docs")
    }

    fn data_option(&self) -> String {
        if self.data_dir == crate::data_dir::USUAL { String::new() } else { format!(" --data-dir {}", self.data_dir) }
    }

    /// The same for programs: one line of JSON.
    pub(crate) fn json(&self) -> Value {
        let mut value = json!({ "address": self.address, "roles": self.roles.to_string() });
        if let (Some(first), Value::Object(fields)) = (self.first, &mut value) {
            let first =
                json!({ "email": first.email, "password": first.password, "key": first.key, "credits": first.credits });
            fields.insert("firstAdmin".to_owned(), first);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_types::Credits;

    fn screen(first: Option<&FirstAdmin>) -> String {
        let settings = Settings::default();
        let address = Some("http://127.0.0.1:3000");
        Started { settings: &settings, roles: Roles::ALL, address, data_dir: "hub-data", providers: Vec::new(), first }
            .text()
    }

    #[test]
    fn the_first_screen_says_all_that_a_newcomer_needs() {
        let first = FirstAdmin {
            email: "admin@localhost".parse().unwrap(),
            password: "PASS".to_owned(),
            key: "sk_KEY".to_owned(),
            credits: Credits::whole(1000),
        };
        let text = screen(Some(&first));
        for word in [
            "http://127.0.0.1:3000",
            "admin@localhost",
            "PASS",
            "curl -N http://127.0.0.1:3000/v1/chat/completions -H 'Authorization: Bearer sk_KEY'",
            "hub admin create-key --email admin@localhost",
            "/api/keys",
            "OPENAI_API_KEY",
            "/docs",
        ] {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
    }

    #[test]
    fn later_screens_are_short() {
        let text = screen(None);
        assert!(text.contains("http://127.0.0.1:3000") && text.contains("sandbox"));
        assert!(text.lines().count() < 12 && !text.contains("Password"));
    }
}
