//! What watching the store costs while nobody watches. In a program of its own, in which nothing
//! begins to log.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use oauth_core::storage::{
    ClientRecord, ConsentRecord, Delete, Filter, GrantRecord, Insert, KeyRingRecord, Listed, Page,
    RecordStore, RegistrationPageRecord, Replace, ReplayRecord, Revision, Storage, StorageError,
    SubjectRecord, Versioned,
};
use oauth_core::types::env::{OsEntropy, SystemClock};
use oauth_core::types::{GrantId, Issuer, ResourceUri, Timestamp};
use oauth_core::{AuthorizationServer, Ports, ResourcePolicy, RootSecret, ServerConfig};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;

/// Remembers where the future lies that it answered last.
#[derive(Default)]
struct Known {
    place: AtomicUsize,
    rest: MemoryStorage,
}

fn place<T>(future: &Pin<Box<dyn Future<Output = T> + Send + '_>>) -> usize {
    std::ptr::from_ref(&**future).addr()
}

#[async_trait]
impl RecordStore<GrantRecord> for Known {
    async fn insert(&self, record: GrantRecord) -> Result<Insert, StorageError> {
        self.rest.grants().insert(record).await
    }
    async fn find(&self, id: &GrantId) -> Result<Option<Versioned<GrantRecord>>, StorageError> {
        self.rest.grants().find(id).await
    }
    async fn replace(
        &self,
        expected: Revision,
        record: GrantRecord,
    ) -> Result<Replace, StorageError> {
        self.rest.grants().replace(expected, record).await
    }
    async fn delete(&self, id: &GrantId, expected: Revision) -> Result<Delete, StorageError> {
        self.rest.grants().delete(id, expected).await
    }
    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<GrantRecord>, StorageError> {
        self.rest.grants().list(by, page).await
    }
    fn sweep<'a, 'z>(
        &'a self,
        _: Timestamp,
        _: usize,
    ) -> Pin<Box<dyn Future<Output = Result<usize, StorageError>> + Send + 'z>>
    where
        'a: 'z,
        Self: 'z,
    {
        let future: Pin<Box<dyn Future<Output = _> + Send + 'z>> = Box::pin(async {
            // Something to hold, so that it has a place of its own.
            let held = [3_usize; 4];
            std::future::ready(()).await;
            Ok(held[1])
        });
        self.place.store(place(&future), Ordering::SeqCst);
        future
    }
}

impl Storage for Known {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        self
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        self.rest.clients()
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        self.rest.subjects()
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        self.rest.keys()
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        self.rest.consents()
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        self.rest.replays()
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        self.rest.registrations()
    }
}

/// While nobody watches, the store's own future is what is waited for: nothing is allocated.
#[test]
fn unwatched_a_verb_costs_nothing() {
    let known = Arc::new(Known::default());
    let resource = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    let resource = ResourcePolicy::new(resource).scope("mcp:tools", "Use the tools");
    let config = ServerConfig::new(Issuer::parse("https://mcp.example").unwrap(), resource);
    let root = RootSecret::from_text(&"root".repeat(8)).unwrap();
    let ports = Ports::new(SystemClock, OsEntropy);
    let server = AuthorizationServer::open(config, known.clone(), &root, ports);
    let server = block_on(server).unwrap();
    let swept = server.storage().grants().sweep(Timestamp::from_unix(1), 1);
    assert_eq!(place(&swept), known.place.load(Ordering::SeqCst));
    assert_eq!(block_on(swept).unwrap(), 3);
}
