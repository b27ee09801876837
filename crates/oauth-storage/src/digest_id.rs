//! Keys made of several parts, as one digest.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_types::SecretHash;
use oauth_types::id::InvalidId;
use serde::{Deserialize, Serialize};

/// SHA-256 over what names a record, where that is several texts or a text of any length.
///
/// As text: 43 characters of unpadded base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DigestId([u8; 32]);

impl DigestId {
    /// Digests the parts, each with its length, so that no two lists of parts look alike.
    pub fn of(parts: &[&str]) -> Self {
        let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
        for part in parts {
            joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
            joined.extend_from_slice(part.as_bytes());
        }
        Self(*SecretHash::of(&joined).as_bytes())
    }
}

impl fmt::Display for DigestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for DigestId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidId)?;
        bytes.try_into().map(Self).map_err(|_| InvalidId)
    }
}

impl TryFrom<String> for DigestId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<DigestId> for String {
    fn from(id: DigestId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(DigestId::of(&["ab", "c"]), DigestId::of(&["a", "bc"]));
        assert_ne!(DigestId::of(&["a"]), DigestId::of(&["a", ""]));
        let id = DigestId::of(&["alice", "app"]);
        assert_eq!(id.to_string().len(), 43);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("short".parse::<DigestId>(), Err(InvalidId));
    }
}
