//! Registration and its management. Spec: RFC 7591 §3, RFC 7592 §2.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, request};
use oauth_core::types::registration::ClientMetadata;
use oauth_core::{RegistrationError, Source};

use crate::document::{allow_any_origin, error, method_not_allowed, no_store, preflight};
use crate::server::service::OAuthService;
use crate::server::{decode, encode};

/// Where clients register, below the issuer.
pub(crate) const REGISTER: &str = "/register";

impl OAuthService {
    /// `POST /register`.
    pub(super) async fn register(
        &self,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        match request.method {
            Method::POST => {}
            Method::OPTIONS => return preflight("POST, OPTIONS"),
            _ => return method_not_allowed("POST, OPTIONS"),
        }
        let token = match decode::bearer(&request.headers) {
            Ok(token) => token,
            Err(decode::MalformedBearer) => {
                return registration_error(&RegistrationError::TokenRejected);
            }
        };
        let metadata = match document(&request.headers, body) {
            Ok(metadata) => metadata,
            Err(message) => return invalid(message),
        };
        match self.server.register_with(metadata, token, source).await {
            Ok(information) => encode::json(StatusCode::CREATED, &information, 768),
            Err(failure) => registration_error(&failure),
        }
    }

    /// `GET`, `PUT` and `DELETE /register/{client_id}`.
    pub(super) async fn manage(
        &self,
        client_id: &str,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        const ALLOWED: &str = "GET, PUT, DELETE, OPTIONS";
        match request.method {
            Method::GET | Method::PUT | Method::DELETE => {}
            Method::OPTIONS => return preflight(ALLOWED),
            _ => return method_not_allowed(ALLOWED),
        }
        let token = match decode::bearer(&request.headers) {
            Ok(Some(token)) => token,
            Ok(None) => return registration_error(&RegistrationError::TokenRequired),
            Err(decode::MalformedBearer) => {
                return registration_error(&RegistrationError::TokenRejected);
            }
        };
        let answer = match request.method {
            Method::GET => self.server.read_registration(client_id, token).await,
            Method::PUT => {
                // Who may not change a registration learns nothing about their body.
                if let Err(failure) = self.server.read_registration(client_id, token).await {
                    return registration_error(&failure);
                }
                match document(&request.headers, body) {
                    Ok(metadata) => {
                        let server = &self.server;
                        server
                            .update_registration(client_id, token, metadata, source)
                            .await
                    }
                    Err(message) => return invalid(message),
                }
            }
            _ => {
                return match self.server.delete_registration(client_id, token).await {
                    Ok(()) => deleted(),
                    Err(failure) => registration_error(&failure),
                };
            }
        };
        match answer {
            Ok(information) => encode::json(StatusCode::OK, &information, 768),
            Err(failure) => registration_error(&failure),
        }
    }
}

/// The metadata of a request's body.
fn document(headers: &HeaderMap, body: &Bytes) -> Result<ClientMetadata, &'static str> {
    decode::json_object(headers, body)
}

fn invalid(message: &str) -> Response<Bytes> {
    error(StatusCode::BAD_REQUEST, "invalid_client_metadata", message)
}

/// 204 and nothing. Spec: RFC 7592 §2.3.
fn deleted() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    no_store(response.headers_mut());
    allow_any_origin(response.headers_mut());
    response
}

fn registration_error(failure: &RegistrationError) -> Response<Bytes> {
    let description = failure.to_string();
    let (word, challenge) = match failure {
        RegistrationError::Limited(limited) => return encode::too_many(limited.retry_after),
        RegistrationError::Storage(cause) => return encode::storage_failure(cause),
        RegistrationError::Disabled => {
            return error(StatusCode::FORBIDDEN, "access_denied", &description);
        }
        // RFC 6750 §3.1: whoever sent no token is not told of an error.
        RegistrationError::TokenRequired => ("invalid_token", "Bearer realm=\"registration\""),
        RegistrationError::TokenRejected => (
            "invalid_token",
            "Bearer realm=\"registration\", error=\"invalid_token\"",
        ),
        _ => {
            return match failure.code() {
                Some(code) => error(StatusCode::BAD_REQUEST, code.as_str(), &description),
                None => encode::internal(),
            };
        }
    };
    let mut response = error(StatusCode::UNAUTHORIZED, word, &description);
    let challenge = HeaderValue::from_static(challenge);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
}
