//! Who registered itself and was never used: what bounds the number of such clients.

use std::fmt;
use std::str::FromStr;

use oauth_types::id::InvalidId;
use oauth_types::registration::UnknownMembers;
use oauth_types::{ClientId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::digest_id::DigestId;
use crate::document::document;
use crate::record::{Kind, Record, Shape};

/// One page of the ledger of open registrations. The ledger has a fixed number of pages and each
/// page a fixed number of entries, so that the number of clients nobody ever used is bounded
/// without a counter that every registration would have to write.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RegistrationPageRecord {
    /// Shape of the document.
    #[serde(flatten, skip_deserializing)]
    pub shape: Shape,
    /// Its number.
    pub id: PageNumber,
    /// Its entries, the oldest first.
    #[serde(default)]
    pub entries: Vec<RegistrationEntry>,
    /// Members of newer versions.
    #[serde(flatten, skip_deserializing)]
    pub unknown: UnknownMembers,
}

document!(RegistrationPageRecord);

impl RegistrationPageRecord {
    /// An empty page.
    pub fn new(id: PageNumber) -> Self {
        Self {
            shape: Shape::default(),
            id,
            entries: Vec::new(),
            unknown: UnknownMembers::new(),
        }
    }
}

/// One open registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationEntry {
    /// The client.
    pub client: ClientId,
    /// When it was registered.
    pub since: Timestamp,
    /// Digest of what was registered, when whoever registers the same gets the same client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same: Option<DigestId>,
    /// Whether it was found to have had a grant, and so no longer counts as never used.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub used: bool,
}

/// A page's number, as decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PageNumber(pub u64);

impl fmt::Display for PageNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for PageNumber {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse().map(Self).map_err(|_| InvalidId)
    }
}

impl TryFrom<String> for PageNumber {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<PageNumber> for String {
    fn from(id: PageNumber) -> Self {
        id.to_string()
    }
}

impl Record for RegistrationPageRecord {
    const KIND: Kind = Kind::RegistrationPage;
    type Id = PageNumber;

    fn id(&self) -> &PageNumber {
        &self.id
    }
    fn shape(&self) -> &Shape {
        &self.shape
    }
}
