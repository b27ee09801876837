//! Limits on guessing and flooding.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_storage::{Attempt, Hit, StorageError};
use oauth_types::{Lifetime, SecretHash, Timestamp};

pub use oauth_storage::RateLimiter;

/// So many attempts in so much time.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limit {
    /// What is counted: part of the key.
    pub name: &'static str,
    /// How many attempts.
    pub attempts: u32,
    /// In how much time.
    pub per: Lifetime,
}

impl Limit {
    /// Authorization requests that name one client from one address, before anything is read.
    pub const AUTHORIZATION: Self = Self::new("authorization", 300, Lifetime::minutes(1));
    /// Sound authorization requests from one address: what a person or a remembered yes is to
    /// answer. Offices and clouds share an address.
    pub const TRANSACTIONS: Self = Self::new("transactions", 1_200, Lifetime::minutes(1));
    /// Sign-in attempts for one name from one network.
    pub const SIGN_IN: Self = Self::new("sign_in", 10, Lifetime::minutes(5));
    /// Sign-in attempts for one name from anywhere.
    pub const SIGN_IN_ANYWHERE: Self = Self::new("sign_in_anywhere", 100, Lifetime::minutes(5));
    /// Registrations from one address.
    pub const REGISTRATION: Self = Self::new("registration", 20, Lifetime::minutes(60));
    /// Documents fetched from one host.
    pub const METADATA_DOCUMENTS: Self = Self::new("metadata_documents", 60, Lifetime::minutes(1));
    /// Wrong verifiers for one code from one address.
    pub const VERIFIER: Self = Self::new("verifier", 5, Lifetime::seconds(60));
    /// Failed client authentications for one client from one address.
    pub const CLIENT_AUTHENTICATION: Self =
        Self::new("client_authentication", 20, Lifetime::minutes(1));

    /// Token requests of one client from one address, once it has proven itself and before
    /// anything is consumed. A hosted client refreshes for many people from a few addresses.
    pub const TOKENS: Self = Self::new("tokens", 30_000, Lifetime::minutes(1));
    /// Revocations by one client from one address.
    pub const REVOCATION: Self = Self::new("revocation", 3_000, Lifetime::minutes(1));
    /// Codes and refresh tokens of one client from one address that were not good.
    pub const REFUSED_GRANTS: Self = Self::new("refused_grants", 60, Lifetime::minutes(1));
    /// Tokens that one resource server asked about and that were not active.
    pub const INACTIVE_TOKENS: Self = Self::new("inactive_tokens", 600, Lifetime::minutes(1));

    /// Operator credentials from one address that were none.
    pub const OPERATOR_CREDENTIAL: Self =
        Self::new("operator_credential", 20, Lifetime::minutes(1));

    /// All of the above: what this server counts.
    pub const ALL: [Self; 13] = [
        Self::AUTHORIZATION,
        Self::TRANSACTIONS,
        Self::SIGN_IN,
        Self::SIGN_IN_ANYWHERE,
        Self::REGISTRATION,
        Self::METADATA_DOCUMENTS,
        Self::VERIFIER,
        Self::CLIENT_AUTHENTICATION,
        Self::OPERATOR_CREDENTIAL,
        Self::TOKENS,
        Self::REVOCATION,
        Self::REFUSED_GRANTS,
        Self::INACTIVE_TOKENS,
    ];

    /// The limit of this name, for configuration.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name == name)
    }

    /// A limit of one's own.
    pub const fn new(name: &'static str, attempts: u32, per: Lifetime) -> Self {
        Self {
            name,
            attempts,
            per,
        }
    }
}

/// What an operator wants otherwise than a [`Limit`] says itself.
///
/// ```
/// use oauth_core::{Limit, Limits};
/// use oauth_core::types::Lifetime;
/// let limits = Limits::default()
///     .allow(&Limit::SIGN_IN, 5, Lifetime::minutes(10))
///     .off(&Limit::AUTHORIZATION);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Limits(BTreeMap<&'static str, Option<(u32, Lifetime)>>);

impl Limits {
    /// Allows so many attempts in so much time. None at all is allowed to be the number.
    #[must_use]
    pub fn allow(mut self, limit: &Limit, attempts: u32, per: Lifetime) -> Self {
        self.0.insert(limit.name, Some((attempts, per)));
        self
    }

    /// Counts this not at all.
    #[must_use]
    pub fn off(mut self, limit: &Limit) -> Self {
        self.0.insert(limit.name, None);
        self
    }

    /// The limit as it is to be; `None` when it is off.
    pub(crate) fn of(&self, limit: &Limit) -> Option<Limit> {
        match self.0.get(limit.name) {
            None => Some(*limit),
            Some(own) => own.map(|(attempts, per)| Limit::new(limit.name, attempts, per)),
        }
    }
}

/// Bytes of a key that is kept as it is.
const LONGEST_KEY: usize = 128;

