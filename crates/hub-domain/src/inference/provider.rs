//! One provider: where it is, under which credentials it is called and in which order, and what it may be asked at most.

use std::sync::Arc;

use hub_clients::llm::LlmProvider;
use hub_clients::llm::openai::ConfigError;
use hub_types::random_bytes;
use secrecy::{ExposeSecret as _, SecretString};

use super::Dialect;

/// The priority of a provider that names none; lower ones are tried first.
pub const USUAL_PRIORITY: i32 = 100;

/// Makes the client of a provider for one credential and what it speaks.
pub type Make = Arc<dyn Fn(Option<SecretString>, &Dialect) -> Result<Arc<dyn LlmProvider>, ConfigError> + Send + Sync>;

/// The protocol a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// OpenAI itself.
    Openai,
    /// Anthropic's messages.
    Anthropic,
    /// Any other server that speaks OpenAI's chat protocol.
    Compatible,
    /// The provider inside the hub.
    Sandbox,
}

impl ProviderKind {
    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Compatible => "compatible",
            Self::Sandbox => "sandbox",
        }
    }
}

/// What a provider may be asked at most, by all processes together. 0 is no ceiling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Ceilings {
    /// Calls at the same time.
    pub max_concurrent: u32,
    /// Calls begun in any 60 seconds.
    pub requests_per_minute: u32,
    /// Tokens in any 60 seconds, prompt and answer.
    pub tokens_per_minute: u32,
}

impl Ceilings {
    /// True when nothing is limited.
    pub const fn is_none(self) -> bool {
        self.max_concurrent == 0 && self.requests_per_minute == 0 && self.tokens_per_minute == 0
    }
}

/// A provider as the settings name it.
#[derive(Clone)]
pub struct Configured {
    /// The operator's name for it; unique.
    pub name: String,
    /// The word under which its models have prices.
    pub service: String,
    /// The protocol.
    pub kind: ProviderKind,
    /// Its address; empty for the sandbox.
    pub base_url: String,
    /// Lower ones are tried first.
    pub priority: i32,
    /// What it may be asked at most.
    pub ceilings: Ceilings,
    /// What is said of what it speaks.
    pub dialect: Dialect,
    /// Its credentials in the settings; or one without a name, for a provider that needs none.
    pub members: Vec<Member>,
    /// Makes a client for what was added or changed later; `None` where there is nothing to add.
    pub make: Option<Make>,
}

/// A provider that takes no credentials: the sandbox, and those of tests.
impl From<Arc<dyn LlmProvider>> for Configured {
    fn from(provider: Arc<dyn LlmProvider>) -> Self {
        Self {
            name: provider.name().to_owned(),
            service: provider.service().to_owned(),
            kind: ProviderKind::Sandbox,
            base_url: String::new(),
            priority: USUAL_PRIORITY,
            ceilings: Ceilings::default(),
            dialect: Dialect::default(),
            members: vec![Member::unnamed(provider)],
            make: None,
        }
    }
}

impl Configured {
    /// As it is while no administrator has changed anything.
    pub(crate) fn pool(&self) -> Pool {
        Pool {
            name: self.name.clone(),
            service: self.service.clone(),
            kind: self.kind,
            base_url: self.base_url.clone(),
            priority: self.priority,
            enabled: true,
            from_settings: true,
            ceilings: self.ceilings,
            dialect: self.dialect.clone(),
            members: self.members.clone(),
        }
    }
}

/// A provider as it is now.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// The word under which its models have prices.
    pub service: String,
    /// The protocol.
    pub kind: ProviderKind,
    /// Its address; empty for the sandbox.
    pub base_url: String,
    /// Lower ones are tried first.
    pub priority: i32,
    /// Whether it is used.
    pub enabled: bool,
    /// True when it is in the settings, not only in the database.
    pub from_settings: bool,
    /// What it may be asked at most.
    pub ceilings: Ceilings,
    /// What is said of what it speaks.
    pub dialect: Dialect,
    /// Its credentials.
    pub members: Vec<Member>,
}

