//! Access tokens that are signed: believed by the keys of those who issue them.

mod issuer;
mod kind;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use oauth_jose::{Claims, InvalidJws, Jws, RemoteError, VerifyError};
use oauth_types::env::Clock;
use oauth_types::outbound::{NoOutbound, Outbound};
use oauth_types::{AccessClaims, Issuer, Timestamp};

use crate::verify::{AccessTokenVerifier, TokenRefused, VerificationError, VerifierUnavailable};
use issuer::Keys;

pub use issuer::TrustedIssuer;

/// Verifies JWT access tokens of the issuers it trusts, each by its own keys and rules.
///
/// A token is an access token by its type (`at+jwt`), is signed by a key of the very issuer that it
/// names, says when it expires, and holds now. What it is good for is read with the issuer's
/// [`ClaimMapping`](crate::ClaimMapping). Nothing in the token says where a key is or which rules
/// there are: `jwk`, `jku`, `x5c` and `x5u` mean nothing, and `crit` is refused.
///
/// What can be judged without a key is judged first, and keys are fetched for no token that would
/// be refused anyway. Spec: RFC 9068 §4, RFC 8725 §3.
///
/// ```
/// use std::sync::Arc;
///
/// use oauth_resource::{AccessTokenVerifier, ClaimMapping, JwtVerifier, TrustedIssuer};
/// use oauth_types::env::Clock;
/// use oauth_types::outbound::Outbound;
/// use oauth_types::{Issuer, ResourceUri};
///
/// /// `outbound` is `oauth_hyper::GuardedTransport`, `clock` is `oauth_types::env::SystemClock`.
/// fn verifier(
///     clock: impl Clock + 'static,
///     outbound: impl Outbound + 'static,
/// ) -> Result<Arc<dyn AccessTokenVerifier>, Box<dyn std::error::Error>> {
///     let mcp = ResourceUri::parse("https://mcp.example/mcp")?;
///     // An issuer that keeps to RFC 9068, and one that has its own ways.
///     let ours = Issuer::parse("https://auth.example")?;
///     let theirs = Issuer::parse("https://login.example/tenant/v2.0")?;
///     let verifier = JwtVerifier::new(clock)
///         .fetching(outbound)
///         .trusting(TrustedIssuer::with_jwks_uri(ours, "https://auth.example/jwks"))
///         .trusting(
///             TrustedIssuer::with_jwks_uri(theirs, "https://login.example/tenant/keys")
///                 .danger_plain_jwt()
///                 .mapping(ClaimMapping::default().audience("api://mcp", mcp)),
///         );
///     Ok(Arc::new(verifier))
/// }
/// ```
pub struct JwtVerifier {
    issuers: HashMap<String, TrustedIssuer>,
    clock: Arc<dyn Clock>,
    outbound: Arc<dyn Outbound>,
}

/// The keys of an issuer are not to be had.
#[derive(Debug, thiserror::Error)]
#[error("the keys of {issuer} are not to be had")]
struct KeysUnavailable {
    issuer: Issuer,
    #[source]
    cause: RemoteError,
}

impl JwtVerifier {
    /// Trusts nobody yet, and fetches nothing.
    pub fn new(clock: impl Clock + 'static) -> Self {
        Self {
            issuers: HashMap::new(),
            clock: Arc::new(clock),
            outbound: Arc::new(NoOutbound),
        }
    }

    /// Fetches keys through this port.
    #[must_use]
    pub fn fetching(mut self, outbound: impl Outbound + 'static) -> Self {
        self.outbound = Arc::new(outbound);
        self
    }

    /// Accepts tokens of this issuer. One that was named before is replaced.
    #[must_use]
    pub fn trusting(mut self, issuer: TrustedIssuer) -> Self {
        let name = issuer.issuer.as_str().to_owned();
        self.issuers.insert(name, issuer);
        self
    }
}

impl std::fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl AccessTokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        let now = self.clock.now();
        let jws = Jws::parse(token).map_err(TokenRefused::from)?;
        let claims = jws.unverified_claims();
        // RFC 8725 §3.8: whose keys are tried is said by the issuer alone, byte for byte.
        let named = claims.issuer();
        let trusted = named.and_then(|named| self.issuers.get(named));
        let trusted = trusted.ok_or(TokenRefused::Issuer)?;
        trusted.kinds.judge(jws.typ(), claims, &trusted.mapping)?;
        trusted.judge_times(claims, now)?;
        match &trusted.keys {
            Keys::Given(keys) => {
                let verified = jws.verify(keys, &trusted.algorithms);
                verified.map_err(TokenRefused::from)?;
            }
            Keys::Published { set, at } => {
                let verified = set.verify(&jws, &trusted.algorithms, &**at, &*self.outbound, now);
                verified
                    .await
                    .map_err(|error| trusted.not_verified(error))?;
            }
        }
        let claims = jws.into_unverified_claims();
        Ok(trusted.mapping.read(&trusted.issuer, claims, None)?)
    }
}

impl TrustedIssuer {
    /// Whether a token holds now: it has not ended, has begun, and was made.
    fn judge_times(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenRefused> {
        let latest = now.plus(self.leeway);
        let end = claims.expires_at.ok_or(TokenRefused::Endless)?;
        if now >= end.plus(self.leeway) {
            return Err(TokenRefused::Expired);
        }
        let begins = [claims.not_before, claims.issued_at];
        if begins.into_iter().flatten().any(|at| at > latest) {
            return Err(TokenRefused::NotYetValid);
        }
        Ok(())
    }

    fn not_verified(&self, error: RemoteError) -> VerificationError {
        match error {
            RemoteError::Refused(why) => TokenRefused::from(why).into(),
            RemoteError::Unavailable { retry_after, .. } => {
                let issuer = self.issuer.clone();
                let outage = KeysUnavailable {
                    issuer,
                    cause: error,
                };
                VerifierUnavailable::new(outage).until(retry_after).into()
            }
        }
    }
}

impl From<InvalidJws> for TokenRefused {
    fn from(error: InvalidJws) -> Self {
        match error {
            InvalidJws::Algorithm => Self::Algorithm,
            InvalidJws::Critical => Self::Critical,
            _ => Self::Malformed,
        }
    }
}

impl From<VerifyError> for TokenRefused {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Algorithm => Self::Algorithm,
            VerifyError::UnknownKey => Self::UnknownKey,
            _ => Self::Signature,
        }
    }
}
