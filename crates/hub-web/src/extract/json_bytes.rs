//! A JSON body that is passed on as it came: the content type is checked, the bytes are not looked into.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use hub_types::ErrorCode;

use crate::envelope::is_json_type;
use crate::{ApiError, read_body};

/// The bytes of a JSON body. Errors: 415 for another content type, 413, 408.
#[derive(Debug, Clone)]
pub struct JsonBytes(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json_type) {
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType).message("Send application/json"));
        }
        read_body(request.into_body()).await.map(Self)
    }
}
