//! Dynamic client registration and its management. Spec: RFC 7591, RFC 7592.
//!
//! Open registrations of public clients are shared and unmanaged: whoever registers in the same
//! words gets the same identifier, and so nobody a token to change or delete it with.
//! Confidential clients, and whoever brings an initial access token or a software statement, get
//! an identifier of their own and management.

mod display;
mod hook;
mod jwks;
mod ledger;
mod management;
mod metadata;
mod preregistered;
mod rules;
mod statement;

use oauth_storage::{
    ClientRecord, ClientRegistration, ClientSecret, Insert, StorageError, StorageErrorKind,
    TokenEndpointAuthMethod,
};
use oauth_types::env::EntropyError;
use oauth_types::registration::{ClientInformation, ClientMetadata, RegistrationErrorCode};
use oauth_types::{ClientId, SecretText, Timestamp};

use crate::event::Event;
use crate::limit::Limited;
use crate::server::AuthorizationServer;
use ledger::Entered;
pub(crate) use metadata::ValidMetadata;

pub use hook::{Circumstances, EveryRegistration, Refused, RegistrationPolicy};
pub use management::RotationError;
pub use preregistered::{PreregisterError, PreregisteredClient};
pub use rules::{RegistrationMode, RegistrationRules};

/// Why no client was registered, or no registration changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// A redirect URI is missing or not acceptable; the text says why.
    #[error("{0}")]
    RedirectUri(&'static str),
    /// Another member is not acceptable; the text says why.
    #[error("{0}")]
    Metadata(&'static str),
    /// The deployment refuses this client.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What should be a software statement is none.
    #[error("the software statement is not a signed JWT")]
    InvalidStatement,
    /// Nobody whose statements count here signed it.
    #[error("software statements of this issuer are not approved here")]
    UnapprovedStatement,
    /// This server takes no registrations.
    #[error("registration is switched off")]
    Disabled,
    /// A token is needed, and there is none.
    #[error("a bearer token is required")]
    TokenRequired,
    /// The token is not good here: unknown, another client's, or the client is gone.
    #[error("the token is not accepted")]
    TokenRejected,
    /// Too many registrations from one address, or in all.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to make an identifier of.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl RegistrationError {
    /// The standard's word; `None` when the server failed, a token is at fault, or the client
    /// should wait or go away.
    pub const fn code(&self) -> Option<RegistrationErrorCode> {
        match self {
            Self::RedirectUri(_) => Some(RegistrationErrorCode::InvalidRedirectUri),
            Self::Metadata(_) | Self::Refused(_) => {
                Some(RegistrationErrorCode::InvalidClientMetadata)
            }
            Self::InvalidStatement => Some(RegistrationErrorCode::InvalidSoftwareStatement),
            Self::UnapprovedStatement => Some(RegistrationErrorCode::UnapprovedSoftwareStatement),
            Self::Disabled
            | Self::TokenRequired
            | Self::TokenRejected
            | Self::Limited(_)
            | Self::Storage(_)
            | Self::Entropy(_) => None,
        }
    }
}

impl AuthorizationServer {
    /// Registers a client that introduces itself without a token.
    ///
    /// # Errors
    /// As [`Self::register_with`].
    pub async fn register(
        &self,
        metadata: ClientMetadata,
    ) -> Result<ClientInformation, RegistrationError> {
        self.register_with(metadata, None).await
    }

    /// Registers a client that introduces itself, with the initial access token it brought. The
    /// answer says all that was registered, corrections included, and whatever secrets the client
    /// is to have; they are shown this once.
    ///
    /// A public client of open registration that says the same as one before it (but for the
    /// ports of loopback addresses) gets that one's identifier, and nothing is stored or counted.
    /// One record is written otherwise, after its entry in the ledger that bounds their number.
    ///
    /// # Errors
    /// [`RegistrationError::Disabled`], `TokenRequired` and `TokenRejected` by the mode of the
    /// rules; `RedirectUri`, `Metadata`, `Refused`, `InvalidStatement` and `UnapprovedStatement`
    /// for what is said; `Limited` when one source registers too much, or all together do;
    /// `Storage` and `Entropy` when the server fails, and then trying again does no harm.
    pub async fn register_with(
        &self,
        metadata: ClientMetadata,
        initial_access_token: Option<&str>,
    ) -> Result<ClientInformation, RegistrationError> {
        let rules = &self.policy().registration;
        match (rules.mode, initial_access_token) {
            (RegistrationMode::Off, _) => return Err(RegistrationError::Disabled),
            (_, Some(token)) if !rules.knows(token) => {
                return Err(RegistrationError::TokenRejected);
            }
            (RegistrationMode::InitialAccessToken, None) => {
                return Err(RegistrationError::TokenRequired);
            }
            _ => {}
        }
        let now = self.now();
        let mut metadata = self.as_stated(metadata, now)?;
        let authorized = initial_access_token.is_some();
        let circumstances = Circumstances::new(self.source(), authorized);
        self.registration_policy()
            .judge(&mut metadata, &circumstances)
            .await?;
        let stated = metadata.software_statement.is_some();
        let valid = ValidMetadata::judge(metadata, rules, &self.config.scopes())?;
        let public = valid.method == TokenEndpointAuthMethod::None;
        let managed = authorized || stated || !public || rules.manage_public_registrations;

        let fresh = ClientId::generate(self.entropy())?;
        let (id, kept_for) = if authorized {
            (fresh, self.policy().unused_client_lifetime)
        } else {
            let same = (!managed).then(|| valid.digest());
            match self.enter(same, fresh, now).await? {
                Entered::Now(id) => (id, rules.unused_client_lifetime),
                Entered::Before(client) => {
                    let id = client.record.id.as_str().to_owned();
                    let issued_at = client.record.created_at.as_unix();
                    return Ok(ClientInformation::new(id, issued_at, valid.into_answer()));
                }
            }
        };

        let mut record =
            ClientRecord::new(id.clone(), ClientRegistration::Dynamic, valid.method, now);
        valid.store_in(&mut record);
        record.retain_until = Some(now.plus(kept_for));
        let mut answer =
            ClientInformation::new(id.as_str().to_owned(), now.as_unix(), valid.into_answer());
        if record.token_endpoint_auth_method.has_secret() {
            let secret = self.new_secret(&mut record, now)?;
            answer.client_secret = Some(secret.expose().to_owned());
            answer.client_secret_expires_at = secret_expires_at(&record);
        }
        if managed {
            let token = SecretText::generate(self.entropy())?;
            record.registration_access_token = Some(token.hash());
            answer.registration_client_uri = Some(self.registration_client_uri(&id));
            answer.registration_access_token = Some(token.expose().to_owned());
        }
        match self.storage.clients().insert(record).await? {
            Insert::Inserted => self.record(Event::ClientRegistered { client: &id }),
            // The same client, registered at the same moment.
            Insert::Exists if !managed => {}
            // 128 random bits twice: the randomness is broken, or the store is.
            Insert::Exists => return Err(StorageError::from(StorageErrorKind::Corrupt).into()),
        }
        Ok(answer)
    }

    fn registration_client_uri(&self, id: &ClientId) -> String {
        self.config.issuer.endpoint(&format!("/register/{id}"))
    }

    /// Gives the client a new secret beside the one it has, which ends after the overlap. Older
    /// ones go.
    fn new_secret(
        &self,
        record: &mut ClientRecord,
        now: Timestamp,
    ) -> Result<SecretText, EntropyError> {
        let rules = &self.policy().registration;
        let secret = SecretText::generate(self.entropy())?;
        let last = now.plus(rules.secret_overlap);
        let current = record.secrets.pop().filter(|held| is_current(held, now));
        record.secrets = current
            .into_iter()
            .map(|held| ClientSecret {
                expires_at: Some(held.expires_at.map_or(last, |ends| ends.min(last))),
                ..held
            })
            .collect();
        record.secrets.push(ClientSecret {
            hash: secret.hash(),
            expires_at: rules
                .secret_lifetime
                .filter(|lifetime| lifetime.as_seconds() > 0)
                .map(|lifetime| now.plus(lifetime)),
        });
        Ok(secret)
    }
}

fn is_current(secret: &ClientSecret, now: Timestamp) -> bool {
    secret.expires_at.is_none_or(|ends| now < ends)
}

/// When the newest secret ends, as the wire says it: 0 is never.
fn secret_expires_at(record: &ClientRecord) -> Option<u64> {
    let newest = record.secrets.last()?;
    Some(newest.expires_at.map_or(0, Timestamp::as_unix))
}
