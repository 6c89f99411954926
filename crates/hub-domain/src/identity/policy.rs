//! Which passwords are good enough (design decision 10): the spec's rule, or 15 characters; never a common one, never the address or
//! the product's name with ornaments.

use std::collections::HashSet;
use std::sync::LazyLock;

use hub_types::Email;

use super::Password;

/// Shortest password that follows the spec's classes.
const SHORT: usize = 8;
/// From here on no classes are asked for (NIST SP 800-63B-4 §3.1.1.2).
const LONG: usize = 15;
/// Least strength of a short password, of 0 to 4: more than 100 million guesses.
const STRONG: u8 = 3;
/// What a password must have besides a forbidden word for it not to count as that word with ornaments.
const OWN_PART: usize = 8;
/// Names this software goes by, in letters only.
const PRODUCT: &[&str] = &["smartaihub", "smarthub", "aihub"];

static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("common_passwords.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
});

/// Why a password is not good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Weakness {
    /// Under 8 characters.
    #[error("must have at least 8 characters")]
    TooShort,
    /// Under 15 characters and without the classes.
    #[error("must contain an upper-case letter, a digit and a special character, or have at least 15 characters")]
    TooPlain,
    /// In the list of common passwords, as it stands or under its ornaments.
    #[error("is one of the passwords that are tried first")]
    Common,
    /// Made from the account's address.
    #[error("must not be made from your e-mail address")]
    LikeEmail,
    /// Made from the product's name.
    #[error("must not be made from the name of this service")]
    LikeProduct,
    /// A short password that a cracker's word lists and patterns come to soon.
    #[error("can be guessed from words and patterns; add characters that have nothing to do with the rest")]
    Guessable,
}

/// Everything that is wrong with the password; empty when it is good enough.
pub(crate) fn weaknesses(password: &Password, email: &Email) -> Vec<Weakness> {
    let text = password.expose();
    let length = text.chars().count();
    let mut found = Vec::new();
    if length < SHORT {
        found.push(Weakness::TooShort);
    } else if length < LONG && !has_classes(text) {
        found.push(Weakness::TooPlain);
    }
    let folded = text.to_lowercase();
    if is_common(&folded) {
        found.push(Weakness::Common);
    }
    let (local, _) = email.as_str().rsplit_once('@').unwrap_or((email.as_str(), ""));
    if is_built_on(&folded, email.as_str()) || is_built_on(&folded, local) {
        found.push(Weakness::LikeEmail);
    }
    let letters: String = plain_letters(&folded).chars().filter(|c| c.is_alphanumeric()).collect();
    if PRODUCT.iter().any(|name| is_built_on(&letters, name)) {
        found.push(Weakness::LikeProduct);
    }
    // Only where nothing plainer is wrong. Long ones are left alone: the estimate knows little of passphrases and costs more.
    if found.is_empty() && length < LONG && strength(text, email.as_str(), local) < STRONG {
        found.push(Weakness::Guessable);
    }
    found
}

/// 0 to 4, after an estimate of how many guesses a cracker needs who knows the address and the product. The caller asks about short
/// passwords only, because the estimate is slow on long texts.
fn strength(text: &str, email: &str, local: &str) -> u8 {
    zxcvbn::zxcvbn(text, &[email, local, "smart", "hub", "smartaihub"]).score().into()
}

fn has_classes(text: &str) -> bool {
    text.chars().any(char::is_uppercase)
        && text.chars().any(char::is_numeric)
        && text.chars().any(|c| !c.is_alphanumeric())
}

/// The word, with fewer than 8 characters of one's own around it.
fn is_built_on(text: &str, word: &str) -> bool {
    // One or two letters stand in any password.
    if word.chars().count() < 3 {
        return text == word;
    }
    let own = text.replace(word, "").chars().count();
    text.contains(word) && own < OWN_PART
}

/// Common as it stands, without what was put around it, with digits read as letters, or one such word several times.
fn is_common(folded: &str) -> bool {
    let ornament = |c: char| !c.is_alphabetic();
    let bare = folded.trim_end_matches(ornament);
    let core = bare.trim_start_matches(ornament);
    let plain = plain_letters(bare);
    let readings = [folded, bare, core, plain.as_str(), plain.trim_start_matches(ornament)];
    let known = |text: &str| COMMON.contains(text) || COMMON.contains(unit(text)) || has_few_letters(text);
    readings.into_iter().any(|reading| !reading.is_empty() && known(reading)) || is_run(folded)
}

