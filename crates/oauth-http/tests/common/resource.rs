//! A resource with an application behind it, and tokens by their text.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use oauth_http::resource::{
    AccessClaims, AccessTokenVerifier, ProtectedResource, TokenRefused, VerificationError,
};
use oauth_testkit::block_on;
use oauth_types::{ClientId, Issuer, ResourceUri, Scope, Subject, Timestamp};
use tower_service::Service;

pub fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub fn resource() -> ProtectedResource {
    let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    ProtectedResource::new(uri, "https://mcp.example", scope("mcp:tools"))
}

pub fn claims(issuer: &str, subject: &str, held: &str, audience: &str) -> AccessClaims {
    AccessClaims::new(
        Issuer::parse(issuer).unwrap(),
        Subject::new(subject),
        ClientId::new("app"),
        held.split(' ').filter(|token| !token.is_empty()).collect(),
        ResourceUri::parse(audience).unwrap(),
        (Timestamp::from_unix(1), Timestamp::from_unix(2)),
    )
}

/// Tokens by their text.
#[derive(Default)]
pub struct Tokens(pub Mutex<HashMap<String, AccessClaims>>);

impl Tokens {
    pub fn of(tokens: &[(&str, AccessClaims)]) -> Arc<Self> {
        let tokens = tokens
            .iter()
            .map(|(text, claims)| ((*text).to_owned(), claims.clone()));
        Arc::new(Self(Mutex::new(tokens.collect())))
    }

    pub fn alice(held: &str) -> Arc<Self> {
        let uri = "https://mcp.example/mcp";
        Self::of(&[("alice", claims("https://mcp.example", "alice", held, uri))])
    }
}

#[async_trait]
impl AccessTokenVerifier for Tokens {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        let known = self.0.lock().unwrap();
        Ok(known.get(token).cloned().ok_or(TokenRefused::Inactive)?)
    }
}

/// An application that keeps a note for each person, and nobody reads another's.
#[derive(Clone, Default)]
pub struct Notes {
    pub kept: Arc<Mutex<HashMap<(Issuer, Subject), String>>>,
    pub seen: Arc<Mutex<Vec<String>>>,
}

impl Service<Request<Full<Bytes>>> for Notes {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        self.seen.lock().unwrap().push(format!("{request:?}"));
        let person = request.extensions().get::<AccessClaims>();
        let person = person.map(|claims| (claims.issuer.clone(), claims.subject.clone()));
        let kept = self.kept.lock().unwrap();
        let note = person.and_then(|person| kept.get(&person).cloned());
        let mut response = Response::new(Full::from(note.clone().unwrap_or_default()));
        *response.status_mut() = match request.method() {
            &http::Method::GET => StatusCode::METHOD_NOT_ALLOWED,
            _ if note.is_some() => StatusCode::OK,
            _ => StatusCode::FORBIDDEN,
        };
        let session = header::HeaderValue::from_static("s1");
        response.headers_mut().insert("mcp-session-id", session);
        std::future::ready(Ok(response))
    }
}

pub fn ask(
    service: &mut impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>>,
        Error = Infallible,
    >,
    request: http::request::Builder,
) -> Response<Bytes> {
    ask_with(service, request, "")
}

pub fn ask_with(
    service: &mut impl Service<
        Request<Full<Bytes>>,
        Response = Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug>>,
        Error = Infallible,
    >,
    request: http::request::Builder,
    body: &'static str,
) -> Response<Bytes> {
    let Ok(response) = block_on(service.call(request.body(Full::from(body)).unwrap()));
    let (parts, body) = response.into_parts();
    let body = block_on(body.collect()).unwrap().to_bytes();
    Response::from_parts(parts, body)
}

pub fn with(token: &str) -> http::request::Builder {
    Request::post("/mcp").header(header::AUTHORIZATION, format!("Bearer {token}"))
}

pub fn challenge(response: &Response<Bytes>) -> String {
    super::text(response, header::WWW_AUTHENTICATE)
}
