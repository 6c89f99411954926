//! How hard a model is to think: `reasoning_effort` as each generation of models takes it (providers.md §3.2, §4.1). Models since 4.6 take a
//! word, those before a budget of tokens, the oldest nothing.

/// Beginnings of the names of models up to the fourth generation.
const OLDER: [&str; 4] = ["claude-3", "claude-haiku-4", "claude-sonnet-4", "claude-opus-4"];
/// Those of them that take a word.
const OLDER_WITH_WORDS: [&str; 4] = ["claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-4-6"];
/// Those of them that do not think at all.
const THOUGHTLESS: [&str; 4] = ["claude-3-5", "claude-3-haiku", "claude-3-sonnet", "claude-3-opus"];
/// The least budget, in tokens.
const LEAST: i64 = 1_024;

/// What a model is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// `output_config.effort`.
    Word(&'static str),
    /// `thinking.budget_tokens`.
    Budget(i64),
    /// There is no place for it.
    Nowhere,
}

/// Whether the model is of the fourth generation or before.
pub(super) fn is_older(model: &str) -> bool {
    is(model, &OLDER)
}

/// What the model is told of `effort`, which is not `none`, under a limit of `max_tokens` for thinking and answer together.
pub(super) fn of(model: &str, effort: &str, max_tokens: i64) -> Effort {
    let (word, budget) = match effort {
        "minimal" | "low" => ("low", LEAST),
        "medium" => ("medium", 4_096),
        "high" => ("high", 16_384),
        "xhigh" => ("xhigh", 32_768),
        "max" => ("max", 32_768),
        _ => return Effort::Nowhere,
    };
    if !is_older(model) || is(model, &OLDER_WITH_WORDS) {
        return Effort::Word(word);
    }
    // Half of the limit is left for the answer.
    let budget = budget.min(max_tokens / 2);
    if is(model, &THOUGHTLESS) || budget < LEAST { Effort::Nowhere } else { Effort::Budget(budget) }
}

fn is(model: &str, names: &[&str]) -> bool {
    names.iter().any(|name| model.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_is_told_in_its_own_way() {
        for model in [
            "claude-opus-4-6",
            "claude-opus-4-7-1m",
            "claude-opus-4-8",
            "claude-sonnet-4-6",
            "claude-sonnet-5-5",
            "new",
        ] {
            assert_eq!(of(model, "minimal", 100), Effort::Word("low"), "{model}");
            assert_eq!(of(model, "max", 100), Effort::Word("max"), "{model}");
        }
        for model in ["claude-opus-4-5", "claude-sonnet-4-20250514", "claude-haiku-4-5", "claude-3-7-sonnet"] {
            assert_eq!(of(model, "low", 4_096), Effort::Budget(1_024), "{model}");
            assert_eq!(of(model, "high", 64_000), Effort::Budget(16_384), "{model}");
            assert_eq!(of(model, "high", 10_000), Effort::Budget(5_000), "{model}");
            assert_eq!(of(model, "high", 2_000), Effort::Nowhere, "{model}");
        }
        assert_eq!(of("claude-3-5-haiku", "high", 64_000), Effort::Nowhere);
        assert_eq!(of("claude-sonnet-5-5", "endless", 64_000), Effort::Nowhere);
    }
}
