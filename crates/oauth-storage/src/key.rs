//! The key ring, as ciphertext.

use std::fmt;
use std::str::FromStr;

use oauth_types::id::InvalidId;
use oauth_types::registration::UnknownMembers;
use serde::{Deserialize, Serialize};

use crate::document::document;
use crate::record::{Kind, Record, Shape};

/// All keys of one issuer, sealed under its root secret. A store holds exactly one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct KeyRingRecord {
    /// Shape of the document.
    #[serde(flatten, skip_deserializing)]
    pub shape: Shape,
    /// Always the same: there is one ring.
    pub id: KeyRingId,
    /// Names the root secret that seals it: the beginning of a digest, in base64url.
    pub root: String,
    /// The sealed ring, in base64url.
    pub sealed: String,
    /// Members of newer versions.
    #[serde(flatten, skip_deserializing)]
    pub unknown: UnknownMembers,
}

document!(KeyRingRecord);

/// The key of the one ring: the text `ring`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct KeyRingId;

impl fmt::Display for KeyRingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ring")
    }
}

impl FromStr for KeyRingId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == "ring" {
            Ok(Self)
        } else {
            Err(InvalidId)
        }
    }
}

impl TryFrom<String> for KeyRingId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<KeyRingId> for String {
    fn from(id: KeyRingId) -> Self {
        id.to_string()
    }
}

impl Record for KeyRingRecord {
    const KIND: Kind = Kind::KeyRing;
    type Id = KeyRingId;

    fn id(&self) -> &KeyRingId {
        &self.id
    }
    fn shape(&self) -> &Shape {
        &self.shape
    }
}
