//! Lists come in pages: how a caller asks for one, and how the next one is named.
//!
//! A cursor is opaque to callers. It holds the sort key of the last row seen and nothing secret; it is not signed, so the
//! query behind it must ask for ownership again.

use std::fmt;

use axum::extract::FromRequestParts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{ApiError, Query};

/// Longest cursor that is read, in characters.
const MAX_CURSOR: usize = 1024;
/// Deepest offset; a list that long must be walked by cursor.
const MAX_OFFSET: u64 = 1_000_000;

/// Which page: `?limit=` with `?cursor=` or `?offset=`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Rows per page, 1 to 100.
    #[serde(default = "default_limit", deserialize_with = "read_limit")]
    #[param(value_type = u32, default = 20, minimum = 1, maximum = 100)]
    pub limit: u32,
    /// `nextCursor` of the page before.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
    /// Rows to skip; not together with `cursor`.
    #[serde(default, deserialize_with = "read_offset")]
    #[param(value_type = Option<u64>)]
    pub offset: Option<u64>,
}

impl Default for PageQuery {
    fn default() -> Self {
        Self { limit: default_limit(), cursor: None, offset: None }
    }
}

impl PageQuery {
    /// The cursor's content, if there is a cursor. Errors: 400 for a cursor that is not ours.
    pub fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, ApiError> {
        self.cursor.as_ref().map(Cursor::decode).transpose()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Query(page) = Query::<Self>::from_request_parts(parts, state).await?;
        if page.cursor.is_some() && page.offset.is_some() {
            return Err(ApiError::validation("offset", "cannot be used together with cursor"));
        }
        Ok(page)
    }
}

fn default_limit() -> u32 {
    20
}

fn read_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = deserializer.deserialize_any(Number)?;
    let limit = u32::try_from(number).ok().filter(|limit| (1..=100).contains(limit));
    limit.ok_or_else(|| D::Error::custom("must be between 1 and 100"))
}

fn read_offset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = deserializer.deserialize_any(Number)?;
    if number > MAX_OFFSET {
        return Err(D::Error::custom(format!("must be at most {MAX_OFFSET}; use cursor")));
    }
    Ok(Some(number))
}

/// A number that may come as text, as it does from a query inside a flattened struct.
struct Number;

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<u64, E> {
        text.parse().map_err(|_| E::custom("must be a whole number"))
    }
}

/// The opaque name of a place in a list: base64url of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Cursor(String);

impl Cursor {
    /// Names the place with this sort key. A key that JSON cannot hold gives an error of ours (500).
    pub fn encode<T: Serialize>(key: &T) -> Result<Self, ApiError> {
        let json = serde_json::to_vec(key).map_err(ApiError::internal)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(json)))
    }

    /// Reads the sort key back. Errors: 400 for anything that `encode` of the same list did not make.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let foreign = || ApiError::validation("cursor", "is not a cursor of this list");
        if self.0.len() > MAX_CURSOR {
            return Err(foreign());
        }
        let json = URL_SAFE_NO_PAD.decode(&self.0).map_err(|error| foreign().source(error))?;
        serde_json::from_slice(&json).map_err(|error| foreign().source(error))
    }

    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One page of rows, before it gets the names its endpoint uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// At most `limit` rows.
    pub items: Vec<T>,
    /// True when more rows follow.
    pub has_more: bool,
    /// Where they follow.
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts a page from rows that were fetched with `limit + 1`; `key` gives the sort key of a row.
    pub fn cut<K: Serialize>(mut rows: Vec<T>, limit: u32, key: impl FnOnce(&T) -> K) -> Result<Self, ApiError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more);
        let next_cursor = last.map(|row| Cursor::encode(&key(row))).transpose()?;
        Ok(Self { items: rows, has_more, next_cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn ask(query: &str) -> Result<PageQuery, ApiError> {
        let request = http::Request::get(format!("/things?{query}")).body(()).unwrap();
        PageQuery::from_request_parts(&mut request.into_parts().0, &()).await
    }

    #[tokio::test]
    async fn a_page_has_limits() {
        assert_eq!(ask("").await.unwrap(), PageQuery::default());
        assert_eq!(ask("limit=100&offset=40").await.unwrap().offset, Some(40));
        for bad in ["limit=0", "limit=101", "limit=-1", "limit=4294967297", "limit=x", "limit=", "offset=99999999999"] {
            let error = ask(bad).await.unwrap_err();
            assert_eq!(error.code, hub_types::ErrorCode::Validation, "{bad}");
            let field = error.details.unwrap()[0]["field"].clone();
            assert_eq!(field, bad.split('=').next().unwrap(), "{bad}");
        }
        assert!(ask("cursor=e30&offset=1").await.is_err());
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for text in ["", "%%%", "bm90IGpzb24", &"a".repeat(2000)] {
            assert!(Cursor(text.into()).decode::<(i64, String)>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_row_too_many_becomes_the_next_cursor() {
        let page = Page::cut(vec![1, 2, 3], 2, |row| *row).unwrap();
        assert_eq!(page.items, [1, 2]);
        assert_eq!(page.next_cursor.unwrap().decode::<i32>().unwrap(), 2);
        let last = Page::cut(vec![1, 2], 2, |row| *row).unwrap();
        assert!(!last.has_more && last.next_cursor.is_none());
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back(at in any::<i64>(), id in ".{0,40}") {
            let cursor = Cursor::encode(&(at, &id)).unwrap();
            prop_assert_eq!(cursor.decode::<(i64, String)>().unwrap(), (at, id));
        }
    }
}
