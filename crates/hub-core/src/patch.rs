//! Bodies of PATCH, where a value, `null` and nothing are three things.

use serde::{Deserialize, Deserializer};

/// For `deserialize_with`, beside `default`: tells `null` from a field that is not there.
#[expect(clippy::option_option, reason = "a value, `null` and nothing are three things")]
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}
