//! Who says what a token means.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use oauth_types::{AccessClaims, Lifetime};

/// Verifies access tokens: by a shared store, by signature, by asking.
///
/// There are three outcomes, and none of them is a fault of the server: claims, a refusal, which is
/// answered with 401, and an outage, which is answered with 503. Whatever else goes wrong inside an
/// implementation is one of the two.
#[async_trait]
pub trait AccessTokenVerifier: Send + Sync {
    /// What a live token of a trusted issuer says. Whether this resource is in its audience is
    /// compared by the caller, so an implementation cannot forget it.
    ///
    /// # Errors
    /// [`TokenRefused`] when it is no such token, and [`VerifierUnavailable`] when the question
    /// could not be answered: that is the server's fault and never turns into a 401.
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError>;
}

#[async_trait]
impl<V: AccessTokenVerifier + ?Sized> AccessTokenVerifier for Arc<V> {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        (**self).verify(token).await
    }
}

/// A token was not verified.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "no, or no answer: there is no third"
)]
pub enum VerificationError {
    /// It is not good.
    #[error(transparent)]
    Refused(#[from] TokenRefused),
    /// Nobody could say whether it is.
    #[error(transparent)]
    Unavailable(#[from] VerifierUnavailable),
}

/// Why a token is not good. For the operator's log: whoever presented the token learns one sentence
/// for all of them. Nothing of the token is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefused {
    /// It is not of the form that is understood, or something in it is not of its type.
    #[error("the token is malformed")]
    Malformed,
    /// It says that something must be understood that is not.
    #[error("the token has critical extensions")]
    Critical,
    /// Its signature algorithm is not supported, or not allowed for its issuer.
    #[error("the token's algorithm is not allowed")]
    Algorithm,
    /// Its issuer is missing, or not trusted here.
    #[error("the token's issuer is not trusted")]
    Issuer,
    /// It is a signed token of another kind: an ID token, an assertion, a logout token.
    #[error("the token is not an access token")]
    Type,
    /// No key of its issuer is the one it was signed with.
    #[error("no key of the issuer is the token's")]
    UnknownKey,
    /// Its signature is not that of the key it names.
    #[error("the token's signature is wrong")]
    Signature,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It does not say when it expires.
    #[error("the token does not say when it expires")]
    Endless,
    /// It is for later, or was made later than now.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It is for somebody else, or for nobody in particular.
    #[error("the token is not for this resource")]
    Audience,
    /// It does not say whom it speaks for.
    #[error("the token names no subject")]
    Subject,
    /// It is bound to a key (`cnf`), and a bearer shows none.
    #[error("the token is bound to a key that was not shown")]
    Bound,
    /// Its issuer does not know it, or no longer.
    #[error("the token is not active")]
    Inactive,
    /// A verifier's own reason, in fixed words.
    #[error("{0}")]
    Other(&'static str),
}

/// The verifier could not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("access tokens cannot be verified at the moment")]
pub struct VerifierUnavailable {
    #[source]
    cause: Arc<dyn Error + Send + Sync>,
    retry_after: Lifetime,
}

impl VerifierUnavailable {
    /// A failure with its cause, which stays out of every answer. Whoever asked may ask again in a
    /// second.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            cause: Arc::from(cause.into()),
            retry_after: Lifetime::seconds(1),
        }
    }

    /// Says when it is of use to ask again.
    #[must_use]
    pub fn until(mut self, retry_after: Lifetime) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// When it is of use to ask again.
    pub const fn retry_after(&self) -> Lifetime {
        self.retry_after
    }
}
