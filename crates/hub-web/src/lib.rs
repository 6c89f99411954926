//! The HTTP kit: what every edge and the front door need to speak HTTP in one voice.
//!
//! - errors: [`ApiError`] says what went wrong, [`with_envelope`] alone decides how it looks;
//! - who and what: [`RequestId`], [`ClientAddr`], [`Authenticated`], [`guarded`];
//! - reading: [`Json`], [`Query`], [`Path`], [`RawBody`], [`PageQuery`], [`IdempotencyKey`];
//! - answering: [`Json`], [`sse`], [`write_csv`], [`html`] for the few pages;
//! - running: [`serve`], which closes slow, idle and stuck connections.
//!
//! This room knows no rule of the hub, no database and no provider. It must never decide *whether* somebody may do
//! something: that is asked through the [`Gatekeeper`] and answered elsewhere.
//!
//! Layers are plain functions `Router → Router` called `with_…`; the one applied last is the outermost.

mod body;
mod body_limit;
mod body_timeout;
mod client_address;
mod credentials;
mod csv;
mod envelope;
mod error;
mod error_shape;
mod extract;
mod gatekeeper;
mod handler_timeout;
pub mod html;
mod hygiene;
mod observed;
pub mod openapi;
mod paging;
mod panics;
mod rate_limit;
mod request_id;
mod same_origin;
mod serve;
pub mod sse;
mod trace;

pub use body::{BodyError, RawBody, body_error_in, read_body};
pub use body_limit::{BodyLimits, path_is_under, with_body_limit};
pub use body_timeout::{BodyTimeout, IdleLimited, with_body_timeout};
pub use client_address::{ClientAddr, TrustedProxies, rate_key, with_client_address};
pub use credentials::Presented;
pub use csv::{CSV_TYPE, Cell, write_csv};
pub use envelope::{error_body, with_envelope};
pub use error::{ApiError, ProviderWords, Telling};
pub use error_shape::ErrorShape;
pub use extract::{
    Authenticated, IdempotencyKey, Json, JsonBytes, MaxCredits, MaybeCaller, Path, Query, RequestOrigin,
};
pub use gatekeeper::{Admission, CallerId, Gatekeeper, Knock, OpenRoutes, Refusal, RouteKind, TurnedAway, guarded};
pub use handler_timeout::with_handler_timeout;
pub use hygiene::with_hygiene;
pub use paging::{Cursor, Page, PageQuery};
pub use panics::{with_last_resort, with_panics_caught};
pub use rate_limit::LimitState;
pub use request_id::{RequestId, TraceId, TraceSource, with_request_id};
pub use same_origin::comes_from_here;
pub use serve::{ServeOptions, serve};
pub use trace::{RouteName, TraceJoin, with_trace};
