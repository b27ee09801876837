//! Limits on guessing and flooding.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use oauth_storage::{Attempt, Hit, StorageError};
use oauth_types::{Lifetime, Timestamp};

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

    /// Codes and refresh tokens of one client from one address that were not good.
    pub const REFUSED_GRANTS: Self = Self::new("refused_grants", 60, Lifetime::minutes(1));
    /// Tokens that one resource server asked about and that were not active.
    pub const INACTIVE_TOKENS: Self = Self::new("inactive_tokens", 600, Lifetime::minutes(1));

    /// Operator credentials from one address that were none.
    pub const OPERATOR_CREDENTIAL: Self =
        Self::new("operator_credential", 20, Lifetime::minutes(1));

    /// A limit of one's own.
    pub const fn new(name: &'static str, attempts: u32, per: Lifetime) -> Self {
        Self {
            name,
            attempts,
            per,
        }
    }
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
            Some(IpAddr::V4(address)) => format!("{:?}", &address.octets()[..3]),
            Some(IpAddr::V6(address)) => format!("{:x?}", &address.octets()[..7]),
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

/// Counts in this process, in fixed windows. Bounded: when full of live windows it forgets the
/// oldest half, which an attacker can only use to be limited a little later.
#[derive(Debug, Default)]
pub struct InProcessLimiter(Mutex<HashMap<String, (Timestamp, u32)>>);

const MOST_WINDOWS: usize = 100_000;

impl InProcessLimiter {
    pub(crate) fn count(&self, attempt: Attempt<'_>, now: Timestamp) -> Hit {
        let mut windows = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if windows.len() >= MOST_WINDOWS {
            let mut starts: Vec<Timestamp> = windows.values().map(|(start, _)| *start).collect();
            let middle = starts.len() / 2;
            let median = *starts.select_nth_unstable(middle).1;
            windows.retain(|_, (start, _)| *start > median);
        }
        let (start, count) = windows
            .entry(format!("{}|{}", attempt.what, attempt.by))
            .or_insert((now, 0));
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
