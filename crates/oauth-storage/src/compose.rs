//! Several backends as one store: each kind of record where it fits best.

use std::fmt;
use std::sync::Arc;

use crate::{
    ClientRecord, ConsentRecord, GrantRecord, KeyRingRecord, RecordStore, RegistrationPageRecord,
    ReplayRecord, Storage, SubjectRecord,
};

/// A store whose kinds of record live in backends of their choice: grants in one, clients in
/// another. Of each backend only the kind it is named for is used.
///
/// Promises what its backends promise, kind by kind, and nothing across them; the server asks for
/// nothing across them. A backend that fails takes down what needs its kinds: signing in needs
/// all, checking a token the grants alone. What is one tenant's in one backend has to be the same
/// tenant's in all, so compose a store for each tenant.
///
/// ```
/// use std::sync::Arc;
/// use oauth_storage::{ComposedStorage, Storage, SubjectRecord};
/// use oauth_storage_memory::MemoryStorage;
/// use oauth_types::Subject;
///
/// # oauth_testkit::block_on(async {
/// // One is quick, the other is backed up every night.
/// let (quick, lasting) = (MemoryStorage::new(), MemoryStorage::new());
/// let storage = ComposedStorage {
///     grants: Arc::new(quick.clone()),
///     replays: Arc::new(quick.clone()),
///     ..ComposedStorage::of(lasting.clone())
/// };
///
/// let alice = SubjectRecord::new(Subject::new("alice"));
/// storage.subjects().insert(alice.clone()).await?;
/// assert!(lasting.subjects().find(&alice.id).await?.is_some());
/// assert!(quick.subjects().find(&alice.id).await?.is_none());
/// # Ok::<(), oauth_storage::StorageError>(()) }).unwrap();
/// ```
///
/// Whoever has a table for one kind only, say clients in a schema of their own, needs no
/// whole store to bring it in: implement [`Storage`] for a struct that holds the table and the
/// rest, and answer the table for that kind.
#[derive(Clone)]
pub struct ComposedStorage {
    /// Keeps the grants: the one that every request waits for.
    pub grants: Arc<dyn Storage>,
    /// Keeps the clients.
    pub clients: Arc<dyn Storage>,
    /// Keeps the people.
    pub subjects: Arc<dyn Storage>,
    /// Keeps the key ring. Without it nothing that was issued can be read.
    pub keys: Arc<dyn Storage>,
    /// Keeps the remembered consents.
    pub consents: Arc<dyn Storage>,
    /// Keeps what was presented. What it forgets too early can be presented again.
    pub replays: Arc<dyn Storage>,
    /// Keeps the ledger of open registrations.
    pub registrations: Arc<dyn Storage>,
}

impl ComposedStorage {
    /// Everything in one backend: what a literal begins with that moves some kinds elsewhere.
    pub fn of(storage: impl Storage + 'static) -> Self {
        let storage: Arc<dyn Storage> = Arc::new(storage);
        Self {
            grants: Arc::clone(&storage),
            clients: Arc::clone(&storage),
            subjects: Arc::clone(&storage),
            keys: Arc::clone(&storage),
            consents: Arc::clone(&storage),
            replays: Arc::clone(&storage),
            registrations: storage,
        }
    }
}

impl fmt::Debug for ComposedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComposedStorage").finish_non_exhaustive()
    }
}

impl Storage for ComposedStorage {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        self.grants.grants()
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        self.clients.clients()
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        self.subjects.subjects()
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        self.keys.keys()
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        self.consents.consents()
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        self.replays.replays()
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        self.registrations.registrations()
    }
}