/// A key of bounded length: a stranger's identifier can be as long as a request.
pub(crate) fn bounded(key: &str) -> Cow<'_, str> {
    if key.len() <= LONGEST_KEY {
        return Cow::Borrowed(key);
    }
    let digest = SecretHash::of(key.as_bytes());
    Cow::Owned(URL_SAFE_NO_PAD.encode(digest.as_bytes()))
}

/// Too many attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts")]
pub struct Limited {
    /// When to try again.
    pub retry_after: Lifetime,
}

/// Where a request came from, as far as it is known. IPv6 counts by /64 and sign-ins count more
/// coarsely still, because one household has many addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Source(pub Option<IpAddr>);

impl Source {
    /// The address as a key: a single IPv4 address, or an IPv6 /64.
    pub fn key(self) -> String {
        match self.0 {
            None => "unknown".to_owned(),
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(address) => address.to_string(),
                None => format!("{:x?}", &address.segments()[..4]),
            },
        }
    }

    /// The neighbourhood as a key: an IPv4 /24, or an IPv6 /56.
    pub fn neighbourhood(self) -> String {
        match self.0.map(|address| address.to_canonical()) {
            None => "unknown".to_owned(),
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Some(IpAddr::V6(address)) => {
                let network = u128::from(address) >> 72 << 72;
                format!("{}/56", Ipv6Addr::from(network))
            }
        }
    }
}

/// No limit at all: for load tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct DangerNoLimits;

#[async_trait]
impl RateLimiter for DangerNoLimits {
    async fn hit(&self, _: Attempt<'_>, _: Timestamp) -> Result<Hit, StorageError> {
        Ok(Hit::Allowed)
    }
}

/// Counts in this process, in fixed windows. Bounded: a shard that is full of live windows forgets
/// the oldest half, which an attacker can only use to be limited a little later.
#[derive(Debug)]
pub struct InProcessLimiter {
    /// Many, so that requests seldom wait for one another, and a clearing never long.
    shards: Vec<Mutex<HashMap<String, (Timestamp, u32)>>>,
    spread: RandomState,
}

const SHARDS: usize = 64;
const MOST_WINDOWS: usize = 100_000 / SHARDS;

impl Default for InProcessLimiter {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            spread: RandomState::new(),
        }
    }
}

impl InProcessLimiter {
    pub(crate) fn count(&self, attempt: Attempt<'_>, now: Timestamp) -> Hit {
        let key = format!("{}|{}", attempt.what, attempt.by);
        let shard = self.spread.hash_one(&key) as usize % SHARDS;
        let mut windows = self.shards[shard]
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if windows.len() >= MOST_WINDOWS {
            let mut starts: Vec<Timestamp> = windows.values().map(|(start, _)| *start).collect();
            let middle = starts.len() / 2;
            let median = *starts.select_nth_unstable(middle).1;
            windows.retain(|_, (start, _)| *start > median);
        }
        let (start, count) = windows.entry(key).or_insert((now, 0));
        if now.since(*start) >= attempt.per {
            (*start, *count) = (now, 0);
        }
        if *count >= attempt.allowed {
            let elapsed = now.since(*start).as_seconds();
            let left = attempt.per.as_seconds().saturating_sub(elapsed).max(1);
            return Hit::TooMany {
                retry_after: Lifetime::seconds(left),
            };
        }
        *count += 1;
        Hit::Allowed
    }
}

#[async_trait]
impl RateLimiter for InProcessLimiter {
    async fn hit(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<Hit, StorageError> {
        Ok(self.count(attempt, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_words_do_not_fill_the_memory() {
        let long = "x".repeat(60_000);
        assert_eq!(bounded("alice|203.0.113.0/24"), "alice|203.0.113.0/24");
        assert_eq!(bounded(&long).len(), 43);
        assert_ne!(bounded(&long), bounded(&long[1..]));
        let limiter = InProcessLimiter::default();
        for number in 0..200_000 {
            let now = Timestamp::from_unix(1_800_000_000 + number / 1_000);
            let key = number.to_string();
            let Limit {
                name: what,
                attempts: allowed,
                per,
            } = Limit::SIGN_IN;
            let attempt = Attempt {
                what,
                by: &key,
                allowed,
                per,
            };
            assert_eq!(limiter.count(attempt, now), Hit::Allowed);
        }
        let held = |shard: &Mutex<HashMap<_, _>>| shard.lock().unwrap().len();
        assert!(limiter.shards.iter().map(held).sum::<usize>() <= 100_000);
    }

    #[test]
    fn every_limit_has_a_name_of_its_own() {
        for (at, limit) in Limit::ALL.iter().enumerate() {
            let found = Limit::ALL.iter().position(|other| other.name == limit.name);
            assert_eq!(found, Some(at));
            assert_eq!(Limit::named(limit.name).unwrap().attempts, limit.attempts);
        }
        assert!(Limit::named("sign-in").is_none());
    }
}
