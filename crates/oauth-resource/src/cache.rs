//! What was verified a moment ago.

mod memory;

use std::sync::Arc;

use async_trait::async_trait;
use oauth_types::env::Clock;
use oauth_types::{AccessClaims, Lifetime, SecretHash};

use crate::verify::{AccessTokenVerifier, VerificationError};

pub use memory::KnownTokens;
use memory::{Asking, Looked};

/// Remembers what another verifier said, so that it is asked once in a while and not for each
/// request.
///
/// A good token is believed for 30 seconds and never beyond its end, a refused one for 5; an outage
/// is never remembered. Of any number of requests with the same token that is not known, one asks,
/// and all get its answer. Tokens are kept by SHA-256 alone, in a bounded number: those that would
/// be forgotten first make room. Known tokens are answered without waiting for anybody.
///
/// So a token that is revoked elsewhere is good for up to half a minute more, unless whoever learns
/// of it says so ([`KnownTokens`]).
///
/// Spec: RFC 7662 §4.
///
/// ```
/// use oauth_resource::{AccessTokenVerifier, VerificationCache};
/// use oauth_types::Lifetime;
/// # fn cached(slow: impl AccessTokenVerifier, clock: std::sync::Arc<dyn oauth_types::env::Clock>) {
/// let quick = VerificationCache::new(slow, clock).for_at_most(Lifetime::seconds(10));
/// let known = quick.known();
/// // Somebody says that a token was revoked.
/// known.forget("the token");
/// # }
/// ```
pub struct VerificationCache<V> {
    verifier: V,
    clock: Arc<dyn Clock>,
    known: KnownTokens,
    good: Lifetime,
    refused: Lifetime,
}

impl<V: AccessTokenVerifier> VerificationCache<V> {
    /// Remembers what `verifier` says, about ten thousand tokens at once.
    pub fn new(verifier: V, clock: Arc<dyn Clock>) -> Self {
        Self {
            verifier,
            clock,
            known: KnownTokens::default(),
            good: Lifetime::seconds(30),
            refused: Lifetime::seconds(5),
        }
    }

    /// Believes in a good token for so long, and in a refusal for no longer. Default 30 and 5
    /// seconds; of zero, nothing is remembered and requests at once still ask once.
    #[must_use]
    pub fn for_at_most(mut self, good: Lifetime) -> Self {
        self.good = good;
        self.refused = self.refused.min(good);
        self
    }

    /// Remembers in `known`, which is this cache's alone: for a number of tokens of one's own, or
    /// where whoever learns of revocations has to be made first.
    #[must_use]
    pub fn remembering_in(mut self, known: KnownTokens) -> Self {
        self.known = known;
        self
    }

    /// What is remembered, for whoever learns that some of it has ended.
    pub fn known(&self) -> KnownTokens {
        self.known.clone()
    }

    async fn ask(
        &self,
        token: &str,
        asking: &Asking<'_>,
    ) -> Result<AccessClaims, VerificationError> {
        let outcome = self.verifier.verify(token).await;
        let now = self.clock.now();
        let (kept, until) = match &outcome {
            Ok(claims) => (
                Ok(claims.clone()),
                claims.expires_at.min(now.plus(self.good)),
            ),
            Err(VerificationError::Refused(why)) => (Err(*why), now.plus(self.refused)),
            Err(VerificationError::Unavailable(_)) => return outcome,
        };
        if now < until {
            asking.remember(kept, now, until);
        }
        outcome
    }
}

#[async_trait]
impl<V: AccessTokenVerifier> AccessTokenVerifier for VerificationCache<V> {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        let digest = SecretHash::of(token.as_bytes());
        let asking = match self.known.look(digest.as_bytes(), self.clock.now()) {
            Looked::Known(outcome) => return Ok(outcome?),
            Looked::Asking(asking) => asking,
        };
        // Apart, so that a known token carries nothing of this along.
        Box::pin(asking.once(self.ask(token, &asking))).await
    }
}

impl<V> std::fmt::Debug for VerificationCache<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerificationCache")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
