//! Where somebody's keys are.

use std::error::Error;

use async_trait::async_trait;

/// Knows the address of somebody's JSON Web Key Set, or how to find out.
///
/// It is asked only when the keys are about to be fetched: at most once in a minute for one party,
/// whatever is presented.
#[async_trait]
pub trait JwksLocation: Send + Sync {
    /// The address of the key set: https, absolute.
    ///
    /// # Errors
    /// When it cannot be found out now. The keys that are known stay good for a while.
    async fn jwks_uri(&self) -> Result<String, Box<dyn Error + Send + Sync>>;
}

/// An address that is known.
#[async_trait]
impl JwksLocation for String {
    async fn jwks_uri(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(self.clone())
    }
}
