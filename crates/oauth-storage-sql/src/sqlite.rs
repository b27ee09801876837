//! SQLite: one file, write-ahead log, every commit on disk before it is acknowledged.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oauth_storage::record::{self, Record};
use oauth_storage::{
    ClientRecord, Delete, Filter, GrantRecord, Insert, KeyRingRecord, Listed, Page, RecordStore,
    Replace, Revision, Storage, StorageError, StorageErrorKind, SubjectRecord, Versioned,
};
use oauth_types::env::{Entropy, OsEntropy};
use oauth_types::{SecretHash, TenantId, Timestamp};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteQueryResult,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, SqlSafeStr};

use crate::statements::{self, Statements};

/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(2);
/// How long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(2);
/// Connections that read; writes go through one of their own, one after the other.
const READERS: u32 = 4;
/// Identifiers longer than this are kept under their digest.
const LONGEST_KEY: usize = 255;

/// The migrations, in order. A test holds this list against the folder.
const MIGRATIONS: [(i64, &str, &str); 1] = [(
    1,
    "records",
    include_str!("../migrations/sqlite/0001_records.sql"),
)];

/// Records in an SQLite file. Clones share it; several processes may open the same file.
#[derive(Debug, Clone)]
pub struct SqliteStorage {
    readers: SqlitePool,
    writer: SqlitePool,
    tenant: Arc<str>,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the database {path}: {source}")]
pub struct OpenError {
    path: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl SqliteStorage {
    /// Opens a file, making it and its tables if it is new.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be opened, is no database, or was written by a newer
    /// version.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| OpenError {
            path: path.display().to_string(),
            source,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .statement_cache_capacity(64);
        let pool = |connections: u32| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(|e| fail(e.into()))?;
        migrator().run(&writer).await.map_err(|e| fail(e.into()))?;
        let readers = pool(READERS)
            .connect_with(options)
            .await
            .map_err(|e| fail(e.into()))?;
        Ok(Self {
            readers,
            writer,
            tenant: Arc::from(TenantId::single().as_str()),
        })
    }

    /// The same file, seen by another tenant.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Self {
        Self {
            tenant: Arc::from(tenant.as_str()),
            ..self.clone()
        }
    }

    fn statements<R: Record>() -> Result<&'static Statements, StorageError> {
        statements::of(R::KIND).ok_or_else(|| StorageErrorKind::Corrupt.into())
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        let sql = sql.into_sql_str();
        Migration::new(
            version,
            Cow::Borrowed(description),
            MigrationType::Simple,
            sql,
            false,
        )
    });
    Migrator::with_migrations(migrations.to_vec())
}

/// A key as its column holds it. A digest stands for a long one; the document still has it whole.
fn key(id: &impl std::fmt::Display) -> String {
    let text = id.to_string();
    if text.len() <= LONGEST_KEY {
        return text;
    }
    let digest = SecretHash::of(text.as_bytes());
    let hex: String = digest
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

fn seconds(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| i64::try_from(at.as_unix()).unwrap_or(i64::MAX))
}

fn versioned<R: Record>(row: &SqliteRow) -> Result<Versioned<R>, StorageError> {
    let revision: i64 = row.try_get(0).map_err(read_error)?;
    let document: &[u8] = row.try_get(1).map_err(read_error)?;
    let record = Arc::new(record::decode(document)?);
    Ok(Versioned {
        revision: Revision::new(revision.unsigned_abs()),
        record,
    })
}

/// A read changed nothing, whatever went wrong.
fn read_error(error: sqlx::Error) -> StorageError {
    let kind = match &error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StorageErrorKind::Corrupt,
        _ => StorageErrorKind::Unavailable,
    };
    StorageError::new(kind, error)
}

/// A write that was refused before it began is told apart from one that may have happened.
fn write_error(error: sqlx::Error) -> StorageError {
    let before = match &error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        // SQLITE_BUSY, _LOCKED, _READONLY, _FULL, _CANTOPEN and their extended forms: the
        // statement was rolled back. Not so for SQLITE_IOERR.
        sqlx::Error::Database(error) => error
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .is_some_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 13 | 14)),
        _ => false,
    };
    let kind = if before {
        StorageErrorKind::Unavailable
    } else {
        StorageErrorKind::Indeterminate
    };
    StorageError::new(kind, error)
}

