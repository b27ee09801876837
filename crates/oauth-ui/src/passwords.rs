//! User names and passwords kept beside the other records, as argon2id digests.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use async_trait::async_trait;
use oauth_core::Authentication;
use oauth_core::storage::{Insert, Replace, Storage, StorageError, SubjectRecord};
use oauth_http::server::InteractionError;
use oauth_types::env::{Entropy, EntropyError};
use oauth_types::{SecretText, Subject};
use tokio::sync::Semaphore;

use crate::pages::SignIn;

/// Digests computed at once. Each takes 19 MiB, so this bounds what a flood of sign-ins can take.
const AT_ONCE: usize = 4;

/// People with passwords in [`SubjectRecord::password`].
pub struct StoredPasswords {
    storage: Arc<dyn Storage>,
    permits: Semaphore,
    /// Verified in place of a missing digest, so that a name nobody has takes as long.
    nobody: Arc<str>,
}

/// A password cannot be kept or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The digest could not be computed.
    #[error("the password cannot be digested")]
    Digest,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to salt with.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl StoredPasswords {
    /// Looks people up in `storage`.
    ///
    /// # Errors
    /// [`PasswordError`] when the stand-in digest cannot be made.
    pub fn new(storage: Arc<dyn Storage>, entropy: &dyn Entropy) -> Result<Self, PasswordError> {
        let nobody = digest(entropy, SecretText::generate(entropy)?.expose())?;
        Ok(Self {
            storage,
            permits: Semaphore::new(AT_ONCE),
            nobody: Arc::from(nobody),
        })
    }

    /// Gives a person a password, or another one. A password that is already right is kept, so
    /// doing this at every start writes once.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn set_password(
        &self,
        entropy: &dyn Entropy,
        username: &str,
        password: &str,
    ) -> Result<(), PasswordError> {
        let subject = Subject::new(username);
        loop {
            let found = self.storage.subjects().find(&subject).await?;
            let held = found
                .as_ref()
                .and_then(|found| found.record.password.as_deref());
            if held.is_some_and(|held| belongs(held, password)) {
                return Ok(());
            }
            let mut record = match &found {
                Some(found) => SubjectRecord::clone(&found.record),
                None => SubjectRecord::new(subject.clone()),
            };
            record.password = Some(digest(entropy, password)?);
            let done = match &found {
                Some(found) => {
                    let outcome = self
                        .storage
                        .subjects()
                        .replace(found.revision, record)
                        .await?;
                    matches!(outcome, Replace::Replaced(_))
                }
                None => self.storage.subjects().insert(record).await? == Insert::Inserted,
            };
            if done {
                return Ok(());
            }
        }
    }
}

impl std::fmt::Debug for StoredPasswords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredPasswords")
    }
}

#[async_trait]
impl SignIn for StoredPasswords {
    async fn authenticate(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Option<Authentication>, InteractionError> {
        let subject = Subject::new(username);
        let found = self.storage.subjects().find(&subject).await?;
        let person = found.filter(|found| !found.record.disabled);
        let held = person.and_then(|person| person.record.password.clone());
        let (held, known) = match held {
            Some(held) => (Arc::from(held), true),
            None => (Arc::clone(&self.nobody), false),
        };
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(InteractionError::new)?;
        let password = SecretText::new(password);
        let belongs = tokio::task::spawn_blocking(move || belongs(&held, password.expose()));
        let belongs = belongs.await.map_err(InteractionError::new)?;
        Ok((belongs && known).then(|| Authentication::of(subject)))
    }
}

fn digest(entropy: &dyn Entropy, password: &str) -> Result<String, PasswordError> {
    let mut salt = [0u8; 16];
    entropy.fill(&mut salt)?;
    let digest = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    digest
        .map(|digest| digest.to_string())
        .map_err(|_| PasswordError::Digest)
}

fn belongs(held: &str, password: &str) -> bool {
    PasswordHash::new(held).is_ok_and(|held| {
        Argon2::default()
            .verify_password(password.as_bytes(), &held)
            .is_ok()
    })
}
