//! Mounts the OAuth service and the bearer check in warp.
//!
//! **Promise.** Requests are converted and routed, nothing else: every status, header and body is
//! what `oauth-http` answers, so this adapter cannot differ from another.
//!
//! **Absences.** No decision, no state, no path of its own: the filters look at the whole path,
//! so they go beside an application's own at the top, not below a `warp::path`.
//!
//! ```
//! # #[cfg(all(feature = "server", feature = "resource"))] {
//! use std::sync::Arc;
//! use oauth_warp::{AccessClaims, BearerLayer, OAuthService, ProtectedResource};
//! use warp::{Filter, Reply};
//!
//! fn routes(
//!     service: Arc<OAuthService>,
//!     resource: ProtectedResource,
//! ) -> impl Filter<Extract = (impl Reply,), Error = warp::Rejection> + Clone {
//!     let guard = BearerLayer::new(resource.clone(), service.clone());
//!     let whoami = warp::path!("whoami")
//!         .and(oauth_warp::claims(&guard))
//!         .map(|claims: AccessClaims| format!("{} with {}", claims.subject, claims.scope));
//!     oauth_warp::guarded(&guard, whoami)
//!         .or(oauth_warp::resource_metadata([&resource]))
//!         .or(oauth_warp::authorization_server(service))
//! }
//! # }
//! ```

#[cfg(feature = "resource")]
mod guard;
#[cfg(any(feature = "server", feature = "resource"))]
mod mount;

#[cfg(feature = "resource")]
pub use guard::{NotProtected, Refused, claims, guarded, optional_claims};
#[cfg(feature = "server")]
pub use mount::authorization_server;
#[cfg(feature = "resource")]
pub use mount::resource_metadata;
#[cfg(any(feature = "server", feature = "resource"))]
pub use mount::{Body, service};

#[cfg(feature = "resource")]
pub use oauth_http::resource::{
    AccessClaims, AccessTokenVerifier, AllowedOrigins, BearerLayer, ProtectedResource,
    ResourceService,
};
#[cfg(feature = "server")]
pub use oauth_http::server::{Interaction, OAuthService};
