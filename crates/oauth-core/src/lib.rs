//! OAuth 2.1 authorization-server decisions for the Model Context Protocol.
//!
//! **Promise.** A code or refresh token is honoured once, however many requests race for it and
//! wherever a process dies; a grant that was closed never opens again. Given the same clock,
//! randomness and requests, the same bytes come out. What is malformed is refused before anything
//! is consumed.
//!
//! **Absences.** No HTTP, no async runtime, no I/O of its own, no ambient clock or randomness.
//! Whole flows run in a unit test: see `oauth_testkit::flows`.
//!
//! The vocabulary and the storage contract are re-exported, so that an embedder names three
//! crates: this one, a framework adapter and a store.
//!
//! ```
//! use std::sync::Arc;
//! use oauth_core::{AuthorizationServer, Ports, ResourcePolicy, RootSecret, ServerConfig};
//! use oauth_core::types::{Issuer, ResourceUri};
//! # use oauth_testkit::{FixedClock, SeededEntropy, block_on};
//! # use oauth_storage_memory::MemoryStorage;
//!
//! # block_on(async {
//! let resource = ResourcePolicy::new(ResourceUri::parse("https://mcp.example/mcp")?)
//!     .scope("mcp:tools", "Use the tools");
//! let config = ServerConfig::new(Issuer::parse("https://mcp.example")?, resource);
//! let root = RootSecret::from_text(&"0123456789abcdef".repeat(4))?;
//! let ports = Ports::new(FixedClock::at(1_800_000_000), SeededEntropy::new(1));
//! let server = AuthorizationServer::open(config, Arc::new(MemoryStorage::new()), &root, ports).await?;
//! assert_eq!(server.metadata().token_endpoint, "https://mcp.example/token");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub mod approval;
pub mod authorize;
pub mod client_auth;
pub mod client_metadata;
pub mod connected;
mod consent;
pub mod event;
pub mod grant;
pub mod keys;
pub mod limit;
mod metadata;
pub mod outbound;
pub mod policy;
mod redirect;
pub mod registration;
mod rotation;
mod sealed;
pub mod server;
pub mod session;
pub mod software_statement;
pub mod sweep;
pub mod token;
mod token_text;

pub use oauth_jose::KeySet;
pub use oauth_storage as storage;
pub use oauth_types as types;

pub use approval::{Approval, ApprovalError, PendingAuthorization};
pub use authorize::{AuthorizationError, AuthorizeFailure, ValidAuthorization};
pub use client_auth::{BasicCredentials, ClientAssertion, ClientAuthError, PresentedClient};
pub use client_metadata::{DocumentError, MetadataDocumentRules};
pub use connected::ConnectedGrant;
pub use event::{Event, EventSink, NoEvents};
pub use keys::{KeyRingError, RootSecret};
pub use limit::{DangerNoLimits, InProcessLimiter, Limit, Limited, RateLimiter, Source};
pub use outbound::{Fetched, NoOutbound, Outbound, OutboundError};
pub use policy::{ResourceMode, ResourcePolicy, ScopePolicy, ServerConfig, ServerPolicy};
pub use redirect::Redirect;
pub use registration::{
    Circumstances, EveryRegistration, PreregisterError, PreregisteredClient, Refused,
    RegistrationError, RegistrationMode, RegistrationPolicy, RegistrationRules, RotationError,
};
pub use rotation::KEY_ANNOUNCEMENT;
pub use server::{AuthorizationServer, OpenError, Ports};
pub use session::{Authentication, BrowserBinding, Session};
pub use software_statement::{SoftwareStatementIssuer, StatementError};
pub use sweep::Swept;
pub use token::TokenError;
