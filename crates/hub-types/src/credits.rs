//! Money inside the hub: whole micro-credits in an `i64`, never a float.
//!
//! 1 credit = 1 000 000 micro-credits (design decision 6). On the wire an amount is a decimal number of credits,
//! exact to six digits, so the spec's `1000`, `900` and `-100` read the same.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Micro-credits in one credit.
const MICRO: i64 = 1_000_000;

/// An amount of credits, held as micro-credits. Arithmetic that could overflow is checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Credits(i64);

/// Why a text or number is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreditsError {
    /// Not a decimal number.
    #[error("must be a decimal number of credits")]
    NotANumber,
    /// More than six digits after the point.
    #[error("must have at most 6 digits after the decimal point")]
    TooPrecise,
    /// Beyond ± 1 000 000 000 credits.
    #[error("must be between -1000000000 and 1000000000 credits")]
    OutOfRange,
}

impl Credits {
    /// No credits.
    pub const ZERO: Self = Self(0);
    /// The largest amount or balance the hub accepts: 10⁹ credits = 10¹⁵ micro-credits (credits.md §2.1), which also
    /// keeps every amount exact in a JavaScript client.
    pub const MAX: Self = Self(1_000_000_000 * MICRO);

    /// An amount from micro-credits; the caller vouches for the range.
    pub const fn from_micro(micro: i64) -> Self {
        Self(micro)
    }

    /// An amount from whole credits.
    pub const fn whole(credits: i32) -> Self {
        Self(credits as i64 * MICRO)
    }

    /// The amount in micro-credits: what the database stores.
    pub const fn micro(self) -> i64 {
        self.0
    }

    /// Sum, or `None` beyond the range of `i64`.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Difference, or `None` beyond the range of `i64`.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// True for amounts above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    fn in_range(micro: i128) -> Result<Self, CreditsError> {
        let limit = i128::from(Self::MAX.0);
        if !(-limit..=limit).contains(&micro) {
            return Err(CreditsError::OutOfRange);
        }
        i64::try_from(micro).map(Self).map_err(|_| CreditsError::OutOfRange)
    }
}

impl std::ops::Neg for Credits {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl Sum for Credits {
    /// Saturates: sums are for display and checks, never for posting.
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.fold(0_i64, |sum, amount| sum.saturating_add(amount.0)))
    }
}

impl fmt::Display for Credits {
    /// Decimal credits without trailing zeros: `12`, `-0.25`, `0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, micro) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, fraction) = (micro / MICRO.unsigned_abs(), micro % MICRO.unsigned_abs());
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let digits = format!("{fraction:06}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credits({self})")
    }
}

impl FromStr for Credits {
    type Err = CreditsError;

    /// Reads plain decimal text such as `-100`, `0.25`. No exponent, no sign `+`, no spaces.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(CreditsError::NotANumber);
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 6 {
            return Err(CreditsError::TooPrecise);
        }
        let whole: i128 = whole.parse().map_err(|_| CreditsError::OutOfRange)?;
        let fraction: i128 = format!("{fraction:0<6}").parse().map_err(|_| CreditsError::NotANumber)?;
        let micro = whole.checked_mul(i128::from(MICRO)).and_then(|w| w.checked_add(fraction));
        let micro = micro.ok_or(CreditsError::OutOfRange)?;
        Self::in_range(if negative { -micro } else { micro })
    }
}

impl Serialize for Credits {
    /// Whole amounts as an integer, others as the shortest decimal; at most 16 significant digits, so the float
    /// that carries it is exact.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % MICRO == 0 {
            return serializer.serialize_i64(self.0 / MICRO);
        }
        let decimal: f64 = self.to_string().parse().map_err(serde::ser::Error::custom)?;
        serializer.serialize_f64(decimal)
    }
}

impl<'de> Deserialize<'de> for Credits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Credits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number of credits")
    }

    fn visit_i64<E: serde::de::Error>(self, whole: i64) -> Result<Credits, E> {
        Credits::in_range(i128::from(whole) * i128::from(MICRO)).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, whole: u64) -> Result<Credits, E> {
        Credits::in_range(i128::from(whole) * i128::from(MICRO)).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, decimal: f64) -> Result<Credits, E> {
        if !decimal.is_finite() {
            return Err(E::invalid_value(Unexpected::Float(decimal), &self));
        }
        // `{}` prints the shortest decimal that reads back to this float: for an amount in range, the one sent.
        format!("{decimal}").parse().map_err(E::custom)
    }
}

impl utoipa::PartialSchema for Credits {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some("Decimal number of credits, exact to 6 digits after the point."))
            .build()
            .into()
    }
}

impl utoipa::ToSchema for Credits {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> Result<Credits, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn amounts_read_as_the_spec_writes_them() {
        assert_eq!(read("1000"), Ok(Credits::whole(1000)));
        assert_eq!(read("-100"), Ok(Credits::whole(-100)));
        assert_eq!(read("0.1"), Ok(Credits::from_micro(100_000)));
        assert_eq!(read("1e-6"), Ok(Credits::from_micro(1)));
        assert_eq!(serde_json::to_string(&Credits::whole(900)).unwrap_or_default(), "900");
    }

    #[test]
    fn what_is_not_an_amount_is_refused_and_never_rounded() {
        for bad in [
            "\"10\"",
            "1e309",
            "null",
            "0.1234567",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "[]",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        for bad in ["", "-", ".", "1.", ".5", "+1", " 1", "1e3", "0x1", "1_000", "1000000000.000001"] {
            assert!(bad.parse::<Credits>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_survives_text_and_json(micro in -1_000_000_000_000_000_i64..=1_000_000_000_000_000) {
            let amount = Credits::from_micro(micro);
            prop_assert_eq!(amount.to_string().parse::<Credits>(), Ok(amount));
            let json = serde_json::to_string(&amount).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(read(&json), Ok(amount));
        }
    }
}
