//! One issuer: its keys and its rules.

use std::sync::Arc;

use oauth_jose::{Algorithm, JwksLocation, KeySet, Patience, RemoteKeySet};
use oauth_types::{Issuer, Lifetime};

use super::kind::Kinds;
use crate::mapping::ClaimMapping;

/// How far clocks may differ, unless something else is said.
const LEEWAY: Lifetime = Lifetime::seconds(5);
/// How far they may differ at the most.
const MOST_LEEWAY: Lifetime = Lifetime::seconds(60);

/// An issuer whose signed access tokens are accepted: where its keys are, and what its tokens look
/// like.
#[derive(Debug)]
pub struct TrustedIssuer {
    pub(super) issuer: Issuer,
    pub(super) keys: Keys,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) kinds: Kinds,
    pub(super) leeway: Lifetime,
    pub(super) mapping: ClaimMapping,
}

pub(super) enum Keys {
    Given(KeySet),
    Published {
        set: RemoteKeySet,
        at: Arc<dyn JwksLocation>,
    },
}

impl TrustedIssuer {
    /// An issuer whose keys are these and no others, until the program ends.
    pub fn with_keys(issuer: Issuer, keys: KeySet) -> Self {
        Self::new(issuer, Keys::Given(keys))
    }

    /// An issuer that publishes its keys at this address: https, absolute.
    pub fn with_jwks_uri(issuer: Issuer, jwks_uri: impl Into<String>) -> Self {
        Self::with_keys_at(issuer, Arc::new(jwks_uri.into()))
    }

    /// An issuer whose keys are where `location` finds out. It is asked each time before keys are
    /// fetched, so keys that move are found again.
    pub fn with_keys_at(issuer: Issuer, location: Arc<dyn JwksLocation>) -> Self {
        let keys = Keys::Published {
            set: RemoteKeySet::new(Patience::TRUSTED),
            at: location,
        };
        Self::new(issuer, keys)
    }

    fn new(issuer: Issuer, keys: Keys) -> Self {
        Self {
            issuer,
            keys,
            algorithms: Algorithm::ALL.to_vec(),
            kinds: Kinds::Typed,
            leeway: LEEWAY,
            mapping: ClaimMapping::default(),
        }
    }

    /// How its claims are to be read.
    #[must_use]
    pub fn mapping(mut self, mapping: ClaimMapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// Only signatures of these algorithms count. Without this, all that there are: each is
    /// asymmetric, and each key is for those of its own type alone. Spec: RFC 8725 §3.1.
    #[must_use]
    pub fn algorithms(mut self, allowed: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = allowed.into_iter().collect();
        self
    }

    /// How far its clock may differ from ours, up to a minute; five seconds without this.
    #[must_use]
    pub fn leeway(mut self, leeway: Lifetime) -> Self {
        self.leeway = leeway.min(MOST_LEEWAY);
        self
    }

    /// Accepts tokens of the general type `JWT` or of none as well: for the many issuers that do not
    /// say `at+jwt`. What looks like an ID token or another token of theirs is refused, and so is a
    /// token that does not speak of scopes at all, but that is a judgement by appearance: an issuer
    /// that says the type is safer. Spec: RFC 9068 §4, RFC 8725 §3.11.
    #[must_use]
    pub fn danger_plain_jwt(mut self) -> Self {
        self.kinds = Kinds::Plain;
        self
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Given(_) => "Given",
            Self::Published { .. } => "Published",
        })
    }
}
