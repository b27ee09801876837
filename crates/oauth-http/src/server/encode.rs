//! From decisions to responses: the one place that chooses a status for an OAuth error.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use oauth_core::storage::{StorageError, StorageErrorKind};
use oauth_core::types::{AccessClaims, Lifetime, TokenErrorCode, TokenResponse};
use oauth_core::{ClientAuthError, TokenError};
use serde::Serialize;

use crate::document::{allow_any_origin, error, no_store};

/// An answer with JSON that nobody may keep.
pub(crate) fn json(status: StatusCode, value: &impl Serialize, capacity: usize) -> Response<Bytes> {
    let mut body = Vec::with_capacity(capacity);
    // proved: the values are structs of strings and numbers, and a Vec takes every write.
    serde_json::to_writer(&mut body, value).expect("plain structs");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    no_store(headers);
    allow_any_origin(headers);
    response
}

pub(crate) fn token(response: &TokenResponse) -> Response<Bytes> {
    json(StatusCode::OK, response, 384)
}

/// `used_header` tells whether the client tried Basic, and so has to be told how to do it.
pub(crate) fn token_error(failure: &TokenError, used_header: bool) -> Response<Bytes> {
    let Some(code) = failure.code() else {
        return server_failure(failure);
    };
    let invalid_client = code == TokenErrorCode::InvalidClient;
    // Clients that heal themselves by registering again look for 401.
    let status = if invalid_client {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::BAD_REQUEST
    };
    let mut response = error(status, code.as_str(), &failure.to_string());
    if invalid_client && used_header {
        let basic = HeaderValue::from_static("Basic realm=\"oauth\", charset=\"UTF-8\"");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, basic);
    }
    response
}

fn server_failure(failure: &TokenError) -> Response<Bytes> {
    match failure {
        TokenError::Limited(limited) | TokenError::Client(ClientAuthError::Limited(limited)) => {
            too_many(limited.retry_after)
        }
        TokenError::Storage(cause) | TokenError::Client(ClientAuthError::Storage(cause)) => {
            storage_failure(cause)
        }
        TokenError::Client(ClientAuthError::KeysUnavailable) => try_again(),
        _ => internal(),
    }
}

/// A backend that is down is not the client's fault, and must not cost it its tokens.
pub(crate) fn storage_failure(cause: &StorageError) -> Response<Bytes> {
    match cause.kind() {
        StorageErrorKind::Unavailable
        | StorageErrorKind::Indeterminate
        | StorageErrorKind::Contended => try_again(),
        _ => internal(),
    }
}

fn try_again() -> Response<Bytes> {
    let mut response = error(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        "try again in a moment",
    );
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

pub(crate) fn internal() -> Response<Bytes> {
    error(
        StatusCode::INTERNAL_SERVER_ERROR,
        "server_error",
        "the server failed",
    )
}

pub(crate) fn too_many(retry_after: Lifetime) -> Response<Bytes> {
    let mut response = error(
        StatusCode::TOO_MANY_REQUESTS,
        "temporarily_unavailable",
        "too many attempts",
    );
    let seconds = HeaderValue::from(retry_after.as_seconds());
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response
}

/// 200 and nothing, whatever the token was. Spec: RFC 7009 §2.2.
pub(crate) fn revoked() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    no_store(response.headers_mut());
    allow_any_origin(response.headers_mut());
    response
}

/// Spec: RFC 7662 §2.2. Not for browsers, so without CORS.
pub(crate) fn introspection(claims: Option<&AccessClaims>) -> Response<Bytes> {
    let value = match claims {
        None => serde_json::json!({ "active": false }),
        Some(claims) => {
            let mut value = serde_json::json!({
                "active": true,
                "scope": claims.scope,
                "client_id": claims.client_id,
                "sub": claims.subject,
                "aud": claims.audience,
                "iss": claims.issuer,
                "iat": claims.issued_at,
                "exp": claims.expires_at,
                "token_type": "Bearer",
            });
            // RFC 9470 §6.2: how the person signed in, as far as that is known.
            if let Some(auth_time) = claims.auth_time {
                value["auth_time"] = auth_time.as_unix().into();
            }
            if let Some(context) = &claims.authentication {
                if let Some(acr) = context.acr() {
                    value["acr"] = acr.into();
                }
                if !context.amr().is_empty() {
                    value["amr"] = context.amr().into();
                }
            }
            value
        }
    };
    without_cors(json(StatusCode::OK, &value, 256))
}

pub(crate) fn without_cors(mut response: Response<Bytes>) -> Response<Bytes> {
    response
        .headers_mut()
        .remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    response
        .headers_mut()
        .remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
    response
}
