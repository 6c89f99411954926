//! The two versions of Anthropic's interface, by their names in `anthropic-version` (providers.md §3.1).

/// A version of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiVersion {
    /// The first one; takes sampling parameters where the model does.
    V20230601,
    /// Refuses `temperature`, `top_p` and `top_k` for every model.
    #[default]
    V20261021,
}

impl ApiVersion {
    /// Both, oldest first.
    pub const ALL: [Self; 2] = [Self::V20230601, Self::V20261021];

    /// The name in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V20230601 => "2023-06-01",
            Self::V20261021 => "2026-10-21",
        }
    }

    /// The version of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }

    /// Whether a request may carry sampling parameters at all.
    pub const fn takes_sampling(self) -> bool {
        matches!(self, Self::V20230601)
    }
}
