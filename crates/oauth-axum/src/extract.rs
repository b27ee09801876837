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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(found) => found,
            Poll::Pending => panic!("nothing has to be waited for"),
        }
    }

    /// A handler outside of any guard fails, loudly, and lets nobody in; where it can do without
    /// claims it goes without.
    #[test]
    fn without_a_guard_there_are_no_claims() {
        let (mut head, ()) = axum::http::Request::new(()).into_parts();
        let refused = now(<Claims as FromRequestParts<()>>::from_request_parts(
            &mut head,
            &(),
        ));
        let answer = refused.unwrap_err().into_response();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let Ok(nobody) =
            now(<Claims as OptionalFromRequestParts<()>>::from_request_parts(&mut head, &()));
        assert!(nobody.is_none());
    }
}
