//! What may be presented only once.

use oauth_types::Timestamp;
use oauth_types::registration::UnknownMembers;
use serde::{Deserialize, Serialize};

use crate::digest_id::DigestId;
use crate::document::document;
use crate::record::{Kind, Record, Shape};

/// That something single-use was presented: an assertion's `jti`, a proof's.
///
/// Inserting it is the claim, and since an insert never overwrites, of any number of concurrent
/// claims exactly one succeeds. This is no cache: a store that forgets one before its time has
/// let the replay through.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ReplayRecord {
    /// Shape of the document.
    #[serde(flatten, skip_deserializing)]
    pub shape: Shape,
    /// What was presented: its purpose, who presented it, and its own name.
    pub id: DigestId,
    /// When.
    pub claimed_at: Timestamp,
    /// The last moment at which it could be presented again, skew included.
    pub retain_until: Timestamp,
    /// Members of newer versions.
    #[serde(flatten, skip_deserializing)]
    pub unknown: UnknownMembers,
}

document!(ReplayRecord);

impl ReplayRecord {
    /// Claims `id` from now on, to be remembered until `retain_until`.
    pub fn new(id: DigestId, claimed_at: Timestamp, retain_until: Timestamp) -> Self {
        Self {
            shape: Shape::default(),
            id,
            claimed_at,
            retain_until,
            unknown: UnknownMembers::new(),
        }
    }
}

impl Record for ReplayRecord {
    const KIND: Kind = Kind::Replay;
    type Id = DigestId;

    fn id(&self) -> &DigestId {
        &self.id
    }
    fn shape(&self) -> &Shape {
        &self.shape
    }
    fn retain_until(&self) -> Option<Timestamp> {
        Some(self.retain_until)
    }
}
