//! Counting attempts: a port of its own, because it forgets by itself and loses nothing that matters.

use std::sync::Arc;

use async_trait::async_trait;
use oauth_types::{Lifetime, Timestamp};

use crate::error::StorageError;

/// Counts attempts, so that replicas can share the count.
///
/// Like a store it reports facts: what becomes of an attempt that could not be counted is decided
/// above. Unlike a store it may forget, and be wrong by a little.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Counts one attempt, unless there were too many already, and says which.
    ///
    /// `now` is the caller's time, for a counter without a clock of its own.
    ///
    /// # Errors
    /// When it cannot be counted. It may have been nevertheless.
    async fn hit(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<Hit, StorageError>;
}

/// One attempt, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// What is counted: lower-case ASCII letters and underscores.
    pub what: &'a str,
    /// Whose attempts: any text. It may be somebody's name, so a counter that others can look into
    /// keeps no more of it than a digest.
    pub by: &'a str,
    /// How many are allowed.
    pub allowed: u32,
    /// In how much time.
    pub per: Lifetime,
}

/// What came of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// It was counted, and is one of those allowed.
    Allowed,
    /// It is one too many, and was not counted.
    TooMany {
        /// When to try again: at least a second.
        retry_after: Lifetime,
    },
}

#[async_trait]
impl<L: RateLimiter + ?Sized> RateLimiter for Arc<L> {
    async fn hit(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<Hit, StorageError> {
        (**self).hit(attempt, now).await
    }
}
