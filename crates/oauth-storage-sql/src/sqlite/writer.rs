//! The one writer of a file: writes that wait while a commit is on its way to the disk share the
//! next one, and a sweep takes what time they leave.
//!
//! A commit waits for the disk, and one write in it waits as long as a hundred. Each is
//! acknowledged after the commit that it is in, never before. A write alone is a statement of
//! its own, as if there were no others.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use oauth_storage::{Circuit, StorageError, StorageErrorKind};
use rusqlite::{Connection, Error};
use tokio::time::Instant;

use super::error::{BUSY, code, is_about_one, is_broken, meaning_of_read, meaning_of_write};
use super::file::{File, Purpose, Values, execute};
use super::queue::{Asked, Queue, Reply, Workers};
use super::sweeping::{Sweep, Sweeping};
use crate::driver::Value;

/// The most that is done in one round: the rest must not wait for ever.
const ROUND: usize = 256;

/// A pause between two attempts at a file that another process keeps, so that it can have a turn.
const EVERY: Duration = Duration::from_millis(10);

/// Writes to one file, in rounds, on a thread of its own.
pub(super) struct Writer {
    workers: Workers<Job, u64>,
    circuit: Arc<Circuit>,
    patience: Duration,
}

impl Writer {
    pub(super) fn start(file: &File, connection: Connection) -> io::Result<Self> {
        let circuit = Arc::new(Circuit::default());
        let rounds = Rounds {
            file: file.clone(),
            connection: Some(connection),
            circuit: Arc::clone(&circuit),
            sweeping: Sweeping::default(),
        };
        let works = vec![move |queue: &Queue<Job, u64>| rounds.work(queue)];
        let lost = StorageErrorKind::Indeterminate;
        Ok(Self {
            workers: Workers::start(works, "oauth-sqlite-writes", lost)?,
            circuit,
            patience: file.patience,
        })
    }

    /// Runs a statement that writes, and answers the number of affected rows; if it affects none,
    /// the next one that is given.
    pub(super) async fn write(
        &self,
        statement: &'static str,
        otherwise: Option<&'static str>,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        self.ask(Job::Write(Write {
            statement,
            otherwise,
            values: Values::of(values),
        }))
        .await
    }

    /// Sweeps, in the pauses of those that write.
    pub(super) async fn sweep(&self, sweep: Sweep) -> Result<u64, StorageError> {
        self.ask(Job::Sweep(sweep)).await
    }

    async fn ask(&self, job: Job) -> Result<u64, StorageError> {
        self.circuit.check()?;
        self.workers.ask(job, self.patience).await
    }

    pub(super) async fn close(&self) {
        self.workers.close().await;
    }
}

enum Job {
    Write(Write),
    Sweep(Sweep),
}

/// A statement and its values.
struct Write {
    statement: &'static str,
    otherwise: Option<&'static str>,
    values: Values,
}

impl Write {
    /// Each of the two statements is as conditional as the other, so it makes no difference
    /// whether they share a transaction.
    fn run(&self, connection: &Connection) -> rusqlite::Result<u64> {
        match (
            execute(connection, self.statement, &self.values)?,
            self.otherwise,
        ) {
            (0, Some(otherwise)) => execute(connection, otherwise, &self.values),
            (affected, _) => Ok(affected),
        }
    }
}

/// What one thread does.
struct Rounds {
    file: File,
    /// None after one that could not be trusted any more.
    connection: Option<Connection>,
    /// Open while another process keeps the file to itself for longer than anybody waits.
    circuit: Arc<Circuit>,
    sweeping: Sweeping,
}

/// Why a round came to nothing.
enum Failed {
    /// Before the commit was asked for: nothing was written.
    Before(Error),
    /// In the commit, or in a statement that is its own.
    Commit(Error),
}

type Answers = Vec<Result<u64, StorageError>>;

impl Rounds {
    fn work(mut self, queue: &Queue<Job, u64>) {
        let (mut taken, mut writes) = (Vec::with_capacity(ROUND), Vec::with_capacity(ROUND));
        loop {
            let goes_on = queue.take(&mut taken, ROUND, self.sweeping.due());
            if !goes_on && self.sweeping.due().is_none() {
                return;
            }
            for Asked { job, reply, .. } in taken.drain(..) {
                match job {
                    Job::Write(write) => writes.push((write, reply)),
                    Job::Sweep(sweep) => self.sweeping.add(sweep, reply),
                }
            }
            if !writes.is_empty() {
                self.round(&mut writes, queue);
                self.sweeping.make_way();
            }
            if self
                .sweeping
                .due()
                .is_some_and(|due| !goes_on || due <= Instant::now())
            {
                self.sweep(queue);
            }
        }
    }

