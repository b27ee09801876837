//! The two things a decision may ask of the world: what time it is, and bytes nobody can guess.

use crate::time::Timestamp;

/// Tells the time. Read once per request and passed on as a value.
pub trait Clock: Send + Sync {
    /// The present moment in whole Unix seconds.
    fn now(&self) -> Timestamp;
}

/// Gives bytes that nobody can guess.
pub trait Entropy: Send + Sync {
    /// Fills all of `buf`.
    ///
    /// # Errors
    /// [`EntropyError`] when the source failed; `buf` must then not be used.
    fn fill(&self, buf: &mut [u8]) -> Result<(), EntropyError>;
}

/// The source of randomness failed; nothing can be issued.
#[derive(Debug, thiserror::Error)]
#[error("the source of randomness failed")]
#[non_exhaustive]
pub struct EntropyError;

impl EntropyError {
    /// A failure of the source, for those who implement [`Entropy`].
    pub const fn new() -> Self {
        Self
    }
}

impl Default for EntropyError {
    fn default() -> Self {
        Self::new()
    }
}

/// The machine's clock.
#[cfg(feature = "os")]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[cfg(feature = "os")]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the ambient clock comes in"
    )]
    fn now(&self) -> Timestamp {
        let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_unix(elapsed.map_or(0, |elapsed| elapsed.as_secs()))
    }
}

/// The operating system's randomness.
#[cfg(feature = "os")]
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

#[cfg(feature = "os")]
impl Entropy for OsEntropy {
    fn fill(&self, buf: &mut [u8]) -> Result<(), EntropyError> {
        use rand::TryRng;
        rand::rngs::SysRng
            .try_fill_bytes(buf)
            .map_err(|_| EntropyError)
    }
}
