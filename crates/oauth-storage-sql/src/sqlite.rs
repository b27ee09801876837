//! SQLite: one file, one writer, several readers.

mod error;
mod file;
mod migrations;
mod queue;
mod readers;
mod sweeping;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oauth_storage::StorageError;
use oauth_types::TenantId;
use oauth_types::env::{Entropy, OsEntropy};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};

pub use self::error::OpenError;

use self::file::{File, Purpose};
use self::readers::Readers;
use self::sweeping::Sweep;
use self::writer::Writer;
use crate::driver::{Driver, Row, Value};
use crate::statements::{Dialect, Statements};
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
        let path = path_of(file.as_ref())?;
        make_private(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(settings.patience)
            .disable_statement_logging();
        let first = migrations::connect_and_migrate(&options, &path).await?;
        let file = File {
            path: path.clone(),
            patience: settings.patience,
        };
        let readers = settings.readers.clamp(1, 1000);
        let open = move || Connected::open(&file, readers);
        let opened = tokio::task::spawn_blocking(open).await;
        let connected = opened.map_err(|error| OpenError::cannot_open(&path, error))??;
        // Nothing is lost with a connection that does not close well.
        first.close().await.ok();
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
        connected.writer.close().await;
    }
}

delegate! { SqliteStorage, 0 }

/// SQLite lets one connection write at a time. Ours queue for a single one, instead of waking up
/// by chance to try again; other processes are waited for inside SQLite.
struct Connected {
    writer: Writer,
    readers: Readers,
}

impl Connected {
    fn open(file: &File, readers: usize) -> Result<Self, OpenError> {
        let failed = |error| OpenError::of(&file.path, error);
        let no_thread = |error| OpenError::cannot_open(&file.path, error);
        let writing = file.open(Purpose::Writing).map_err(failed)?;
        let reading = (0..readers).map(|_| file.open(Purpose::Reading));
        let reading = reading.collect::<Result<_, _>>().map_err(failed)?;
        Ok(Self {
            writer: Writer::start(file, writing).map_err(no_thread)?,
            readers: Readers::start(file, reading).map_err(no_thread)?,
        })
    }
}

impl Driver for Connected {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn write(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        self.writer.write(statement, None, values).await
    }

    /// SQLite writes the entry of an index again whose column is set, even to what it was.
    async fn replace(
        &self,
        statements: &'static Statements,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        let (replace, keep_date) = (&statements.replace, statements.keep_date.as_deref());
        let otherwise = keep_date.is_some().then_some(&**replace);
        let first = keep_date.unwrap_or(replace);
        self.writer.write(first, otherwise, values).await
    }

    async fn sweep(
        &self,
        statements: &'static Statements,
        tenant: &str,
        before: i64,
        limit: u64,
    ) -> Result<u64, StorageError> {
        let sweep = Sweep {
            statement: &statements.sweep,
            tenant: tenant.into(),
            before,
            limit,
        };
        self.writer.sweep(sweep).await
    }

    async fn read(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StorageError> {
        self.readers.read(statement, values).await
    }
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
