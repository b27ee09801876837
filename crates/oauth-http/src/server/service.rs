//! Routing, limits and methods.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use http::header;
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body;
use http_body_util::{BodyExt, Limited};
use oauth_core::hand_off::RESUME;
use oauth_core::types::TokenRequest;
use oauth_core::{AuthorizationServer, ClientAssertion, PresentedClient, Source, TokenError};

use crate::document::{self, Document, error, method_not_allowed, preflight};
use crate::server::account::{AccountPaths, AccountRoute};
use crate::server::cookies::Cookies;
use crate::server::hand_off::{DECISION, TRANSACTION};
use crate::server::interaction::Interaction;
use crate::server::proxies::TrustedProxies;
use crate::server::registration::REGISTER;
use crate::server::{decode, encode};

/// Bytes of a request's body. Sealed state and its form come first in size.
const MAX_BODY: usize = 64 * 1024;
/// Bytes of a path and query: the 8,000 octets that OAuth 2.1 §1.7.1 asks for, twice.
const MAX_TARGET: usize = 16 * 1024;

/// The authorization server's endpoints over HTTP.
pub struct OAuthService {
    pub(crate) server: Arc<AuthorizationServer>,
    pub(crate) interaction: Arc<dyn Interaction>,
    pub(crate) cookies: Cookies,
    pub(crate) account_paths: AccountPaths,
    metadata: Document,
    routes: Vec<(String, Route)>,
    proxies: Option<TrustedProxies>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Token,
    Authorize,
    Interact,
    Register,
    Manage,
    Revoke,
    Introspect,
    Transaction,
    Decision,
    Resume,
    Metadata,
    Jwks,
    Account(AccountRoute),
}

/// Where the forms of sign-in and consent are posted to, below the issuer.
pub(crate) const INTERACT: &str = "/authorize/interact";
/// The one path with a parameter in it.
const MANAGE: &str = "/register/{client_id}";

impl OAuthService {
    /// Serves `server`, talking to people through `interaction`. Documents are rendered here, once.
    pub fn new(server: Arc<AuthorizationServer>, interaction: Arc<dyn Interaction>) -> Self {
        let issuer = &server.config().issuer;
        let mut routes: Vec<(String, Route)> = [
            ("/token", Route::Token),
            ("/authorize", Route::Authorize),
            (INTERACT, Route::Interact),
            (REGISTER, Route::Register),
            (MANAGE, Route::Manage),
            ("/revoke", Route::Revoke),
            ("/introspect", Route::Introspect),
            ("/jwks", Route::Jwks),
        ]
        .into_iter()
        .map(|(path, route)| (issuer.endpoint_path(path), route))
        .collect();
        if !server.config().operator_credentials.is_empty() {
            let more = [
                (TRANSACTION, Route::Transaction),
                (DECISION, Route::Decision),
                (RESUME, Route::Resume),
            ];
            routes.extend(more.map(|(path, route)| (issuer.endpoint_path(path), route)));
        }
        let account_paths = AccountPaths::new(issuer);
        if interaction.account_pages().is_some() {
            let account = account_paths.routes();
            routes.extend(account.map(|(path, route)| (path.to_owned(), Route::Account(route))));
        }
        routes.extend(
            issuer
                .metadata_paths()
                .into_iter()
                .map(|path| (path, Route::Metadata)),
        );
        let metadata = Document::render(&server.metadata());
        let cookies = Cookies::new(issuer);
        Self {
            server,
            interaction,
            cookies,
            account_paths,
            metadata,
            routes,
            proxies: None,
        }
    }

