//! Amounts of money in words. Only for people: the hub counts in the smallest unit and never converts.

/// Currencies without a smaller unit, as the payment provider counts them.
const WHOLE: [&str; 16] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];
/// Currencies of thousandths.
const THOUSANDTHS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

/// An amount such as `10.00 USD`.
pub fn price(minor: i64, currency: &str) -> String {
    let digits: usize = match currency {
        whole if WHOLE.contains(&whole) => 0,
        fine if THOUSANDTHS.contains(&fine) => 3,
        _ => 2,
    };
    let (sign, text) =
        (if minor < 0 { "-" } else { "" }, format!("{:0>width$}", minor.unsigned_abs(), width = digits + 1));
    let (units, parts) = text.split_at(text.len() - digits);
    let point = if digits == 0 { "" } else { "." };
    format!("{sign}{units}{point}{parts} {}", currency.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::price;

    #[test]
    fn amounts_have_the_digits_of_their_currency() {
        assert_eq!(price(1_000, "usd"), "10.00 USD");
        assert_eq!((price(5, "eur"), price(-1_205, "eur")), ("0.05 EUR".to_owned(), "-12.05 EUR".to_owned()));
        assert_eq!((price(500, "jpy"), price(1_234, "kwd")), ("500 JPY".to_owned(), "1.234 KWD".to_owned()));
    }
}
