//! The keys that clients publish at an address of theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use oauth_jose::{Algorithm, Jws, Patience, RemoteError, RemoteKeySet};
use oauth_types::Timestamp;
use oauth_types::outbound::Outbound;

use super::ClientAuthError;

/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 1_000;

/// Key sets by address. Bounded.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<HashMap<String, Remembered>>);

struct Remembered {
    used_at: Timestamp,
    keys: Arc<RemoteKeySet>,
}

impl KeyCache {
    /// Whether one of the keys at `uri` signed the token.
    ///
    /// # Errors
    /// [`ClientAuthError::KeysUnavailable`] when the keys that would tell are not to be had. Who
    /// made us ask does not learn why.
    pub(super) async fn verify(
        &self,
        jws: &Jws<'_>,
        uri: &str,
        outbound: &dyn Outbound,
        now: Timestamp,
    ) -> Result<bool, ClientAuthError> {
        let (keys, location) = (self.remembered(uri, now), uri.to_owned());
        let verified = keys.verify(jws, Algorithm::ALL, &location, outbound, now);
        match verified.await {
            Ok(()) => Ok(true),
            Err(RemoteError::Refused(_)) => Ok(false),
            Err(RemoteError::Unavailable { .. }) => Err(ClientAuthError::KeysUnavailable),
        }
    }

    fn remembered(&self, uri: &str, now: Timestamp) -> Arc<RemoteKeySet> {
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
                keys: Arc::new(RemoteKeySet::new(Patience::STRANGER)),
            });
        held.used_at = now;
        Arc::clone(&held.keys)
    }
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
