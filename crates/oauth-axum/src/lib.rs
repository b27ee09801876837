//! Mounts the OAuth service and the bearer layer in axum.
//!
//! **Promise.** Requests are converted and routed, nothing else: every status, header and body is
//! what `oauth-http` answers, so this adapter cannot differ from another.
//!
//! **Absences.** No decision, no state, no prefix-stripping mount: well-known paths live at the
//! host's root, so [`authorization_server`] and [`resource_metadata`] are merged, never nested.
//!
//! ```
//! # #[cfg(all(feature = "server", feature = "resource"))] {
//! use std::sync::Arc;
//! use axum::{Router, routing::get};
//! use oauth_axum::{BearerLayer, Claims, OAuthService, ProtectedResource};
//!
//! async fn whoami(Claims(claims): Claims) -> String {
//!     format!("{} with {}", claims.subject, claims.scope)
//! }
//!
//! fn app(service: Arc<OAuthService>, resource: ProtectedResource) -> Router {
//!     Router::new()
//!         .route("/whoami", get(whoami))
//!         .layer(BearerLayer::new(resource.clone(), service.clone()))
//!         .merge(oauth_axum::resource_metadata([&resource]))
//!         .merge(oauth_axum::authorization_server(service))
//! }
//! # }
//! ```
//!
//! With an identity provider that is there already, the resource server's half is enough:
//!
//! ```
//! # #[cfg(feature = "resource")] {
//! use std::sync::Arc;
//! use axum::{Router, routing::get};
//! use oauth_axum::{BearerLayer, Claims, ProtectedResource};
//! use oauth_hyper::GuardedTransport;
//! use oauth_resource::{ClaimMapping, JwtVerifier, TrustedIssuer};
//! use oauth_types::env::SystemClock;
//! use oauth_types::{Issuer, ResourceUri, Scope};
//!
//! fn app() -> Result<Router, Box<dyn std::error::Error>> {
//!     let issuer = Issuer::parse("https://login.example/realms/team")?;
//!     let mcp = ResourceUri::parse("https://mcp.example/mcp")?;
//!     let trusted = TrustedIssuer::with_jwks_uri(issuer.clone(), format!("{issuer}/keys"))
//!         // This one types its tokens `JWT`, and has names of its own for audiences.
//!         .danger_plain_jwt()
//!         .mapping(ClaimMapping::default().audience("mcp-server", mcp.clone()));
//!     let verifier = JwtVerifier::new(SystemClock)
//!         .fetching(GuardedTransport::new()?)
//!         .trusting(trusted);
//!     let resource = ProtectedResource::new(mcp, issuer.as_str(), Scope::parse("mcp:tools")?);
//!     let whoami = |Claims(claims): Claims| async move { claims.subject.to_string() };
//!     Ok(Router::new()
//!         .route("/mcp", get(whoami))
//!         .layer(BearerLayer::new(resource.clone(), Arc::new(verifier)))
//!         .merge(oauth_axum::resource_metadata([&resource])))
//! }
//! # }
//! ```

#[cfg(feature = "resource")]
mod extract;
#[cfg(any(feature = "server", feature = "resource"))]
mod mount;

#[cfg(feature = "resource")]
pub use extract::{Claims, NotProtected};
#[cfg(feature = "server")]
pub use mount::authorization_server;
#[cfg(feature = "resource")]
pub use mount::resource_metadata;

#[cfg(feature = "resource")]
pub use oauth_http::resource::{
    AccessClaims, AccessTokenVerifier, BearerLayer, ProtectedResource, ResourceService,
};
#[cfg(feature = "server")]
pub use oauth_http::server::{Interaction, OAuthService};

/// The README's embedding code, compiled as a test.
#[cfg(all(doctest, feature = "server", feature = "resource"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
