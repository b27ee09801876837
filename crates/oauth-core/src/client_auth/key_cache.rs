//! The keys that clients publish at an address of theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use oauth_jose::{Algorithm, Jws, KeySet, VerifyError};
use oauth_types::{Lifetime, Timestamp};

use super::ClientAuthError;
use oauth_types::outbound::{Fetch, Outbound};

/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 1_000;
/// Bytes of a key set.
const LONGEST_DOCUMENT: usize = 64 * 1024;
/// An address is asked once in this time at the most, whatever is presented and however it
/// answers.
const BETWEEN_FETCHES: Lifetime = Lifetime::minutes(1);
/// How long an answer is good for that does not say.
const FRESH: Lifetime = Lifetime::minutes(10);
/// How long it is good for at the most: a key that was withdrawn ends then.
const FRESH_AT_MOST: Lifetime = Lifetime::minutes(60);

/// Key sets by address. Bounded; of many requests that need the same one, one fetches it and the
/// others wait for that.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<HashMap<String, Remembered>>);

struct Remembered {
    used_at: Timestamp,
    known: Arc<async_lock::Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    keys: Option<Arc<KeySet>>,
    fresh_until: Option<Timestamp>,
    fetched_at: Option<Timestamp>,
}

impl KeyCache {
    /// Whether one of the keys at `uri` signed the token. The address is asked when nothing fresh
    /// is known of it, or nothing known is the token's; a fetch that is abandoned halfway counts
    /// for nothing.
    ///
    /// # Errors
    /// [`ClientAuthError::KeysUnavailable`] when no fresh keys are to be had.
    pub(super) async fn verify(
        &self,
        jws: &Jws<'_>,
        uri: &str,
        outbound: &dyn Outbound,
        now: Timestamp,
    ) -> Result<bool, ClientAuthError> {
        let known = self.remembered(uri, now);
        let mut known = known.lock().await;
        let fresh = known
            .keys
            .clone()
            .filter(|_| known.fresh_until.is_some_and(|until| now < until));
        if let Some(keys) = &fresh {
            match jws.verify(keys, Algorithm::ALL) {
                Err(VerifyError::UnknownKey) => {}
                verified => return Ok(verified.is_ok()),
            }
        }
        let wait = |at: Timestamp| now.since(at) < BETWEEN_FETCHES;
        let fetched = if known.fetched_at.is_some_and(wait) {
            None
        } else {
            let fetched = fetch(uri, outbound, now).await;
            known.fetched_at = Some(now);
            fetched
        };
        match (fetched, fresh) {
            (Some((keys, lifetime)), _) => {
                let verified = jws.verify(&keys, Algorithm::ALL).is_ok();
                known.keys = Some(Arc::new(keys));
                known.fresh_until = Some(now.plus(lifetime));
                Ok(verified)
            }
            (None, Some(_)) => Ok(false),
            (None, None) => Err(ClientAuthError::KeysUnavailable),
        }
    }

    fn remembered(&self, uri: &str, now: Timestamp) -> Arc<async_lock::Mutex<Known>> {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= MOST_ADDRESSES && !addresses.contains_key(uri) {
            let oldest = addresses.iter().min_by_key(|(_, held)| held.used_at);
            if let Some(oldest) = oldest.map(|(uri, _)| uri.clone()) {
                addresses.remove(&oldest);
            }
        }
        let held = addresses
            .entry(uri.to_owned())
            .or_insert_with(|| Remembered {
                used_at: now,
                known: Arc::default(),
            });
        held.used_at = now;
        Arc::clone(&held.known)
    }
}

/// The keys at an address, and for how long they are good: never less than the time between
/// fetches. `None` however it failed: who made us ask does not learn it.
async fn fetch(uri: &str, outbound: &dyn Outbound, now: Timestamp) -> Option<(KeySet, Lifetime)> {
    let fetched = outbound
        .fetch(&Fetch::of(uri, LONGEST_DOCUMENT))
        .await
        .ok()?;
    if fetched.status != 200 {
        return None;
    }
    let keys = KeySet::parse(&fetched.body).ok()?;
    let lifetime = fetched.freshness(now).unwrap_or(FRESH);
    Some((keys, lifetime.clamp(BETWEEN_FETCHES, FRESH_AT_MOST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_address_is_forgotten() {
        let cache = KeyCache::default();
        for count in 0..2 * MOST_ADDRESSES as u64 {
            cache.remembered("https://kept.example", Timestamp::from_unix(count));
            cache.remembered(&count.to_string(), Timestamp::from_unix(count));
        }
        let addresses = cache.0.lock().unwrap();
        assert_eq!(addresses.len(), MOST_ADDRESSES);
        assert!(addresses.contains_key("https://kept.example"));
    }
}
