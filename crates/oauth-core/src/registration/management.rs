//! A client reads, changes and deletes its registration. Spec: RFC 7592.

use oauth_storage::{
    ClientRecord, ClientRegistration, Delete, Filter, Page, Replace, StorageError,
    StorageErrorKind, TokenEndpointAuthMethod, Versioned,
};
use oauth_types::env::EntropyError;
use oauth_types::registration::{ClientInformation, ClientMetadata};
use oauth_types::{ClientId, SecretHash, SecretText, Timestamp};
use serde_json::Value;

use super::metadata::{self, ValidMetadata};
use super::{Circumstances, RegistrationError, is_current, secret_expires_at};
use crate::event::Event;
use crate::server::AuthorizationServer;

/// Rounds of compare-and-set on one client.
const ROUNDS: usize = 16;
/// Grants listed at once while a client ends.
const PAGE: usize = 100;
/// What only the server says; a client that says it has confused two documents.
const OURS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// Why a secret was not rotated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// There is no such client, or it proves itself otherwise than by a secret.
    #[error("there is no such client with a secret")]
    NoSecret,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to make a secret of.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl AuthorizationServer {
    /// A client reads its registration. Secrets are known here by their digests only, so of these
    /// the answer holds the token that was presented and the date of the client's secret.
    ///
    /// # Errors
    /// [`RegistrationError::TokenRejected`] for a token that is unknown or another client's, or a
    /// client that is gone: all the same from outside. `Limited` after too many of these, as for
    /// failed client authentication. `Storage`.
    pub async fn read_registration(
        &self,
        client_id: &str,
        token: &str,
    ) -> Result<ClientInformation, RegistrationError> {
        let found = self.managed(client_id, token).await?;
        Ok(self.described(&found.record, token))
    }

    /// A client replaces its registration: what `metadata` leaves out goes back to its default.
    /// The identifier stays, and so does whether the client is public. A secret that ends within
    /// the overlap is replaced by a new one, which the answer holds, and still works until then.
    ///
    /// # Errors
    /// [`RegistrationError::TokenRejected`] as for reading; `Metadata`, also when `client_id` or
    /// `client_secret` disagree or the client says what only the server may; `RedirectUri`,
    /// `Refused` and the others as for a registration. Nothing has changed then.
    pub async fn update_registration(
        &self,
        client_id: &str,
        token: &str,
        mut metadata: ClientMetadata,
    ) -> Result<ClientInformation, RegistrationError> {
        self.managed(client_id, token).await?;
        let claims = Claims::take(&mut metadata)?;
        if claims.client_id.as_deref() != Some(client_id) {
            return Err(RegistrationError::Metadata(
                "client_id is required and cannot change",
            ));
        }
        let now = self.now();
        let mut metadata = self.as_stated(metadata, now)?;
        let circumstances = Circumstances::new(self.source(), true);
        self.registration_policy()
            .judge(&mut metadata, &circumstances)
            .await?;
        let rules = &self.policy().registration;
        let valid = ValidMetadata::judge(metadata, rules, &self.config.scopes())?;
        for _ in 0..ROUNDS {
            let found = self.managed(client_id, token).await?;
            let mut next = ClientRecord::clone(&found.record);
            claims.agree_with(&next, now)?;
            valid.store_in(&mut next);
            if next.is_confidential() != found.record.is_confidential() {
                return Err(RegistrationError::Metadata(
                    "a client stays public or confidential",
                ));
            }
            let secret = self.renew_secret(&mut next, now)?;
            match self
                .storage
                .clients()
                .replace(found.revision, next.clone())
                .await?
            {
                Replace::Replaced(_) => {
                    self.record(Event::ClientUpdated { client: &next.id });
                    let mut answer = self.described(&next, token);
                    answer.client_secret = secret.map(|secret| secret.expose().to_owned());
                    return Ok(answer);
                }
                Replace::Conflict | Replace::Missing => {}
            }
        }
        Err(StorageError::from(StorageErrorKind::Contended).into())
    }

    /// A client deletes its registration, and with it all it was ever granted.
    ///
    /// # Errors
    /// [`RegistrationError::TokenRejected`] as for reading. `Storage`: the client may already be
    /// unable to begin anything; trying again goes on from there.
    pub async fn delete_registration(
        &self,
        client_id: &str,
        token: &str,
    ) -> Result<(), RegistrationError> {
        let found = self.managed(client_id, token).await?;
        Ok(self.remove_client(&found.record.id).await?)
    }

    /// Removes a client, however it came to be known: from the first write on it proves nothing,
    /// begins nothing and refreshes nothing; then its grants are closed, access tokens included;
    /// then it is gone. `Ok` also when there is no such client.
    ///
    /// Of a pre-registered client an empty record stays, since its identifier could be entered
    /// again: the barrier in it keeps a grant that was approved meanwhile from coming to life.
    /// One that is still configured comes back at the next start.
    ///
    /// # Errors
    /// The store's; trying again goes on where it stopped.
    pub async fn remove_client(&self, id: &ClientId) -> Result<(), StorageError> {
        let clients = self.storage.clients();
        for _ in 0..ROUNDS {
            let Some(found) = clients.find(id).await? else {
                return Ok(());
            };
            let mut next = ClientRecord::clone(&found.record);
            next.epoch = next.epoch.saturating_add(1);
            // A secret method without a secret.
            next.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretBasic;
            next.secrets.clear();
            next.redirect_uris.clear();
            next.jwks = None;
            next.jwks_uri = None;
            let Replace::Replaced(revision) = clients.replace(found.revision, next).await? else {
                continue;
            };
            self.close_grants_of(id).await?;
            // Whoever changed it meanwhile has made it able to begin something again.
            let stays = found.record.registration == ClientRegistration::Preregistered;
            if stays || clients.delete(id, revision).await? != Delete::Conflict {
                self.record(Event::ClientRemoved { client: id });
                return Ok(());
            }
        }
        Err(StorageErrorKind::Contended.into())
    }

    async fn close_grants_of(&self, client: &ClientId) -> Result<(), StorageError> {
        let mut page = Page::first(PAGE);
        loop {
            let filter = Filter::Client(client.clone());
            let listed = self.storage.grants().list(&filter, &page).await?;
            for grant in &listed.items {
                if grant.record.closed.is_none() {
                    self.close_grant(&grant.record.id).await?;
                }
            }
            page.after = listed.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Gives a confidential client a new secret: 44 characters of `[0-9A-Za-z]`, shown this once,
    /// and when it ends (`None` is never). The one before works on for the overlap of the rules.
    /// One compare-and-set.
    ///
    /// # Errors
    /// See [`RotationError`].
    pub async fn rotate_client_secret(
        &self,
        id: &ClientId,
    ) -> Result<(SecretText, Option<Timestamp>), RotationError> {
        let now = self.now();
        for _ in 0..ROUNDS {
            let found = self.storage.clients().find(id).await?;
            let found = found.filter(|found| found.record.token_endpoint_auth_method.has_secret());
            let found = found.ok_or(RotationError::NoSecret)?;
            let mut next = ClientRecord::clone(&found.record);
            let secret = self.new_secret(&mut next, now)?;
            let ends = next.secrets.last().and_then(|newest| newest.expires_at);
            if let Replace::Replaced(_) =
                self.storage.clients().replace(found.revision, next).await?
            {
                self.record(Event::ClientSecretRotated { client: id });
                return Ok((secret, ends));
            }
        }
        Err(StorageError::from(StorageErrorKind::Contended).into())
    }

    /// The client that this token manages.
    async fn managed(
        &self,
        client_id: &str,
        token: &str,
    ) -> Result<Versioned<ClientRecord>, RegistrationError> {
        let id = ClientId::new(client_id);
        let found = self.storage.clients().find(&id).await?;
        let (known, presented) = (found.is_some(), SecretHash::of(token.as_bytes()));
        let managed = found.filter(|found| {
            let held = &found.record.registration_access_token;
            held.is_some_and(|held| held.matches(&presented))
        });
        match managed {
            Some(managed) => Ok(managed),
            None => {
                self.reject(&id, known, self.now()).await?;
                Err(RegistrationError::TokenRejected)
            }
        }
    }

    /// A new secret for a client that should have one and has none that lasts.
    fn renew_secret(
        &self,
        record: &mut ClientRecord,
        now: Timestamp,
    ) -> Result<Option<SecretText>, EntropyError> {
        if !record.token_endpoint_auth_method.has_secret() {
            record.secrets.clear();
            return Ok(None);
        }
        let soon = now.plus(self.policy().registration.secret_overlap);
        let lasts = record
            .secrets
            .last()
            .is_some_and(|newest| is_current(newest, soon));
        if lasts {
            return Ok(None);
        }
        self.new_secret(record, now).map(Some)
    }

    fn described(&self, record: &ClientRecord, token: &str) -> ClientInformation {
        let mut answer = ClientInformation::new(
            record.id.as_str().to_owned(),
            record.created_at.as_unix(),
            metadata::of_record(record),
        );
        let offered = self.config.scopes();
        let ceiling = record.scope.as_ref();
        let scope = ceiling.map_or_else(|| offered.clone(), |most| most.intersection(&offered));
        answer.metadata.scope = Some(scope.as_str().to_owned());
        answer.client_secret_expires_at = secret_expires_at(record);
        answer.registration_client_uri = Some(self.registration_client_uri(&record.id));
        answer.registration_access_token = Some(token.to_owned());
        answer
    }
}

/// What an update says beside metadata.
struct Claims {
    client_id: Option<String>,
    client_secret: Option<SecretHash>,
}

impl Claims {
    fn take(metadata: &mut ClientMetadata) -> Result<Self, RegistrationError> {
        if OURS
            .iter()
            .any(|member| metadata.other.contains_key(*member))
        {
            return Err(RegistrationError::Metadata(
                "the request holds a member that only the server sets",
            ));
        }
        let mut text = |member| match metadata.other.remove(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(RegistrationError::Metadata(
                "client_id and client_secret are strings",
            )),
        };
        Ok(Self {
            client_id: text("client_id")?,
            client_secret: text("client_secret")?.map(|secret| SecretHash::of(secret.as_bytes())),
        })
    }

    /// Spec: RFC 7592 §2.2.
    fn agree_with(&self, record: &ClientRecord, now: Timestamp) -> Result<(), RegistrationError> {
        let Some(presented) = &self.client_secret else {
            return Ok(());
        };
        let current = record.secrets.iter().filter(|held| is_current(held, now));
        if current.fold(false, |known, held| known | held.hash.matches(presented)) {
            Ok(())
        } else {
            Err(RegistrationError::Metadata(
                "client_secret is not the current one",
            ))
        }
    }
}
