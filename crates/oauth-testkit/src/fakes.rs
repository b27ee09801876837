//! A clock that stands still, randomness that repeats, and the least possible executor.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use oauth_types::env::{Clock, Entropy, EntropyError};
use oauth_types::{Lifetime, SecretHash, Timestamp};

/// A clock that moves only when told to. Clones share the time.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<AtomicU64>);

impl FixedClock {
    /// A clock that stands at `unix` seconds.
    pub fn at(unix: u64) -> Self {
        Self(Arc::new(AtomicU64::new(unix)))
    }

    /// Moves on.
    pub fn advance(&self, by: Lifetime) {
        self.0.fetch_add(by.as_seconds(), Ordering::SeqCst);
    }

    /// Goes back, as a machine's clock sometimes does.
    pub fn step_back(&self, by: Lifetime) {
        self.0.fetch_sub(by.as_seconds(), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }
}

/// Bytes that follow from a seed: SHA-256 of seed and counter. Clones share the counter.
#[derive(Debug, Clone)]
pub struct SeededEntropy {
    seed: u64,
    drawn: Arc<AtomicU64>,
}

impl SeededEntropy {
    /// Randomness that repeats for the same seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            drawn: Arc::new(AtomicU64::new(0)),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buf: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in buf.chunks_mut(32) {
            let count = self.drawn.fetch_add(1, Ordering::SeqCst);
            let mut input = [0u8; 16];
            input[..8].copy_from_slice(&self.seed.to_be_bytes());
            input[8..].copy_from_slice(&count.to_be_bytes());
            chunk.copy_from_slice(&SecretHash::of(&input).as_bytes()[..chunk.len()]);
        }
        crate::canary::drawn(buf);
        Ok(())
    }
}

/// Runs a future to its end on the calling thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
