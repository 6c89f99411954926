//! `POST /api/promo-codes` and `/batches/codes`: one code with a name of its own or a made one, or many made ones for one use each.

use hub_store::promo as store;
use hub_types::{Caller, Credential, Credits, Permission, PromoCodeId, Timestamp};
use serde_json::json;

use super::{PromoCode, PromoError, Rules, code};
use crate::audit::{self, Event};
use crate::{Hub, Origin, rbac};

/// Codes of one batch at most.
pub const MAX_BATCH: u32 = 10_000;
/// Names in a list of roles or domains at most.
const MAX_NAMES: usize = 50;
/// Uses at most, in all or per person.
const MAX_USES: i32 = 1_000_000_000;
/// Days that credits may live at most.
const MAX_DAYS: i32 = 3650;

/// What a code gives, when and to whom.
#[derive(Debug, Clone)]
pub struct Terms {
    /// What one redemption gives; above zero.
    pub credits: Credits,
    /// Not before.
    pub starts_at: Option<Timestamp>,
    /// Before, exclusive.
    pub expires_at: Option<Timestamp>,
    /// Days the credits live, 1 to 3650; `None` is for ever.
    pub credits_expire_days: Option<i32>,
    /// Whom it is for.
    pub rules: Rules,
}

/// One code.
#[derive(Debug, Clone)]
pub struct NewPromo {
    /// Its name; made up, if `None`.
    pub code: Option<String>,
    /// What it gives.
    pub terms: Terms,
    /// Redemptions in all; `None` is without limit.
    pub max_uses: Option<i32>,
    /// Redemptions per person, at least 1.
    pub max_uses_per_user: i32,
}

/// Many codes for one use each.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// What the codes begin with, at most 16 characters; also finds them again.
    pub batch: String,
    /// How many; 1 to [`MAX_BATCH`].
    pub count: u32,
    /// What each gives.
    pub terms: Terms,
}

/// Makes a code. Needs `promo:manage`; leaves an audit row.
pub async fn create(hub: &Hub, caller: &Caller, origin: &Origin, new: NewPromo) -> Result<PromoCode, PromoError> {
    rbac::require(caller, Permission::PromoManage)?;
    let rules = checked(&new.terms)?;
    let name = match &new.code {
        None => code::random(""),
        Some(name) => code::spelled(name).ok_or(PromoError::Invalid {
            field: "code",
            message: "must have 4 to 40 letters, digits, hyphens or underscores",
        })?,
    };
    let uses = 1..=MAX_USES;
    if new.max_uses.is_some_and(|most| !uses.contains(&most)) {
        return Err(PromoError::Invalid { field: "maxUses", message: "must be between 1 and 1000000000" });
    }
    if !uses.contains(&new.max_uses_per_user) {
        return Err(PromoError::Invalid { field: "maxUsesPerUser", message: "must be between 1 and 1000000000" });
    }
    let made = PromoCode {
        max_uses: new.max_uses,
        max_uses_per_user: new.max_uses_per_user,
        ..promo(hub, caller, name, &new.terms, &rules)
    };
    let event = Event::new("promo.created").by(caller).on("promo", &made.id.to_string());
    let event = event.details(json!({ "code": made.code, "credits": made.credits, "maxUses": made.max_uses }));
    let mut tx = hub.store.write().await?;
    if !store::insert(&mut tx, &made).await? {
        return Err(PromoError::Exists);
    }
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(made)
}

/// Makes a batch of codes. Needs `promo:manage`; leaves one audit row. All or none.
pub async fn create_batch(
    hub: &Hub,
    caller: &Caller,
    origin: &Origin,
    new: NewBatch,
) -> Result<Vec<PromoCode>, PromoError> {
    rbac::require(caller, Permission::PromoManage)?;
    let rules = checked(&new.terms)?;
    if !(1..=MAX_BATCH).contains(&new.count) {
        return Err(PromoError::Invalid { field: "count", message: "must be between 1 and 10000" });
    }
    let prefix = code::spelled(&new.batch).filter(|prefix| prefix.len() <= code::LONGEST_PREFIX);
    let prefix = prefix.ok_or(PromoError::Invalid {
        field: "batch",
        message: "must have 4 to 16 letters, digits, hyphens or underscores",
    })?;
    let one = || PromoCode {
        max_uses: Some(1),
        batch: Some(prefix.clone()),
        ..promo(hub, caller, code::random(&prefix), &new.terms, &rules)
    };
    let made: Vec<PromoCode> = (0..new.count).map(|_| one()).collect();
    let event = Event::new("promo.batch_created").by(caller).on("promo_batch", &prefix);
    let event = event.details(json!({ "count": new.count, "credits": new.terms.credits }));
    let mut tx = hub.store.write().await?;
    store::insert_many(&mut tx, &made).await?;
    audit::record(hub, &mut tx, origin, event).await?;
    tx.commit().await?;
    Ok(made)
}

fn promo(hub: &Hub, caller: &Caller, code: String, terms: &Terms, rules: &Rules) -> PromoCode {
    PromoCode {
        id: PromoCodeId::new(&hub.clock),
        code,
        credits: terms.credits,
        max_uses: None,
        max_uses_per_user: 1,
        used_count: 0,
        active: true,
        starts_at: terms.starts_at,
        expires_at: terms.expires_at,
        credits_expire_days: terms.credits_expire_days,
        rules: json!(rules),
        batch: None,
        created_at: hub.clock.now(),
        created_by: (caller.credential != Credential::Operator).then_some(caller.user),
    }
}

/// The terms within their bounds; gives the rules in one spelling.
fn checked(terms: &Terms) -> Result<Rules, PromoError> {
    let wrong = |field, message| Err(PromoError::Invalid { field, message });
    if !terms.credits.is_positive() {
        return wrong("credits", "must be above zero");
    }
    check_dates(terms.starts_at, terms.expires_at)?;
    if terms.credits_expire_days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        return wrong("creditsExpireDays", "must be between 1 and 3650");
    }
    let Rules { roles, domains } = &terms.rules;
    let word = |text: &String| (1..=100).contains(&text.chars().count()) && !text.contains(char::is_control);
    if roles.len() > MAX_NAMES || !roles.iter().all(word) {
        return wrong("roles", "must be at most 50 names of 1 to 100 characters");
    }
    let domain = |text: &String| word(text) && !text.contains(['@', ' ']);
    if domains.len() > MAX_NAMES || !domains.iter().all(domain) {
        return wrong("domains", "must be at most 50 domains such as example.com");
    }
    // Addresses are kept in lower case.
    Ok(Rules { roles: roles.clone(), domains: domains.iter().map(|domain| domain.to_lowercase()).collect() })
}

pub(super) fn check_dates(starts: Option<Timestamp>, expires: Option<Timestamp>) -> Result<(), PromoError> {
    if starts.zip(expires).is_some_and(|(starts, expires)| starts >= expires) {
        return Err(PromoError::Invalid { field: "expiresAt", message: "must be after startsAt" });
    }
    Ok(())
}
