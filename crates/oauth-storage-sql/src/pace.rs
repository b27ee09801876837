//! How much of a sweep is done at a time: each slice is a transaction of its own, as large as fits
//! the time that one may take, and is followed by a rest.

use std::time::Duration;

/// How long a slice should take, and so keep what it holds, its commit included.
const SLICE: Duration = Duration::from_millis(10);

/// The rest after a slice, as a multiple of what it took.
const REST: u32 = 7;

/// The size of the next slice, by what the last ones took.
pub(crate) struct Pace {
    rows: u64,
    least: u64,
}

impl Pace {
    /// Begins with `least` rows, before it is known what one costs, and never takes fewer.
    pub(crate) const fn at_least(least: u64) -> Self {
        Self { rows: least, least }
    }

    /// How many rows the next slice may have.
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// After a slice of so many rows: half a slice more if it was short; after a long one, what
    /// would have fitted.
    pub(crate) fn took(&mut self, rows: u64, time: Duration) {
        let fits = rows as f64 * SLICE.as_secs_f64() / time.as_secs_f64().max(1e-9);
        let most = self.rows + self.rows / 2 + 1;
        self.rows = (fits as u64).clamp(self.least, most);
    }

    /// How long to leave the others alone after a slice that took `time`.
    pub(crate) fn rest(time: Duration) -> Duration {
        time * REST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_grows_until_it_takes_ten_milliseconds_and_shrinks_at_once() {
        let mut pace = Pace::at_least(8);
        for _ in 0..20 {
            let each = Duration::from_micros(20);
            pace.took(pace.rows(), each * pace.rows() as u32);
        }
        assert_eq!(pace.rows(), 500);
        pace.took(500, Duration::from_millis(100));
        assert_eq!(pace.rows(), 50);
        pace.took(50, Duration::from_secs(1));
        assert_eq!(pace.rows(), 8, "a slow commit must not bring it to a halt");
    }
}
