//! How a client proves itself at the token endpoint.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauth_jose::PrivateKey;
use oauth_types::env::{Entropy, EntropyError};
use oauth_types::{ClientId, Issuer, Lifetime, Secret, SecretText, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::message::Form;
use crate::metadata::ServerMetadata;

/// How a client authenticates. Spec: RFC 7591 §2, OpenID Connect Core §9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuthMethod {
    /// It does not: a public client.
    None,
    /// Its secret, in the `Authorization` header.
    ClientSecretBasic,
    /// Its secret, in the form.
    ClientSecretPost,
    /// An assertion that its key signs.
    PrivateKeyJwt,
}

impl AuthMethod {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of that name.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::None,
            Self::ClientSecretBasic,
            Self::ClientSecretPost,
            Self::PrivateKeyJwt,
        ]
        .into_iter()
        .find(|method| method.as_str() == name)
    }
}

/// Where a client's identity comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provenance {
    /// Configuration.
    Preregistered,
    /// A document at an address of the client's own (CIMD): good everywhere.
    MetadataDocument,
    /// Dynamic registration at this authorization server.
    Registered,
}

/// A client, as one authorization server knows it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientIdentity {
    /// Its identifier.
    pub client_id: ClientId,
    /// How it authenticates, always by one method (CL-TOK-4).
    pub method: AuthMethod,
    /// Where it comes from.
    pub provenance: Provenance,
    secret: Option<SecretText>,
    key: Option<Arc<PrivateKey>>,
}

/// The client has nothing to authenticate with in a way that the server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client has nothing to authenticate with that this authorization server takes")]
pub struct NoAuthMethod;

impl ClientIdentity {
    /// The lifetime of a client's assertion.
    const ASSERTION_LIFETIME: Lifetime = Lifetime::minutes(1);

    /// A client with what it has to prove itself. Which method is used follows from
    /// `wanted` (what was registered or configured), else from what the server takes: a key before a
    /// secret, the header before the form. Who has neither is a public client, whatever the server
    /// says.
    ///
    /// # Errors
    /// [`NoAuthMethod`] when `wanted` needs what the client does not have, or the server names its
    /// methods and takes none of the client's.
    pub fn new(
        client_id: ClientId,
        provenance: Provenance,
        (secret, key): (Option<SecretText>, Option<Arc<PrivateKey>>),
        wanted: Option<AuthMethod>,
        server: &ServerMetadata,
    ) -> Result<Self, NoAuthMethod> {
        let has = |method: AuthMethod| match method {
            AuthMethod::None => true,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => secret.is_some(),
            AuthMethod::PrivateKeyJwt => key.is_some(),
        };
        let [one, other] = server.ways_with_a_secret();
        let method = match wanted {
            Some(method) => has(method).then_some(method),
            // Servers that take public clients do not always say so.
            None if secret.is_none() && key.is_none() => Some(AuthMethod::None),
            None => [AuthMethod::PrivateKeyJwt, one, other, AuthMethod::None]
                .into_iter()
                .find(|method| has(*method) && server.takes(*method)),
        };
        Ok(Self {
            client_id,
            method: method.ok_or(NoAuthMethod)?,
            provenance,
            secret,
            key,
        })
    }

    /// Whether it can prove itself at all.
    pub fn is_confidential(&self) -> bool {
        self.method != AuthMethod::None
    }

    /// Puts what proves the client into a form. An assertion's audience is `issuer`, and nothing
    /// else (CL-TOK-5).
    ///
    /// # Errors
    /// [`EntropyError`] when nothing can be drawn or signed.
    pub(crate) fn authenticate(
        &self,
        form: &mut Form,
        issuer: &Issuer,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(), EntropyError> {
        let client_id = self.client_id.as_str();
        match (self.method, &self.secret, &self.key) {
            (AuthMethod::ClientSecretBasic, Some(secret), _) => {
                // OAuth 2.1 §2.4.1: both are form-encoded before they are joined.
                let encode = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
                form.secret(secret.clone());
                // It need not be said twice (OAuth 2.1 §2.4.1), but some servers look nowhere else.
                form.push("client_id", client_id);
                form.authorize(format!("Basic {}", STANDARD.encode(pair)));
            }
            (AuthMethod::ClientSecretPost, Some(secret), _) => {
                form.push("client_id", client_id);
                form.push_secret("client_secret", secret);
            }
            (AuthMethod::PrivateKeyJwt, _, Some(key)) => {
                let assertion = self.assertion(key, issuer, now, entropy)?;
                form.push("client_id", client_id);
                form.push(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                );
                form.push_secret("client_assertion", &assertion);
            }
            _ => form.push("client_id", client_id),
        }
        Ok(())
    }

    /// Spec: RFC 7523 §3, draft-ietf-oauth-rfc7523bis §4.
    fn assertion(
        &self,
        key: &PrivateKey,
        issuer: &Issuer,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<SecretText, EntropyError> {
        let jti = Secret::draw(entropy)?;
        let claims = json!({
            "iss": self.client_id.as_str(),
            "sub": self.client_id.as_str(),
            "aud": issuer.as_str(),
            "jti": crate::message::base64url(jti.expose()),
            "iat": now.as_unix(),
            "exp": now.plus(Self::ASSERTION_LIFETIME).as_unix(),
        });
        let signed = key.sign("client-authentication+jwt", &claims);
        Ok(SecretText::new(signed.map_err(|_| EntropyError::new())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oauth_types::Reach;

    /// CL-TOK-4: one method, by what was registered, what there is, and what the server takes.
    #[test]
    fn a_method_is_chosen_by_all_three() {
        use AuthMethod::{ClientSecretBasic as Basic, ClientSecretPost as Post, None as Public};
        let issuer = Issuer::parse("https://as.example").unwrap();
        let secret = || Some(SecretText::new("secret"));
        for (secret, wanted, takes, expected) in [
            (None, None, None, Some(Public)),
            (None, None, Some("client_secret_basic"), Some(Public)),
            (None, Some(Basic), None, None),
            (secret(), None, None, Some(Basic)),
            (secret(), None, Some("client_secret_post none"), Some(Post)),
            (
                secret(),
                None,
                Some("client_secret_post client_secret_basic"),
                Some(Post),
            ),
            (
                secret(),
                None,
                Some("none client_secret_basic client_secret_post"),
                Some(Basic),
            ),
            (secret(), None, Some("none"), Some(Public)),
            (secret(), None, Some("tls_client_auth"), None),
            (
                secret(),
                Some(Post),
                Some("client_secret_basic"),
                Some(Post),
            ),
            (secret(), Some(Public), None, Some(Public)),
        ] {
            let mut server = ServerMetadata::bare(issuer.clone(), Reach::Public);
            let methods = takes.map(|takes| takes.split(' ').map(str::to_owned).collect());
            server.token_endpoint_auth_methods_supported = methods;
            let identity = ClientIdentity::new(
                ClientId::new("c"),
                Provenance::Preregistered,
                (secret, None),
                wanted,
                &server,
            );
            assert_eq!(
                identity.ok().map(|identity| identity.method),
                expected,
                "{takes:?}"
            );
        }
    }
}
