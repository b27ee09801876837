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
//!
//! # Who has access, without pages
//!
//! `oauth_ui` has pages for a person. For pages and commands of your own, [`AuthorizationServer`]
//! has the same as functions; each can be repeated after an error and goes on where it stopped.
//!
//! | to | call |
//! |---|---|
//! | list what clients may do for a person | [`connected_grants`](AuthorizationServer::connected_grants) |
//! | end one grant, for the person who gave it | [`close_own_grant`](AuthorizationServer::close_own_grant) |
//! | end one grant, whoever gave it | [`close_grant`](AuthorizationServer::close_grant) |
//! | end what a client has of one person | [`withdraw`](AuthorizationServer::withdraw) |
//! | end what a client has of everybody | [`revoke_client`](AuthorizationServer::revoke_client) |
//! | end everything of a person, sign-ins included | [`sign_out_everywhere`](AuthorizationServer::sign_out_everywhere) |
//! | keep a person out | [`set_disabled`](AuthorizationServer::set_disabled) |
//! | forget a person | [`erase`](AuthorizationServer::erase) |
//!
//! ```
//! # use oauth_testkit::{block_on, flows::World};
//! use oauth_core::storage::Page;
//! use oauth_core::types::Subject;
//! # let world = World::new(1);
//! # let app = world.register();
//! # let code = world.approve(&app, &world.browser("alice"));
//! # world.redeem(&app, &code).unwrap();
//! # let server = &world.server;
//! # block_on(async {
//! let alice = Subject::new("alice");
//! let (grants, next) = server.connected_grants(&alice, &Page::first(20)).await?;
//! assert!(next.is_none(), "more is behind this name");
//! for held in &grants {
//!     println!("{:?} may {} since {:?}", held.client_name, held.scope, held.approved_at);
//!     assert!(server.close_own_grant(&alice, &held.grant).await?);
//! }
//! server.withdraw(&alice, &grants[0].client_id).await?;
//! server.sign_out_everywhere(&alice).await?;
//! # Ok::<(), oauth_core::storage::StorageError>(())
//! # }).unwrap();
//! ```

pub mod account;
pub mod approval;
pub mod authorize;
pub mod client_auth;
pub mod client_metadata;
pub mod connected;
mod consent;
pub mod context;
pub mod event;
pub mod grant;
pub mod hand_off;
pub mod keys;
pub mod limit;
mod metadata;
mod observed;
pub mod operator;
pub mod pending;
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
mod trace;

pub use oauth_jose::KeySet;
pub use oauth_storage as storage;
pub use oauth_types as types;

pub use account::{AccountForm, AccountFormError, AccountPageError};
pub use approval::{Approval, ApprovalError};
pub use authorize::{AuthorizationError, AuthorizeFailure, ValidAuthorization};
pub use client_auth::{BasicCredentials, ClientAssertion, ClientAuthError, PresentedClient};
pub use client_metadata::{DocumentError, MetadataDocumentRules};
pub use connected::ConnectedGrant;
pub use context::{Context, RequestId};
pub use event::{Event, EventSink, NoEvents, Noted, Personal};
pub use hand_off::{
    CarryOutError, ConsentPage, Decided, Decision, DecisionError, HandOffError, InvalidConsentPage,
};
pub use keys::{KeyRingError, RootSecret};
pub use limit::{DangerNoLimits, InProcessLimiter, Limit, Limited, Limits, RateLimiter, Source};
pub use oauth_storage::{Attempt, Hit};
pub use operator::OperatorError;
pub use pending::PendingAuthorization;
pub use policy::{
    AboutServer, ResourceMode, ResourcePolicy, ScopePolicy, ServerConfig, ServerPolicy,
};
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
