//! Changing keys while servers run.
//!
//! A key is *next* for a while, known to every server and used by none; then it is *active*, and
//! everything new is made under it; then it is *retiring*, and good for what was made under it
//! until nothing of that can be left. Which is which follows from the dates in the ring and the
//! clock, so servers need only read the ring now and then to agree.

use std::sync::{Arc, PoisonError};

use oauth_storage::{KeyRingId, KeyRingRecord, Replace, StorageErrorKind, Versioned};
use oauth_types::Lifetime;

use crate::event::Event;
use crate::keys::{KeyRing, KeyRingError, StoredKey, StoredRing};
use crate::server::AuthorizationServer;

/// How long a key is known before it is used. Servers read the ring at least twice in that time.
pub const KEY_ANNOUNCEMENT: Lifetime = Lifetime::minutes(10);
/// Rounds of compare-and-set on the ring.
const ROUNDS: usize = 64;

impl AuthorizationServer {
    /// The keys as last read.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the ring again: what another server has changed counts here from now on. Call it
    /// once a minute.
    ///
    /// # Errors
    /// See [`KeyRingError`]; the keys that were in use stay in use.
    pub async fn refresh_keys(&self) -> Result<(), KeyRingError> {
        let read = async {
            let found = self.storage.keys().find(&KeyRingId).await?;
            let found = found.ok_or(KeyRingError::Sealed)?;
            self.take_up(&found.record)
        };
        let read = read.await;
        if let Err(error) = &read {
            let reason = error.as_str();
            self.record(Event::KeysUnreadable { reason });
        }
        read
    }

    /// Announces a new key for everything: sealing, tagging, deriving and signing. It is used
    /// from [`KEY_ANNOUNCEMENT`] on by every server that reads the ring meanwhile; keys under
    /// which nothing can be left are dropped. One compare-and-set.
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub async fn rotate_keys(&self) -> Result<(), KeyRingError> {
        let now = self.now();
        let policy = self.policy();
        let longest = policy
            .grant_lifetime
            .as_seconds()
            .max(policy.session_lifetime.as_seconds());
        let kept = Lifetime::seconds(longest.saturating_add(2 * policy.clock_skew.as_seconds()));
        self.change_ring(|ring| {
            let from = now.plus(KEY_ANNOUNCEMENT).as_unix();
            let id = ring.next_id().ok_or(KeyRingError::Full)?;
            for keys in [&mut ring.keys, &mut ring.signing] {
                keys.push(StoredKey::draw(id, from, self.entropy())?);
                // A key ends where the next begins; what was made under it lasts no longer.
                while keys.len() > 2
                    && now.as_unix() > keys[1].from.saturating_add(kept.as_seconds())
                {
                    keys.remove(0);
                }
            }
            Ok(())
        })
        .await?;
        self.record(Event::KeysRotated);
        Ok(())
    }

    /// Ends everything of this issuer: every code, token, sign-in and sealed request. For after a
    /// backup was restored, since what was revoked after it has come back to life, and for keys
    /// that became known. New keys are used at once; servers that have not read the ring yet
    /// refuse what is made under them, for a minute at the most.
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub async fn fence(&self) -> Result<(), KeyRingError> {
        self.change_ring(|ring| {
            let id = ring.next_id().ok_or(KeyRingError::Full)?;
            ring.epoch = ring.epoch.saturating_add(1);
            ring.keys = vec![StoredKey::draw(id, 0, self.entropy())?];
            ring.signing = vec![StoredKey::draw(id, 0, self.entropy())?];
            Ok(())
        })
        .await?;
        self.record(Event::Fenced);
        Ok(())
    }

    /// Seals the ring under the root secret that this server seals with, whichever of its others
    /// opened it. The keys stay what they are, so nobody notices; a server that cannot open the
    /// ring any more goes on with the keys it has, and says so at each
    /// [reading](Self::refresh_keys). One compare-and-set.
    ///
    /// # Errors
    /// See [`KeyRingError`].
    pub async fn rewrap_keys(&self) -> Result<(), KeyRingError> {
        self.change_ring(|_| Ok(())).await?;
        self.record(Event::KeysRewrapped);
        Ok(())
    }

    async fn change_ring(
        &self,
        change: impl Fn(&mut StoredRing) -> Result<(), KeyRingError>,
    ) -> Result<(), KeyRingError> {
        let keys = self.storage.keys();
        for _ in 0..ROUNDS {
            let found: Option<Versioned<KeyRingRecord>> = keys.find(&KeyRingId).await?;
            let found = found.ok_or(KeyRingError::Sealed)?;
            let mut ring = StoredRing::unseal(&found.record, &self.config.issuer, &self.root)?;
            change(&mut ring)?;
            let mut next = ring.seal(&self.config.issuer, &self.root, self.entropy())?;
            next.unknown.clone_from(&found.record.unknown);
            if let Replace::Replaced(_) = keys.replace(found.revision, next.clone()).await? {
                return self.take_up(&next);
            }
        }
        Err(oauth_storage::StorageError::from(StorageErrorKind::Contended).into())
    }

    fn take_up(&self, record: &KeyRingRecord) -> Result<(), KeyRingError> {
        let stored = StoredRing::unseal(record, &self.config.issuer, &self.root)?;
        let ring = KeyRing::parse(&stored, self.now()).ok_or(KeyRingError::Sealed)?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }
}
