//! What a handler learns about its caller.

use axum::extract::FromRequestParts;
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

impl IntoResponse for NotProtected {
    fn into_response(self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}
