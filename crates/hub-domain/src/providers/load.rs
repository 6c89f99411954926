//! From the rows to the list that calls are made from, and how every process notices a change: one number in the database counts all
//! changes, a message tells of each at once, and because messages can be lost, the number is also looked at every now and then.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use hub_clients::llm::LlmProvider;
use hub_store::StoreError;
use hub_store::providers::{self, CredentialRow, ProviderRow};
use secrecy::SecretString;
use tokio::time::MissedTickBehavior;

use super::check;
use crate::Hub;
use crate::inference::{Ceilings, Configured, Dialect, Member, Pool, ProviderKind, USUAL_PRIORITY, Wire};

/// Where changes are told.
const CHANNEL: &str = "providers";
/// Pause between two looks at the number.
const LOOK: Duration = Duration::from_secs(1);

/// Reads the providers anew if something changed since the last time.
pub async fn refresh(hub: &Hub) -> Result<(), StoreError> {
    let mut tx = hub.store.read().await?;
    let version = providers::version(&mut tx).await?;
    if hub.providers.version() == Some(version) {
        return Ok(());
    }
    // Rows may be newer than the number; then the next look reads once more than needed.
    let (rows, credentials) = (providers::all(&mut tx).await?, providers::credentials(&mut tx).await?);
    drop(tx);
    let before = hub.providers.pools();
    let known = |name: &str| before.iter().find(|pool| pool.name == name);
    let mut pools = Vec::new();
    for configured in hub.providers.configured() {
        let row = rows.iter().find(|row| row.name == configured.name);
        pools.push(Arc::new(of_settings(hub, configured, row, &credentials, known(&configured.name).map(Arc::as_ref))));
    }
    for row in &rows {
        let taken = pools.iter().any(|pool| pool.name == row.name);
        if let Some(kind) = row.kind.as_deref().and_then(kind).filter(|_| !taken) {
            pools.push(Arc::new(of_database(hub, row, kind, &credentials, known(&row.name).map(Arc::as_ref))));
        }
    }
    hub.providers.replace(version, pools);
    Ok(())
}

/// After a change: acts here at once, and tells the others.
pub(super) async fn changed(hub: &Hub) -> Result<(), StoreError> {
    if let Err(error) = hub.cache.publish(CHANNEL, b"changed").await {
        tracing::debug!(%error, "the others will notice by themselves that providers changed");
    }
    refresh(hub).await
}

/// Keeps this process's providers fresh until it stops.
pub async fn follow(hub: &Hub) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = hub.cache.subscribe(CHANNEL).await.ok();
    loop {
        tokio::select! {
            biased;
            () = hub.tasks.stop().cancelled() => return,
            _ = ticks.tick() => {
                if told.is_none() {
                    told = hub.cache.subscribe(CHANNEL).await.ok();
                }
            }
            message = async {
                match &mut told {
                    Some(told) => told.next().await,
                    None => std::future::pending().await,
                }
            } => {
                if message.is_none() {
                    told = None;
                }
            }
        }
        if let Err(error) = refresh(hub).await {
            tracing::warn!(%error, "the providers cannot be read; what was known stays");
        }
    }
}

/// The kind by its word in the database.
pub(super) fn kind(word: &str) -> Option<ProviderKind> {
    [ProviderKind::Openai, ProviderKind::Anthropic, ProviderKind::Compatible]
        .into_iter()
        .find(|kind| kind.as_str() == word)
}

fn of_settings(
    hub: &Hub,
    configured: &Configured,
    row: Option<&ProviderRow>,
    credentials: &[CredentialRow],
    before: Option<&Pool>,
) -> Pool {
    let mut pool = configured.pool();
    if let Some(row) = row {
        pool.enabled = row.enabled;
        pool.priority = row.priority.unwrap_or(pool.priority);
        pool.ceilings = ceilings(row, pool.ceilings);
        pool.dialect = dialect(row, &configured.dialect);
    }
    let Some(make) = &configured.make else { return pool };
    let dialect = pool.dialect.clone();
    let make = |key: Option<SecretString>| {
        let client = make(key, &dialect);
        client.inspect_err(|error| tracing::warn!(provider = configured.name, %error, "a provider cannot be used")).ok()
    };
    if dialect != configured.dialect {
        for member in &mut pool.members {
            member.provider =
                before.and_then(|old| kept(old, member, &dialect)).or_else(|| make(member.secret.clone()));
        }
    }
    let added: Vec<Member> = credentials
        .iter()
        .filter(|credential| credential.provider == pool.name)
        .filter(|credential| !pool.members.iter().any(|member| member.label.as_deref() == Some(&credential.label)))
        .map(|credential| member(hub, &pool, credential, before, |key| make(Some(key))))
        .collect();
    if !added.is_empty() {
        // Who got credentials is not called without one any more.
        pool.members.retain(|member| member.label.is_some());
    }
    pool.members.extend(added);
    pool
}

/// The client of a credential of the settings, if it was made for this dialect already.
fn kept(before: &Pool, member: &Member, dialect: &Dialect) -> Option<Arc<dyn LlmProvider>> {
    let mut members = before.members.iter().filter(|_| before.dialect == *dialect);
    members.find(|old| old.sealed.is_none() && old.label == member.label)?.provider.clone()
}

