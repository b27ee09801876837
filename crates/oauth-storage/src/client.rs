//! A registered client.

use oauth_types::registration::{ClientMetadata, UnknownMembers};
use oauth_types::{ClientId, RedirectUri, ResourceUri, Scope, SecretHash, Timestamp};
use serde::{Deserialize, Serialize};

use crate::record::{Kind, Record, Shape};

/// A client as registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClientRecord {
    /// Shape of the document.
    #[serde(flatten)]
    pub shape: Shape,
    /// The client's identifier.
    pub id: ClientId,
    /// How it came to be known.
    pub registration: ClientRegistration,
    /// How it authenticates; whether it is public or confidential follows from this.
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// Digests of its current secrets; several during a rotation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ClientSecret>,
    /// Where codes may be sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<RedirectUri>,
    /// Which grants it may use.
    pub grant_types: Vec<GrantType>,
    /// The most it may ever ask for; `None` leaves it to the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The resources about whose tokens it may ask: set for resource servers (RFC 7662 §4).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspects: Vec<ResourceUri>,
    /// What it says of itself, for people to read. Its `redirect_uris` are empty here: the
    /// checked ones above stand for them.
    #[serde(default)]
    pub metadata: ClientMetadata,
    /// Raised to end everything this client was ever granted.
    #[serde(default)]
    pub epoch: u64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// See [`Record::retain_until`]. Extended when a grant is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_until: Option<Timestamp>,
    /// Members of newer versions.
    #[serde(flatten)]
    pub unknown: UnknownMembers,
}

impl ClientRecord {
    /// Whether the client can keep a secret and must prove it.
    pub fn is_confidential(&self) -> bool {
        self.token_endpoint_auth_method != TokenEndpointAuthMethod::None
    }
}

/// How a client came to be known. Recorded, never inferred from its identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientRegistration {
    /// An administrator entered it.
    Preregistered,
    /// It registered itself (RFC 7591).
    Dynamic,
}

/// How a client authenticates at the token endpoint (RFC 7591 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenEndpointAuthMethod {
    /// A public client: it names itself, no more.
    None,
    /// Its secret in the `Authorization` header.
    ClientSecretBasic,
    /// Its secret in the form.
    ClientSecretPost,
}

impl TokenEndpointAuthMethod {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }
}

/// Digest of a generated secret.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ClientSecret {
    /// SHA-256 of the secret.
    pub hash: SecretHash,
    /// When it stops being good; `None` is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A grant that this server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GrantType {
    /// `authorization_code`.
    AuthorizationCode,
    /// `refresh_token`.
    RefreshToken,
    /// `client_credentials`; never given to a client that registered itself.
    ClientCredentials,
}

impl GrantType {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

impl Record for ClientRecord {
    const KIND: Kind = Kind::Client;
    type Id = ClientId;

    fn id(&self) -> &ClientId {
        &self.id
    }
    fn shape(&self) -> &Shape {
        &self.shape
    }
    fn retain_until(&self) -> Option<Timestamp> {
        self.retain_until
    }
}
