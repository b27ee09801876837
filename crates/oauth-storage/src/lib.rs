//! What a backend must promise: versioned records with compare-and-set.
//!
//! **Promise.** Whoever implements [`RecordStore`] (five verbs and a sweep over whole records)
//! has a complete store. Single use of codes, rotation, replay detection and revocation all
//! follow from [`RecordStore::replace`], so none of them has to be written again for a backend.
//! `oauth_testkit::storage_contract!` proves an implementation.
//!
//! **Absences.** No driver, no clock, no policy, no secret: a store reports facts, the logic
//! above decides what they mean, and of any secret only a digest arrives here.
//!
//! A whole store can be one generic impl, because every record tells its key, what it is listed
//! under and how long it must be kept:
//!
//! ```
//! use async_trait::async_trait;
//! use oauth_storage::*;
//!
//! struct MyStore;
//!
//! #[async_trait]
//! impl<R: Record> RecordStore<R> for MyStore {
//!     async fn insert(&self, record: R) -> Result<Insert, StorageError> {
//!         let (_table, _key) = (R::KIND.as_str(), record.id().to_string());
//!         let _document: Vec<u8> = record::encode(&record)?;
//!         unimplemented!("INSERT … ON CONFLICT DO NOTHING")
//!     }
//!     # async fn find(&self, _: &R::Id) -> Result<Option<Versioned<R>>, StorageError> { unimplemented!() }
//!     # async fn replace(&self, _: Revision, _: R) -> Result<Replace, StorageError> { unimplemented!() }
//!     # async fn delete(&self, _: &R::Id, _: Revision) -> Result<Delete, StorageError> { unimplemented!() }
//!     # async fn list(&self, _: &Filter, _: &Page) -> Result<Listed<R>, StorageError> { unimplemented!() }
//!     # async fn sweep(&self, _: oauth_types::Timestamp, _: usize) -> Result<usize, StorageError> { unimplemented!() }
//!     // … four more verbs and the sweep
//! }
//!
//! impl Storage for MyStore {
//!     fn grants(&self) -> &dyn RecordStore<GrantRecord> { self }
//!     fn clients(&self) -> &dyn RecordStore<ClientRecord> { self }
//!     fn subjects(&self) -> &dyn RecordStore<SubjectRecord> { self }
//!     fn keys(&self) -> &dyn RecordStore<KeyRingRecord> { self }
//! }
//! ```

pub mod client;
pub mod error;
pub mod grant;
pub mod key;
pub mod record;
pub mod store;
pub mod subject;

pub use client::{
    ClientRecord, ClientRegistration, ClientSecret, GrantType, TokenEndpointAuthMethod,
};
pub use error::{StorageError, StorageErrorKind};
pub use grant::{
    AccessTokenRecord, Closed, ClosedReason, CodeRecord, Epochs, GrantRecord, Predecessor,
    RefreshTokenRecord,
};
pub use key::{KeyRingId, KeyRingRecord};
pub use record::{Kind, Record, Shape};
pub use store::{
    Delete, Filter, Insert, Listed, Page, RecordStore, Replace, Revision, Storage, Versioned,
};
pub use subject::SubjectRecord;
