//! The one writer of a file: writes that wait while a commit is on its way to the disk share the
//! next one.
//!
//! A commit waits for the disk, and one write in it waits as long as a hundred. Each is
//! acknowledged after the commit that it is in, never before. A write alone is a statement of
//! its own, as if there were no others.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oauth_storage::{Circuit, StorageError, StorageErrorKind};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Either, Executor};
use tokio::time::{Instant, sleep};

use super::error::{BUSY, code, is_about_one, is_broken, meaning_of_write};
use super::{File, no_connection};
use crate::asking::Asking;
use crate::connections::Connections;
use crate::driver::Value;
use crate::together::{Asked, Together, Work};

/// How many of the same statement are sent to the connection's thread at once, largest first.
/// Each way there and back costs as much as carrying out a statement does.
const BUNDLES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// A pause between two attempts at a file that another process keeps, so that it can have a turn.
const EVERY: Duration = Duration::from_millis(10);

/// Writes to one file, in rounds.
pub(super) struct Writer(Together<Rounds>);

impl Writer {
    pub(super) fn new(connections: Arc<Connections<File>>, patience: Duration) -> Self {
        Self(Together::new(Rounds {
            connections,
            circuit: Arc::default(),
            patience,
            bundles: Mutex::default(),
        }))
    }

    pub(super) fn connections(&self) -> &Arc<Connections<File>> {
        &self.0.work().connections
    }

    /// Runs a statement that writes, and answers the number of affected rows.
    pub(super) async fn write(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, StorageError> {
        self.0.work().circuit.check()?;
        let values = values.iter().map(|value| Owned::from(*value)).collect();
        let write = Write { statement, values };
        self.0.ask(write, self.0.work().patience).await
    }
}

/// A statement and its values.
pub(super) struct Write {
    statement: &'static str,
    values: Vec<Owned>,
}

#[derive(Clone)]
enum Owned {
    Text(Arc<str>),
    Number(Option<i64>),
}

impl From<Value<'_>> for Owned {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.into()),
            Value::Number(number) => Self::Number(Some(number)),
            Value::MaybeNumber(number) => Self::Number(number),
        }
    }
}

struct Rounds {
    connections: Arc<Connections<File>>,
    /// Open while another process keeps the file to itself for longer than anybody waits.
    circuit: Arc<Circuit>,
    patience: Duration,
    /// A statement, by where it lies, so many times.
    bundles: Mutex<HashMap<(usize, usize), Arc<str>>>,
}

/// Why a round came to nothing.
enum Failed {
    /// Before the commit was asked for: nothing was written.
    Before(sqlx::Error),
    /// The commit failed.
    Commit(sqlx::Error),
}

impl Work for Rounds {
    type Job = Write;

    async fn work(&self, mut round: Vec<Asked<Write>>) {
        // Whoever queued behind one that waited in vain need not do the same.
        if self.circuit.check().is_err() {
            for asked in round {
                asked.answer(Err(Circuit::away()));
            }
            return;
        }
        if let [_] = round[..] {
            let answers = self.each_alone(&round).await;
            return answer(round, answers);
        }
        // The same statements beside each other. Among writes that are under way at the same
        // time any order is as good as another.
        round.sort_by_key(|asked| asked.job.statement.as_ptr());
        let answers = match self.together(&round).await {
            Ok(affected) => affected.into_iter().map(Ok).collect(),
            Err(Failed::Before(error)) if is_about_one(&error) => self.each_alone(&round).await,
            Err(Failed::Before(error)) => {
                self.wait_if_locked(&error);
                let kind = match meaning_of_write(&error) {
                    StorageErrorKind::Corrupt => StorageErrorKind::Corrupt,
                    _ => StorageErrorKind::Unavailable,
                };
                all_failed(kind, error, round.len())
            }
            Err(Failed::Commit(error)) => all_failed(meaning_of_write(&error), error, round.len()),
        };
        answer(round, answers);
    }
}

type Answers = Vec<Result<u64, StorageError>>;

fn answer(round: Vec<Asked<Write>>, answers: Answers) {
    for (asked, answer) in round.into_iter().zip(answers) {
        asked.answer(answer);
    }
}

/// One failure, told to everybody whom it met.
fn all_failed(kind: StorageErrorKind, error: sqlx::Error, number: usize) -> Answers {
    let error = Arc::new(error);
    let failed = |_| Err(StorageError::new(kind, Arc::clone(&error)));
    (0..number).map(failed).collect()
}

impl Rounds {
    /// Each write as a transaction of its own.
    async fn each_alone(&self, round: &[Asked<Write>]) -> Answers {
        let mut answers = Vec::with_capacity(round.len());
        for asked in round {
            answers.push(self.alone(&asked.job).await);
        }
        answers
    }

    async fn alone(&self, write: &Write) -> Result<u64, StorageError> {
        let deadline = Instant::now() + self.patience;
        let mut taken = self
            .connections
            .take(deadline)
            .await
            .map_err(no_connection)?;
        let mut arguments = SqliteArguments::default();
        let failed = |error| {
            self.wait_if_locked(&error);
            StorageError::new(meaning_of_write(&error), error)
        };
        bind(&mut arguments, &write.values).map_err(failed)?;
        let query = sqlx::query_with(write.statement, arguments);
        let done = taken.get().execute(query).await;
        if !done.as_ref().is_err_and(is_broken) {
            taken.put_back();
        }
        done.map(|done| done.rows_affected()).map_err(failed)
    }

