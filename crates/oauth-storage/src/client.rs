//! A registered client.

use oauth_types::registration::{ClientMetadata, UnknownMembers};
use oauth_types::{ClientId, Lifetime, RedirectUri, ResourceUri, Scope, SecretHash, Timestamp};
use serde::{Deserialize, Serialize};

use crate::document::document;
use crate::record::{Kind, Record, Shape};

/// A client as registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct ClientRecord {
    /// Shape of the document.
    #[serde(flatten, skip_deserializing)]
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
    /// The public keys it proves itself with, as it gave them (RFC 7517 §5): an object with `keys`,
    /// never with a private member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// Where its public keys are instead: an https address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What lasts otherwise for this client than for others.
    #[serde(default, skip_serializing_if = "ClientLifetimes::is_empty")]
    pub lifetimes: ClientLifetimes,
    /// Digest of the token with which the client may read, change and delete this (RFC 7592);
    /// `None` when nobody may by protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_access_token: Option<SecretHash>,
    /// Raised to end everything this client was ever granted.
    #[serde(default)]
    pub epoch: u64,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When a person last gave it a grant, to the day; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// See [`Record::retain_until`]. Extended when a grant is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_until: Option<Timestamp>,
    /// Members of newer versions.
    #[serde(flatten, skip_deserializing)]
    pub unknown: UnknownMembers,
}

document!(ClientRecord);

impl ClientRecord {
    /// A client that may ask for codes and has nothing else yet.
    pub fn new(
        id: ClientId,
        registration: ClientRegistration,
        token_endpoint_auth_method: TokenEndpointAuthMethod,
        created_at: Timestamp,
    ) -> Self {
        Self {
            shape: Shape::default(),
            id,
            registration,
            token_endpoint_auth_method,
            secrets: Vec::new(),
            redirect_uris: Vec::new(),
            grant_types: vec![GrantType::AuthorizationCode],
            scope: None,
            introspects: Vec::new(),
            metadata: ClientMetadata::default(),
            jwks: None,
            jwks_uri: None,
            lifetimes: ClientLifetimes::default(),
            registration_access_token: None,
            epoch: 0,
            created_at,
            last_used_at: None,
            retain_until: None,
            unknown: UnknownMembers::new(),
        }
    }

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
    /// Its identifier is the address of a document about it.
    MetadataDocument,
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
    /// An assertion signed with a key of its own (RFC 7523 §2.2).
    PrivateKeyJwt,
}

impl TokenEndpointAuthMethod {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether such a client is given a secret.
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// What lasts otherwise for one client than the server's policy says; `None` is the policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientLifetimes {
    /// How long its access tokens are good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token: Option<Lifetime>,
    /// How long its refresh tokens stay good unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_idle: Option<Lifetime>,
    /// How long its grants last at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Lifetime>,
}

impl ClientLifetimes {
    /// Whether everything is as the policy says.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
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
