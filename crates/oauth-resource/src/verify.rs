//! Who says what a token means.

use async_trait::async_trait;
use oauth_types::AccessClaims;

/// Verifies access tokens: by a shared store, by signature, by asking.
#[async_trait]
pub trait AccessTokenVerifier: Send + Sync {
    /// What the token says; `None` when it is not a live token of a trusted issuer. The audience
    /// is compared by the caller, so an implementation cannot forget it.
    ///
    /// # Errors
    /// [`VerifierUnavailable`] when the question could not be answered: that is the server's
    /// fault and never turns into a 401.
    async fn verify(&self, token: &str) -> Result<Option<AccessClaims>, VerifierUnavailable>;
}

/// The verifier could not answer.
#[derive(Debug, thiserror::Error)]
#[error("access tokens cannot be verified at the moment")]
pub struct VerifierUnavailable(#[source] Box<dyn std::error::Error + Send + Sync>);

impl VerifierUnavailable {
    /// A failure with its cause, which stays out of every answer.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}
