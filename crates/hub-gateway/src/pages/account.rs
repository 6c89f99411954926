//! The pages that mails link to, and sign-in: forms whose script posts to the API. Looking at one changes nothing, so that what opens links
//! in mails before their reader does no harm.
//!
//! They stand where a web UI would have its own and are served only where there is none.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use hub_web::html::{Field, Form, Page};

/// What reads the link's secret and sends the forms.
const SCRIPT: &str = "/docs/account.js";

const NEW_PASSWORD: Field = Field {
    name: "password",
    label: "New password",
    kind: "password",
    autocomplete: "new-password",
    hint: "At least 15 characters of any kind; or at least 8 with a capital letter, a digit and a special character.",
    required: true,
    later: false,
};
const EMAIL: Field = Field {
    name: "email",
    label: "E-mail address",
    kind: "email",
    autocomplete: "username",
    hint: "",
    required: true,
    later: false,
};
const NAME: Field = Field {
    name: "name",
    label: "Your name",
    kind: "text",
    autocomplete: "name",
    hint: "May stay empty.",
    required: false,
    later: false,
};
const PASSWORD: Field = Field {
    name: "password",
    label: "Password",
    kind: "password",
    autocomplete: "current-password",
    hint: "",
    required: true,
    later: false,
};
const SECOND_FACTOR: Field = Field {
    name: "totp",
    label: "Code of your authenticator app",
    kind: "text",
    autocomplete: "one-time-code",
    hint: "Or one of your recovery codes.",
    required: false,
    later: true,
};

/// One page.
struct Shown {
    path: &'static str,
    title: &'static str,
    text: &'static str,
    form: Form,
    /// The page to go on to: path and label.
    next: (&'static str, &'static str),
}

const SIGN_IN: (&str, &str) = ("/login", "Sign in");

const PAGES: [Shown; 7] = [
    Shown {
        path: "/reset-password",
        title: "Choose a new password",
        text: "All your devices are signed out then. API keys still work.",
        form: Form {
            post: "/api/auth/reset-password",
            fields: &[NEW_PASSWORD],
            button: "Set the password",
            done: "Your password is changed. You can sign in with it now.",
        },
        next: SIGN_IN,
    },
    Shown {
        path: "/verify-email",
        title: "Confirm your address",
        text: "Confirm that the address you registered with is yours.",
        form: Form {
            post: "/api/auth/verify-email",
            fields: &[],
            button: "Confirm",
            done: "Your address is confirmed. You can sign in now.",
        },
        next: SIGN_IN,
    },
    Shown {
        path: "/accept-invite",
        title: "Make your account",
        text: "Choose a password. Nobody else ever learns it, not even those who invited you.",
        form: Form {
            post: "/api/auth/accept-invite",
            fields: &[NAME, NEW_PASSWORD],
            button: "Make the account",
            done: "Your account is made. You can sign in now.",
        },
        next: SIGN_IN,
    },
    Shown {
        path: "/change-email",
        title: "Confirm the change of your address",
        text: "First your present address agrees, then the new one is confirmed in the same way.",
        form: Form { post: "/api/auth/change-email/confirm", fields: &[], button: "Confirm", done: "Thank you." },
        next: SIGN_IN,
    },
    Shown {
        path: "/revert-email",
        title: "Take the change of your address back",
        text: "Your account gets its former address again, and all devices are signed out.",
        form: Form {
            post: "/api/auth/change-email/revert",
            fields: &[],
            button: "Take it back",
            done: "Your account has its former address again. Choose a new password next.",
        },
        next: ("/forgot-password", "Choose a new password"),
    },
    Shown {
        path: "/forgot-password",
        title: "Forgot your password?",
        text: "If there is an account with this address, a link for a new password is mailed to it.",
        form: Form {
            post: "/api/auth/forgot-password",
            fields: &[EMAIL],
            button: "Mail the link",
            done: "Look into your mailbox. The link works for 30 minutes.",
        },
        next: SIGN_IN,
    },
    Shown {
        path: "/login",
        title: "Sign in",
        text: "With the address and the password of your account.",
        form: Form {
            post: "/api/auth/login",
            fields: &[EMAIL, PASSWORD, SECOND_FACTOR],
            button: "Sign in",
            done: "You are signed in.",
        },
        next: ("/forgot-password", "Forgot your password?"),
    },
];

/// All of them.
pub(super) fn router() -> Router {
    PAGES.iter().fold(Router::new(), |router, page| router.route(page.path, get(async || page.answer())))
}

impl Shown {
    fn answer(&self) -> Response {
        let (path, label) = self.next;
        Page::new(self.title).text(self.text).form(&self.form, SCRIPT).link(path, label).way_back().into_response()
    }
}
