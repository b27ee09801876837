//! Stand-in until the real table lands.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, atomic::{AtomicU64, Ordering}};
use async_trait::async_trait;
use oauth_storage::*;
use oauth_types::Timestamp;
/// Records in memory.
#[derive(Debug, Default)]
pub struct MemoryStorage { g: T<GrantRecord>, c: T<ClientRecord>, s: T<SubjectRecord>, k: T<KeyRingRecord> }
impl MemoryStorage { /// Empty.
 pub fn new() -> Self { Self::default() } }
#[derive(Debug)]
struct T<R: Record>(Mutex<HashMap<R::Id, Versioned<R>>>, AtomicU64);
impl<R: Record> Default for T<R> { fn default() -> Self { Self(Mutex::default(), AtomicU64::new(1)) } }
#[async_trait]
impl<R: Record> RecordStore<R> for T<R> {
    async fn insert(&self, r: R) -> Result<Insert, StorageError> {
        let mut m = self.0.lock().unwrap();
        if m.contains_key(r.id()) { return Ok(Insert::Exists); }
        m.insert(r.id().clone(), Versioned { revision: Revision::new(self.1.fetch_add(1, Ordering::Relaxed)), record: Arc::new(r) });
        Ok(Insert::Inserted)
    }
    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> { Ok(self.0.lock().unwrap().get(id).cloned()) }
    async fn replace(&self, e: Revision, r: R) -> Result<Replace, StorageError> {
        let mut m = self.0.lock().unwrap();
        let Some(v) = m.get_mut(r.id()) else { return Ok(Replace::Missing) };
        if v.revision != e { return Ok(Replace::Conflict); }
        let n = Revision::new(self.1.fetch_add(1, Ordering::Relaxed));
        *v = Versioned { revision: n, record: Arc::new(r) };
        Ok(Replace::Replaced(n))
    }
    async fn delete(&self, _: &R::Id, _: Revision) -> Result<Delete, StorageError> { Ok(Delete::Missing) }
    async fn list(&self, _: &Filter, _: &Page) -> Result<Listed<R>, StorageError> { Ok(Listed { items: vec![], next: None }) }
    async fn sweep(&self, _: Timestamp, _: usize) -> Result<usize, StorageError> { Ok(0) }
}
impl Storage for MemoryStorage {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> { &self.g }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> { &self.c }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> { &self.s }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> { &self.k }
}
