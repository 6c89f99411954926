//! Randomness for secrets: the operating system's generator, nothing else.

use rand::TryRng;
use rand::rngs::SysRng;

/// `N` unpredictable bytes.
///
/// The operating system's generator does not fail on a system that runs; should it, the process must stop rather than
/// hand out guessable secrets, so the failure aborts.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    if SysRng.try_fill_bytes(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// A code of `digits` decimal digits, each equally likely; for mailed one-time codes.
pub fn random_digits(digits: usize) -> String {
    let mut code = String::with_capacity(digits);
    while code.len() < digits {
        // Bytes of 250 and above would favour the digits 0–5, so they are drawn again.
        let [byte] = random_bytes::<1>();
        if byte < 250 {
            code.push(char::from(b'0' + byte % 10));
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_length_and_only_digits() {
        let code = random_digits(6);
        assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));
        assert_ne!(random_bytes::<32>(), random_bytes::<32>());
    }
}
