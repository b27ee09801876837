//! A grant and everything under it, as one record under one key.

use std::sync::Arc;

use oauth_types::registration::UnknownMembers;
use oauth_types::{
    AuthenticationContext, ClientId, CodeChallenge, GrantId, RedirectUri, ResourceUri, Scope,
    SecretHash, Subject, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::document::document;
use crate::record::{Kind, Record, Shape};

/// What a person allowed a client, with its code, its refresh token and its access tokens.
///
/// Everything that one decision must see together stands in here, so that every decision is one
/// read and one conditional write.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct GrantRecord {
    /// Shape of the document.
    #[serde(flatten, skip_deserializing)]
    pub shape: Shape,
    /// The grant's name; every token under it carries it.
    pub id: GrantId,
    /// Who received the grant.
    pub client_id: ClientId,
    /// Who gave it.
    pub subject: Subject,
    /// All that was allowed.
    pub scope: Scope,
    /// For which resources; never empty.
    pub resources: Vec<ResourceUri>,
    /// Under which barriers it was approved.
    #[serde(default)]
    pub epochs: Epochs,
    /// When the person had signed in who approved it; `None` where there was no person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Timestamp>,
    /// How, if that is known. Shared, because every check of an access token hands it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Arc<AuthenticationContext>>,
    /// When it was approved.
    pub created_at: Timestamp,
    /// When it ends, whatever is refreshed meanwhile.
    pub expires_at: Timestamp,
    /// See [`Record::retain_until`].
    pub retain_until: Timestamp,
    /// The authorization code, kept after its use for as long as a replay must be noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeRecord>,
    /// The current refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshTokenRecord>,
    /// Live access tokens, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<AccessTokenRecord>,
    /// Set once the grant has ended; it never opens again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// Members of newer versions.
    #[serde(flatten, skip_deserializing)]
    pub unknown: UnknownMembers,
}

document!(GrantRecord);

/// The barriers in force when a grant was approved. A grant whose number is below the current one
/// is closed, whatever its record says: numbers, unlike clocks, cannot be skewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Epochs {
    /// [`ClientRecord::epoch`](crate::ClientRecord::epoch).
    #[serde(default)]
    pub client: u64,
    /// [`SubjectRecord::epoch`](crate::SubjectRecord::epoch).
    #[serde(default)]
    pub subject: u64,
    /// This person's epoch for this client, in [`SubjectRecord::clients`](crate::SubjectRecord::clients).
    #[serde(default)]
    pub subject_client: u64,
    /// The key ring's epoch.
    #[serde(default)]
    pub ring: u64,
}

/// An authorization code and what it is bound to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CodeRecord {
    /// Digest of the code's secret.
    pub hash: SecretHash,
    /// The S256 challenge of the request.
    pub challenge: CodeChallenge,
    /// Where the code was sent.
    pub redirect_uri: RedirectUri,
    /// When it stops being good.
    pub expires_at: Timestamp,
    /// Digest of the access token that its redemption issued. Tells a replay from the
    /// redeemer's own write seen again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeemed_as: Option<SecretHash>,
}

/// The current refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefreshTokenRecord {
    /// Digest of its secret.
    pub hash: SecretHash,
    /// Counts rotations; the first token is of generation 0.
    pub generation: u32,
    /// When it stops being good if it is not used.
    pub expires_at: Timestamp,
    /// The token it replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Predecessor>,
}

/// The refresh token before the current one, with what it takes to derive its successor again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Predecessor {
    /// Digest of its secret.
    pub hash: SecretHash,
    /// Sixteen bytes drawn at the rotation, as 22 characters of base62.
    pub salt: Salt,
    /// Which key of the ring derived the successor.
    pub key: u16,
    /// When it was rotated out.
    pub rotated_at: Timestamp,
    /// Until when an identical request is answered identically.
    pub retry_until: Timestamp,
    /// Set when a token of the successor's generation was revoked or retired: from then on a
    /// retry is refused, and is no sign of theft either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry_ended: bool,
}

/// Sixteen bytes that make one rotation differ from any other. Not a secret by itself, but kept
/// out of logs like one.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt(pub [u8; 16]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

impl TryFrom<String> for Salt {
    type Error = oauth_types::id::InvalidId;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = oauth_types::base62::read_bytes(text.as_bytes());
        bytes.map(Self).ok_or(oauth_types::id::InvalidId)
    }
}

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        let mut text = Self::new();
        oauth_types::base62::push_bytes(&mut text, &salt.0);
        text
    }
}

/// A live access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessTokenRecord {
    /// Digest of its secret.
    pub hash: SecretHash,
    /// The generation of the refresh token issued beside it.
    pub generation: u32,
    /// What it may be used for.
    pub scope: Scope,
    /// The one resource it is good for.
    pub audience: ResourceUri,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// The end of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: ClosedReason,
}

/// Why a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClosedReason {
    /// The client revoked its refresh token.
    Revoked,
    /// The code was presented again by the client that had redeemed it.
    CodeReplayed,
    /// A refresh token was presented again after it had been replaced.
    RefreshTokenReused,
    /// The person, an operator or an epoch ended it.
    Withdrawn,
    /// It was the longest unused of too many that the person had given the client.
    MadeRoom,
}

impl ClosedReason {
    /// The word that stands in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::CodeReplayed => "code_replayed",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::Withdrawn => "withdrawn",
            Self::MadeRoom => "made_room",
        }
    }
}

impl Record for GrantRecord {
    const KIND: Kind = Kind::Grant;
    type Id = GrantId;

    fn id(&self) -> &GrantId {
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