    /// Carries out writes, and answers them all.
    fn round(&mut self, writes: &mut Vec<(Write, Reply<u64>)>, queue: &Queue<Job, u64>) {
        let (answers, is_locked) = match self.run(writes) {
            Ok(answers) => (answers, false),
            Err(failed) => {
                let (kind, error) = match failed {
                    Failed::Commit(error) => (meaning_of_write(&error), error),
                    Failed::Before(error) => (meaning_of_read(&error), error),
                };
                let is_locked = self.after(&error);
                (all_failed(kind, error, writes.len()), is_locked)
            }
        };
        for ((_, reply), answer) in writes.drain(..).zip(answers) {
            reply.answer(answer);
        }
        if is_locked {
            self.wait_until_free(queue);
        }
    }

    fn run(&mut self, writes: &[(Write, Reply<u64>)]) -> Result<Answers, Failed> {
        let connection = self.connection().map_err(Failed::Before)?;
        if let [(write, _)] = writes {
            let affected = write.run(connection).map_err(Failed::Commit)?;
            return Ok(vec![Ok(affected)]);
        }
        let run = |statement| execute(connection, statement, &Values::default());
        run("BEGIN IMMEDIATE").map_err(Failed::Before)?;
        let mut answers = Answers::with_capacity(writes.len());
        for (write, _) in writes {
            match write.run(connection) {
                Ok(affected) => answers.push(Ok(affected)),
                // SQLite has undone this statement, and no other.
                Err(error) if is_about_one(&error) && !connection.is_autocommit() => {
                    let error = StorageError::new(StorageErrorKind::Unavailable, error);
                    answers.push(Err(error));
                }
                Err(error) => return Err(Failed::Before(error)),
            }
        }
        run("COMMIT").map_err(Failed::Commit)?;
        Ok(answers)
    }

    /// Sweeps a little.
    fn sweep(&mut self, queue: &Queue<Job, u64>) {
        let mut sweeping = std::mem::take(&mut self.sweeping);
        let swept = self
            .connection()
            .and_then(|connection| sweeping.slice(connection));
        self.sweeping = sweeping;
        if let Err(error) = swept {
            let is_locked = self.after(&error);
            self.sweeping.give_up(meaning_of_write(&error), error);
            if is_locked {
                self.wait_until_free(queue);
            }
        }
    }

    fn connection(&mut self) -> rusqlite::Result<&Connection> {
        match self.connection.take() {
            Some(connection) => Ok(self.connection.insert(connection)),
            None => Ok(self.connection.insert(self.file.open(Purpose::Writing)?)),
        }
    }

    /// After a failure: closes a connection that is not as it was, which undoes what it began. Says
    /// whether another process keeps the file; then whoever asks from now on fails at once.
    fn after(&mut self, error: &Error) -> bool {
        let is_clean = self
            .connection
            .as_ref()
            .is_some_and(Connection::is_autocommit);
        if !is_clean || is_broken(error) {
            self.connection = None;
        }
        let is_locked = code(error) == Some(BUSY);
        if is_locked {
            self.circuit.answered(false);
        }
        is_locked
    }

    /// Waits for the file, apart from any request.
    fn wait_until_free(&mut self, queue: &Queue<Job, u64>) {
        let mut late = Vec::new();
        while !queue.is_closed() {
            // Whoever queued behind one that waited in vain need not do the same.
            queue.take(&mut late, usize::MAX, Some(Instant::now()));
            for asked in late.drain(..) {
                asked.reply.answer(Err(Circuit::away()));
            }
            // Waits inside SQLite, for as long as a write would.
            let run = |connection: &Connection, statement| {
                execute(connection, statement, &Values::default())
            };
            let begun = self.connection().and_then(|connection| {
                run(connection, "BEGIN IMMEDIATE")?;
                run(connection, "ROLLBACK")
            });
            // Any other trouble is for the requests to hear.
            if !begun.is_err_and(|error| code(&error) == Some(BUSY)) {
                break;
            }
            std::thread::sleep(EVERY);
        }
        self.circuit.answered(true);
    }
}

/// One failure, told to everybody whom it met.
fn all_failed(kind: StorageErrorKind, error: Error, number: usize) -> Answers {
    let error = Arc::new(error);
    let failed = |_| Err(StorageError::new(kind, Arc::clone(&error)));
    (0..number).map(failed).collect()
}
