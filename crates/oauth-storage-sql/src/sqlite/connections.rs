//! Connections to one file, handed out in the order in which they are asked for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use oauth_storage::{StorageError, StorageErrorKind};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::meaning_of_read;

/// A few connections that stay open.
///
/// Less than a pool: a connection of SQLite is a thread of this process, so nothing has to be
/// tested before use, pinged after it or replaced with age.
pub(super) struct Connections {
    options: SqliteConnectOptions,
    turns: Semaphore,
    size: u32,
    patience: Duration,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Connections {
    pub(super) fn new(options: SqliteConnectOptions, size: usize, patience: Duration) -> Self {
        let size = size.clamp(1, 64);
        Self {
            options,
            turns: Semaphore::new(size),
            size: size as u32,
            patience,
            idle: Mutex::new(Vec::with_capacity(size)),
        }
    }

    pub(super) fn put_in(&self, connection: SqliteConnection) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
    }

    fn take_out(&self) -> Option<SqliteConnection> {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    /// Waits for a connection, opening one if there are fewer than there may be.
    ///
    /// # Errors
    /// `Unavailable`: nothing was sent yet.
    pub(super) async fn take(&self) -> Result<Taken<'_>, StorageError> {
        let turn = match self.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => tokio::time::timeout(self.patience, self.turns.acquire())
                .await
                .map_err(unavailable)?
                .map_err(unavailable)?,
        };
        let connection = match self.take_out() {
            Some(connection) => connection,
            None => self
                .options
                .connect()
                .await
                .map_err(|error| StorageError::new(meaning_of_read(&error), error))?,
        };
        Ok(Taken {
            from: self,
            connection: Some(connection),
            _turn: turn,
        })
    }

    /// Waits until all are back, closes them, and hands out none from then on.
    pub(super) async fn close(&self) {
        // Fails only when closed already.
        let all = self.turns.acquire_many(self.size).await;
        self.turns.close();
        while let Some(connection) = self.take_out() {
            // Nothing is lost with a connection that does not close well.
            connection.close().await.ok();
        }
        drop(all);
    }
}

fn unavailable(why: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, why)
}

/// A connection in use. It goes back when it is dropped, also in the middle of a statement: the
/// connection's thread ends that statement before it begins another.
pub(super) struct Taken<'a> {
    from: &'a Connections,
    connection: Option<SqliteConnection>,
    _turn: SemaphorePermit<'a>,
}

impl Taken<'_> {
    pub(super) fn get(&mut self) -> &mut SqliteConnection {
        // proved: only `discard_if_broken` takes it, and that is called last.
        self.connection
            .as_mut()
            .expect("a connection that is not discarded")
    }

    /// Lets the next one open a new connection when this one's thread has ended.
    pub(super) fn discard_if_broken(&mut self, error: &sqlx::Error) {
        if matches!(
            error,
            sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) | sqlx::Error::Protocol(_)
        ) {
            self.connection = None;
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.from.put_in(connection);
        }
    }
}
