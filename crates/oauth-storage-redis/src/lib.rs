//! Keeps OAuth records in Redis: one server or a cluster.
//!
//! **Promise.** The whole contract of [`oauth_storage`], proved by its test suite, on one server
//! and on a cluster. Every change of a record is one script on one slot, so whatever becomes of
//! the caller, it happened or did not. What is acknowledged is as durable as the server makes it:
//! with `appendonly yes` and `appendfsync always` it is on disk. What falls short of that, or of
//! anything else that is promised here, is named by [`RedisStorage::weaknesses`] and in the log.
//!
//! **Absences.** No write is sent again whose outcome is not known, nor anything read from a
//! replica. No `WAIT`: it would hold up everybody who shares the connection, and promises nothing
//! after a failover. A deployment that fails over to a replica is outside of what is promised:
//! the last acknowledged writes may be undone.
//!
//! Needs a tokio runtime with I/O and time, which has to go on for as long as the store is used.
//!
//! ```no_run
//! use oauth_storage::{Insert, Storage, SubjectRecord};
//! use oauth_storage_redis::RedisStorage;
//! use oauth_types::{Subject, TenantId};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = RedisStorage::connect("redis://127.0.0.1:6379").await?;
//! let alice = SubjectRecord::new(Subject::new("alice"));
//! assert_eq!(storage.subjects().insert(alice.clone()).await?, Insert::Inserted);
//!
//! // Another tenant of the same store has an Alice of its own.
//! let other = storage.tenant(&TenantId::new("other"));
//! assert!(other.subjects().find(&alice.id).await?.is_none());
//! # Ok(())
//! # }
//! ```

mod checks;
mod dial;
mod error;
mod keys;
mod limiter;
mod listing;
mod node;
mod scripts;
mod servers;
mod settings;
mod table;

use std::fmt;
use std::sync::Arc;

use oauth_storage::{
    ClientRecord, ConsentRecord, GrantRecord, KeyRingRecord, RecordStore, RegistrationPageRecord,
    ReplayRecord, Storage, SubjectRecord,
};
use oauth_types::TenantId;

pub use crate::checks::Weakness;
pub use crate::error::ConnectError;
pub use crate::settings::RedisSettings;

use crate::keys::Keys;
use crate::servers::Servers;
use crate::settings::Target;
use crate::table::Table;

/// A store in Redis, as one tenant sees it. Clones share the connections.
#[derive(Clone)]
pub struct RedisStorage {
    table: Table,
    weaknesses: Arc<[Weakness]>,
    place: Arc<str>,
}

impl RedisStorage {
    /// Connects with the usual settings: [`Self::connect_with`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, RedisSettings::new()).await
    }

    /// Connects, as the tenant [`TenantId::single`].
    ///
    /// `url` is `redis://[user:password@]host[:port][,host[:port]…][/database]`, or `rediss://` for
    /// TLS. Whether there is one server or a cluster, the server says; of a cluster any server
    /// may be named, and several so that one of them may be missing.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_with(url: &str, settings: RedisSettings) -> Result<Self, ConnectError> {
        let target = Target::parse(url)?;
        let (servers, weaknesses) = Servers::open(&target, &settings).await?;
        for weakness in &weaknesses {
            tracing::warn!("{weakness}");
        }
        let keys = Keys::new(&settings.prefix, &TenantId::single());
        Ok(Self {
            table: Table::new(servers, keys, settings.clock, settings.entropy),
            weaknesses: weaknesses.into(),
            place: target.place().into(),
        })
    }

    /// The same servers as `tenant` sees them: only its own records, under keys that are its own.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Self {
        Self {
            table: self.table.tenant(tenant),
            weaknesses: Arc::clone(&self.weaknesses),
            place: Arc::clone(&self.place),
        }
    }

    /// Where it is, for people: hosts and ports, and no password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What was weak about the servers when the store was opened.
    pub fn weaknesses(&self) -> &[Weakness] {
        &self.weaknesses
    }
}

impl fmt::Debug for RedisStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStorage").finish_non_exhaustive()
    }
}

impl Storage for RedisStorage {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        &self.table
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        &self.table
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        &self.table
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        &self.table
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        &self.table
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        &self.table
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        &self.table
    }
}
