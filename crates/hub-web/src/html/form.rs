//! A form that a script sends to the API as JSON. Nothing is sent by looking at it, and without the script nothing is sent at all.

use std::fmt::Write;

use super::escape;

/// One input with its label.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in the JSON body.
    pub name: &'static str,
    /// What stands above it.
    pub label: &'static str,
    /// `text`, `email` or `password`.
    pub kind: &'static str,
    /// The browser's word for what belongs in (`autocomplete` of the HTML standard).
    pub autocomplete: &'static str,
    /// What stands below it; may be empty.
    pub hint: &'static str,
    /// False: it may stay empty, and is not sent then.
    pub required: bool,
    /// True: shown only when the API asks for it.
    pub later: bool,
}

/// A form.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Where the script posts.
    pub post: &'static str,
    /// Its inputs, in order.
    pub fields: &'static [Field],
    /// What the button says.
    pub button: &'static str,
    /// What is said afterwards, where the API says nothing better.
    pub done: &'static str,
}

impl Form {
    pub(super) fn write(&self, out: &mut String) {
        // Writing to a string does not fail.
        let _ = write!(out, "<form data-post=\"{}\" data-done=\"{}\">", escape(self.post), escape(self.done));
        for field in self.fields {
            let Field { name, kind, autocomplete, .. } = field;
            let (label, hint) = (escape(field.label), escape(field.hint));
            let hidden = if field.later { " hidden data-later" } else { "" };
            let required = if field.required { " required" } else { "" };
            let described = if hint.is_empty() { String::new() } else { format!(" aria-describedby=\"{name}-hint\"") };
            let _ = write!(
                out,
                "<div{hidden}><label for=\"{name}\">{label}</label><input id=\"{name}\" name=\"{name}\" type=\"{kind}\" \
                 autocomplete=\"{autocomplete}\"{required}{described}>"
            );
            if !hint.is_empty() {
                let _ = write!(out, "<p class=\"hint\" id=\"{name}-hint\">{hint}</p>");
            }
            out.push_str("</div>");
        }
        let _ = write!(
            out,
            "<p class=\"problem\" role=\"alert\" hidden></p><button>{}</button></form>",
            escape(self.button)
        );
    }
}
