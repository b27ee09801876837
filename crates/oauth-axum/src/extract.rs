//! What a handler learns about its caller.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use oauth_http::resource::AccessClaims;

/// The claims of the access token that [`BearerLayer`](crate::BearerLayer) let through.
#[derive(Debug, Clone)]
pub struct Claims(pub AccessClaims);

/// The route is not behind a [`BearerLayer`](crate::BearerLayer): a mistake of the program, which
/// must not let anybody in. Answers 500.
#[derive(Debug, Clone, Copy)]
pub struct NotProtected;

impl<S: Send + Sync> FromRequestParts<S> for Claims {
    type Rejection = NotProtected;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotProtected> {
        parts
            .extensions
            .get::<AccessClaims>()
            .cloned()
            .map(Self)
            .ok_or(NotProtected)
    }
}

/// `Option<Claims>` is for routes behind an [optional](crate::BearerLayer::optional) layer, and
/// `None` for a request that brought no token.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Claims {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<AccessClaims>().cloned().map(Self))
    }
}

impl IntoResponse for NotProtected {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
