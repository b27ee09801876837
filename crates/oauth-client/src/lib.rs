//! OAuth 2.1 for clients of the Model Context Protocol, or of any protected HTTP server.
//!
//! **Promise.** [`Client`] finds out who authorizes for a server, becomes known there, signs a person
//! in (or asks for itself), keeps the tokens under the name of who issued them, renews them once
//! among all who share them, asks for more scope when the server does, and gives them back. A token
//! goes to the resource it was issued for and to nobody else; a code or a refresh token to the server
//! it came from. Every failure says at which hop, at which address, and what was expected there; no
//! error, step or `Debug` holds a secret. [`AuthorizeLayer`] does all of it for any tower HTTP client.
//!
//! Each step can also be used alone: it builds an `http::Request` and reads an `http::Response`.
//!
//! **Absences.** No I/O, no runtime, no clock and no randomness of its own: [`HttpClient`],
//! [`CredentialStore`], [`UserAgent`] and [`DeviceAgent`] are ports. No DPoP, no request objects, no
//! ID tokens. Access tokens are opaque.
//!
//! ```
//! use oauth_client::{AuthorizeLayer, Client, ClientConfig, HttpClient, Ports, UserAgent};
//! # use oauth_client::types::env::{Clock, Entropy};
//! # fn program(
//! #     http: impl HttpClient + 'static, browser: impl UserAgent + 'static,
//! #     clock: impl Clock + 'static, entropy: impl Entropy + 'static,
//! # ) -> Result<AuthorizeLayer, Box<dyn std::error::Error>> {
//! let config = ClientConfig::new("https://mcp.example/mcp", "Example")?;
//! let ports = Ports::new(http, clock, entropy).user_agent(browser);
//! let layer = AuthorizeLayer::new(Client::new(config, ports));
//! // Wrapped around any HTTP client, it signs in at the first 401.
//! # Ok(layer) }
//! ```

pub mod agent;
pub mod authentication;
pub mod authorization;
pub mod challenge;
pub mod client;
pub mod config;
pub mod device;
pub mod discovery;
pub mod error;
pub mod hop;
pub mod id_jag;
pub mod layer;
mod message;
pub mod metadata;
pub mod observer;
pub mod registration;
pub mod scope;
mod step_up;
pub mod store;
pub mod token;
pub mod transport;

pub use oauth_jose::PrivateKey;
pub use oauth_types as types;

pub use agent::{DeviceAgent, DevicePrompt, UserAgent, UserAgentError, Visit};
pub use authentication::{AuthMethod, Provenance};
pub use authorization::PendingAuthorization;
pub use challenge::{BearerChallenge, Challenge};
pub use client::{AccessToken, Begun, Client, Rejection, SignedOut};
pub use config::{
    AssertionError, AssertionSource, AssertionTarget, ClientConfig, Grant, Leniency, Ports,
    Preregistered,
};
pub use error::{AuthorizationError, ClientError, RegistrationError};
pub use hop::{Address, Got, Hop, HopError, OAuthError};
pub use layer::{Authorize, AuthorizeError, AuthorizeLayer, Operation};
pub use observer::{Observer, Step};
pub use store::{
    CredentialStore, Credentials, MemoryStore, Record, StoreError, StoreKey, StoreLock,
};
pub use transport::{Bounds, HttpClient, Reached, TransportError};

/// The newest revision of the Model Context Protocol whose authorization rules are followed here.
pub const MCP_PROTOCOL_VERSION: &str = "2026-07-28";