/// The shortest text whose repetition makes up the whole: `abcabc` → `abc`.
fn unit(text: &str) -> &str {
    let bytes = text.as_bytes();
    let period = (1..=bytes.len() / 2).find(|period| {
        bytes.len().is_multiple_of(*period) && bytes.chunks(*period).all(|chunk| Some(chunk) == bytes.get(..*period))
    });
    period.and_then(|period| text.get(..period)).unwrap_or(text)
}

/// `aaaaaaaa`, `121212121212`.
fn has_few_letters(text: &str) -> bool {
    text.chars().count() >= SHORT && text.chars().collect::<HashSet<_>>().len() <= 2
}

/// Mostly steps of one up or down: `12345678`, `abcdefgh`, `87654321`.
fn is_run(text: &str) -> bool {
    let codes: Vec<u32> = text.chars().map(u32::from).collect();
    let steps = codes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    codes.len() >= 6 && steps * 5 >= (codes.len() - 1) * 4
}

/// Digits and signs that stand for letters, read as letters.
fn plain_letters(text: &str) -> String {
    let plain = |c: char| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(text: &str) -> Vec<Weakness> {
        weaknesses(&Password::parse(text).unwrap(), &"ada.lovelace@example.com".parse().unwrap())
    }

    #[test]
    fn good_passwords_pass() {
        for good in [
            "Tr0ub4dor&3x",
            "correct horse battery stapler",
            "Xk9#mPq2vL",
            "I met ada.lovelace in a library once",
            "ÄrgerlichÜ9 blau!",
        ] {
            assert_eq!(judge(good), [], "{good}");
        }
    }

    #[test]
    fn the_rule_is_the_specs_or_fifteen_characters() {
        assert_eq!(judge("Xk9#mPq"), [Weakness::TooShort]);
        assert_eq!(judge("xk9#mpq2"), [Weakness::TooPlain]);
        assert_eq!(judge("Xkq#mPqw"), [Weakness::TooPlain]);
        assert_eq!(judge("vkqtmpqzlrwb"), [Weakness::TooPlain]);
        assert_eq!(judge("vkqt mpqz lrwb x"), []);
    }

    #[test]
    fn common_passwords_are_refused_under_their_ornaments() {
        for bad in [
            "Password1!",
            "P@ssw0rd123!",
            "Summer2026!",
            "Qwerty123!",
            "PasswordPassword1!",
            "!Welcome1",
            "Monkey12#",
            "Letmein2025!",
            "12345678901234567890",
            "aaaaaaaaaaaaaaaa",
            "abcdefghijklmnop",
            "Iloveyou1!",
            "Admin123!",
            "121212121212121212",
        ] {
            assert!(judge(bad).contains(&Weakness::Common), "{bad}");
        }
    }

    #[test]
    fn short_passwords_of_words_and_patterns_are_refused_and_long_ones_left_alone() {
        for bad in ["Jessica1987!", "Liverpool10!", "Zaq12wsx!Q", "Trustn01me!"] {
            assert!(!judge(bad).is_empty(), "{bad}");
        }
        assert_eq!(judge("Hedgehog#4"), [Weakness::Guessable]);
        assert_eq!(judge("chocolate seven times"), []);
    }

    #[test]
    fn the_address_and_the_product_are_refused() {
        assert!(judge("ada.lovelace@example.comA1!").contains(&Weakness::LikeEmail));
        assert!(judge("Ada.Lovelace1!").contains(&Weakness::LikeEmail));
        for bad in ["Smartaihub1!", "SmartAIHub1!A", "Smart-AI-Hub 2026!", "5m4rtA1Hub!1"] {
            assert!(judge(bad).contains(&Weakness::LikeProduct), "{bad}");
        }
    }

    #[test]
    fn the_list_is_in_the_form_it_is_looked_up_in() {
        assert!(COMMON.len() >= 2000);
        for entry in COMMON.iter() {
            assert_eq!(*entry, entry.trim().to_lowercase(), "{entry}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_harm(text in "\\PC{0,128}") {
            if let Ok(password) = Password::parse(&text) {
                weaknesses(&password, &"a@b".parse().unwrap());
            }
        }
    }
}
