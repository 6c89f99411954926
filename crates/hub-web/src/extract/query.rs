//! The query string as a value, with our errors.
#![expect(clippy::disallowed_types, reason = "this is the replacement that the lint asks for; axum parses beneath it")]

use std::error::Error;

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::reason::bad_field;
use crate::ApiError;

type Located = serde_path_to_error::Error<serde::de::value::Error>;

/// Reads `?a=1&b=2` into `T`. Errors: 400 naming the parameter.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(ApiError::validation("query", "holds a NUL character"));
        }
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(explain(&rejection)),
        }
    }
}

fn explain(rejection: &(dyn Error + 'static)) -> ApiError {
    let mut next = Some(rejection);
    while let Some(error) = next {
        if let Some(located) = error.downcast_ref::<Located>() {
            return bad_field(&located.path().to_string(), &located.inner().to_string(), "query");
        }
        next = error.source();
    }
    ApiError::validation("query", "cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Newest,
        Oldest,
    }

    #[derive(Debug, Deserialize)]
    struct Filter {
        #[serde(default)]
        page: u32,
        order: Option<Order>,
    }

    async fn ask(query: &str) -> Result<Filter, Value> {
        let request = http::Request::get(format!("/x?{query}")).body(()).unwrap();
        let read = Query::<Filter>::from_request_parts(&mut request.into_parts().0, &()).await;
        read.map(|query| query.0).map_err(|error| error.details.unwrap())
    }

    #[tokio::test]
    async fn a_bad_parameter_is_named() {
        let good = ask("page=2&order=newest").await.unwrap();
        assert!(good.page == 2 && matches!(good.order, Some(Order::Newest)));
        assert!(matches!(ask("order=oldest").await.unwrap().order, Some(Order::Oldest)));
        assert_eq!(ask("page=-1").await.unwrap_err(), json!([{"field": "page", "message": "must be a whole number"}]));
        assert_eq!(ask("page=4294967296").await.unwrap_err()[0]["message"], "is out of range");
        assert_eq!(ask("order=x").await.unwrap_err()[0]["field"], "order");
        assert_eq!(ask("page=1&page=2").await.unwrap_err()[0]["message"], "stands more than once");
        assert_eq!(ask("order=%00").await.unwrap_err()[0]["field"], "query");
    }
}
