//! What a server under OpenAI's protocol speaks of it, and which tools any provider may run itself, where somebody has said so: the operator in the
//! settings, or an administrator while the hub runs. What fits is decided here, for both.

use hub_clients::llm::MaxTokensField;
use hub_clients::llm::openai::{Completions, Wires};

use super::ProviderKind;

/// Types of tools that one provider may be allowed to run.
const MOST_TOOLS: usize = 20;
/// Longest type of a tool, in bytes.
const LONGEST_TOOL: usize = 64;

/// A wire of OpenAI's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// `/chat/completions`.
    Chat,
    /// `/responses`.
    Responses,
    /// `/completions`.
    Completions,
}

impl Wire {
    /// Every wire.
    const ALL: [Self; 3] = [Self::Chat, Self::Responses, Self::Completions];

    /// The word in the settings, the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Completions => "completions",
        }
    }

    /// The wire of this word.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wire| wire.as_str() == word)
    }

    /// The words of these wires.
    pub(crate) fn words(wires: &[Self]) -> Vec<String> {
        wires.iter().map(|wire| wire.as_str().to_owned()).collect()
    }
}

/// What is said of a provider beside its address. Empty: what is usual of its kind, and no tools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dialect {
    /// The wires it speaks, for all its models, `chat` or `responses` among them; calls of the others are carried as chat, or as responses where
    /// chat is not among them. `None`: what is usual of its kind.
    pub wires: Option<Vec<Wire>>,
    /// Types of tools that it may run itself, such as `web_search`, and fields that switch such on. Their fees are the operator's.
    pub hosted_tools: Vec<String>,
}

/// Something that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misfit {
    /// What it is called in the settings.
    pub setting: &'static str,
    /// What it is called in the API.
    pub field: &'static str,
    /// What is allowed.
    pub message: &'static str,
}

impl Dialect {
    /// All that does not fit a provider of this kind.
    pub fn misfits(&self, kind: ProviderKind) -> Vec<Misfit> {
        let openai = matches!(kind, ProviderKind::Openai | ProviderKind::Compatible);
        let wires = self.wires.as_deref().and_then(|wires| wrong_wires(wires, openai));
        let tools = wrong_tools(&self.hosted_tools, kind);
        let misfits = [("wires", "wires", wires), ("hosted_tools", "hostedTools", tools)];
        misfits
            .into_iter()
            .filter_map(|(setting, field, wrong)| Some(Misfit { setting, field, message: wrong? }))
            .collect()
    }

    /// The wires as its client is told them. Where nobody has named any they are OpenAI's own, and of a server that takes the limit of
    /// completion tokens under the older name, which OpenAI's is not, chat alone.
    pub fn spoken(&self, max_tokens_field: MaxTokensField) -> Wires {
        match (&self.wires, max_tokens_field) {
            (None, MaxTokensField::MaxCompletionTokens) => Wires::ALL,
            (None, MaxTokensField::MaxTokens) => Wires::CHAT,
            (Some(wires), _) => Wires {
                chat: wires.contains(&Wire::Chat),
                responses: wires.contains(&Wire::Responses),
                completions: if wires.contains(&Wire::Completions) { Completions::Always } else { Completions::Never },
            },
        }
    }
}

fn wrong_wires(wires: &[Wire], openai: bool) -> Option<&'static str> {
    let different = Wire::ALL.into_iter().filter(|wire| wires.contains(wire)).count();
    match () {
        () if !openai => Some("is for OpenAI's protocol only"),
        // Whatever is not spoken is carried in one of these.
        () if !wires.iter().any(|wire| matches!(wire, Wire::Chat | Wire::Responses)) => {
            Some("must have chat or responses among them")
        }
        () if wires.len() != different => Some("must name each wire once"),
        () => None,
    }
}

fn wrong_tools(tools: &[String], kind: ProviderKind) -> Option<&'static str> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let fits = |tool: &String| (1..=LONGEST_TOOL).contains(&tool.len()) && tool.bytes().all(letter);
    match () {
        () if tools.is_empty() => None,
        () if kind == ProviderKind::Sandbox => Some("is not for the sandbox, which runs no tools"),
        () if tools.len() > MOST_TOOLS || !tools.iter().all(fits) => {
            Some("must be at most 20 types of tools, each of 1 to 64 of a-z, 0-9 and _")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(wires: Option<&[Wire]>, tools: &[&str], kind: ProviderKind) -> Vec<&'static str> {
        let hosted_tools = tools.iter().map(|tool| (*tool).to_owned()).collect();
        let misfits = Dialect { wires: wires.map(<[Wire]>::to_vec), hosted_tools }.misfits(kind);
        misfits.into_iter().map(|misfit| misfit.setting).collect()
    }

    #[test]
    fn what_does_not_fit_is_named() {
        use ProviderKind::{Anthropic, Compatible, Openai, Sandbox};
        use Wire::{Chat, Completions, Responses};
        for kind in [Openai, Compatible] {
            assert_eq!(wrong(None, &[], kind), [""; 0]);
            assert_eq!(wrong(Some(&[Completions, Responses, Chat]), &["web_search", "x1"], kind), [""; 0]);
            for wires in [&[Responses][..], &[Completions, Responses]] {
                assert_eq!(wrong(Some(wires), &[], kind), [""; 0], "{wires:?}");
            }
            for wires in [&[][..], &[Completions], &[Chat, Chat], &[Chat, Responses, Chat, Completions]] {
                assert_eq!(wrong(Some(wires), &[], kind), ["wires"], "{wires:?}");
            }
            let long = "x".repeat(65);
            for tools in [&[""][..], &["Web"], &["a b"], &["a-b"], &[&long], &["x"; 21]] {
                assert_eq!(wrong(Some(&[Chat]), tools, kind), ["hosted_tools"], "{tools:?}");
            }
            assert_eq!(wrong(Some(&[Chat]), &["x"; 20], kind), [""; 0]);
        }
        for kind in [Anthropic, Sandbox] {
            assert_eq!(wrong(None, &[], kind), [""; 0]);
        }
        assert_eq!(wrong(Some(&[Chat]), &["web_search"], Sandbox), ["wires", "hosted_tools"]);
        assert_eq!(wrong(Some(&[Chat]), &["web_search", "mcp_servers"], Anthropic), ["wires"]);
        assert_eq!(wrong(None, &["Web"], Anthropic), ["hosted_tools"]);
    }

    #[test]
    fn what_nobody_said_is_what_is_usual() {
        let (own, older) = (MaxTokensField::MaxCompletionTokens, MaxTokensField::MaxTokens);
        assert_eq!((Dialect::default().spoken(own), Dialect::default().spoken(older)), (Wires::ALL, Wires::CHAT));
        for field in [own, older] {
            let spoken = |wires: &[Wire]| Dialect { wires: Some(wires.to_vec()), ..Dialect::default() }.spoken(field);
            assert_eq!(spoken(&[Wire::Chat]), Wires::CHAT);
            let responses = Wires { chat: false, responses: true, completions: Completions::Never };
            assert_eq!(spoken(&[Wire::Responses]), responses);
            let all = Wires { chat: true, responses: true, completions: Completions::Always };
            assert_eq!(spoken(&[Wire::Completions, Wire::Responses, Wire::Chat]), all);
        }
    }

    #[test]
    fn every_word_is_the_same_everywhere() {
        for wire in Wire::ALL {
            assert_eq!(Wire::of(wire.as_str()), Some(wire));
            assert_eq!(serde_json::to_value(wire).unwrap(), wire.as_str());
        }
        assert_eq!(Wire::of("embeddings"), None);
    }
}
