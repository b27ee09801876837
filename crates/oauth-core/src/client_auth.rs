//! Who is asking at the token, revocation and introspection endpoints.

mod assertion;
mod key_cache;

use std::sync::Arc;

use oauth_storage::{ClientRecord, StorageError, TokenEndpointAuthMethod};
use oauth_types::{ClientId, SecretHash, Timestamp, TokenErrorCode};

use crate::event::Event;
use crate::limit::{Limit, Limited, Source};
use crate::server::AuthorizationServer;

pub(crate) use key_cache::KeyCache;

/// What a request presents to prove which client it is from.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct PresentedClient<'a> {
    /// The `Authorization: Basic` header, decoded.
    pub basic: Option<&'a BasicCredentials>,
    /// `client_id` of the form.
    pub client_id: Option<&'a str>,
    /// `client_secret` of the form.
    pub client_secret: Option<&'a str>,
    /// The assertion of the form.
    pub assertion: Option<ClientAssertion<'a>>,
}

impl<'a> PresentedClient<'a> {
    /// What the form says, beside what the header says.
    pub const fn new(
        basic: Option<&'a BasicCredentials>,
        client_id: Option<&'a str>,
        client_secret: Option<&'a str>,
        assertion: Option<ClientAssertion<'a>>,
    ) -> Self {
        Self {
            basic,
            client_id,
            client_secret,
            assertion,
        }
    }
}

/// A signed statement of the client about itself, as the form gives it. Spec: RFC 7521 §4.2,
/// RFC 7523 §2.2.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ClientAssertion<'a> {
    /// `client_assertion_type`.
    pub assertion_type: Option<&'a str>,
    /// `client_assertion`.
    pub assertion: Option<&'a str>,
}

impl<'a> ClientAssertion<'a> {
    /// Both parameters, if there is one of them at all. One alone is refused, not ignored.
    pub fn of(assertion_type: Option<&'a str>, assertion: Option<&'a str>) -> Option<Self> {
        (assertion_type.is_some() || assertion.is_some()).then_some(Self {
            assertion_type,
            assertion,
        })
    }
}

/// User and password of a Basic header.
///
/// OAuth wants both form-encoded before they are joined (RFC 6749 §2.3.1); many clients leave
/// that out. Whoever builds this gives both readings of the password.
#[derive(Clone)]
#[non_exhaustive]
pub struct BasicCredentials {
    /// The user, form-decoded.
    pub client_id: String,
    /// The password, form-decoded.
    pub decoded_secret: String,
    /// The password as it stood.
    pub raw_secret: String,
}

impl BasicCredentials {
    /// Both readings of a Basic header.
    pub const fn new(client_id: String, decoded_secret: String, raw_secret: String) -> Self {
        Self {
            client_id,
            decoded_secret,
            raw_secret,
        }
    }
}

/// The client did not prove itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientAuthError {
    /// Unknown, wrong secret, or not the method it registered: all the same from outside.
    #[error("client authentication failed")]
    Rejected,
    /// More than one method in a request, or a `client_id` that disagrees with the header.
    #[error("use exactly one client authentication method")]
    SeveralMethods,
    /// One of the two parameters of an assertion came without the other.
    #[error("client_assertion and client_assertion_type come together")]
    IncompleteAssertion,
    /// The client's keys are elsewhere and cannot be fetched now.
    #[error("the client's keys cannot be fetched")]
    KeysUnavailable,
    /// Too many failures for this client from this address.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ClientAuthError {
    /// The standard's word; `None` when the server failed or the client should wait.
    pub const fn code(&self) -> Option<TokenErrorCode> {
        match self {
            Self::Rejected => Some(TokenErrorCode::InvalidClient),
            Self::SeveralMethods | Self::IncompleteAssertion => {
                Some(TokenErrorCode::InvalidRequest)
            }
            Self::KeysUnavailable | Self::Limited(_) | Self::Storage(_) => None,
        }
    }
}

impl AuthorizationServer {
    /// Establishes which client is asking, by the one method it registered.
    ///
    /// # Errors
    /// See [`ClientAuthError`]. Spec: OAuth 2.1 §2.4.
    pub(crate) async fn authenticate(
        &self,
        presented: PresentedClient<'_>,
        source: Source,
        now: Timestamp,
    ) -> Result<Arc<ClientRecord>, ClientAuthError> {
        let PresentedClient {
            basic,
            client_id,
            client_secret,
            assertion,
        } = presented;
        let methods = usize::from(basic.is_some())
            + usize::from(client_secret.is_some())
            + usize::from(assertion.is_some());
        let named = basic.map(|basic| basic.client_id.as_str());
        if methods > 1 || (named.is_some() && client_id.is_some() && named != client_id) {
            return Err(ClientAuthError::SeveralMethods);
        }
        let (id, accepted) = if let Some(assertion) = assertion {
            self.by_assertion(assertion, client_id, now).await?
        } else {
            let Some(id) = named.or(client_id) else {
                return Err(ClientAuthError::Rejected);
            };
            let id = ClientId::new(id);
            let accepted = self.by_secret(&id, basic, client_secret, now).await?;
            (id, accepted)
        };
        if let Some(client) = accepted {
            return Ok(client);
        }
        // A name that nobody has may be anything, a secret in the wrong place included.
        let known = self.client_stored(&id).await?.is_some();
        let client = known.then_some(&id);
        self.record(Event::ClientAuthenticationFailed { client });
        let key = format!("{}|{}", id.as_str(), source.key());
        self.count(&Limit::CLIENT_AUTHENTICATION, &key, now).await?;
        Err(ClientAuthError::Rejected)
    }

    /// By a secret, or by nothing but its name where it is public. `None` when it did not prove
    /// itself.
    async fn by_secret(
        &self,
        id: &ClientId,
        basic: Option<&BasicCredentials>,
        client_secret: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Arc<ClientRecord>>, StorageError> {
        use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost};
        let (method, secrets) = match (basic, client_secret) {
            (Some(basic), _) => (
                ClientSecretBasic,
                [
                    Some(basic.decoded_secret.as_str()),
                    Some(basic.raw_secret.as_str()),
                ],
            ),
            (None, Some(secret)) => (ClientSecretPost, [Some(secret), None]),
            (None, None) => (TokenEndpointAuthMethod::None, [None, None]),
        };
        // Digested whether there is such a client or not, so that both take the same time.
        let presented = secrets.map(|secret| secret.map(|text| SecretHash::of(text.as_bytes())));
        let found = self.client_stored(id).await?;
        let accepted = found.filter(|client| {
            // Every presented secret is compared with every current one, without a short cut.
            let proven = presented.iter().flatten().fold(false, |proven, hash| {
                client.secrets.iter().fold(proven, |proven, held| {
                    let current = held.expires_at.is_none_or(|expires_at| now < expires_at);
                    proven | (held.hash.matches(hash) & current)
                })
            });
            let public = method == TokenEndpointAuthMethod::None;
            client.token_endpoint_auth_method == method && (public || proven)
        });
        Ok(accepted)
    }
}
