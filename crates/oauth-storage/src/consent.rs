//! What a person need not be asked again.

use oauth_types::registration::UnknownMembers;
use oauth_types::{ClientId, ResourceUri, Scope, SecretHash, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use crate::digest_id::DigestId;
use crate::document::document;
use crate::grant::Epochs;
use crate::record::{Kind, Record, Shape};

/// A person's standing yes to one client at one resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ConsentRecord {
    /// Shape of the document.
    #[serde(flatten, skip_deserializing)]
    pub shape: Shape,
    /// [`ConsentRecord::id_of`] the three below.
    pub id: DigestId,
    /// Who said yes.
    pub subject: Subject,
    /// To whom.
    pub client_id: ClientId,
    /// For which resource.
    pub resource: ResourceUri,
    /// To how much.
    pub scope: Scope,
    /// Digest of what the person was shown of the client. Another digest asks again.
    pub fingerprint: SecretHash,
    /// Under which barriers; raised ones ask again.
    #[serde(default)]
    pub epochs: Epochs,
    /// When the person last said yes.
    pub given_at: Timestamp,
    /// See [`Record::retain_until`].
    pub retain_until: Timestamp,
    /// Members of newer versions.
    #[serde(flatten, skip_deserializing)]
    pub unknown: UnknownMembers,
}

document!(ConsentRecord);

impl ConsentRecord {
    /// The key of a person's consent to a client at a resource.
    pub fn id_of(subject: &Subject, client_id: &ClientId, resource: &ResourceUri) -> DigestId {
        DigestId::of(&[subject.as_str(), client_id.as_str(), resource.as_str()])
    }
}

impl Record for ConsentRecord {
    const KIND: Kind = Kind::Consent;
    type Id = DigestId;

    fn id(&self) -> &DigestId {
        &self.id
    }
    fn shape(&self) -> &Shape {
        &self.shape
    }
    fn subject(&self) -> Option<&Subject> {
        Some(&self.subject)
    }
    fn client(&self) -> Option<&ClientId> {
        Some(&self.client_id)
    }
    fn retain_until(&self) -> Option<Timestamp> {
        Some(self.retain_until)
    }
}
