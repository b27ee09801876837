//! Credentials in the operating system's keyring, shared by processes.

mod entries;
mod parts;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use oauth_client::types::SecretText;
use oauth_client::{CredentialStore, StoreError, StoreKey, StoreLock};

use crate::file::{FileStoreError, lock, replace};
use entries::Entries;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Keeps credentials in the keyring of whoever runs the program: the login keychain on macOS, the
/// Credential Manager on Windows, and elsewhere on Unix the Secret Service of the session (GNOME
/// Keyring, KWallet, KeePassXC).
///
/// Each value is an entry of its own under the service's name, so that a person can see it in their
/// keyring's program, and delete it. Values longer than an entry may be (2,560 bytes on Windows) are
/// divided among several, and still replaced whole. An entry that cannot be understood is reported
/// and never overwritten.
///
/// A keyring has no locks, so they are files, as those of [`FileStore`](crate::FileStore) are: empty
/// ones in a folder, one for each value and one for changes. They end with the process that holds
/// them. The folder has to be on a file system with such locks.
///
/// The keyring is asked on threads of their own, and a person may be asked to unlock it meanwhile:
/// that ends when they answer, or when the process ends. It is looked for when it is first needed, and
/// again after it was away.
///
/// Clones share everything, as do several of the same service and folder.
#[derive(Clone)]
pub struct KeyringStore {
    place: Arc<Place>,
}

struct Place {
    entries: Entries,
    locks: PathBuf,
}

/// The keyring, or the folder of its locks, cannot be used. What it holds is as it was, or as it was to
/// become.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is none that answers.
    #[error(
        "no keyring can be reached; start one in this session (on Linux a Secret Service such as \
         GNOME Keyring or KWallet), or keep credentials in a file"
    )]
    Away(#[source] Failure),
    /// It is locked, or does not let this program in.
    #[error("the keyring is locked, or does not let this program in; unlock it and try again")]
    Locked(#[source] Failure),
    /// It refuses what it was asked for.
    #[error("the keyring refuses the entry {entry}: {why}")]
    Refused {
        /// The entry's name.
        entry: String,
        /// What it says, without what was to be kept.
        why: String,
    },
    /// Several entries have one name: something else made one of them.
    #[error("the keyring has several entries {0}; delete all but one of them")]
    Several(String),
    /// An entry is not one of ours, or was damaged.
    #[error("the keyring's entry {0} is damaged, or is not ours; delete it to start anew")]
    Damaged(String),
    /// A later version wrote it.
    #[error("the keyring's entry {entry} was written by a later version (shape {version})")]
    Later {
        /// The entry's name.
        entry: String,
        /// Its shape.
        version: u64,
    },
    /// The folder of the locks cannot be used.
    #[error(transparent)]
    Locks(#[from] FileStoreError),
}

impl KeyringStore {
    /// Credentials under the name `service`, such as `com.example.editor`, in the person's keyring.
    ///
    /// `locks` is a folder for the locks, which is made if it is missing. Every process that uses
    /// the service has to name the same one: two that do not can refresh at once, which signs the person
    /// out. So it is a fixed place of theirs, not one that depends on the working directory.
    ///
    /// The keyring is not asked yet.
    ///
    /// # Errors
    /// [`KeyringError::Locks`] when the folder cannot be made.
    pub fn open(service: &str, locks: impl AsRef<Path>) -> Result<Self, KeyringError> {
        Self::over(Entries::of_system(service), locks.as_ref())
    }

    fn over(entries: Entries, locks: &Path) -> Result<Self, KeyringError> {
        replace::make_folder(locks)?;
        let locks = locks.to_owned();
        Ok(Self {
            place: Arc::new(Place { entries, locks }),
        })
    }

    /// Runs `work` on a thread of its own. Once begun it goes on to its end, awaited or not.
    ///
    /// Not on one of the runtime's, which waits for its threads when it ends: this one may be waiting
    /// for a person.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Entries) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = Arc::clone(&self.place);
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("keyring".to_owned())
            .spawn(move || tell.send(work(&place.entries)).is_ok())?;
        let Ok(outcome) = told.await else {
            // The library panicked, and its connection may be of no use any more.
            self.place.entries.disconnect();
            return Err(KeyringError::Away("its library failed".into()).into());
        };
        Ok(outcome?)
    }

    /// Like `ask`, while nobody else changes an entry: several may be written for one value.
    async fn change(
        &self,
        work: impl FnOnce(&Entries) -> Result<(), KeyringError> + Send + 'static,
    ) -> Result<(), Failure> {
        let held = lock::wait(&self.place.locks, &self.lock_name("")).await?;
        self.ask(move |entries| {
            let _held = held;
            work(entries)
        })
        .await
    }

    /// Other services may have their locks in the same folder.
    fn lock_name(&self, key: &str) -> String {
        lock::digest_of(&format!("{}\n{key}", self.place.entries.service()))
    }
}

impl fmt::Debug for KeyringStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyringStore")
            .field("service", &self.place.entries.service())
            .field("locks", &self.place.locks)
            .finish()
    }
}

#[async_trait]
impl CredentialStore for KeyringStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<SecretText>, StoreError> {
        let name = name_of(key);
        let found = self.ask(move |entries| parts::read(entries, &name)).await;
        let found = found.map_err(|cause| StoreError::new("cannot be read", cause))?;
        Ok(found.map(SecretText::new))
    }

    async fn save(&self, key: &StoreKey, value: &SecretText) -> Result<(), StoreError> {
        let (name, value) = (name_of(key), value.clone());
        self.change(move |entries| parts::write(entries, &name, value.expose()))
            .await
            .map_err(|cause| StoreError::new("cannot be written", cause))
    }

    async fn remove(&self, key: &StoreKey) -> Result<(), StoreError> {
        let name = name_of(key);
        self.change(move |entries| parts::remove(entries, &name))
            .await
            .map_err(|cause| StoreError::new("cannot be written", cause))
    }

    async fn lock(&self, key: &StoreKey) -> Result<StoreLock, StoreError> {
        let held = lock::wait(&self.place.locks, &self.lock_name(key.as_str())).await;
        let held = held.map_err(|cause| StoreError::new("cannot be locked", cause))?;
        Ok(StoreLock::held_by(held))
    }
}

/// Characters of a key that stand in the name of its entry, for people.
const SHOWN: usize = 200;

/// The name of a value's entry. The digest makes it the key's alone where names are cut short, or
/// compared without regard to case as on Windows.
fn name_of(key: &StoreKey) -> String {
    let shown: String = key.as_str().chars().take(SHOWN).collect();
    format!("{shown} {}", lock::digest_of(key.as_str()))
}

#[cfg(all(test, unix))]
mod tests;
