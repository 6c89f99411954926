//! `hub doctor`: tries everything the hub depends on, changes nothing, says what is missing. Exit code 1 when something required is.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use hub_store::{Store, jobs};
use hub_types::Clock;
use serde::Serialize;
use tokio::time::timeout;

use super::{Context, Outcome};
use crate::compose;
use crate::config::sections::MailTransport;
use crate::config::{Loaded, Settings};
use crate::secrets;

/// The most one check may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Failed,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    state: State,
    message: String,
}

/// Everything that was tried.
#[derive(Debug, Default, Serialize)]
struct Findings {
    ok: bool,
    checks: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, check: &str, state: State, message: impl Into<String>) {
        self.checks.push(Finding { check: check.to_owned(), state, message: message.into() });
    }

    fn words(&self) -> String {
        let mut text = String::new();
        for Finding { check, state, message } in &self.checks {
            let state = match state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Failed => "FAILED",
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{state:8} {check:14} {message}");
        }
        text.push_str(if self.ok { "The hub can start." } else { "The hub cannot work like this." });
        text
    }
}

/// Tries everything.
pub(super) async fn doctor(context: &Context) -> Result<Outcome> {
    let mut findings = Findings::default();
    match context.load(None) {
        Err(error) => findings.add("settings", State::Failed, error.to_string()),
        Ok(loaded) => {
            settings(&mut findings, &loaded);
            directory(&mut findings, context, &loaded.settings);
            mail(&mut findings, context, &loaded.settings).await;
            database(&mut findings, context, &loaded.settings).await;
            cache(&mut findings, &loaded.settings).await;
            providers(&mut findings, &loaded.settings).await;
            sign_in(&mut findings, &loaded.settings).await;
        }
    }
    findings.ok = findings.checks.iter().all(|finding| finding.state != State::Failed);
    context.report(&serde_json::to_value(&findings)?, &findings.words())?;
    Ok(if findings.ok { Outcome::Good } else { Outcome::Bad })
}

fn settings(findings: &mut Findings, loaded: &Loaded) {
    let file = loaded.file.as_ref().map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
    findings.add("settings", State::Ok, format!("{file}, environment"));
    for warning in &loaded.warnings {
        findings.add("settings", State::Warning, warning);
    }
    let settings = &loaded.settings;
    if !settings.server.listen.ip().is_loopback() && settings.identity.public_url.starts_with("http://") {
        let message =
            "identity.public_url is not https: passwords and keys travel in the clear unless the network is trusted";
        findings.add("settings", State::Warning, message);
    }
    if !settings.is_embedded() && settings.cache.redis_url.is_none() {
        findings.add(
            "settings",
            State::Warning,
            "PostgreSQL without Redis: there must be only one process (REDIS_URL)",
        );
    }
}

fn directory(findings: &mut Findings, context: &Context, settings: &Settings) {
    let directory = &context.directory;
    let path = directory.path();
    if !path.exists() {
        let message = format!("{} is not there yet; the first start makes it", path.display());
        return findings.add("data directory", State::Ok, message);
    }
    match writable(path) {
        Ok(()) => findings.add("data directory", State::Ok, path.display().to_string()),
        Err(error) => findings.add("data directory", State::Failed, format!("{}: {error}", path.display())),
    }
    if settings.is_embedded() && directory.secrets().exists() {
        match secrets::check_mode(&directory.secrets()) {
            Ok(()) => findings.add("secrets", State::Ok, "only their owner can read them"),
            Err(error) => findings.add("secrets", State::Failed, error.to_string()),
        }
    }
}

async fn mail(findings: &mut Findings, context: &Context, settings: &Settings) {
    let transport = settings.mail.transport();
    if transport == MailTransport::Outbox {
        let outbox = settings.mail.outbox.clone().unwrap_or_else(|| context.directory.outbox());
        if outbox.exists() {
            match writable(&outbox) {
                Ok(()) => findings.add("mail", State::Ok, format!("written to {}", outbox.display())),
                Err(error) => findings.add("mail", State::Failed, format!("{}: {error}", outbox.display())),
            }
        }
        return;
    }
    let mailer = match compose::mailer(settings, &context.directory, &Clock::system()) {
        Ok(mailer) => mailer,
        Err(error) => return findings.add("mail", State::Failed, format!("{error:#}")),
    };
    let name = mailer.name();
    match timeout(PATIENCE, mailer.ping()).await {
        Err(_) => findings.add("mail", State::Failed, format!("{name} does not answer")),
        Ok(Err(error)) => findings.add("mail", State::Failed, format!("{name}: {}", chain(&error))),
        Ok(Ok(())) => findings.add("mail", State::Ok, format!("{name} answers and takes our credential")),
    }
}

