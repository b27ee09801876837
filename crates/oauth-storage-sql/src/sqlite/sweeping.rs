//! Sweeping in slices, so that no writer waits long: each is a transaction of its own, as large as
//! fits the time that one may take.

use std::collections::VecDeque;
use std::time::Duration;

use oauth_storage::{StorageError, StorageErrorKind};
use rusqlite::Connection;
use tokio::time::Instant;

use super::file::{Values, execute};
use super::queue::Reply;
use crate::driver::Value;

/// How long a slice should keep others from writing, its commit included.
const SLICE: Duration = Duration::from_millis(10);

/// While others write, a slice is followed by so many times as long without one.
const REST: u32 = 7;

/// The first slice, before it is known what a row costs.
const FIRST: u64 = 8;

/// One call to sweep.
pub(super) struct Sweep {
    /// tenant, date, limit
    pub(super) statement: &'static str,
    pub(super) tenant: Box<str>,
    pub(super) before: i64,
    pub(super) limit: u64,
}

/// The calls to sweep that are not answered yet, which are worked off one after another.
pub(super) struct Sweeping {
    waiting: VecDeque<(Sweep, Reply<u64>)>,
    /// How many rows of the first are gone.
    swept: u64,
    /// How many to delete in the next slice.
    rows: u64,
    /// When that may be.
    next: Instant,
    took: Duration,
}

impl Default for Sweeping {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            swept: 0,
            rows: FIRST,
            next: Instant::now(),
            took: Duration::ZERO,
        }
    }
}

impl Sweeping {
    pub(super) fn add(&mut self, sweep: Sweep, reply: Reply<u64>) {
        self.waiting.push_back((sweep, reply));
    }

    /// When the next slice may begin, if there is anything to do.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    /// Somebody else wrote: the next slice comes later.
    pub(super) fn make_way(&mut self) {
        let took = std::mem::take(&mut self.took);
        self.next += took * REST;
    }

    /// Deletes a little, and answers a call that is done with.
    pub(super) fn slice(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some((sweep, _)) = self.waiting.front() else {
            return Ok(());
        };
        let rows = self.rows.min(sweep.limit - self.swept);
        let values = Values::of(&[
            Value::Text(&sweep.tenant),
            Value::Number(sweep.before),
            Value::Number(rows.cast_signed()),
        ]);
        let begun = Instant::now();
        let swept = execute(connection, sweep.statement, &values)?;
        self.next = Instant::now();
        self.took = self.next - begun;
        self.swept += swept;
        let is_done = swept < rows || self.swept >= sweep.limit;
        if swept == rows && rows > 0 {
            self.adapt(rows);
        }
        if is_done {
            self.answer(Ok(self.swept));
        }
        Ok(())
    }

    /// Half a slice more after one that was short; after a long one, what would have fitted.
    fn adapt(&mut self, rows: u64) {
        let fits = rows as f64 * SLICE.as_secs_f64() / self.took.as_secs_f64().max(1e-9);
        let most = self.rows + self.rows / 2 + 1;
        self.rows = (fits as u64).clamp(1, most);
    }

    /// What is gone is gone, and is what a call that fails later is answered.
    pub(super) fn give_up(&mut self, kind: StorageErrorKind, error: rusqlite::Error) {
        self.answer(match self.swept {
            0 => Err(StorageError::new(kind, error)),
            some => Ok(some),
        });
    }

    fn answer(&mut self, answer: Result<u64, StorageError>) {
        self.swept = 0;
        if let Some((_, reply)) = self.waiting.pop_front() {
            reply.answer(answer);
        }
    }
}