#[async_trait]
impl<R: Record> RecordStore<R> for SqliteStorage {
    async fn insert(&self, record: R) -> Result<Insert, StorageError> {
        let mut start = [0u8; 8];
        OsEntropy
            .fill(&mut start)
            .map_err(|error| StorageError::new(StorageErrorKind::Unavailable, error))?;
        // Half the range, so that a lifetime of replacements fits above.
        let start = i64::try_from(u64::from_be_bytes(start) >> 2).unwrap_or_default();
        let document = record::encode(&record)?;
        let done = sqlx::query(Self::statements::<R>()?.insert)
            .bind(&*self.tenant)
            .bind(key(record.id()))
            .bind(start)
            .bind(record.subject().map(|subject| subject.as_str()))
            .bind(record.client().map(|client| client.as_str()))
            .bind(seconds(record.retain_until()))
            .bind(document)
            .execute(&self.writer)
            .await
            .map_err(write_error)?;
        Ok(if changed(&done) {
            Insert::Inserted
        } else {
            Insert::Exists
        })
    }

    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
        let row = sqlx::query(Self::statements::<R>()?.find)
            .bind(&*self.tenant)
            .bind(key(id))
            .fetch_optional(&self.readers)
            .await
            .map_err(read_error)?;
        row.as_ref().map(versioned).transpose()
    }

    async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError> {
        let revision = i64::try_from(expected.number()).unwrap_or(i64::MAX);
        let document = record::encode(&record)?;
        let done = sqlx::query(Self::statements::<R>()?.replace)
            .bind(record.subject().map(|subject| subject.as_str()))
            .bind(record.client().map(|client| client.as_str()))
            .bind(seconds(record.retain_until()))
            .bind(document)
            .bind(&*self.tenant)
            .bind(key(record.id()))
            .bind(revision)
            .execute(&self.writer)
            .await
            .map_err(write_error)?;
        if changed(&done) {
            return Ok(Replace::Replaced(Revision::new(expected.number() + 1)));
        }
        let found: Option<Versioned<R>> = self.find(record.id()).await?;
        Ok(if found.is_some() {
            Replace::Conflict
        } else {
            Replace::Missing
        })
    }

    async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError> {
        let revision = i64::try_from(expected.number()).unwrap_or(i64::MAX);
        let done = sqlx::query(Self::statements::<R>()?.delete)
            .bind(&*self.tenant)
            .bind(key(id))
            .bind(revision)
            .execute(&self.writer)
            .await
            .map_err(write_error)?;
        if changed(&done) {
            return Ok(Delete::Deleted);
        }
        let found: Option<Versioned<R>> = self.find(id).await?;
        Ok(if found.is_some() {
            Delete::Conflict
        } else {
            Delete::Missing
        })
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError> {
        let statements = Self::statements::<R>()?;
        let (statement, value) = match by {
            Filter::Subject(subject) => (statements.by_subject, subject.as_str()),
            Filter::Client(client) => (statements.by_client, client.as_str()),
            _ => return Err(StorageErrorKind::Corrupt.into()),
        };
        let limit = page.limit.max(1);
        let rows = sqlx::query(statement)
            .bind(&*self.tenant)
            .bind(value)
            .bind(page.after.as_deref().unwrap_or_default())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(read_error)?;
        let items = rows.iter().map(versioned).collect::<Result<Vec<_>, _>>()?;
        let full = rows.len() == limit;
        let last = rows
            .last()
            .filter(|_| full)
            .map(|row| row.try_get(2))
            .transpose();
        Ok(Listed {
            items,
            next: last.map_err(read_error)?,
        })
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let now = seconds(Some(now));
        let done = sqlx::query(Self::statements::<R>()?.sweep)
            .bind(&*self.tenant)
            .bind(&*self.tenant)
            .bind(now)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(now)
            .execute(&self.writer)
            .await
            .map_err(write_error)?;
        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
    }
}

fn changed(done: &SqliteQueryResult) -> bool {
    done.rows_affected() > 0
}

impl Storage for SqliteStorage {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        self
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        self
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        self
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_migrations_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<String> = MIGRATIONS
            .iter()
            .map(|(number, name, _)| format!("{number:04}_{name}.sql"))
            .collect();
        assert_eq!(files, listed);
    }
}
