//! Attempts, counted for all replicas together.

use async_trait::async_trait;
use oauth_storage::{Attempt, Hit, RateLimiter, StorageError};
use oauth_types::{Lifetime, Timestamp};
use redis::Value;

use crate::RedisStorage;
use crate::error::{of_write, strange};
use crate::scripts::ATTEMPT;

/// Counts in fixed windows, which begin with the first attempt and end by the server's clock. One
/// round trip; a count leaves by itself when its window ends. What is counted by is known to the
/// server by digest only. Each tenant has counts of its own.
#[async_trait]
impl RateLimiter for RedisStorage {
    async fn hit(&self, attempt: Attempt<'_>, _: Timestamp) -> Result<Hit, StorageError> {
        let table = &self.table;
        let key = table.keys.attempts(attempt.what, attempt.by);
        let window = attempt.per.as_seconds().saturating_mul(1000).max(1);
        let request = ATTEMPT.on([&key]).arg(attempt.allowed).arg(window);
        match table.servers.send(&request).await.map_err(of_write)? {
            Value::Int(0) => Ok(Hit::Allowed),
            Value::Int(left) => {
                let retry_after = Lifetime::seconds(left.unsigned_abs().div_ceil(1000));
                Ok(Hit::TooMany { retry_after })
            }
            answer => Err(strange(&answer)),
        }
    }
}
