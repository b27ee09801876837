//! Fetches documents of strangers without letting them choose where we go.
//!
//! **Promise.** [`GuardedTransport`] fills the port
//! [`Outbound`](oauth_types::outbound::Outbound): https only; every address that a name resolves to
//! is checked, and the connection goes to one of the very addresses that were checked, so a name
//! that resolves otherwise a moment later changes nothing; private, local and otherwise special
//! addresses are refused in every disguise; redirects are answers like any other; time, size and
//! the number of connections are bounded. Nothing of ours is sent along: no cookie, no credential,
//! no referrer, and no proxy is asked.
//!
//! **Absences.** No caching, no retrying, no judgement of what was fetched: that is for those who ask.
//!
//! ```no_run
//! use oauth_core::Ports;
//! use oauth_hyper::GuardedTransport;
//! # fn ports(clock: impl oauth_core::types::env::Clock + 'static,
//! #     entropy: impl oauth_core::types::env::Entropy + 'static)
//! #     -> Result<Ports, oauth_hyper::TransportError> {
//! let ports = Ports::new(clock, entropy).outbound(GuardedTransport::new()?);
//! # Ok(ports) }
//! ```
//!
//! A resource server fetches the keys of its issuer. One that is on a private network, or on this
//! computer during development, is named for that, by the operator and with its whole origin:
//!
//! ```no_run
//! use oauth_hyper::GuardedTransport;
//! # fn keys() -> Result<GuardedTransport, Box<dyn std::error::Error>> {
//! let keys = GuardedTransport::new()?.danger_allow_origin("https://sso.corp.example:8443")?;
//! # Ok(keys) }
//! ```

mod address;
mod resolve;
mod transport;

pub use address::is_public;
pub use resolve::{Resolve, SystemResolver};
pub use transport::{GuardedTransport, InvalidOrigin, NotLoopback, TransportError};
