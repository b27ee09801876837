//! The one crate that touches cryptographic keys.
//!
//! **Promise.** Five uses of a key, each with a type of its own so that one cannot stand in for
//! another: [`SealKey`] hides and authenticates, [`MacKey`] derives and tags, [`SigningKey`]
//! speaks to strangers, a [`KeySet`] listens to them, and a [`PrivateKey`] proves who its owner is. Given the same inputs each gives the
//! same bytes; nonces are the caller's to draw. [`Jws`] is the one verifier of signed tokens: the
//! key says which algorithm is used, `none` and shared secrets cannot be said at all.
//!
//! A [`RemoteKeySet`] is the keys of somebody who publishes them, fetched through a port.
//!
//! **Absences.** No I/O of its own, no clock, no randomness of its own, no storage, and no knowledge of what
//! the bytes mean.
//!
//! ```
//! use oauth_jose::{MacKey, SealKey};
//!
//! let master = MacKey::new(&[7; 32]);
//! let seal = SealKey::new(&master.mac("seal", &[]));
//! let hidden = seal.seal([1; 12], b"what it is for", b"state");
//! assert_eq!(seal.open(b"what it is for", &hidden).unwrap(), b"state");
//! assert!(seal.open(b"something else", &hidden).is_err());
//! ```

pub mod algorithm;
pub mod claims;
pub mod derive;
mod header;
pub mod jwk;
pub mod jwks;
pub mod location;

pub mod private_key;
pub mod remote;
pub mod seal;
pub mod verify;

pub use algorithm::Algorithm;
pub use claims::{Claims, InvalidClaims};
pub use derive::MacKey;
pub use jwk::{PublicJwk, SigningKey};
pub use jwks::{InvalidKey, InvalidKeySet, KeySet, VerifyingKey};
pub use location::JwksLocation;
pub use private_key::{InvalidPrivateKey, PrivateKey, SignError};
pub use remote::{FetchError, Patience, RemoteError, RemoteKeySet};
pub use seal::{SealError, SealKey};
pub use verify::{InvalidJws, Jws, VerifyError};
