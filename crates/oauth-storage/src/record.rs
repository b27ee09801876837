//! What every record has in common, and how it becomes a document.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::str::FromStr;

use oauth_types::{ClientId, Subject, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{StorageError, StorageErrorKind};

/// A record that a [`RecordStore`](crate::RecordStore) keeps whole, as a document beside the few
/// columns it is looked up by.
///
/// Most documents take one or two kilobytes. A store keeps those of up to 256 KiB, to the last
/// byte; a larger one it may refuse as unavailable, but never cut off.
pub trait Record: Clone + Debug + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// Which table it belongs to.
    const KIND: Kind;
    /// Its key. As text: printable ASCII or Unicode, compared byte for byte, of any length a URL
    /// can have; two keys that differ only in case are different.
    type Id: Clone + Debug + Display + FromStr + Eq + Ord + Hash + Send + Sync;

    /// The key.
    fn id(&self) -> &Self::Id;
    /// The shape of the document.
    fn shape(&self) -> &Shape;
    /// The person it is listed under.
    fn subject(&self) -> Option<&Subject> {
        None
    }
    /// The client it is listed under.
    fn client(&self) -> Option<&ClientId> {
        None
    }
    /// The last moment at which it must still be found; `None` keeps it for ever.
    fn retain_until(&self) -> Option<Timestamp> {
        None
    }
}

/// The kinds of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// [`GrantRecord`](crate::GrantRecord).
    Grant,
    /// [`ClientRecord`](crate::ClientRecord).
    Client,
    /// [`SubjectRecord`](crate::SubjectRecord).
    Subject,
    /// [`KeyRingRecord`](crate::KeyRingRecord).
    KeyRing,
    /// [`ConsentRecord`](crate::ConsentRecord).
    Consent,
    /// [`ReplayRecord`](crate::ReplayRecord).
    Replay,
    /// [`RegistrationPageRecord`](crate::RegistrationPageRecord).
    RegistrationPage,
}

impl Kind {
    /// Every kind of this version.
    pub const ALL: [Self; 7] = [
        Self::Grant,
        Self::Client,
        Self::Subject,
        Self::KeyRing,
        Self::Consent,
        Self::Replay,
        Self::RegistrationPage,
    ];

    /// A short name for tables and keys: lower-case ASCII letters and underscores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grants",
            Self::Client => "clients",
            Self::Subject => "subjects",
            Self::KeyRing => "key_rings",
            Self::Consent => "consents",
            Self::Replay => "replays",
            Self::RegistrationPage => "registration_pages",
        }
    }
}

/// Begins every document, so that versions of this library can share a store.
///
/// Members that a version does not know are kept at the top level of a record and written back.
/// A member that *restricts* would be dangerous to ignore, so whoever adds one also names it in
/// `needs`, and a reader that does not know the name refuses the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The shape's number.
    pub v: u16,
    /// What a reader must understand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

/// What this version understands beyond the first shape.
const UNDERSTOOD: &[&str] = &[];

impl Default for Shape {
    fn default() -> Self {
        Self {
            v: 1,
            needs: Vec::new(),
        }
    }
}

/// Room for most documents, so that they need not move while they grow.
const USUAL: usize = 1536;

/// Writes a record as a JSON document.
///
/// # Errors
/// `Corrupt` when the record cannot be written, which no record of this crate causes.
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, StorageError> {
    let mut document = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut document, record)
        .map_err(|error| StorageError::new(StorageErrorKind::Corrupt, error))?;
    Ok(document)
}

/// Reads a document that [`encode`] wrote, in this version or another.
///
/// # Errors
/// `Corrupt` when it is not such a document, or needs something this version does not understand.
pub fn decode<R: Record>(document: &[u8]) -> Result<R, StorageError> {
    let corrupt = |why: Box<dyn std::error::Error + Send + Sync>| {
        StorageError::new(StorageErrorKind::Corrupt, why)
    };
    // The whole at once, instead of each text in it.
    let document = std::str::from_utf8(document).map_err(|error| corrupt(error.into()))?;
    let record: R = serde_json::from_str(document).map_err(|error| corrupt(error.into()))?;
    let shape = record.shape();
    if shape.v != 1
        || shape
            .needs
            .iter()
            .any(|need| !UNDERSTOOD.contains(&need.as_str()))
    {
        return Err(StorageErrorKind::Corrupt.into());
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SubjectRecord;

    fn document(text: &str) -> Result<SubjectRecord, StorageError> {
        decode(text.as_bytes())
    }

    #[test]
    fn unknown_members_survive_and_unknown_needs_are_refused() {
        let read = document(r#"{"v":1,"id":"alice","epoch":3,"mood":"good"}"#).unwrap();
        assert_eq!(read.epoch, 3);
        let written = String::from_utf8(encode(&read).unwrap()).unwrap();
        assert!(written.contains(r#""mood":"good""#), "{written}");

        for refused in [
            r#"{"v":1,"needs":["lunar_lock"],"id":"alice","epoch":3}"#,
            r#"{"v":2,"id":"alice","epoch":3}"#,
            r#"{"id":"alice","epoch":3}"#,
            "[]",
            "",
        ] {
            assert_eq!(
                document(refused).unwrap_err().kind(),
                StorageErrorKind::Corrupt
            );
        }
    }
}