/// Tries to write a file that goes away again.
fn writable(path: &Path) -> std::io::Result<()> {
    let probe = path.join(format!(".probe-{}", hex::encode(hub_types::random_bytes::<8>())));
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(&probe)
}

async fn database(findings: &mut Findings, context: &Context, settings: &Settings) {
    // Opening the embedded database would make it.
    if settings.is_embedded() && !context.directory.database().exists() {
        return findings.add("database", State::Ok, "SQLite; the first start makes it");
    }
    let options = compose::store_options(settings, &context.directory);
    let tried = async {
        let store = Store::open(&options).await?;
        store.ping().await?;
        let state = store.migration_state().await?;
        let kind = store.kind();
        let failed = if state.pending == 0 { jobs::counts(&mut store.read().await?).await?.1 } else { 0 };
        store.close().await;
        Ok::<_, hub_store::StoreError>((kind, state, failed))
    };
    match timeout(PATIENCE, tried).await {
        Err(_) => findings.add("database", State::Failed, "does not answer"),
        Ok(Err(error)) => findings.add("database", State::Failed, chain(&error)),
        Ok(Ok((kind, state, failed))) => {
            let message = format!("{kind}, {} migrations applied, {} pending", state.applied, state.pending);
            findings.add("database", State::Ok, message);
            if failed > 0 {
                let message = format!("{failed} jobs have failed for good, such as mail; see GET /api/admin/jobs");
                findings.add("jobs", State::Warning, message);
            }
        }
    }
}

async fn cache(findings: &mut Findings, settings: &Settings) {
    let tried = match compose::cache(settings, &Clock::system()) {
        Ok(cache) => cache.ping().await.map(|()| cache.kind()).map_err(|error| chain(&error)),
        Err(error) => Err(error.to_string()),
    };
    match tried {
        Ok(kind) => findings.add("cache", State::Ok, kind),
        Err(error) => findings.add("cache", State::Failed, error),
    }
}

async fn providers(findings: &mut Findings, settings: &Settings) {
    let list = match compose::providers(settings, &Clock::system()) {
        Ok(list) => list,
        Err(error) => return findings.add("providers", State::Failed, chain(&error)),
    };
    if list.is_empty() {
        let message = "none: set OPENAI_API_KEY or ANTHROPIC_API_KEY, add [[providers]], or switch the sandbox on (HUB__SANDBOX__ENABLED=true)";
        findings.add("providers", State::Failed, message);
    }
    for (name, member) in list.iter().flat_map(|each| each.members.iter().map(|member| (&each.name, member))) {
        let Some(provider) = &member.provider else { continue };
        let check = match member.label.as_deref() {
            None | Some("default") => format!("provider {name}"),
            Some(label) => format!("provider {name} ({label})"),
        };
        match timeout(PATIENCE, provider.ping()).await {
            Err(_) => findings.add(&check, State::Failed, "does not answer"),
            Ok(Err(error)) => findings.add(&check, State::Failed, chain(&error)),
            Ok(Ok(())) => findings.add(&check, State::Ok, "answers and takes our credential"),
        }
    }
}

async fn sign_in(findings: &mut Findings, settings: &Settings) {
    let list = match compose::sign_in_providers(settings, &Clock::system()) {
        Ok(list) => list,
        Err(error) => return findings.add("sign-in", State::Failed, chain(&error)),
    };
    for provider in list {
        let check = format!("sign-in {}", provider.name());
        // The rest of the hub works without it, so this stops nothing.
        match timeout(PATIENCE, provider.ping()).await {
            Err(_) => findings.add(&check, State::Warning, "does not answer"),
            Ok(Err(error)) => findings.add(&check, State::Warning, chain(&error)),
            Ok(Ok(())) => {
                let (public, name) = (&settings.identity.public_url, provider.name());
                let message = format!("register {public}/api/auth/oauth/{name}/callback there as redirect URI");
                findings.add(&check, State::Ok, message);
            }
        }
    }
}

/// An error with its causes. Errors of our rooms carry no secrets.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let _ = write!(text, ": {next}");
        cause = next.source();
    }
    text
}