    /// The paths to mount, all at the host's root. In the last segment of one of them,
    /// `{client_id}` stands for any text without a slash; the others are exact.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|(path, _)| path.as_str())
    }

    /// Whether a path is one of [`Self::paths`], the parameter filled in.
    pub fn serves(&self, path: &str) -> bool {
        self.routes.iter().any(|(held, _)| serves(held, path))
    }

    /// Believes these proxies about where requests come from.
    #[must_use]
    pub fn behind(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// The server behind.
    pub fn authorization_server(&self) -> &Arc<AuthorizationServer> {
        &self.server
    }

    /// Collects a request's body, up to the limit, and answers. `source` is the peer's address as
    /// far as the adapter can vouch for it.
    pub async fn call<B>(&self, request: Request<B>, source: Source) -> Response<Bytes>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            return self.handle(parts, Bytes::new(), source).await;
        }
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => {
                // A body in one piece, which forms are, is taken as it is.
                let mut body = body.aggregate();
                let bytes = body.copy_to_bytes(body.remaining());
                self.handle(parts, bytes, source).await
            }
            Err(cause) if cause.is::<http_body_util::LengthLimitError>() => error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "invalid_request",
                "the body is too large",
            ),
            Err(_) => error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "the body broke off",
            ),
        }
    }

    /// Answers a request whose body is already here.
    pub async fn handle(
        &self,
        request: request::Parts,
        body: Bytes,
        source: Source,
    ) -> Response<Bytes> {
        if request
            .uri
            .path_and_query()
            .is_some_and(|target| target.as_str().len() > MAX_TARGET)
        {
            return error(
                StatusCode::URI_TOO_LONG,
                "invalid_request",
                "the address is too long",
            );
        }
        let source = match &self.proxies {
            None => source,
            Some(proxies) => proxies.source(source, &request.headers),
        };
        let path = request.uri.path();
        let Some((_, route)) = self.routes.iter().find(|(held, _)| serves(held, path)) else {
            return error(StatusCode::NOT_FOUND, "not_found", "nothing is here");
        };
        match route {
            Route::Metadata => self.metadata.answer(&request),
            // Keys change while we run, and are asked for seldom.
            Route::Jwks => {
                let keys = serde_json::json!({ "keys": self.server.public_jwks() });
                Document::render(&keys).answer(&request)
            }
            Route::Authorize => self.authorize(&request, &body, source).await,
            Route::Interact => self.interact(&request, &body, source).await,
            Route::Account(route) => self.account(*route, &request, &body, source).await,
            Route::Introspect => {
                encode::without_cors(self.post(*route, &request, &body, source).await)
            }
            Route::Transaction => self.transaction(&request, &body, source).await,
            Route::Decision => self.decision(&request, &body, source).await,
            Route::Resume => self.carry_out(&request).await,
            Route::Register => self.register(&request, &body, source).await,
            Route::Manage => {
                let client_id = path.rsplit('/').next().unwrap_or_default();
                self.manage(client_id, &request, &body, source).await
            }
            Route::Token | Route::Revoke => self.post(*route, &request, &body, source).await,
        }
    }

    async fn post(
        &self,
        route: Route,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        match request.method {
            Method::POST => {}
            Method::OPTIONS if route != Route::Introspect => return preflight("POST, OPTIONS"),
            _ if route == Route::Introspect => return method_not_allowed("POST"),
            _ => return method_not_allowed("POST, OPTIONS"),
        }
        if !decode::is_form(&request.headers) {
            return bad_request("the body must be application/x-www-form-urlencoded in UTF-8");
        }
        let form = match decode::pairs(body) {
            Ok(pairs) => TokenRequest::from_pairs(pairs),
            Err(message) => return bad_request(message),
        };
        let basic = match decode::basic(&request.headers) {
            Ok(basic) => basic,
            Err(message) => return bad_request(message),
        };
        let presented = PresentedClient::new(
            basic.as_ref(),
            form.client_id.as_deref(),
            form.client_secret.as_deref(),
            ClientAssertion::of(
                form.client_assertion_type.as_deref(),
                form.client_assertion.as_deref(),
            ),
        );
        let used_header = basic.is_some();
        let fail = |failure: TokenError| encode::token_error(&failure, used_header);
        match route {
            Route::Token => {
                let answer = self.server.token(presented, &form, source).await;
                answer.map_or_else(fail, |response| encode::token(&response))
            }
            Route::Revoke => {
                let answer = self.server.revoke(presented, &form, source).await;
                answer.map_or_else(fail, |()| encode::revoked())
            }
            _ => {
                let answer = self.server.introspect(presented, &form, source).await;
                answer.map_or_else(fail, |claims| encode::introspection(claims.as_ref()))
            }
        }
    }
}

impl std::fmt::Debug for OAuthService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OAuthService")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Whether a path is the held one, or fills the parameter at its end.
fn serves(held: &str, path: &str) -> bool {
    match held.strip_suffix("{client_id}") {
        None => held == path,
        Some(before) => path
            .strip_prefix(before)
            .is_some_and(|id| !id.is_empty() && !id.contains('/')),
    }
}

fn bad_request(message: &str) -> Response<Bytes> {
    document::error(StatusCode::BAD_REQUEST, "invalid_request", message)
}

/// Whether a browser's request for a page reached the host it was meant for. A loopback server
/// can be reached under any name that somebody lets resolve to it, so there the name must be ours.
pub(crate) fn is_for_this_host(service: &OAuthService, request: &request::Parts) -> bool {
    let issuer = &service.server.config().issuer;
    if !issuer.is_loopback_http() {
        return true;
    }
    let named = match request.headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri.authority().map(http::uri::Authority::as_str),
    };
    named.is_some_and(|named| named == issuer.authority())
}
