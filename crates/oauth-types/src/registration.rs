//! Dynamic client registration: what a client says of itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Client metadata as a client sends it. Unknown members are ignored; a member of the wrong type
/// is an error of the whole request.
///
/// Spec: RFC 7591 §2.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClientMetadata {
    /// Where codes may be sent.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub redirect_uris: Vec<String>,
    /// How the client authenticates at the token endpoint; `client_secret_basic` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<String>,
    /// Which grants it uses; `authorization_code` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_types: Option<Vec<String>>,
    /// Which response types it uses; `code` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_types: Option<Vec<String>>,
    /// A name to show to people. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// The client's home page. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// A picture. Untrusted, and never fetched here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// A ceiling for the scopes the client may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Terms of service. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    /// Privacy policy. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Names the software across its versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    /// Version of the software.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// `web` or `native` (OpenID Connect Registration §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_type: Option<String>,
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A successful registration: the metadata as registered, and what the server added.
///
/// Spec: RFC 7591 §3.2.1.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct ClientInformation {
    /// The new client's identifier.
    pub client_id: String,
    /// When it was given, in Unix seconds.
    pub client_id_issued_at: u64,
    /// The client's secret, shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// When the secret ends, in Unix seconds; 0 is never. Present exactly when a secret is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<u64>,
    /// All metadata as registered, defaults and corrections included.
    #[serde(flatten)]
    pub metadata: ClientMetadata,
}

impl ClientInformation {
    /// The answer for a client registered at `issued_at`.
    pub fn new(
        client_id: String,
        client_id_issued_at: u64,
        client_secret: Option<String>,
        metadata: ClientMetadata,
    ) -> Self {
        let client_secret_expires_at = client_secret.as_ref().map(|_| 0);
        Self {
            client_id,
            client_id_issued_at,
            client_secret,
            client_secret_expires_at,
            metadata,
        }
    }
}

impl std::fmt::Debug for ClientInformation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientInformation")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// The `error` of a refused registration. Spec: RFC 7591 §3.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegistrationErrorCode {
    /// A redirect URI is missing or not acceptable.
    InvalidRedirectUri,
    /// Another member is not acceptable, or the body is not a JSON object.
    InvalidClientMetadata,
}

impl RegistrationErrorCode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }
}

/// Members of a JSON document that this version does not know, kept as they were.
pub type UnknownMembers = Map<String, Value>;
