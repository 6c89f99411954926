//! The code itself: what is typed in, in one spelling, and codes that nobody guesses.

use hub_types::random_bytes;

/// Characters of a code, prefix and hyphens included.
const LENGTH: std::ops::RangeInclusive<usize> = 4..=40;
/// Longest prefix of a batch, in characters.
pub(super) const LONGEST_PREFIX: usize = 16;
/// 32 characters that are not taken for each other when read aloud or copied by hand (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Random characters of a code that was made here: 80 bits.
const RANDOM: usize = 16;

/// The spelling in which a code is stored: capitals, without spaces around it. `None` for what can be no code.
pub(super) fn spelled(text: &str) -> Option<String> {
    let code = text.trim().to_ascii_uppercase();
    let fits = LENGTH.contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    fits.then_some(code)
}

/// A new code: `PREFIX-XXXX-XXXX-XXXX-XXXX`.
pub(super) fn random(prefix: &str) -> String {
    let mut code = prefix.to_owned();
    for (index, byte) in random_bytes::<RANDOM>().into_iter().enumerate() {
        if index % 4 == 0 && !code.is_empty() {
            code.push('-');
        }
        // 32 divides 256: each character is equally likely.
        code.push(char::from(ALPHABET[usize::from(byte % 32)]));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_spelling() {
        assert_eq!(spelled(" welcome-10 ").as_deref(), Some("WELCOME-10"));
        for bad in ["", "abc", "two words", "ünder", "a'b;--", &"x".repeat(41)] {
            assert_eq!(spelled(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_made_code_is_a_code_and_never_the_same() {
        let (one, other) = (random("SPRING"), random(""));
        assert_eq!((one.len(), other.len()), (26, 19));
        assert_eq!(spelled(&one).as_deref(), Some(one.as_str()));
        assert_ne!(random(""), other);
    }
}
