//! Dynamic client registration: what a client says of itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Client metadata as a client sends it. Unknown members mean nothing; a known member of the wrong
/// type is an error of the whole request.
///
/// Spec: RFC 7591 §2.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// The client's public keys: an object with `keys` (RFC 7517 §5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Where the client's public keys are. Never together with `jwks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What somebody else signed about the software (RFC 7591 §2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_statement: Option<String>,
    /// All other members of the document. Of these a registration keeps only texts for people in
    /// other languages, as `client_name#de` (RFC 7591 §2.2).
    #[serde(flatten)]
    pub other: UnknownMembers,
}

impl std::fmt::Debug for ClientMetadata {
    /// Not everything: a client that confuses two documents sends its secret among `other`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientMetadata")
            .field("client_name", &self.client_name)
            .field("redirect_uris", &self.redirect_uris)
            .finish_non_exhaustive()
    }
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
    /// When the newest secret ends, in Unix seconds; 0 is never. Present exactly when the client
    /// has a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<u64>,
    /// Where the client can read, change and delete its registration (RFC 7592 §3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_client_uri: Option<String>,
    /// With what it may: a bearer token, 44 characters of `[0-9A-Za-z]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_access_token: Option<String>,
    /// All metadata as registered, defaults and corrections included.
    #[serde(flatten)]
    pub metadata: ClientMetadata,
}

impl ClientInformation {
    /// The answer for a client registered at `client_id_issued_at`, which has no secret and
    /// nothing to manage it with.
    pub const fn new(
        client_id: String,
        client_id_issued_at: u64,
        metadata: ClientMetadata,
    ) -> Self {
        Self {
            client_id,
            client_id_issued_at,
            client_secret: None,
            client_secret_expires_at: None,
            registration_client_uri: None,
            registration_access_token: None,
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
    /// The software statement is not one.
    InvalidSoftwareStatement,
    /// Nobody whose statements count here signed it.
    UnapprovedSoftwareStatement,
}

impl RegistrationErrorCode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
        }
    }
}

/// Members of a JSON document that this version does not know, kept as they were.
pub type UnknownMembers = Map<String, Value>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_without_a_name_here_survive_and_wrong_types_do_not() {
        let text = r#"{"redirect_uris":null,"client_name#de":"Ein Programm","x":[1]}"#;
        let read: ClientMetadata = serde_json::from_str(text).unwrap();
        assert_eq!(read.other["client_name#de"], "Ein Programm");
        assert_eq!(read.other.len(), 2);
        let again = serde_json::to_string(&read).unwrap();
        assert_eq!(again, r#"{"client_name#de":"Ein Programm","x":[1]}"#);
        assert!(serde_json::from_str::<ClientMetadata>(r#"{"client_name":1}"#).is_err());
        let text = r#"{"client_secret":"hush","registration_access_token":"hush"}"#;
        let read: ClientMetadata = serde_json::from_str(text).unwrap();
        assert!(!format!("{read:?}").contains("hush"));
    }
}
