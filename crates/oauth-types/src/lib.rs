//! The words of the OAuth RFCs as Rust types.
//!
//! **Promise.** A value of one of these types has been checked against the grammar of its
//! standard, so nobody downstream checks it again. Identifiers keep the exact text they were
//! given, because OAuth compares most of them byte for byte.
//!
//! **Absences.** No I/O, no async, no framework type. The only ambient clock and randomness of
//! the workspace's lower layers are [`env::SystemClock`] and [`env::OsEntropy`], behind the
//! feature `os`.
//!
//! ```
//! use oauth_types::{RedirectUri, Scope};
//!
//! let registered = RedirectUri::parse("http://127.0.0.1/callback")?;
//! // RFC 8252 §7.3: a native app's loopback port is not known in advance.
//! assert!(registered.admits("http://127.0.0.1:51004/callback"));
//! assert!(!registered.admits("http://localhost:51004/callback"));
//!
//! let granted = Scope::parse("mcp:write mcp:tools")?;
//! assert!(Scope::parse("mcp:tools")?.is_subset(&granted));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod address;
pub mod audience;
pub mod authentication;
pub mod authorization;
pub mod base62;
pub mod env;
pub mod id;
pub mod issuer;
pub mod json;
pub mod link;
pub mod metadata;
pub mod outbound;
pub mod pkce;
mod plain;
pub mod redirect_uri;
pub mod registration;
pub mod resource;
pub mod scope;
pub mod secret;
mod text;
pub mod time;
pub mod token;

pub use address::Reach;
pub use audience::Audience;
pub use authentication::AuthenticationContext;
pub use authorization::{AuthorizationErrorCode, AuthorizationRequest};
pub use id::{ClientId, GrantId, Subject, TenantId};
pub use issuer::Issuer;
pub use link::Link;
pub use pkce::{CodeChallenge, CodeVerifier};
pub use redirect_uri::RedirectUri;
pub use resource::ResourceUri;
pub use scope::Scope;
pub use secret::{Secret, SecretHash, SecretText};
pub use time::{Lifetime, Timestamp};
pub use token::{AccessClaims, TokenErrorCode, TokenRequest, TokenResponse};
