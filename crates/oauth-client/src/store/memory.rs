//! Credentials that end with the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use oauth_types::SecretText;

use super::{CredentialStore, StoreError, StoreKey, StoreLock};

/// Keeps everything in memory. Clones share it, as processes share a file.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Held>);

#[derive(Default)]
struct Held {
    values: Mutex<HashMap<StoreKey, SecretText>>,
    locks: Mutex<HashMap<StoreKey, Arc<async_lock::Mutex<()>>>>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemoryStore")
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn values(&self) -> std::sync::MutexGuard<'_, HashMap<StoreKey, SecretText>> {
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CredentialStore for MemoryStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<SecretText>, StoreError> {
        Ok(self.values().get(key).cloned())
    }

    async fn save(&self, key: &StoreKey, value: &SecretText) -> Result<(), StoreError> {
        self.values().insert(key.clone(), value.clone());
        Ok(())
    }

    async fn remove(&self, key: &StoreKey) -> Result<(), StoreError> {
        self.values().remove(key);
        Ok(())
    }

    async fn lock(&self, key: &StoreKey) -> Result<StoreLock, StoreError> {
        let lock = {
            let mut locks = self.0.locks.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        Ok(StoreLock::held_by(lock.lock_arc().await))
    }
}
