//! `hub keys …`: the keys that sign tokens. Not to be mixed up with API keys, which are made with `hub admin create-key`.

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use hub_types::{Clock, random_bytes};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Context, Outcome};
use crate::compose::{Secrets, token_keys};
use crate::config::Loaded;
use crate::secrets;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Replace the secret that signs tokens; nobody is signed out, because the old one is accepted until its sessions have ended
    Rotate {
        /// Forget the old secret at once, for when somebody may have it: everybody has to sign in again
        #[arg(long)]
        at_once: bool,
    },
}

/// Runs one of them.
pub(super) fn keys(context: &Context, command: &KeysCommand) -> Result<Outcome> {
    let KeysCommand::Rotate { at_once } = command;
    let loaded = context.load(None)?;
    if loaded.settings.security.jwt_secret.is_some() {
        advise(context, &loaded, *at_once)
    } else {
        rotate(context, &loaded, *at_once)
    }
}

/// The embedded hub's secret, in its own file.
fn rotate(context: &Context, loaded: &Loaded, at_once: bool) -> Result<Outcome> {
    context.directory.create()?;
    let now = Clock::system().now();
    let days = u64::try_from(loaded.settings.sessions.absolute_days).unwrap_or(0);
    let until = (!at_once).then(|| now + Duration::from_hours(24 * days));
    let rotated = secrets::rotate(&context.directory.secrets(), now, until)?;
    let algorithm = loaded.settings.security.token_algorithm;
    let kid = |secret: &secrecy::SecretString| -> Result<String> {
        let keys = token_keys(&Secrets::one(secret.expose_secret()))?.signing_with(algorithm);
        Ok(keys.kid().to_owned())
    };
    let (newer, older) = (kid(&rotated.newer)?, kid(&rotated.older)?);
    let value = json!({ "rotated": true, "kid": newer, "previousKid": older, "previousAcceptedUntil": until, "restartNeeded": true });
    let fate = match until {
        Some(until) => {
            format!("Tokens of the old key {older} are accepted until {}; nobody is signed out.", until.to_rfc3339())
        }
        None => format!("Tokens of the old key {older} are refused from then on; everybody has to sign in again."),
    };
    let words = format!(
        "A new key signs tokens from the next start of the hub on: {newer}.\n{fate}\nRestart the hub if it is running."
    );
    context.report(&value, &words)?;
    Ok(Outcome::Good)
}

/// A secret that was given in the settings is the operator's to replace: a new one, and what to do with it.
fn advise(context: &Context, loaded: &Loaded, at_once: bool) -> Result<Outcome> {
    let security = &loaded.settings.security;
    let secret = hex::encode(random_bytes::<32>());
    let mut steps = Vec::new();
    if security.sealing_secret.is_none() && !loaded.settings.is_embedded() {
        steps.push(
            "Once: set HUB__SECURITY__SEALING_SECRET to the present JWT_SECRET in every process, because second factors are sealed with it."
                .to_owned(),
        );
    }
    if at_once {
        steps.push("Set JWT_SECRET to the new secret, unset JWT_SECRET_PREVIOUS, restart every process; everybody has to sign in again.".to_owned());
    } else {
        let days = loaded.settings.sessions.absolute_days;
        steps.extend([
            "With several processes: set JWT_SECRET_PREVIOUS to the new secret and restart them one by one, so that all accept it."
                .to_owned(),
            "Set JWT_SECRET to the new secret and JWT_SECRET_PREVIOUS to the present one; restart them one by one.".to_owned(),
            format!("After {days} days, when the last session of the old secret has ended, unset JWT_SECRET_PREVIOUS."),
        ]);
    }
    let value = json!({ "rotated": false, "jwtSecret": secret, "steps": steps });
    let numbered = steps.iter().enumerate().map(|(index, step)| format!("{}. {step}\n", index + 1));
    let words: String = [
        format!("security.jwt_secret is given ({}), so this changed nothing. A new secret, shown now and never again:\n{secret}\n", loaded.source("security.jwt_secret")),
    ]
    .into_iter()
    .chain(numbered)
    .collect();
    context.report(&value, &words)?;
    Ok(Outcome::Good)
}