fn of_database(
    hub: &Hub,
    row: &ProviderRow,
    kind: ProviderKind,
    credentials: &[CredentialRow],
    before: Option<&Pool>,
) -> Pool {
    let private = hub.settings.inference.providers_at_private_addresses;
    let mut pool = Pool {
        name: row.name.clone(),
        service: row.service.clone(),
        kind,
        base_url: row.base_url.clone(),
        priority: row.priority.unwrap_or(USUAL_PRIORITY),
        enabled: row.enabled,
        from_settings: false,
        ceilings: ceilings(row, Ceilings::default()),
        dialect: dialect(row, &Dialect::default()),
        members: Vec::new(),
    };
    let make = |key: Option<SecretString>| {
        let provider = (row.name.as_str(), row.service.as_str(), kind);
        let made = check::make(provider, &row.base_url, private, key, &pool.dialect, &hub.clock);
        made.inspect_err(|error| tracing::warn!(provider = row.name, %error, "a provider cannot be used")).ok()
    };
    let of_it = credentials.iter().filter(|credential| credential.provider == row.name);
    pool.members = of_it.map(|credential| member(hub, &pool, credential, before, |key| make(Some(key)))).collect();
    if pool.members.is_empty() && kind == ProviderKind::Compatible {
        pool.members.extend(make(None).map(Member::unnamed));
    }
    pool
}

/// One credential. Its client is kept over changes that do not concern it, and with the client its open connections.
fn member(
    hub: &Hub,
    pool: &Pool,
    row: &CredentialRow,
    before: Option<&Pool>,
    make: impl Fn(SecretString) -> Option<Arc<dyn LlmProvider>>,
) -> Member {
    let same = |old: &&Pool| {
        (&old.base_url, &old.service, old.kind, &old.dialect)
            == (&pool.base_url, &pool.service, pool.kind, &pool.dialect)
    };
    let known = before.filter(same).and_then(|old| {
        let mut members = old.members.iter();
        members.find(|member| member.sealed.as_deref() == Some(&row.secret_sealed[..]))?.provider.clone()
    });
    let provider = known.or_else(|| {
        // A credential is good for the address it was given for, and no other.
        let base_url = row.base_url.as_deref().filter(|url| *url == pool.base_url)?;
        let opened = hub.sealer.open(&context(&row.provider, base_url, row), &row.secret_sealed).ok();
        let key = opened.and_then(|secret| String::from_utf8(secret).ok());
        if key.is_none() {
            tracing::warn!(provider = row.provider, credential = row.label, "a credential cannot be opened");
        }
        make(key?.into())
    });
    Member {
        label: Some(row.label.as_str().into()),
        hint: row.hint.clone(),
        weight: u32::try_from(row.weight).unwrap_or(1).max(1),
        priority: row.priority,
        enabled: row.enabled,
        secret: None,
        sealed: Some(row.secret_sealed.as_slice().into()),
        provider,
    }
}

/// What a secret is sealed for: copied to another row, provider or address it does not open.
pub(super) fn context(provider: &str, base_url: &str, row: &CredentialRow) -> String {
    format!("provider:{provider}:{}:{base_url}", row.id)
}

fn ceilings(row: &ProviderRow, usual: Ceilings) -> Ceilings {
    let count = |set: Option<i64>, usual: u32| set.map_or(usual, |set| u32::try_from(set).unwrap_or(u32::MAX));
    Ceilings {
        max_concurrent: count(row.max_concurrent, usual.max_concurrent),
        requests_per_minute: count(row.requests_per_minute, usual.requests_per_minute),
        tokens_per_minute: count(row.tokens_per_minute, usual.tokens_per_minute),
    }
}

/// What the row says, and `usual` where it says nothing. A wire that only a newer program knows is left out.
fn dialect(row: &ProviderRow, usual: &Dialect) -> Dialect {
    let wires = row.wires.as_ref().map(|words| words.iter().filter_map(|word| Wire::of(word)).collect());
    Dialect {
        wires: wires.or_else(|| usual.wires.clone()),
        hosted_tools: row.hosted_tools.clone().unwrap_or_else(|| usual.hosted_tools.clone()),
    }
}

#[cfg(test)]
mod tests {
    use hub_clients::llm::sandbox::{SandboxProvider, SandboxSettings};
    use hub_types::Clock;

    use super::*;

    fn row(wires: Option<&[&str]>, hosted_tools: Option<&[&str]>) -> ProviderRow {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        ProviderRow {
            name: "a".to_owned(),
            kind: None,
            service: "a".to_owned(),
            base_url: "https://a.example/v1".to_owned(),
            priority: None,
            enabled: true,
            max_concurrent: None,
            requests_per_minute: None,
            tokens_per_minute: None,
            wires: wires.map(list),
            hosted_tools: hosted_tools.map(list),
        }
    }

    #[test]
    fn each_half_of_a_dialect_is_the_rows_or_the_settings() {
        let usual = Dialect { wires: Some(vec![Wire::Chat]), hosted_tools: vec!["web_search".to_owned()] };
        assert_eq!(dialect(&row(None, None), &usual), usual);
        let both = Some(vec![Wire::Chat, Wire::Responses]);
        let wires = dialect(&row(Some(&["chat", "smoke", "responses"]), None), &usual);
        assert_eq!(wires, Dialect { wires: both, ..usual.clone() }, "what a newer program wrote is left out");
        assert_eq!(dialect(&row(None, Some(&[])), &usual), Dialect { hosted_tools: Vec::new(), ..usual });
    }

    #[test]
    fn a_client_is_kept_for_the_dialect_it_was_made_for() {
        let sandbox = SandboxProvider::new(SandboxSettings { word_delay: Duration::ZERO }, Clock::system());
        let made: Arc<dyn LlmProvider> = Arc::new(sandbox);
        let before = Configured::from(Arc::clone(&made)).pool();
        let member = &before.members[0];
        let found = kept(&before, member, &Dialect::default()).expect("kept");
        assert!(Arc::ptr_eq(&found, &made));
        let other = Dialect { wires: Some(vec![Wire::Chat]), ..Dialect::default() };
        assert!(kept(&before, member, &other).is_none());
    }
}
