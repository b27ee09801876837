//! Sweeping a server in slices, each of which begins where the last one did.
//!
//! A row that is deleted stays in the indexes until the server tidies up: what begins at the
//! earliest date walks over all that was deleted before, every time. So a slice begins at the first
//! row that is still there at or after the beginning of the last slice. Looking for it walks over
//! what that one slice deleted, and PostgreSQL marks entries as dead when it comes across them
//! again, which makes the look at everything that ends a sweep a cheap one. That look finds what
//! was written meanwhile with an earlier date.
//!
//! Slices rest whether anybody waits or not: other processes use the server too.

use std::collections::HashMap;

use oauth_storage::StorageError;
use tokio::time::{Instant, sleep_until};

use crate::driver::{Driver, Value};
use crate::pace::Pace;
use crate::statements::Statements;

/// The smallest slice. Where a commit alone takes longer than a slice should, fewer rows would not
/// make it shorter.
const LEAST: u64 = 32;

/// The sweeps of one process.
pub(super) struct Sweeping {
    pace: Pace,
    /// When the next slice may begin.
    next: Instant,
    /// The date at which the last slice of a tenant's sweep began, by the statement that names its
    /// table, until that sweep has come to its end.
    begun: HashMap<(&'static str, Box<str>), i64>,
}

impl Default for Sweeping {
    fn default() -> Self {
        Self {
            pace: Pace::at_least(LEAST),
            next: Instant::now(),
            begun: HashMap::new(),
        }
    }
}

/// What became of a slice.
pub(super) struct Slice {
    pub(super) gone: u64,
    /// Nothing is left.
    pub(super) is_last: bool,
}

impl Sweeping {
    /// Rests until it may, and deletes a little: at most `limit` rows.
    pub(super) async fn slice<D: Driver>(
        &mut self,
        driver: &D,
        statements: &'static Statements,
        tenant: &str,
        before: i64,
        limit: u64,
    ) -> Result<Slice, StorageError> {
        sleep_until(self.next).await;
        let begun = Instant::now();
        let place = (&*statements.sweep, Box::from(tenant));
        let (tenant, before) = (Value::Text(tenant), Value::Number(before));
        let first = match self.begun.get(&place) {
            None => None,
            Some(last) => {
                let values = [tenant, Value::Number(*last), before];
                let found = driver.read(&statements.first_due, &values).await?.pop();
                found.map(|row| row.revision)
            }
        };
        let (from, rows) = (first.unwrap_or(i64::MIN), self.pace.rows().min(limit));
        let limit = Value::Number(rows.cast_signed());
        let values = [tenant, Value::Number(from), before, limit];
        let gone = driver.write(&statements.sweep, &values).await?;
        let took = begun.elapsed();
        self.next = Instant::now() + Pace::rest(took);
        if gone == rows {
            self.pace.took(rows, took);
            self.begun.insert(place, from);
        } else {
            self.begun.remove(&place);
        }
        Ok(Slice {
            gone,
            is_last: gone < rows && first.is_none(),
        })
    }
}
