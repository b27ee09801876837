//! OAuth over `http` types: requests in, responses out, for any framework.
//!
//! **Promise.** Everything that is HTTP about OAuth is decided here and nowhere else: methods,
//! media types, statuses, cache and CORS headers, cookies, challenges, limits on sizes. Two
//! frameworks that mount this cannot differ.
//!
//! **Absences.** No framework, no runtime, no listener. With only the feature `resource`, no
//! authorization server is compiled; with only `server`, no bearer check.
//!
//! - [`server::OAuthService`] answers the authorization server's paths.
//! - [`resource::BearerLayer`] guards a resource and [`resource::ResourceService`] describes it.
//!
//! ```
//! # #[cfg(feature = "resource")] {
//! use oauth_http::resource::ResourceService;
//! use oauth_resource::ProtectedResource;
//! use oauth_types::{ResourceUri, Scope};
//!
//! let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
//! let resource =
//!     ProtectedResource::new(uri, "https://auth.example", Scope::parse("mcp:tools").unwrap());
//! let metadata = ResourceService::new([&resource]);
//! let request = http::Request::get("/.well-known/oauth-protected-resource/mcp").body(()).unwrap();
//! assert_eq!(metadata.handle(&request.into_parts().0).status(), 200);
//! # }
//! ```

mod document;
#[cfg(feature = "resource")]
pub mod resource;
#[cfg(feature = "server")]
pub mod server;
