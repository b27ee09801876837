//! Tokens that are known, and tokens that somebody is asking about.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_lock::OnceCell;
use oauth_types::{AccessClaims, GrantId, SecretHash, Timestamp};

use crate::verify::{TokenRefused, VerificationError};

/// Parts that are locked apart from one another, each for the time of a look.
const SHARDS: usize = 64;
/// Tokens that are remembered, unless [`KnownTokens::with_room_for`] says otherwise.
const MOST: usize = 10_000;

type Digest = [u8; 32];
/// What all who ask about one token at once are told.
type Answer = OnceCell<Result<AccessClaims, VerificationError>>;

/// The tokens that a [`VerificationCache`](crate::VerificationCache) remembers. Clones are handles
/// on the same.
///
/// Whoever learns that tokens have ended says so here: from then on a request is answered by asking
/// anew, and what somebody was asking at that moment is not remembered.
#[derive(Clone)]
pub struct KnownTokens(Arc<Memory>);

struct Memory {
    shards: Box<[Mutex<Shard>]>,
    /// Tokens that a shard remembers.
    room: usize,
    /// How often something was to be forgotten.
    forgotten: AtomicU64,
}

#[derive(Default)]
struct Shard {
    known: HashMap<Digest, Known>,
    asked: HashMap<Digest, Arc<Answer>>,
}

struct Known {
    outcome: Result<AccessClaims, TokenRefused>,
    until: Timestamp,
}

impl KnownTokens {
    /// Remembers about so many tokens, of some 400 bytes each.
    pub fn with_room_for(tokens: usize) -> Self {
        Self(Arc::new(Memory {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            room: tokens.div_ceil(SHARDS).max(1),
            forgotten: AtomicU64::new(0),
        }))
    }

    /// A token has ended.
    pub fn forget(&self, token: &str) {
        let digest = SecretHash::of(token.as_bytes());
        self.0.note_forgotten();
        let mut shard = self.0.shard(digest.as_bytes());
        shard.known.remove(digest.as_bytes());
        shard.asked.remove(digest.as_bytes());
    }

    /// Everything under a grant has ended, as far as its tokens are known to be under it.
    pub fn forget_grant(&self, grant: &GrantId) {
        self.forget_those(|claims| claims.grant.as_ref() == Some(grant));
    }

    /// Anything may have ended.
    pub fn forget_all(&self) {
        self.forget_those(|_| true);
    }

    /// Walks over everything: this is seldom, and a look is often.
    fn forget_those(&self, ended: impl Fn(&AccessClaims) -> bool) {
        self.0.note_forgotten();
        for shard in &self.0.shards {
            let mut shard = lock(shard);
            shard
                .known
                .retain(|_, known| !known.outcome.as_ref().is_ok_and(&ended));
            // Whose token it is that somebody asks about is not known yet.
            shard.asked.clear();
        }
    }

    /// What is known of a token, or a place among those who ask about it.
    pub(super) fn look(&self, digest: &Digest, now: Timestamp) -> Looked<'_> {
        let mut shard = self.0.shard(digest);
        if let Some(known) = shard.known.get(digest).filter(|known| now < known.until) {
            return Looked::Known(known.outcome.clone());
        }
        let answer = Arc::clone(shard.asked.entry(*digest).or_default());
        Looked::Asking(Asking {
            memory: &self.0,
            digest: *digest,
            answer: Some(answer),
        })
    }

    #[cfg(test)]
    pub(super) fn counted(&self) -> (usize, usize) {
        let shards = self.0.shards.iter().map(lock);
        shards.fold((0, 0), |(known, asked), shard| {
            (known + shard.known.len(), asked + shard.asked.len())
        })
    }
}

impl Default for KnownTokens {
    fn default() -> Self {
        Self::with_room_for(MOST)
    }
}

impl std::fmt::Debug for KnownTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KnownTokens")
    }
}

impl Memory {
    fn shard(&self, digest: &Digest) -> MutexGuard<'_, Shard> {
        lock(&self.shards[usize::from(digest[0]) % SHARDS])
    }

    /// Before anything is forgotten, so that whoever remembers something later than this knows.
    fn note_forgotten(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }
}

impl Shard {
    /// Makes room for a token: what ends first goes, and that is what has ended.
    fn make_room(&mut self, room: usize, digest: &Digest) {
        if self.known.len() < room || self.known.contains_key(digest) {
            return;
        }
        let first = self.known.iter().min_by_key(|(_, known)| known.until);
        if let Some(first) = first.map(|(digest, _)| *digest) {
            self.known.remove(&first);
        }
    }
}

/// What a look finds.
pub(super) enum Looked<'a> {
    Known(Result<AccessClaims, TokenRefused>),
    Asking(Asking<'a>),
}

/// A place among those who ask about one token.
pub(super) struct Asking<'a> {
    memory: &'a Memory,
    digest: Digest,
    /// Always there, until this is dropped.
    answer: Option<Arc<Answer>>,
}

impl Asking<'_> {
    /// The answer of whoever among them asks; if that one gives up, the next asks.
    pub(super) async fn once(
        &self,
        ask: impl Future<Output = Result<AccessClaims, VerificationError>>,
    ) -> Result<AccessClaims, VerificationError> {
        match &self.answer {
            Some(answer) => answer.get_or_init(|| ask).await.clone(),
            None => ask.await,
        }
    }

    /// When it is that somebody begins to ask, to be told to [`Self::note`].
    pub(super) fn begun(&self) -> u64 {
        self.memory.forgotten.load(Ordering::SeqCst)
    }

    /// Remembers an answer, unless something was to be forgotten since it was asked for: it may
    /// be older than that.
    pub(super) fn note(
        &self,
        begun: u64,
        outcome: Result<AccessClaims, TokenRefused>,
        until: Timestamp,
    ) {
        let mut shard = self.memory.shard(&self.digest);
        // Whoever forgets later than this look waits for the shard, and finds it there.
        if self.begun() == begun {
            shard.make_room(self.memory.room, &self.digest);
            shard.known.insert(self.digest, Known { outcome, until });
        }
    }
}

impl Drop for Asking<'_> {
    /// The last one leaves nothing behind, and nobody joins those who have their answer.
    fn drop(&mut self) {
        let Some(answer) = self.answer.take() else {
            return;
        };
        let mut shard = self.memory.shard(&self.digest);
        let ours = |held: &Arc<Answer>| Arc::ptr_eq(held, &answer);
        let over = answer.is_initialized() || Arc::strong_count(&answer) == 2;
        if over && shard.asked.get(&self.digest).is_some_and(ours) {
            shard.asked.remove(&self.digest);
        }
        // Before the shard is left, or two who leave at once would each count the other.
        drop(answer);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
