//! Discovery documents.

use serde::Serialize;

use crate::Link;

/// An authorization server's metadata, in the one shape that serves both OAuth and OpenID
/// Connect discovery.
///
/// Arrays that would be empty are left out (RFC 8414 §3.2). Spec: RFC 8414 §2, RFC 9207 §3,
/// OpenID Connect Discovery §3.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each member is the standard's own word")]
pub struct AuthorizationServerMetadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    pub revocation_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    pub jwks_uri: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    pub response_types_supported: Vec<&'static str>,
    pub response_modes_supported: Vec<&'static str>,
    pub grant_types_supported: Vec<&'static str>,
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<&'static str>,
    pub code_challenge_methods_supported: Vec<&'static str>,
    pub authorization_response_iss_parameter_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub client_id_metadata_document_supported: bool,
    pub request_parameter_supported: bool,
    pub request_uri_parameter_supported: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protected_resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_documentation: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_policy_uri: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_tos_uri: Option<Link>,
    pub subject_types_supported: Vec<&'static str>,
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
}

/// A protected resource's metadata. Spec: RFC 9728 §2.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each member is the standard's own word")]
pub struct ProtectedResourceMetadata {
    pub resource: String,
    pub authorization_servers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    pub bearer_methods_supported: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_policy_uri: Option<Link>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_tos_uri: Option<Link>,
}
