//! Counting tokens without a tokenizer: an upper bound before a call, an estimate when a provider reports nothing.
//!
//! **The bound.** Text counts one token per UTF-8 byte. Every tokenizer in use ends at single bytes (byte-level BPE, or
//! SentencePiece with byte fall-back), so no text has more tokens than bytes. Nothing tighter holds for all of them:
//! whether a word, a run of spaces or even a space before a letter is merged depends on one vocabulary's merges, and a
//! hostile prompt can choose text that never merges. A bound that is four times too high for English costs a caller a
//! larger hold for the length of the call; one that is too low costs the operator money.
//!
//! **The estimate** (about four characters a token) is used only for a call whose provider sent no usage, and the receipt
//! then says `counted`.

use crate::wire::openai::{CompletionRequest, EmbeddingsRequest, PromptSize};

/// Tokens allowed per message, and once per call, for the marks a chat template adds. Known templates use 3 to 8.
pub const MESSAGE_TOKENS: i64 = 16;

/// Tokens allowed per picture: above the dearest known rule (8 tiles of 5 667 tokens and 2 833 = 48 169).
pub const IMAGE_TOKENS: i64 = 50_000;

/// Tokens allowed per picture sent with `detail: "low"`: above the dearest known flat fee (2 833).
pub const IMAGE_LOW_TOKENS: i64 = 3_000;

/// Base64 bytes of sound per token allowed. The densest case, MP3 at 8 kbit/s, has 1 333 base64 bytes a second, and the
/// dearest known model takes 32 tokens for it.
pub const AUDIO_BYTES_PER_TOKEN: i64 = 32;

/// What counts for input nobody can size beforehand (files, videos, hosted search): the largest context window known.
/// No provider can bill more prompt than fits.
pub const WHOLE_WINDOW: i64 = 1_050_000;

/// Upper bound of a prompt in tokens, with `image_tokens` per picture of full detail.
pub fn input_bound(size: &PromptSize, image_tokens: i64) -> i64 {
    let bytes = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    [
        bytes(size.text_bytes),
        bytes(size.other_bytes),
        bytes(size.messages).saturating_add(1).saturating_mul(MESSAGE_TOKENS),
        bytes(size.images).saturating_mul(image_tokens),
        bytes(size.low_images).saturating_mul(IMAGE_LOW_TOKENS.min(image_tokens)),
        bytes(size.audio_bytes).saturating_add(AUDIO_BYTES_PER_TOKEN - 1) / AUDIO_BYTES_PER_TOKEN,
        bytes(size.unsizable).saturating_mul(WHOLE_WINDOW),
    ]
    .into_iter()
    .fold(0, i64::saturating_add)
}

/// Upper bound of the tokens of an embeddings request.
pub fn embeddings_bound(request: &EmbeddingsRequest) -> i64 {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    count(request.size()).saturating_add(count(request.inputs()).saturating_mul(MESSAGE_TOKENS))
}

/// Upper bound of the prompts of an old completions request. Prompts in token numbers are counted exactly: nothing is added to them.
pub fn completion_bound(request: &CompletionRequest) -> i64 {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let texts = count(request.text_bytes()).saturating_add(count(request.texts()).saturating_mul(MESSAGE_TOKENS));
    count(request.tokens()).saturating_add(texts)
}

/// A count of tokens nobody reported; adds up over the chunks of a stream without losing fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Quarters of a token.
    quarters: i64,
}

impl Estimate {
    /// Estimates text: four ASCII characters to a token, two of other alphabets, one of Chinese, Japanese, Korean
    /// and symbols.
    pub fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self { quarters: i64::try_from(text.len()).unwrap_or(i64::MAX) };
        }
        let quarters = text.chars().map(|c| match u32::from(c) {
            0..0x80 => 1,
            0x80..0x2E80 => 2,
            _ => 4,
        });
        Self { quarters: quarters.sum() }
    }

    /// Exactly `tokens`, for an adapter that knows.
    pub fn exactly(tokens: i64) -> Self {
        Self { quarters: tokens.saturating_mul(4) }
    }

    /// Adds another estimate.
    pub fn add(&mut self, other: Self) {
        self.quarters = self.quarters.saturating_add(other.quarters);
    }

    /// Whole tokens, rounded up.
    pub fn tokens(self) -> i64 {
        self.quarters.saturating_add(3) / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_of_chunks_add_up_to_the_estimate_of_the_whole() {
        let text = "Grüße, 世界! A plain line of text.";
        let mut sum = Estimate::default();
        for c in text.chars() {
            sum.add(Estimate::of(c.encode_utf8(&mut [0; 4])));
        }
        assert_eq!(sum, Estimate::of(text));
        assert_eq!((Estimate::of("").tokens(), Estimate::of("a").tokens(), Estimate::of("世界").tokens()), (0, 1, 2));
        assert_eq!(Estimate::exactly(7).tokens(), 7);
    }

    #[test]
    fn a_bound_counts_every_part_and_cannot_overflow() {
        let size = PromptSize {
            messages: 2,
            text_bytes: 10,
            other_bytes: 5,
            images: 1,
            low_images: 1,
            audio_bytes: 33,
            unsizable: 1,
        };
        assert_eq!(input_bound(&size, IMAGE_TOKENS), 10 + 5 + 48 + 50_000 + 3_000 + 2 + WHOLE_WINDOW);
        let absurd = PromptSize { images: usize::MAX, unsizable: usize::MAX, ..size };
        assert_eq!(input_bound(&absurd, IMAGE_TOKENS), i64::MAX);
    }
}
