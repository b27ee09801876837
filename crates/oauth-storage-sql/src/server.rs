//! What PostgreSQL and MySQL have in common: a server at the other end of a network.
//!
//! A statement is sent once. Its connection is used again only after its end; a caller that gives
//! up does not end it, time does. A server that does not answer makes requests fail at once until
//! it does ([`Circuit`]).

pub(crate) mod error;
pub(crate) mod settings;
mod sweeping;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use oauth_storage::{Circuit, StorageError, StorageErrorKind};
use sqlx::ConnectOptions;
use tokio::sync::Mutex;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::error::Failure;
use self::sweeping::Sweeping;
use crate::asking::Asking;
use crate::connections::{Connections, NoConnection, Open, Taken};
use crate::driver::{Driver, Row, Value};
use crate::finish::finish;
use crate::statements::{Dialect, Statements};

/// How often a server that does not answer is asked.
const EVERY: Duration = Duration::from_millis(250);
/// How long it may take to answer when it is asked.
const ANSWER: Duration = Duration::from_millis(750);

/// What differs between the servers.
pub(crate) trait Server: Open {
    const DIALECT: Dialect;
    /// Values as they are sent.
    type Arguments: Send + 'static;

    fn arguments(values: &[Value<'_>]) -> Result<Self::Arguments, sqlx::error::BoxDynError>;

    /// Runs a statement to its end, commit included.
    fn execute(
        connection: &mut Self::Connection,
        statement: &'static str,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    fn fetch(
        connection: &mut Self::Connection,
        statement: &'static str,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Vec<Row>, sqlx::Error>> + Send;

    /// What it means that a statement failed.
    fn explain(error: &sqlx::Error) -> Failure;
}

/// The first connection, with a little more patience: somebody has just started us.
pub(crate) async fn first<O: ConnectOptions>(
    options: &O,
    patience: Duration,
) -> Result<O::Connection, sqlx::Error>
where
    O::Connection: Sized,
{
    match timeout(patience.max(Duration::from_secs(5)), options.connect()).await {
        Ok(connected) => connected,
        Err(late) => Err(sqlx::Error::Io(late.into())),
    }
}

/// A server, the connections to it, and whether it answers.
pub(crate) struct Connected<S: Server>(Arc<Shared<S>>);

struct Shared<S: Server> {
    connections: Arc<Connections<S>>,
    circuit: Arc<Circuit>,
    patience: Duration,
    /// Sweeps take turns, slice by slice.
    sweeping: Mutex<Sweeping>,
}

impl<S: Server> Connected<S> {
    pub(crate) fn new(server: S, connections: usize, patience: Duration) -> Self {
        Self(Arc::new(Shared {
            connections: Connections::new(server, connections),
            circuit: Arc::default(),
            patience,
            sweeping: Mutex::default(),
        }))
    }

    pub(crate) async fn close(&self) {
        self.0.connections.close().await;
    }

    /// Runs one statement on one connection, and all that may become of it.
    async fn run<T, F>(
        &self,
        run: impl FnOnce(Taken<S>, Instant, Arc<Shared<S>>) -> F,
    ) -> Result<T, StorageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StorageError>> + Send + 'static,
    {
        self.0.circuit.check()?;
        let deadline = Instant::now() + self.0.patience;
        let taken = self.0.connections.take(deadline).await.map_err(|error| {
            self.0.clone().doubt_if(match &error {
                NoConnection::TimedOut => true,
                NoConnection::Failed(error) => S::explain(error).is_away,
                NoConnection::Busy | NoConnection::Closed => false,
            });
            StorageError::new(StorageErrorKind::Unavailable, error)
        })?;
        finish(run(taken, deadline, Arc::clone(&self.0))).await
    }
}

impl<S: Server> Driver for Connected<S> {
    const DIALECT: Dialect = S::DIALECT;

    async fn write(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        let arguments = arguments::<S>(values)?;
        self.run(|mut taken, deadline, shared| async move {
            let running = S::execute(taken.get(), statement, arguments);
            match shared.in_time(deadline, running).await {
                Ok(Ok(affected)) => {
                    taken.put_back();
                    Ok(affected)
                }
                Ok(Err(error)) => {
                    let failure = S::explain(&error);
                    shared.after(taken, &failure);
                    if failure.is_taken {
                        return Ok(0);
                    }
                    Err(StorageError::new(failure.of_write, error))
                }
                // It was sent, and the server may well carry it out.
                Err(late) => {
                    shared.doubt_if(true);
                    Err(StorageError::new(StorageErrorKind::Indeterminate, late))
                }
            }
        })
        .await
    }

    async fn sweep(
        &self,
        statements: &'static Statements,
        tenant: &str,
        before: i64,
        limit: u64,
    ) -> Result<u64, StorageError> {
        let mut swept = 0;
        while swept < limit {
            let mut sweeping = self.0.sweeping.lock().await;
            let slice = sweeping.slice(self, statements, tenant, before, limit - swept);
            match slice.await {
                Ok(slice) => {
                    swept += slice.gone;
                    if slice.is_last {
                        break;
                    }
                }
                Err(error) if swept == 0 => return Err(error),
                // What is gone is gone, and is what the call is answered.
                Err(_) => break,
            }
        }
        Ok(swept)
    }

    async fn read(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StorageError> {
        let arguments = arguments::<S>(values)?;
        self.run(|mut taken, deadline, shared| async move {
            let running = S::fetch(taken.get(), statement, arguments);
            match shared.in_time(deadline, running).await {
                Ok(Ok(rows)) => {
                    taken.put_back();
                    Ok(rows)
                }
                Ok(Err(error)) => {
                    let failure = S::explain(&error);
                    shared.after(taken, &failure);
                    Err(StorageError::new(failure.of_read(), error))
                }
                Err(late) => {
                    shared.doubt_if(true);
                    Err(StorageError::new(StorageErrorKind::Unavailable, late))
                }
            }
        })
        .await
    }
}

fn arguments<S: Server>(values: &[Value<'_>]) -> Result<S::Arguments, StorageError> {
    S::arguments(values).map_err(|why| StorageError::new(StorageErrorKind::Unavailable, why))
}

impl<S: Server> Shared<S> {
    /// Waits for a statement until the deadline, and asks half-way whether the server is there:
    /// whoever waited in vain must not have to wait again to look what became of it.
    async fn in_time<T>(
        self: &Arc<Self>,
        deadline: Instant,
        running: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let mut running = pin!(running);
        match timeout_at(deadline - self.patience / 2, running.as_mut()).await {
            Ok(done) => Ok(done),
            Err(_) => {
                Arc::clone(self).doubt_if(true);
                timeout_at(deadline, running).await
            }
        }
    }

    /// After a statement that failed: whether its connection is good for another.
    fn after(self: Arc<Self>, taken: Taken<S>, failure: &Failure) {
        if failure.is_broken {
            taken.distrust();
        } else {
            taken.put_back();
        }
        self.doubt_if(failure.is_away);
    }

    /// Asks the server whether it is there, until it is, if nobody is asking already.
    fn doubt_if(self: Arc<Self>, doubted: bool) {
        if !doubted || !self.circuit.suspect() {
            return;
        }
        let asking = Asking(Arc::clone(&self.circuit));
        let shared = Arc::downgrade(&self);
        drop(self);
        tokio::spawn(async move {
            while let Some(shared) = shared.upgrade().filter(|it| !it.connections.is_closed()) {
                let asked = timeout(ANSWER, shared.connections.open.open()).await;
                // A server that refuses us is there: whatever it says is for the requests to hear.
                let answered = match asked {
                    Ok(Ok(_)) => true,
                    Ok(Err(error)) => !S::explain(&error).is_away,
                    Err(_) => false,
                };
                if answered {
                    return;
                }
                asking.0.answered(false);
                drop(shared);
                sleep(EVERY).await;
            }
        });
    }
}
