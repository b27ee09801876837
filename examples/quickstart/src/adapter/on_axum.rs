//! On axum.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::Request;
use hyper::body::Incoming;
use oauth_axum::Claims;
use tower::Service;

use super::{Answering, Application};
use crate::mcp::Caller;

pub(super) fn app(
    application: Application,
) -> impl Fn(Request<Incoming>, SocketAddr) -> Answering<Response> + Clone + Send + 'static {
    let (guard, operations) = (application.guard(), application.operations());
    let router: Router = Router::new()
        .route_service("/mcp", application.tools)
        .layer(operations)
        .route("/whoami", get(whoami))
        .layer(guard)
        .merge(oauth_axum::resource_metadata([&application.resource]))
        .merge(oauth_axum::authorization_server(application.service));
    move |mut request, peer| {
        request.extensions_mut().insert(ConnectInfo(peer));
        // A router is always ready.
        Box::pin(router.clone().call(request.map(Body::new)))
    }
}

/// Reports who called, as far as the token tells.
async fn whoami(Claims(claims): Claims) -> Response {
    Json(Caller::from(&claims)).into_response()
}
