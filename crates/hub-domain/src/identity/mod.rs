//! Accounts: registration, proof of a mailbox, passwords, sign-in.
//!
//! Invariants: an account exists only after its mailbox was proven (or an operator vouched for it), so nobody can register somebody
//! else's address beforehand; no answer tells whether an address is known; no secret is stored that could be used as it stands.

pub(crate) mod asked;
mod change_email;
mod change_password;
pub(crate) mod factor;
mod hasher;
mod invite;
mod letter;
mod link;
mod login;
pub(crate) mod mails;
pub(crate) mod notices;
mod operator;
mod password;
mod policy;
mod proof;
mod reauthenticate;
mod recovery;
mod register;
mod resend;
mod reset;
mod stuffing;
pub(crate) mod throttle;
mod totp;
mod verify_email;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use hub_types::random_bytes;
use serde::Deserialize;

pub use asked::{forgot_password, resend_verification};
pub use change_email::{ChangeEmailError, EmailConfirmed, change_email, confirm_email, revert_email};
pub(crate) use change_email::{SetEmailError, set_email};
pub use change_password::{ChangePassword, ChangePasswordError, change_password};
pub use factor::{FactorError, TotpStart, TotpStatus, confirm_totp, remove_totp, start_totp, totp_status};
pub use hasher::{Algorithm, HashSettings, Hasher, HasherError, Verdict};
pub use invite::{AcceptInvite, AcceptInviteError, accept_invite};
pub use link::LinkError;
pub use login::{Login, LoginError, login};
pub use operator::{
    AdminCreated, OperatorError, admin_create_user, admin_remove_totp, admin_reset_password, find_by_email, has_admin,
};
pub use password::{Password, PasswordError};
pub use policy::Weakness;
pub(crate) use policy::weaknesses;
pub use proof::ProofError;
pub use reauthenticate::{ReauthenticateError, reauthenticate};
pub use register::{Register, RegisterError, register};
pub(crate) use register::{checked_name, mail_proof_of_identity};
pub(crate) use reset::mail_reset_for;
pub use reset::reset_password;
pub use verify_email::{MailboxProof, VerifyError, verify_email};
pub(crate) use verify_email::{PASSWORD_PROVIDER, furnish};

/// How long a mailed code works (ASVS 6.5.5).
const CODE_LIFE: Duration = Duration::minutes(10);
/// How long the link of a registration works and the registration can be mailed again.
const REGISTRATION_LIFE: Duration = Duration::hours(24);
/// How long the link of a reset works.
const RESET_LIFE: Duration = Duration::minutes(30);
/// Attempts per code.
const CODE_TRIES: i32 = 5;
/// Digits per code.
const CODE_DIGITS: usize = 6;

/// `[identity]` in `hub.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where people reach this hub; links in mails begin with it. Never taken from a request. No slash at the end.
    pub public_url: String,
    /// What mails call this hub.
    pub product: String,
    /// Whether strangers may register.
    pub registration: bool,
    /// Days an invitation can be accepted.
    pub invite_days: i64,
    /// How passwords are hashed.
    pub passwords: HashSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:3000".to_owned(),
            product: "Smart AI Hub".to_owned(),
            registration: true,
            invite_days: 7,
            passwords: HashSettings::default(),
        }
    }
}

/// The secret of a mailed link: 256 random bits.
pub(crate) fn link_secret() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}
