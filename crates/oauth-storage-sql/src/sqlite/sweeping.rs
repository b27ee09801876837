//! Sweeping in slices, so that no writer waits long. They rest only while others write.

use std::collections::VecDeque;
use std::time::Duration;

use oauth_storage::{StorageError, StorageErrorKind};
use rusqlite::Connection;
use tokio::time::Instant;

use super::file::{Values, execute};
use super::queue::Reply;
use crate::driver::Value;
use crate::pace::Pace;

/// The smallest slice.
const LEAST: u64 = 1;

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
    pace: Pace,
    /// When the next slice may be.
    next: Instant,
    took: Duration,
}

impl Default for Sweeping {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            swept: 0,
            pace: Pace::at_least(LEAST),
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
        self.next += Pace::rest(took);
    }

    /// Deletes a little, and answers a call that is done with.
    pub(super) fn slice(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some((sweep, _)) = self.waiting.front() else {
            return Ok(());
        };
        let rows = self.pace.rows().min(sweep.limit - self.swept);
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
            self.pace.took(rows, self.took);
        }
        if is_done {
            self.answer(Ok(self.swept));
        }
        Ok(())
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
