//! What is kept, as text.

use oauth_types::{ClientId, Issuer, Reach, ResourceUri, Scope, SecretText, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::authentication::AuthMethod;

/// Something that is kept, and its form as text: a JSON object. Members that this version does not
/// know are ignored.
pub trait Record: Sized {
    /// Writes it, secrets included.
    fn to_text(&self) -> SecretText;

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`InvalidRecord`] for anything else.
    fn from_text(text: &SecretText) -> Result<Self, InvalidRecord>;
}

/// What is kept cannot be read. Its text is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a kept value is not one of ours")]
pub struct InvalidRecord;

/// Which authorization server a protected server was found to have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Binding {
    /// The issuer, as its own document says it.
    pub issuer: Issuer,
    /// The resource, as its metadata say it.
    pub resource: ResourceUri,
    /// How far inside one's own network what that server's documents name may lie.
    pub within: Reach,
    /// The client from configuration that was used there, to which no other issuer may be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preregistered: Option<ClientId>,
}

/// A client as an authorization server registered it. Spec: RFC 7591 §3.2.1.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registration {
    /// The client's identifier there.
    pub client_id: ClientId,
    /// Its secret, if it has one.
    pub client_secret: Option<SecretText>,
    /// How it authenticates at the token endpoint.
    pub method: AuthMethod,
    /// When the secret ends; `None` is never.
    pub secret_expires_at: Option<Timestamp>,
    /// The redirect URIs that were registered.
    pub redirect_uris: Vec<String>,
}

/// What a client may do with a resource, until when, and how that is renewed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Credentials {
    /// Who issued the tokens. They are shown to nobody else but the resource.
    pub issuer: Issuer,
    /// The resource they are for.
    pub resource: ResourceUri,
    /// The client they were issued to.
    pub client_id: ClientId,
    /// The access token: opaque (CL-TOK-15).
    pub access_token: SecretText,
    /// When it was received.
    pub received_at: Timestamp,
    /// When it ends, if that was said.
    pub expires_at: Option<Timestamp>,
    /// What renews it.
    pub refresh_token: Option<SecretText>,
    /// What it may be used for, if that is known.
    pub scope: Option<Scope>,
    /// All that was ever asked for: a step-up asks for it again, and more (CL-TOK-9).
    pub requested: Option<Scope>,
}

impl Credentials {
    /// Whether the access token is good at `now`, as far as was said, for `margin` seconds more.
    pub fn is_current(&self, now: Timestamp, margin: oauth_types::Lifetime) -> bool {
        self.expires_at.is_none_or(|end| now.plus(margin) < end)
    }
}

#[derive(Serialize, Deserialize)]
struct StoredRegistration {
    client_id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    token_endpoint_auth_method: AuthMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<Timestamp>,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredCredentials {
    issuer: Issuer,
    resource: ResourceUri,
    client_id: ClientId,
    access_token: String,
    received_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested: Option<Scope>,
}

pub(crate) fn write(value: &impl Serialize) -> SecretText {
    // proved: these are structs of texts and numbers, which JSON can always say.
    SecretText::new(serde_json::to_string(value).expect("structs of texts"))
}

pub(crate) fn read<T: DeserializeOwned>(text: &SecretText) -> Result<T, InvalidRecord> {
    serde_json::from_str(text.expose()).map_err(|_| InvalidRecord)
}

fn shown(secret: &Option<SecretText>) -> Option<String> {
    secret.as_ref().map(|secret| secret.expose().to_owned())
}

impl Record for Binding {
    fn to_text(&self) -> SecretText {
        write(self)
    }

    fn from_text(text: &SecretText) -> Result<Self, InvalidRecord> {
        read(text)
    }
}

impl Record for Registration {
    fn to_text(&self) -> SecretText {
        write(&StoredRegistration {
            client_id: self.client_id.clone(),
            client_secret: shown(&self.client_secret),
            token_endpoint_auth_method: self.method,
            client_secret_expires_at: self.secret_expires_at,
            redirect_uris: self.redirect_uris.clone(),
        })
    }

    fn from_text(text: &SecretText) -> Result<Self, InvalidRecord> {
        let held: StoredRegistration = read(text)?;
        Ok(Self {
            client_id: held.client_id,
            client_secret: held.client_secret.map(SecretText::new),
            method: held.token_endpoint_auth_method,
            secret_expires_at: held.client_secret_expires_at,
            redirect_uris: held.redirect_uris,
        })
    }
}

impl Record for Credentials {
    fn to_text(&self) -> SecretText {
        write(&StoredCredentials {
            issuer: self.issuer.clone(),
            resource: self.resource.clone(),
            client_id: self.client_id.clone(),
            access_token: self.access_token.expose().to_owned(),
            received_at: self.received_at,
            expires_at: self.expires_at,
            refresh_token: shown(&self.refresh_token),
            scope: self.scope.clone(),
            requested: self.requested.clone(),
        })
    }

    fn from_text(text: &SecretText) -> Result<Self, InvalidRecord> {
        let held: StoredCredentials = read(text)?;
        Ok(Self {
            issuer: held.issuer,
            resource: held.resource,
            client_id: held.client_id,
            access_token: SecretText::new(held.access_token),
            received_at: held.received_at,
            expires_at: held.expires_at,
            refresh_token: held.refresh_token.map(SecretText::new),
            scope: held.scope,
            requested: held.requested,
        })
    }
}
