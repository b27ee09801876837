//! User names and passwords kept beside the other records, as argon2id digests.

mod digests;

use std::sync::Arc;

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use oauth_core::Authentication;
use oauth_core::storage::{Insert, Replace, Storage, StorageError, SubjectRecord};
use oauth_http::server::InteractionError;
use oauth_types::env::{Entropy, EntropyError};
use oauth_types::{SecretHash, SecretText, Subject};

use self::digests::Digests;
use crate::pages::SignIn;

/// People with passwords in [`SubjectRecord::password`].
pub struct StoredPasswords {
    storage: Arc<dyn Storage>,
    digests: Digests,
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
    /// The system has no thread to digest in.
    #[error("no thread can be started for digests")]
    Thread(#[source] std::io::Error),
}

impl StoredPasswords {
    /// Looks people up in `storage`. Passwords are compared on threads of their own, half as many
    /// as there are processors and eight at the most, each with 19 MiB, which end with this; on
    /// Linux they give way to all others.
    ///
    /// # Errors
    /// [`PasswordError`] when the stand-in digest cannot be made or the threads not be started.
    pub fn new(storage: Arc<dyn Storage>, entropy: &dyn Entropy) -> Result<Self, PasswordError> {
        let nobody = digest(entropy, SecretText::generate(entropy)?.expose())?;
        Ok(Self {
            storage,
            digests: Digests::start().map_err(PasswordError::Thread)?,
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
            if held.is_some_and(|held| belongs(held, password, &mut Vec::new())) {
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
        let belongs = self.digests.belongs(held, password).await;
        let belongs = belongs.map_err(InteractionError::new)?;
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

/// Whether `password` is what `held`, a PHC string, was made of. Works in memory that is handed in.
fn belongs(held: &str, password: &str, memory: &mut Vec<Block>) -> bool {
    let Ok(held) = PasswordHash::new(held) else {
        return false;
    };
    let algorithm = Algorithm::try_from(held.algorithm.as_str());
    let version = held
        .version
        .map_or(Ok(Version::default()), Version::try_from);
    let (Ok(algorithm), Ok(version), Ok(params), Some(salt), Some(expected)) = (
        algorithm,
        version,
        Params::try_from(&held),
        held.salt,
        held.hash,
    ) else {
        return false;
    };
    memory.resize(params.block_count(), Block::new());
    let mut digest = vec![0; expected.as_bytes().len()];
    let argon2 = Argon2::new(algorithm, version, params);
    let (password, salt) = (password.as_bytes(), salt.as_ref());
    argon2
        .hash_password_into_with_memory(password, salt, &mut digest, memory)
        .is_ok_and(|()| SecretHash::of(&digest).matches(&SecretHash::of(expected.as_bytes())))
}
