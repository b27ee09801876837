//! SQLite: one file, one writer, several readers.

mod error;
mod migrations;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oauth_storage::{StorageError, StorageErrorKind};
use oauth_types::TenantId;
use oauth_types::env::{Entropy, OsEntropy};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row as _};
use tokio::time::Instant;

pub use self::error::OpenError;

use self::error::{is_broken, meaning_of_read};
use self::writer::Writer;
use crate::connections::{Connections, NoConnection, Open};
use crate::driver::{self, Driver, Row, Value};
use crate::finish::finish;
use crate::statements::Dialect;
use crate::storage::delegate;
use crate::table::Tables;

/// A store in an SQLite file, as one tenant sees it. Clones share the connections.
///
/// Needs a tokio runtime with its timer enabled. What is acknowledged is durable
/// (`synchronous=FULL`); several processes may open the same file.
#[derive(Clone)]
pub struct SqliteStorage(Tables<Connected>);

/// How to open an SQLite file.
#[derive(Clone)]
#[must_use]
pub struct SqliteSettings {
    patience: Duration,
    readers: usize,
    entropy: Arc<dyn Entropy>,
}

impl SqliteSettings {
    /// Two seconds of patience, a reader for each processor but four at most, the operating
    /// system's randomness.
    pub fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
        Self {
            patience: Duration::from_secs(2),
            readers: processors.min(4),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// How long a statement waits for its turn, or for other processes to release the file, before
    /// it fails as unavailable. Once one has waited so long for others, writes fail at once until
    /// the file is free.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many connections read at the same time; at least one.
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers;
        self
    }

    /// Where first revisions come from.
    pub fn entropy(mut self, entropy: impl Entropy + 'static) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SqliteSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteSettings")
            .field("patience", &self.patience)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

impl SqliteStorage {
    /// Opens a file with the usual settings: [`Self::open_with`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(file: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(file, SqliteSettings::new()).await
    }

    /// Opens a file, as the tenant [`TenantId::single`], and makes it and its tables if they are
    /// missing. The folder must be there. A new file can be read by its owner only.
    ///
    /// `file` is a path, or one behind `sqlite:` or `sqlite://`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_with(
        file: impl AsRef<Path>,
        settings: SqliteSettings,
    ) -> Result<Self, OpenError> {
        let file = path_of(file.as_ref())?;
        make_private(&file)?;
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(settings.patience)
            // The bundles of the writer.
            .statement_cache_capacity(512)
            .disable_statement_logging();
        let first = migrations::connect_and_migrate(&options, &file).await?;
        let reading = options.clone().pragma("query_only", "ON");
        let writing = Connections::new(File(options), 1);
        writing.put_in(first);
        let connected = Connected {
            writer: Writer::new(writing, settings.patience),
            readers: Connections::new(File(reading), settings.readers),
            patience: settings.patience,
        };
        Ok(Self(Tables::new(connected, settings.entropy)))
    }

    /// The same database as `tenant` sees it: only its own records, under keys that are its own.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Self {
        Self(self.0.tenant(tenant))
    }

    /// Waits for what is under way, then closes all connections, of every clone. Verbs that are
    /// called afterwards fail as unavailable. Leaves a single file behind.
    pub async fn close(&self) {
        let connected = self.0.driver();
        connected.readers.close().await;
        connected.writer.connections().close().await;
    }
}

delegate! { SqliteStorage, 0 }

/// SQLite lets one connection write at a time. Ours queue for a single one, instead of waking up
/// by chance to try again; other processes are waited for inside SQLite.
struct Connected {
    writer: Writer,
    readers: Arc<Connections<File>>,
    patience: Duration,
}

/// How to open the file. A connection is a thread of this process, so it works as long as it is there.
struct File(SqliteConnectOptions);

impl Open for File {
    type Connection = SqliteConnection;
    const TRUSTED: Duration = Duration::MAX;

    async fn open(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.0.connect().await
    }

    async fn works(&self, _: &mut SqliteConnection) -> bool {
        true
    }
}

fn no_connection(error: NoConnection) -> StorageError {
    let kind = match &error {
        NoConnection::Failed(error) => meaning_of_read(error),
        _ => StorageErrorKind::Unavailable,
    };
    StorageError::new(kind, error)
}

impl Driver for Connected {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn write(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        self.writer.write(statement, values).await
    }

    async fn read(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StorageError> {
        let arguments: SqliteArguments = driver::arguments(values)
            .map_err(|why| StorageError::new(StorageErrorKind::Unavailable, why))?;
        let query = sqlx::query_with(statement, arguments);
        let deadline = Instant::now() + self.patience;
        let mut taken = self.readers.take(deadline).await.map_err(no_connection)?;
        finish(async move {
            let rows = query.fetch_all(taken.get()).await;
            if !rows.as_ref().is_err_and(is_broken) {
                taken.put_back();
            }
            rows.and_then(|rows| rows.into_iter().map(row).collect())
                .map_err(|error| StorageError::new(meaning_of_read(&error), error))
        })
        .await
    }
}

fn row(row: sqlx::sqlite::SqliteRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        id: row.try_get(0)?,
        revision: row.try_get(1)?,
        doc: row.try_get(2)?,
    })
}

fn path_of(given: &Path) -> Result<PathBuf, OpenError> {
    let path = match given.to_str().and_then(|text| text.strip_prefix("sqlite:")) {
        Some(rest) => PathBuf::from(rest.strip_prefix("//").unwrap_or(rest)),
        None => given.to_owned(),
    };
    // Each connection would have a database of its own.
    if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
        return Err(OpenError::NotAFile);
    }
    Ok(path)
}

/// Makes the file if it is missing; SQLite's own files beside it inherit who may read it.
fn make_private(file: &Path) -> Result<(), OpenError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(OpenError::cannot_open(file, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A power cut after the acknowledgement must not take the write back.
    #[test]
    fn every_commit_is_synced() {
        let file = std::env::temp_dir().join(format!("oauth-sync-{}.sqlite", std::process::id()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let storage = SqliteStorage::open(&file).await.unwrap();
            let connections = storage.0.driver().writer.connections();
            let soon = Instant::now() + Duration::from_secs(5);
            let mut writer = connections.take(soon).await.unwrap();
            let level: Result<i64, _> = sqlx::query_scalar("PRAGMA synchronous")
                .fetch_one(writer.get())
                .await;
            assert_eq!(level.unwrap(), 2);
            drop(writer);
            storage.close().await;
        });
        std::fs::remove_file(&file).unwrap();
    }
}
