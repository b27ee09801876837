//! Identifiers: shared text that is cheap to clone and cannot be confused with its neighbours.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base62;
use crate::env::{Entropy, EntropyError};
use crate::text;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text, as given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Ok(Self::new(text))
            }
        }
    };
}

text_id! {
    /// A client identifier, compared byte for byte.
    ///
    /// Spec: RFC 6749 §2.2.
    ClientId
}
text_id! {
    /// The person (or, for client credentials, the client) a token speaks for.
    ///
    /// Spec: RFC 9068 §2.2 `sub`.
    Subject
}
text_id! {
    /// One of several issuers that share a store. Records of one tenant are invisible to another.
    TenantId
}

impl ClientId {
    /// Begins every identifier that this server generates, so that it can collide neither with a
    /// person's identifier nor with the URL of a client metadata document (RFC 9068 §2.2).
    pub const GENERATED_PREFIX: &'static str = "c_";

    /// Whether `text` could be the identifier of a client that this server generated or that a
    /// metadata document has. A person must not be mistaken for a client, nor the reverse
    /// (RFC 9068 §2.2).
    pub fn could_be(text: &str) -> bool {
        text.starts_with(Self::GENERATED_PREFIX) || text.starts_with("https://")
    }

    /// Draws a new identifier: `c_` and 22 characters of `[0-9A-Za-z]`.
    ///
    /// # Errors
    /// [`EntropyError`] when `entropy` fails.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = [0u8; 16];
        entropy.fill(&mut bytes)?;
        let mut text = String::with_capacity(24);
        text.push_str(Self::GENERATED_PREFIX);
        base62::push_bytes(&mut text, &bytes);
        Ok(Self::new(text))
    }
}

impl TenantId {
    /// The tenant of a server that has only one.
    pub fn single() -> Self {
        Self::new("default")
    }
}

/// Names one grant: what a person allowed a client, and everything issued under it.
///
/// Sixteen random bytes; 22 characters of `[0-9A-Za-z]` as text. It is public: it opens nothing
/// by itself and may be logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId([u8; 16]);

impl GrantId {
    /// Characters of its text.
    pub const TEXT_LEN: usize = 22;

    /// Names a grant by sixteen bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(Self::TEXT_LEN);
        base62::push_bytes(&mut text, &self.0);
        f.write_str(&text)
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantId({self})")
    }
}

/// The text does not name anything of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this kind")]
pub struct InvalidId;

impl std::str::FromStr for GrantId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        base62::read_bytes(text.as_bytes())
            .map(Self)
            .ok_or(InvalidId)
    }
}

impl Serialize for GrantId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GrantId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, str::parse)
    }
}
