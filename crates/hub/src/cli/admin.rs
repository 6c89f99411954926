//! `hub admin …`: what the operator at the machine may do with accounts, keys and credits. Works while the hub runs.

use std::io;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use hub_domain::credits::{self, Grant};
use hub_domain::keys::{self, NewKey};
use hub_domain::{Hub, Origin, identity};
use hub_types::{Credits, Email, UserId};
use serde_json::{Value, json};

use super::{Context, Outcome};
use crate::first_start::operator;

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Make an account whose address counts as proven
    CreateUser {
        /// Address to sign in with
        #[arg(long)]
        email: Email,
        /// Password, or - to read it from standard input; made up and shown when not given
        #[arg(long)]
        password: Option<String>,
        /// Role: user, manager, admin, guest, or one of your own
        #[arg(long, default_value = "user")]
        role: String,
        /// Display name
        #[arg(long, default_value = "")]
        name: String,
    },
    /// Make an API key for an account; it is shown once
    CreateKey {
        /// Whose key
        #[arg(long)]
        email: Email,
        /// What the owner calls it
        #[arg(long)]
        name: String,
        /// Permissions it is narrowed to, separated by commas; without this all that a key may have
        #[arg(long, value_delimiter = ',')]
        scopes: Vec<String>,
    },
    /// Set a new password and sign out all devices
    ResetPassword {
        /// Whose password
        #[arg(long)]
        email: Email,
        /// Password, or - to read it from standard input; made up and shown when not given
        #[arg(long)]
        password: Option<String>,
    },
    /// Take the second factor of an account away, for an owner who has lost phone and recovery codes
    RemoveTotp {
        /// Whose second factor
        #[arg(long)]
        email: Email,
    },
    /// Give credits to an account
    GrantCredits {
        /// To whom
        #[arg(long)]
        email: Email,
        /// How many, up to 6 digits after the point
        #[arg(long)]
        amount: Credits,
        /// Why; stands on the ledger
        #[arg(long, default_value = "Granted by the operator")]
        reason: String,
    },
}

/// Runs one of them.
pub(super) async fn admin(context: &Context, command: AdminCommand) -> Result<Outcome> {
    let hub = context.hub().await?;
    let done = match command {
        AdminCommand::CreateUser { email, password, role, name } => {
            create_user(&hub, &email, password, &role, &name).await
        }
        AdminCommand::CreateKey { email, name, scopes } => create_key(&hub, &email, name, scopes).await,
        AdminCommand::ResetPassword { email, password } => reset_password(&hub, &email, password).await,
        AdminCommand::RemoveTotp { email } => remove_totp(&hub, &email).await,
        AdminCommand::GrantCredits { email, amount, reason } => grant_credits(&hub, &email, amount, reason).await,
    };
    hub.tasks.stop().cancel();
    hub.tasks.drain().await;
    hub.store.close().await;
    let (value, words) = done?;
    context.report(&value, &words)?;
    Ok(Outcome::Good)
}

/// What a command tells: for programs and for people.
type Told = (Value, String);

async fn create_user(hub: &Hub, email: &Email, password: Option<String>, role: &str, name: &str) -> Result<Told> {
    let password = given(password)?;
    let made = identity::admin_create_user(hub, &operator()?, email, password.as_deref(), role, name).await?;
    let mut value = json!({ "id": made.user, "email": email, "role": role });
    let mut words = format!("Made the account {email} with the role {role} ({})", made.user);
    add_password(&mut value, &mut words, made.password);
    Ok((value, words))
}

async fn reset_password(hub: &Hub, email: &Email, password: Option<String>) -> Result<Told> {
    let password = given(password)?;
    let made = identity::admin_reset_password(hub, &operator()?, email, password.as_deref()).await?;
    let mut value = json!({ "id": made.user, "email": email });
    let mut words = format!("Set a new password for {email} and signed out all devices");
    add_password(&mut value, &mut words, made.password);
    Ok((value, words))
}

async fn remove_totp(hub: &Hub, email: &Email) -> Result<Told> {
    let removed = identity::admin_remove_totp(hub, &operator()?, email).await?;
    let words = if removed { "Took the second factor away from" } else { "There was no second factor on" };
    Ok((json!({ "email": email, "removed": removed }), format!("{words} {email}")))
}

async fn create_key(hub: &Hub, email: &Email, name: String, scopes: Vec<String>) -> Result<Told> {
    let user = account(hub, email).await?;
    let made = keys::create_for(hub, &operator()?, user, NewKey { name, scopes, ..NewKey::default() }).await?;
    let info = &made.info;
    let value =
        json!({ "key": made.key, "id": info.id, "prefix": info.prefix, "name": info.name, "scopes": info.scopes });
    Ok((value, format!("Shown now and never again:\n{}", made.key)))
}

async fn grant_credits(hub: &Hub, email: &Email, amount: Credits, reason: String) -> Result<Told> {
    let user = account(hub, email).await?;
    let row = credits::grant(hub, &operator()?, &Origin::default(), Grant { user, amount, reason, key: None }).await?;
    let value = json!({ "transactionId": row.id, "amount": row.amount, "balance": row.balance_after });
    Ok((value, format!("Gave {} credits to {email}; the balance is {}", row.amount, row.balance_after)))
}

async fn account(hub: &Hub, email: &Email) -> Result<UserId> {
    match identity::find_by_email(hub, email).await? {
        Some(user) if user.deleted_at.is_none() => Ok(user.id),
        _ => bail!("there is no account with the address {email}"),
    }
}

fn add_password(value: &mut Value, words: &mut String, password: Option<String>) {
    if let (Some(password), Value::Object(fields)) = (password, value) {
        words.push_str("\nPassword, shown now and never again: ");
        words.push_str(&password);
        fields.insert("password".to_owned(), password.into());
    }
}

/// An argument can be read by everybody on the machine, so `-` takes the password from standard input.
fn given(password: Option<String>) -> Result<Option<String>> {
    if password.as_deref() != Some("-") {
        return Ok(password);
    }
    let mut line = String::new();
    io::stdin().read_line(&mut line).context("standard input cannot be read")?;
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}
