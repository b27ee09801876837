//! The discovery document.

use oauth_jose::Algorithm;
use oauth_types::metadata::AuthorizationServerMetadata;

use crate::keys::KeyRing;
use crate::policy::ServerConfig;
use crate::registration::RegistrationMode;

/// One document for both kinds of client, with what deployed clients insist on: PKCE's method
/// list in the OpenID document too, and key and subject members in the OAuth one.
pub(crate) fn authorization_server(
    config: &ServerConfig,
    ring: &KeyRing,
) -> AuthorizationServerMetadata {
    let endpoint = |path| config.issuer.endpoint(path);
    let mut algorithms: Vec<&'static str> = ring.public_jwks().iter().map(|jwk| jwk.alg).collect();
    algorithms.dedup();
    AuthorizationServerMetadata {
        issuer: config.issuer.as_str().to_owned(),
        authorization_endpoint: endpoint("/authorize"),
        token_endpoint: endpoint("/token"),
        // Whoever has an initial access token was told the address with it.
        registration_endpoint: (config.policy.registration.mode == RegistrationMode::Open)
            .then(|| endpoint("/register")),
        revocation_endpoint: endpoint("/revoke"),
        introspection_endpoint: Some(endpoint("/introspect")),
        jwks_uri: endpoint("/jwks"),
        scopes_supported: config.scopes().iter().map(str::to_owned).collect(),
        response_types_supported: vec!["code"],
        response_modes_supported: vec!["query"],
        grant_types_supported: vec!["authorization_code", "refresh_token", "client_credentials"],
        token_endpoint_auth_methods_supported: vec![
            "none",
            "client_secret_post",
            "client_secret_basic",
            "private_key_jwt",
        ],
        token_endpoint_auth_signing_alg_values_supported: Algorithm::NAMES.to_vec(),
        revocation_endpoint_auth_methods_supported: vec![
            "none",
            "client_secret_post",
            "client_secret_basic",
            "private_key_jwt",
        ],
        revocation_endpoint_auth_signing_alg_values_supported: Algorithm::NAMES.to_vec(),
        introspection_endpoint_auth_methods_supported: vec![
            "client_secret_post",
            "client_secret_basic",
            "private_key_jwt",
        ],
        introspection_endpoint_auth_signing_alg_values_supported: Algorithm::NAMES.to_vec(),
        code_challenge_methods_supported: vec!["S256"],
        authorization_response_iss_parameter_supported: true,
        client_id_metadata_document_supported: config.policy.metadata_documents.is_some(),
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        protected_resources: config
            .resources
            .iter()
            .map(|resource| resource.uri.as_str().to_owned())
            .collect(),
        ui_locales_supported: config.about.ui_locales.clone(),
        service_documentation: config.about.documentation.clone(),
        op_policy_uri: config.about.policy.clone(),
        op_tos_uri: config.about.terms.clone(),
        subject_types_supported: vec!["public"],
        id_token_signing_alg_values_supported: algorithms,
    }
}
