//! The table `prefix → upstream`.
//!
//! The longest prefix wins, on borders of path segments. The path is passed on unchanged: every edge serves absolute
//! paths, here and elsewhere.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hub_types::ErrorCode;
use hub_web::{ApiError, RouteName, path_is_under};
use tower::Service;

use crate::Forwarder;

/// Where requests go.
#[derive(Clone)]
pub enum Upstream {
    /// A router in this process.
    Local(Router),
    /// A service behind other sockets.
    Remote(Forwarder),
}

/// One line of the table.
#[derive(Clone)]
pub struct Route {
    /// Like `/api/auth`; `/` takes what nothing else takes.
    pub prefix: &'static str,
    /// Who answers.
    pub upstream: Upstream,
}

/// All lines, longest prefix first.
struct Table {
    lines: Vec<Line>,
}

struct Line {
    prefix: &'static str,
    upstream: Upstream,
    /// The name of what lies behind a forwarder, whose own routes we cannot see.
    name: RouteName,
}

/// A router that sends every request where the table says. Unknown paths are 404.
pub(crate) fn table(mut routes: Vec<Route>) -> Router {
    routes.sort_by_key(|route| Reverse(route.prefix.trim_end_matches('/').len()));
    let lines = routes
        .into_iter()
        .map(|Route { prefix, upstream }| {
            let name = RouteName(format!("{}/*", prefix.trim_end_matches('/')).into());
            Line { prefix, upstream, name }
        })
        .collect();
    Router::new().fallback(dispatch).with_state(Arc::new(Table { lines }))
}

async fn dispatch(State(table): State<Arc<Table>>, request: Request) -> Response {
    let path = request.uri().path();
    let Some(line) = table.lines.iter().find(|line| path_is_under(path, line.prefix)) else {
        return ApiError::new(ErrorCode::NotFound).into_response();
    };
    match &line.upstream {
        Upstream::Local(router) => match router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        Upstream::Remote(forwarder) => {
            let mut response = forwarder.forward(request).await;
            response.extensions_mut().insert(line.name.clone());
            response
        }
    }
}
