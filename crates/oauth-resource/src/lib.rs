//! The resource server's checks: bearer tokens, audience, scope, challenges and metadata.
//!
//! **Promise.** A token is accepted only for the resource it was issued for, and every refusal
//! carries the challenge that lets an MCP client find its way: where the metadata is, and which
//! scope this operation needs.
//!
//! **Absences.** No HTTP type, no I/O, no authorization server and no storage: whoever knows how
//! to verify a token implements [`AccessTokenVerifier`].
//!
//! ```
//! use oauth_resource::{ProtectedResource, Refusal};
//! use oauth_types::{ResourceUri, Scope};
//!
//! let resource = ProtectedResource::new(
//!     ResourceUri::parse("https://mcp.example/mcp")?,
//!     "https://auth.example",
//!     Scope::parse("mcp:tools")?,
//! );
//! assert_eq!(
//!     resource.challenge(&Refusal::NoToken, resource.required()).unwrap(),
//!     "Bearer resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\", \
//!      scope=\"mcp:tools\"",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bearer;
pub mod cache;
pub mod introspection;
pub mod issuer;
pub mod jwt;
pub mod mapping;
pub mod needs;
pub mod operation;
pub mod resource;
pub mod several;
pub mod verify;

pub use bearer::{InvalidAuthorization, bearer_token};
pub use cache::{KnownTokens, VerificationCache};
pub use introspection::{ClientCredentials, Introspection};
pub use issuer::{DiscoveredIssuer, IssuerMetadata};
pub use jwt::{JwtVerifier, TrustedIssuer};
pub use mapping::ClaimMapping;
pub use needs::Needs;
pub use oauth_types::{AccessClaims, Audience};
pub use operation::OperationPolicy;
pub use resource::{ProtectedResource, Refusal};
pub use several::SeveralIssuers;
pub use verify::{AccessTokenVerifier, TokenRefused, VerificationError, VerifierUnavailable};