/// A provider under one credential.
#[derive(Clone)]
pub struct Member {
    /// The credential's name; `None` for a provider that needs none.
    pub label: Option<Arc<str>>,
    /// The last characters of the secret, or nothing.
    pub hint: String,
    /// Its part among the members of the same priority; at least 1.
    pub weight: u32,
    /// Lower ones are tried first.
    pub priority: i32,
    /// Whether it is used.
    pub enabled: bool,
    /// The secret, where it is in the settings.
    pub(crate) secret: Option<SecretString>,
    /// The sealed secret, where it is in the database.
    pub(crate) sealed: Option<Arc<[u8]>>,
    /// The client; `None` when the secret cannot be used.
    pub provider: Option<Arc<dyn LlmProvider>>,
}

impl std::fmt::Debug for Member {
    /// Without secrets, sealed or not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("label", &self.label).field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

impl Member {
    /// A provider that needs no credential.
    pub fn unnamed(provider: Arc<dyn LlmProvider>) -> Self {
        Self {
            label: None,
            hint: String::new(),
            weight: 1,
            priority: 0,
            enabled: true,
            secret: None,
            sealed: None,
            provider: Some(provider),
        }
    }

    /// A credential of the settings.
    pub fn named(label: &str, secret: SecretString, provider: Arc<dyn LlmProvider>) -> Self {
        let hint = hint(secret.expose_secret());
        Self { label: Some(label.into()), hint, secret: Some(secret), ..Self::unnamed(provider) }
    }
}

impl Pool {
    /// The members that can be called.
    pub(crate) fn usable(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| self.enabled && member.enabled && member.provider.is_some())
    }

    /// The members that can be called, in the order in which a call tries them: by priority, and among equals by a draw in which each
    /// comes first as often as its weight says.
    pub(super) fn in_order(&self) -> Vec<&Member> {
        order(self.usable().collect(), || {
            let bits = u64::from_be_bytes(random_bytes()) >> 11;
            #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
            let fraction = bits as f64 / (1_u64 << 53) as f64;
            fraction
        })
    }
}

/// Sorts by priority and, among equals, by exponential variates of rate `weight`: the smallest is each one's with a chance of its weight
/// over the sum. `draw` gives numbers from 0 to below 1.
fn order(members: Vec<&Member>, mut draw: impl FnMut() -> f64) -> Vec<&Member> {
    if members.len() < 2 {
        return members;
    }
    let arrival = |weight: u32, drawn: f64| -(1.0 - drawn).ln() / f64::from(weight.max(1));
    let mut drawn: Vec<(i32, f64, &Member)> =
        members.into_iter().map(|member| (member.priority, arrival(member.weight, draw()), member)).collect();
    drawn.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    drawn.into_iter().map(|(.., member)| member).collect()
}

/// What may be shown of a secret: its last four characters, and nothing of one so short that four would help to guess it.
pub(crate) fn hint(secret: &str) -> String {
    let length = secret.chars().count();
    if length < 16 { String::new() } else { secret.chars().skip(length - 4).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(label: &str, weight: u32, priority: i32) -> Member {
        Member {
            label: Some(label.into()),
            hint: String::new(),
            weight,
            priority,
            enabled: true,
            secret: None,
            sealed: None,
            provider: None,
        }
    }

    fn even_draws() -> impl FnMut() -> f64 {
        // Numbers of a fixed, evenly spread sequence (splitmix).
        let mut state = 7_u64;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            #[expect(clippy::cast_precision_loss, reason = "a draw")]
            let fraction = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
            fraction
        }
    }

    #[test]
    fn over_a_thousand_picks_each_comes_first_as_often_as_its_weight_says() {
        let (a, b, c, last) = (member("a", 1, 0), member("b", 3, 0), member("c", 6, 0), member("last", 100, 1));
        let mut draw = even_draws();
        let mut first = [0_u32; 3];
        for _ in 0..1_000 {
            let order = order(vec![&last, &a, &b, &c], &mut draw);
            assert_eq!(order.len(), 4);
            assert_eq!(order.last().and_then(|member| member.label.as_deref()), Some("last"), "by priority first");
            let index = ["a", "b", "c"].iter().position(|label| order[0].label.as_deref() == Some(label)).unwrap();
            first[index] += 1;
        }
        for (found, expected) in first.into_iter().zip([100_u32, 300, 600]) {
            assert!(found.abs_diff(expected) < 60, "{first:?}");
        }
    }

    #[test]
    fn a_hint_never_helps_to_guess() {
        assert_eq!(hint("sk-proj-0123456789abcd"), "abcd");
        assert_eq!(hint("hush-hush"), "");
        assert_eq!(hint(""), "");
    }
}
