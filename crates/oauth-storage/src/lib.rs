//! What a backend must promise: versioned records with compare-and-set.
//!
//! **Promise.** Whoever implements [`RecordStore`] (five verbs and a sweep over whole records)
//! has a complete store. Single use of codes, rotation, replay detection and revocation all
//! follow from [`RecordStore::replace`], so none of them has to be written again for a backend.
//! `oauth_testkit::storage_contract!` proves an implementation; `docs/storage-authors.md` tells how
//! to write one, and where others went wrong.
//!
//! **Absences.** No driver, no clock, no policy, no secret: a store reports facts, the logic
//! above decides what they mean, and of any secret only a digest arrives here.
//!
//! A whole store can be one generic impl, because every record tells its key, what it is listed
//! under and how long it must be kept. This one is complete, if slow and forgetful:
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! use async_trait::async_trait;
//! use oauth_storage::*;
//! use oauth_types::Timestamp;
//!
//! /// Documents by table and key, and the last revision given to any of them.
//! #[derive(Default)]
//! struct Tiny(Mutex<(u64, BTreeMap<(&'static str, String), (Revision, Vec<u8>)>)>);
//!
//! fn key<R: Record>(id: &R::Id) -> (&'static str, String) {
//!     (R::KIND.as_str(), id.to_string())
//! }
//!
//! #[async_trait]
//! impl<R: Record> RecordStore<R> for Tiny {
//!     async fn insert(&self, record: R) -> Result<Insert, StorageError> {
//!         let (last, rows) = &mut *self.0.lock().unwrap();
//!         let key = key::<R>(record.id());
//!         if rows.contains_key(&key) {
//!             return Ok(Insert::Exists);
//!         }
//!         *last += 1;
//!         rows.insert(key, (Revision::new(*last), record::encode(&record)?));
//!         Ok(Insert::Inserted)
//!     }
//!
//!     async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
//!         let (_, rows) = &*self.0.lock().unwrap();
//!         let Some((revision, document)) = rows.get(&key::<R>(id)) else { return Ok(None) };
//!         Ok(Some(Versioned { revision: *revision, record: Arc::new(record::decode(document)?) }))
//!     }
//!
//!     async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError> {
//!         let (last, rows) = &mut *self.0.lock().unwrap();
//!         let Some(row) = rows.get_mut(&key::<R>(record.id())) else { return Ok(Replace::Missing) };
//!         if row.0 != expected {
//!             return Ok(Replace::Conflict);
//!         }
//!         *last += 1;
//!         *row = (Revision::new(*last), record::encode(&record)?);
//!         Ok(Replace::Replaced(row.0))
//!     }
//!
//!     async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError> {
//!         let (_, rows) = &mut *self.0.lock().unwrap();
//!         match rows.get(&key::<R>(id)) {
//!             None => Ok(Delete::Missing),
//!             Some((revision, _)) if *revision != expected => Ok(Delete::Conflict),
//!             Some(_) => {
//!                 rows.remove(&key::<R>(id));
//!                 Ok(Delete::Deleted)
//!             }
//!         }
//!     }
//!
//!     async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError> {
//!         let (_, rows) = &*self.0.lock().unwrap();
//!         let mut listed = Listed { items: Vec::new(), next: None };
//!         for ((table, id), (revision, document)) in rows {
//!             let after = page.after.as_ref().is_none_or(|after| id > after);
//!             if *table != R::KIND.as_str() || !after {
//!                 continue;
//!             }
//!             let record: R = record::decode(document)?;
//!             let wanted = match by {
//!                 Filter::Subject(subject) => record.subject() == Some(subject),
//!                 Filter::Client(client) => record.client() == Some(client),
//!                 _ => false,
//!             };
//!             if wanted && listed.items.len() == page.limit {
//!                 return Ok(listed);
//!             }
//!             if wanted {
//!                 listed.next = Some(id.clone());
//!                 listed.items.push(Versioned { revision: *revision, record: Arc::new(record) });
//!             }
//!         }
//!         listed.next = None;
//!         Ok(listed)
//!     }
//!
//!     async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
//!         let (_, rows) = &mut *self.0.lock().unwrap();
//!         let over = |document: &[u8]| {
//!             record::decode::<R>(document).is_ok_and(|r| r.retain_until().is_some_and(|t| t < now))
//!         };
//!         let gone: Vec<_> = rows
//!             .iter()
//!             .filter(|((table, _), (_, document))| *table == R::KIND.as_str() && over(document))
//!             .map(|(key, _)| key.clone())
//!             .take(limit)
//!             .collect();
//!         gone.iter().for_each(|key| drop(rows.remove(key)));
//!         Ok(gone.len())
//!     }
//! }
//!
//! impl Storage for Tiny {
//!     fn grants(&self) -> &dyn RecordStore<GrantRecord> { self }
//!     fn clients(&self) -> &dyn RecordStore<ClientRecord> { self }
//!     fn subjects(&self) -> &dyn RecordStore<SubjectRecord> { self }
//!     fn keys(&self) -> &dyn RecordStore<KeyRingRecord> { self }
//!     fn consents(&self) -> &dyn RecordStore<ConsentRecord> { self }
//!     fn replays(&self) -> &dyn RecordStore<ReplayRecord> { self }
//!     fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> { self }
//! }
//! ```

pub mod circuit;
pub mod client;
pub mod compose;
pub mod consent;
pub mod digest_id;
mod document;
pub mod error;
pub mod grant;
pub mod key;
pub mod key_text;
pub mod limit;
pub mod record;
pub mod registration;
pub mod replay;
pub mod store;
pub mod subject;

pub use circuit::Circuit;
pub use client::{
    ClientLifetimes, ClientRecord, ClientRegistration, ClientSecret, GrantType,
    TokenEndpointAuthMethod,
};
pub use compose::ComposedStorage;
pub use consent::ConsentRecord;
pub use digest_id::DigestId;
pub use error::{StorageError, StorageErrorKind};
pub use grant::{
    AccessTokenRecord, Closed, ClosedReason, CodeRecord, Epochs, GrantRecord, Predecessor,
    RefreshTokenRecord,
};
pub use key::{KeyRingId, KeyRingRecord};
pub use limit::{Attempt, Hit, RateLimiter};
pub use record::{Kind, Record, Shape};
pub use registration::{PageNumber, RegistrationEntry, RegistrationPageRecord};
pub use replay::ReplayRecord;
pub use store::{
    Delete, Filter, Insert, Listed, Page, RecordStore, Replace, Revision, Storage, Versioned,
};
pub use subject::SubjectRecord;
