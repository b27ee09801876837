//! Credentials in a file, shared by processes.

pub(crate) mod lock;
pub(crate) mod replace;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use oauth_client::types::SecretText;
use oauth_client::{CredentialStore, StoreError, StoreKey, StoreLock};
use serde_json::{Map, Value, json};

/// The shape that is written. A file that says a higher one is left alone.
const VERSION: u64 = 1;
/// Bytes of a file that is read: nobody has so many servers.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Keeps credentials in one JSON file: `{"version": 1, "values": {key: text}}`.
///
/// Only its owner can read the file (mode 0600 on Unix), and its folder if that is made here (0700).
/// A file that others could read is not used. Each change is written beside it, synced, and renamed
/// over it, so that after a crash there is the old file or the new one. Members that this version
/// does not know stay. A file that cannot be understood is reported and never overwritten.
///
/// Locks are those of the operating system, on files in the folder `NAME.locks` beside it: one for
/// each value, and one for the file while it is changed. They end with the process that holds them,
/// however it ends. The files stay, empty. The folder has to be on a file system with such locks; not
/// every network file system has them.
///
/// Clones share everything, as do several of the same path.
#[derive(Debug, Clone)]
pub struct FileStore {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    file: PathBuf,
    locks: PathBuf,
}

/// The file, or something around it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileStoreError {
    /// It cannot be read or written.
    #[error("{path}: {cause}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It is not one of ours, or was damaged. Move it away to start anew.
    #[error("{0} is damaged, or is no file of credentials; move it away to start anew")]
    Damaged(PathBuf),
    /// A later version wrote it.
    #[error("{path} was written by a later version (shape {version})")]
    Later {
        /// The file.
        path: PathBuf,
        /// Its shape.
        version: u64,
    },
    /// Others than its owner can read or change it, so what is in it may be known.
    #[error("{0} can be read by others; if nobody did, make it yours alone: chmod 600")]
    Exposed(PathBuf),
}

impl FileStore {
    /// Credentials in this file, which need not be there yet. Its folder is made if it is missing. A
    /// link is followed once, now.
    ///
    /// # Errors
    /// [`FileStoreError`] when the folder cannot be made, or the file is one that may not be used.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileStoreError> {
        let path = path.as_ref();
        let file = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut locks = file.clone().into_os_string();
        locks.push(".locks");
        let place = Place {
            file,
            locks: locks.into(),
        };
        if let Some(folder) = place.file.parent() {
            replace::make_folder(folder)?;
        }
        replace::make_folder(&place.locks)?;
        place.read()?;
        Ok(Self {
            place: Arc::new(place),
        })
    }

    /// Runs `work` where it may block. Once begun it goes on to its end, awaited or not.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place) -> Result<T, FileStoreError> + Send + 'static,
    ) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
        let place = Arc::clone(&self.place);
        Ok(tokio::task::spawn_blocking(move || work(&place)).await??)
    }

    async fn change(
        &self,
        change: impl FnOnce(&mut Map<String, Value>) -> bool + Send + 'static,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        // Several processes change several values of the one file.
        let held = lock::wait(&self.place.locks, "file").await?;
        self.blocking(move |place| {
            let _held = held;
            let mut document = place.read()?;
            let values = values(&mut document).ok_or_else(|| place.damaged())?;
            if change(values) {
                place.write(&document)?;
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl CredentialStore for FileStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<SecretText>, StoreError> {
        let key = key.as_str().to_owned();
        let found = self.blocking(move |place| {
            let mut document = place.read()?;
            let values = values(&mut document).ok_or_else(|| place.damaged())?;
            match values.remove(&key) {
                None => Ok(None),
                Some(Value::String(text)) => Ok(Some(SecretText::new(text))),
                Some(_) => Err(place.damaged()),
            }
        });
        found
            .await
            .map_err(|cause| StoreError::new("cannot be read", cause))
    }

    async fn save(&self, key: &StoreKey, value: &SecretText) -> Result<(), StoreError> {
        let (key, value) = (key.as_str().to_owned(), value.clone());
        self.change(move |values| {
            values.insert(key, Value::String(value.expose().to_owned()));
            true
        })
        .await
        .map_err(|cause| StoreError::new("cannot be written", cause))
    }

    async fn remove(&self, key: &StoreKey) -> Result<(), StoreError> {
        let key = key.as_str().to_owned();
        self.change(move |values| values.remove(&key).is_some())
            .await
            .map_err(|cause| StoreError::new("cannot be written", cause))
    }

    async fn lock(&self, key: &StoreKey) -> Result<StoreLock, StoreError> {
        let held = lock::wait(&self.place.locks, &lock::digest_of(key.as_str())).await;
        let held = held.map_err(|cause| StoreError::new("cannot be locked", cause))?;
        Ok(StoreLock::held_by(held))
    }
}

impl Place {
    /// What the file says; a file that is not there says nothing yet.
    fn read(&self) -> Result<Map<String, Value>, FileStoreError> {
        let file = match fs::File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
            Err(error) => return Err(failed(&self.file)(error)),
        };
        if replace::is_exposed(&file).map_err(failed(&self.file))? {
            return Err(FileStoreError::Exposed(self.file.clone()));
        }
        let mut bytes = Vec::new();
        let mut file = file.take(MOST_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(failed(&self.file))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(self.damaged());
        }
        let Ok(Value::Object(document)) = serde_json::from_slice(&bytes) else {
            return Err(self.damaged());
        };
        match document.get("version").and_then(Value::as_u64) {
            Some(1..=VERSION) => Ok(document),
            Some(version) if version > VERSION => Err(FileStoreError::Later {
                path: self.file.clone(),
                version,
            }),
            _ => Err(self.damaged()),
        }
    }

    fn write(&self, document: &Map<String, Value>) -> Result<(), FileStoreError> {
        let mut text = serde_json::to_vec_pretty(document)
            .map_err(|error| failed(&self.file)(error.into()))?;
        text.push(b'\n');
        replace::replace(&self.file, &text)
    }

    fn damaged(&self) -> FileStoreError {
        FileStoreError::Damaged(self.file.clone())
    }
}

/// The values of a document, made if it is new.
fn values(document: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    document.entry("version").or_insert_with(|| json!(VERSION));
    document
        .entry("values")
        .or_insert_with(|| json!({}))
        .as_object_mut()
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> FileStoreError + use<> {
    let path = path.to_owned();
    |cause| FileStoreError::Io { path, cause }
}

#[cfg(all(test, unix))]
mod tests;