    /// After a statement that waited in vain for the file: waits for it apart from any request, until
    /// it is free, and lets requests fail at once meanwhile.
    fn wait_if_locked(&self, error: &sqlx::Error) {
        if code(error) != Some(BUSY) || !self.circuit.suspect() {
            return;
        }
        self.circuit.answered(false);
        let asking = Asking(Arc::clone(&self.circuit));
        let (connections, patience) = (Arc::downgrade(&self.connections), self.patience);
        tokio::spawn(async move {
            let _asking = asking;
            while let Some(connections) = connections.upgrade().filter(|it| !it.is_closed()) {
                let Ok(mut taken) = connections.take(Instant::now() + patience).await else {
                    drop(connections);
                    sleep(EVERY).await;
                    continue;
                };
                // Waits inside SQLite, for as long as a write would.
                let begun = taken.get().execute("BEGIN IMMEDIATE").await;
                if begun.is_ok() && taken.get().execute("ROLLBACK").await.is_err() {
                    continue;
                }
                let is_free = !begun.as_ref().is_err_and(|error| code(error) == Some(BUSY));
                if !begun.as_ref().is_err_and(is_broken) {
                    taken.put_back();
                }
                // Any other trouble is for the requests to hear.
                if is_free {
                    return;
                }
                drop(connections);
                sleep(EVERY).await;
            }
        });
    }

    /// All writes as one transaction. A connection on which that fails is closed, which undoes it.
    async fn together(&self, round: &[Asked<Write>]) -> Result<Vec<u64>, Failed> {
        let deadline = Instant::now() + self.patience;
        let mut taken = match self.connections.take(deadline).await {
            Ok(taken) => taken,
            Err(crate::connections::NoConnection::Failed(error)) => {
                return Err(Failed::Before(error));
            }
            Err(_) => return Err(Failed::Before(sqlx::Error::PoolTimedOut)),
        };
        let connection = taken.get();
        let begun = connection.execute(sqlx::query("BEGIN IMMEDIATE")).await;
        begun.map_err(Failed::Before)?;
        let mut affected = Vec::with_capacity(round.len());
        for same in round.chunk_by(|a, b| std::ptr::eq(a.job.statement, b.job.statement)) {
            let mut left = same;
            for size in BUNDLES {
                while left.len() >= size && self.bundle(left[0].job.statement, size).is_some() {
                    let (now, later) = left.split_at(size);
                    left = later;
                    self.run(connection, now, &mut affected)
                        .await
                        .map_err(Failed::Before)?;
                }
            }
        }
        let committed = connection.execute(sqlx::query("COMMIT")).await;
        committed.map_err(Failed::Commit)?;
        taken.put_back();
        Ok(affected)
    }

    /// Runs one statement for several writes.
    async fn run(
        &self,
        connection: &mut SqliteConnection,
        writes: &[Asked<Write>],
        affected: &mut Vec<u64>,
    ) -> Result<(), sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        for asked in writes {
            bind(&mut arguments, &asked.job.values)?;
        }
        let statement = writes[0].job.statement;
        let bundle = self
            .bundle(statement, writes.len())
            .unwrap_or_else(|| statement.into());
        let query = sqlx::query_with(AssertSqlSafe(bundle), arguments);
        let mut results = connection.fetch_many(query);
        let expected = affected.len() + writes.len();
        while let Some(result) = poll_fn(|cx| results.as_mut().poll_next(cx)).await {
            if let Either::Left(done) = result? {
                affected.push(done.rows_affected());
            }
        }
        if affected.len() != expected {
            return Err(sqlx::Error::Protocol(
                "a bundle did not answer for each write".to_owned(),
            ));
        }
        Ok(())
    }

    /// A statement so many times over. `None` for one that uses a value twice: alone it is itself.
    fn bundle(&self, statement: &'static str, times: usize) -> Option<Arc<str>> {
        let key = (statement.as_ptr() as usize, times);
        let mut bundles = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bundle) = bundles.get(&key) {
            return Some(Arc::clone(bundle));
        }
        let bundle: Arc<str> = match times {
            1 => statement.into(),
            _ => vec![unnumbered(statement)?; times].join("; ").into(),
        };
        bundles.insert(key, Arc::clone(&bundle));
        Some(bundle)
    }
}

fn bind(arguments: &mut SqliteArguments, values: &[Owned]) -> Result<(), sqlx::Error> {
    for value in values {
        let added = match value {
            Owned::Text(text) => arguments.add(Arc::clone(text)),
            Owned::Number(number) => arguments.add(*number),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(())
}

/// A statement whose values are counted through, as they must be where it follows another. `None`
/// if it does not name each once, in their order.
fn unnumbered(statement: &str) -> Option<String> {
    let mut pieces = statement.split('?');
    let mut text = pieces.next()?.to_owned();
    for (number, piece) in (1..).zip(pieces) {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        let named: usize = piece[..piece.len() - rest.len()].parse().ok()?;
        if named != number {
            return None;
        }
        text.push('?');
        text.push_str(rest);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use oauth_storage::Kind;

    use super::*;
    use crate::statements::{self, Dialect};

    #[test]
    fn what_requests_write_can_be_bundled_and_a_sweep_cannot() {
        let on = statements::of(Dialect::Sqlite, Kind::Grant).unwrap();
        for statement in [&on.insert, &on.replace, &on.relist, &on.delete] {
            let text = unnumbered(statement).unwrap();
            assert_eq!(text.matches('?').count(), statement.matches('?').count());
            assert!(!text.contains("?1"));
        }
        assert_eq!(unnumbered(&on.sweep), None);
    }
}
