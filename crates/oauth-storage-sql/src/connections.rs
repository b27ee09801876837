//! Connections to one database, handed out in the order in which they are asked for.
//!
//! Less than sqlx's pool, which asks the server with every use whether the connection still
//! works: that would double the round trips of a request.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::finish::finish;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Opens connections, and says whether one that has been idle still works.
pub(crate) trait Open: Send + Sync + 'static {
    type Connection: sqlx::Connection;
    /// How long an idle connection is trusted without being asked.
    const TRUSTED: Duration;

    fn open(&self) -> impl Future<Output = Result<Self::Connection, sqlx::Error>> + Send;
    fn works(&self, connection: &mut Self::Connection) -> impl Future<Output = bool> + Send;
}

/// A few connections that stay open.
pub(crate) struct Connections<O: Open> {
    pub(crate) open: O,
    turns: Arc<Semaphore>,
    size: u32,
    idle: Mutex<Vec<Idle<O::Connection>>>,
    /// Counts the times at which all connections were found to be of no use.
    generation: AtomicU64,
}

struct Idle<C> {
    connection: C,
    since: Instant,
    generation: u64,
}

/// Why there is no connection. Nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoConnection {
    #[error("no connection became free in time")]
    Busy,
    #[error("the database did not answer in time")]
    TimedOut,
    #[error("the store is closed")]
    Closed,
    #[error(transparent)]
    Failed(#[from] sqlx::Error),
}

impl<O: Open> Connections<O> {
    pub(crate) fn new(open: O, size: usize) -> Arc<Self> {
        let size = size.clamp(1, 1000);
        Arc::new(Self {
            open,
            turns: Arc::new(Semaphore::new(size)),
            size: size as u32,
            idle: Mutex::new(Vec::with_capacity(size)),
            generation: AtomicU64::new(0),
        })
    }

    /// Waits for a connection, opening one if there are fewer than there may be.
    pub(crate) async fn take(
        self: &Arc<Self>,
        deadline: Instant,
    ) -> Result<Taken<O>, NoConnection> {
        let turns = Arc::clone(&self.turns);
        let turn = match Arc::clone(&turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => timeout_at(deadline, turns.acquire_owned())
                .await
                .map_err(|_| NoConnection::Busy)?
                .map_err(|_| NoConnection::Closed)?,
        };
        let from = Arc::clone(self);
        let taken = move |connection, generation| Taken {
            from,
            connection: Some(connection),
            generation,
            is_used: false,
            _turn: turn,
        };
        while let Some(mut idle) = self.take_out() {
            if idle.since.elapsed() < O::TRUSTED {
                return Ok(taken(idle.connection, idle.generation));
            }
            let works = self.open.works(&mut idle.connection);
            if timeout_at(deadline, works).await.unwrap_or(false) {
                return Ok(taken(idle.connection, idle.generation));
            }
            self.distrust(idle.generation);
        }
        // Read first: what is opened while others are found dead is not one of those.
        let generation = self.generation.load(Ordering::SeqCst);
        let this = Arc::clone(self);
        finish(async move {
            match timeout_at(deadline, this.open.open()).await {
                Ok(opened) => Ok(taken(opened?, generation)),
                Err(_) => Err(NoConnection::TimedOut),
            }
        })
        .await
    }

    /// Closes the idle connections of a generation in which one was found dead: what happened to
    /// it has usually happened to all.
    pub(crate) fn distrust(&self, generation: u64) {
        let next = generation + 1;
        let (ordering, current) = (Ordering::SeqCst, &self.generation);
        if current
            .compare_exchange(generation, next, ordering, ordering)
            .is_ok()
        {
            self.idle().clear();
        }
    }

    /// Waits until all are back, closes them, and hands out none from then on.
    pub(crate) async fn close(&self) {
        // Fails only when closed already.
        let all = self.turns.acquire_many(self.size).await;
        self.turns.close();
        while let Some(idle) = self.take_out() {
            // Nothing is lost with a connection that does not close well.
            sqlx::Connection::close(idle.connection).await.ok();
        }
        drop(all);
    }

    /// Whether [`Self::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.turns.is_closed()
    }

    fn put_back(&self, connection: O::Connection, generation: u64) {
        if generation == self.generation.load(Ordering::SeqCst) {
            let since = Instant::now();
            self.idle().push(Idle {
                connection,
                since,
                generation,
            });
        }
    }

    fn take_out(&self) -> Option<Idle<O::Connection>> {
        self.idle().pop()
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle<O::Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. Dropped before its first use it goes back; afterwards it is closed unless
/// it is given back, so one in the middle of a statement never meets the next.
pub(crate) struct Taken<O: Open> {
    from: Arc<Connections<O>>,
    connection: Option<O::Connection>,
    generation: u64,
    is_used: bool,
    _turn: OwnedSemaphorePermit,
}

impl<O: Open> Taken<O> {
    pub(crate) fn get(&mut self) -> &mut O::Connection {
        self.is_used = true;
        // proved: only `drop` takes it.
        self.connection
            .as_mut()
            .expect("a connection that was not given back")
    }

    /// Gives it back after a statement that ended.
    pub(crate) fn put_back(mut self) {
        self.is_used = false;
    }

    /// Closes it, and the idle ones with it: the server is gone.
    pub(crate) fn distrust(self) {
        self.from.distrust(self.generation);
    }
}

impl<O: Open> Drop for Taken<O> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| !self.is_used) {
            self.from.put_back(connection, self.generation);
        }
    }
}
