//! Whether it is of use to ask somebody who may be away.

use std::sync::{Mutex, MutexGuard, PoisonError};

use oauth_types::{Lifetime, Timestamp};

/// Failures in a row after which whoever is asked counts as away.
const FAILURES: u32 = 3;
/// How often somebody who is away is asked.
const BETWEEN_TRIES: Lifetime = Lifetime::seconds(3);

/// Lets requests fail at once while somebody does not answer, but for one in three seconds, which
/// finds out. Knows no runtime: whoever asks anyway does the finding out.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next request may try; `None` while all may.
    next_try: Option<Timestamp>,
}

impl State {
    fn away(&self, now: Timestamp) -> Option<Lifetime> {
        let wait = self.next_try?.since(now);
        // More than that is a clock that went back, which must shut nobody out.
        (wait > Lifetime::ZERO && wait <= BETWEEN_TRIES).then_some(wait)
    }
}

impl Breaker {
    /// Whether it is of no use to ask now, and for how long.
    pub(super) fn away(&self, now: Timestamp) -> Option<Lifetime> {
        self.lock().away(now)
    }

    /// Takes the turn to ask, which while somebody is away only one request gets at a time.
    ///
    /// # Errors
    /// How long it is of no use.
    pub(super) fn ask(&self, now: Timestamp) -> Result<(), Lifetime> {
        let mut state = self.lock();
        if let Some(wait) = state.away(now) {
            return Err(wait);
        }
        if let Some(next) = &mut state.next_try {
            *next = now.plus(BETWEEN_TRIES);
        }
        Ok(())
    }

    /// There was an answer.
    pub(super) fn answered(&self) {
        *self.lock() = State::default();
    }

    /// There was none, or none that anybody could use.
    pub(super) fn failed(&self, now: Timestamp) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES && state.next_try.is_none() {
            state.next_try = Some(now.plus(BETWEEN_TRIES));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_somebody_is_away_one_request_in_three_seconds_finds_out() {
        let at = Timestamp::from_unix;
        let seconds = Lifetime::seconds;
        let breaker = Breaker::default();
        for _ in 0..2 {
            breaker.failed(at(10));
            assert_eq!(breaker.ask(at(10)), Ok(()));
        }
        breaker.answered();
        for _ in 0..2 {
            breaker.failed(at(10));
        }
        assert_eq!(breaker.away(at(10)), None, "not in a row");
        breaker.failed(at(10));
        assert_eq!(breaker.away(at(11)), Some(seconds(2)));
        assert_eq!(breaker.ask(at(11)), Err(seconds(2)));
        // One finds out, and however long that takes, the next may after three seconds.
        assert_eq!(breaker.away(at(13)), None);
        assert_eq!(breaker.ask(at(13)), Ok(()));
        assert_eq!(breaker.ask(at(13)), Err(seconds(3)));
        breaker.failed(at(18));
        assert_eq!(breaker.ask(at(18)), Ok(()));
        breaker.answered();
        assert_eq!(breaker.ask(at(18)), Ok(()));
        assert_eq!(breaker.ask(at(18)), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_shuts_nobody_out() {
        let breaker = Breaker::default();
        for _ in 0..3 {
            breaker.failed(Timestamp::from_unix(1_000_000));
        }
        assert_eq!(breaker.ask(Timestamp::from_unix(10)), Ok(()));
    }
}
