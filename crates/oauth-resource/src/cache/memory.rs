//! Tokens that are known, and tokens that somebody is asking about.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_lock::OnceCell;
use oauth_types::{AccessClaims, GrantId, Lifetime, SecretHash, Timestamp};

use crate::verify::{TokenRefused, VerificationError};

/// Parts that are locked apart from one another, each for the time of a look.
const SHARDS: usize = 64;
/// Tokens that are remembered, unless [`KnownTokens::with_room_for`] says otherwise.
const MOST: usize = 10_000;
/// A clock may go back by so much without a token being asked about anew.
const CLOCK_STEP: Lifetime = Lifetime::seconds(5);

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
    /// The remembered tokens of each grant. Taken while a shard is held, and never the reverse.
    grants: Mutex<HashMap<GrantId, Vec<Digest>>>,
    /// How often something was to be forgotten.
    forgotten: AtomicU64,
}

#[derive(Default)]
struct Shard {
    known: HashMap<Digest, Known>,
    asked: HashMap<Digest, Arc<Question>>,
}

struct Known {
    outcome: Result<AccessClaims, TokenRefused>,
    since: Timestamp,
    until: Timestamp,
}

/// What somebody is asking.
struct Question {
    /// What [`Memory::forgotten`] was before.
    begun: u64,
    answer: Answer,
}

impl KnownTokens {
    /// Remembers about so many tokens, of some 500 bytes each.
    pub fn with_room_for(tokens: usize) -> Self {
        Self(Arc::new(Memory {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            room: tokens.div_ceil(SHARDS).max(1),
            grants: Mutex::default(),
            forgotten: AtomicU64::new(0),
        }))
    }

    /// A token has ended.
    pub fn forget(&self, token: &str) {
        let digest = *SecretHash::of(token.as_bytes()).as_bytes();
        self.0.note_forgotten();
        self.0.remove(&digest);
    }

    /// Everything under a grant has ended, as far as the verifier says which grant a token is
    /// under ([`AccessClaims::grant`]).
    pub fn forget_grant(&self, grant: &GrantId) {
        self.0.note_forgotten();
        let digests = lock(&self.0.grants).remove(grant).unwrap_or_default();
        for digest in &digests {
            self.0.remove(digest);
        }
    }

    /// Anything may have ended.
    pub fn forget_all(&self) {
        self.0.note_forgotten();
        for shard in &self.0.shards {
            let mut shard = lock(shard);
            for (digest, known) in shard.known.drain() {
                self.0.forget_name(&digest, known.grant());
            }
        }
    }

    /// What is known of a token, or a place among those who ask about it.
    pub(super) fn look(&self, digest: &Digest, now: Timestamp) -> Looked<'_> {
        let mut shard = lock(self.0.shard(digest));
        if let Some(known) = shard.known.get(digest).filter(|known| known.holds(now)) {
            return Looked::Known(known.outcome.clone());
        }
        let begun = self.0.forgotten.load(Ordering::SeqCst);
        // What was asked before something was to be forgotten may be answered as of then.
        let asked = shard.asked.get(digest);
        let question = match asked.filter(|question| question.begun == begun) {
            Some(question) => Arc::clone(question),
            None => {
                let answer = Answer::new();
                let question = Arc::new(Question { begun, answer });
                shard.asked.insert(*digest, Arc::clone(&question));
                question
            }
        };
        Looked::Asking(Asking {
            memory: &self.0,
            digest: *digest,
            question: Some(question),
        })
    }

    /// Tokens that are remembered, tokens that are asked about, and grants that have a name here.
    #[cfg(test)]
    pub(super) fn counted(&self) -> (usize, usize, usize) {
        let shards = || self.0.shards.iter().map(lock);
        (
            shards().map(|shard| shard.known.len()).sum(),
            shards().map(|shard| shard.asked.len()).sum(),
            lock(&self.0.grants).len(),
        )
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

impl Known {
    /// Whether it is still believed. What is from later than now is from before the clock went
    /// back, and nobody knows how long that would be.
    fn holds(&self, now: Timestamp) -> bool {
        now < self.until && self.since.since(now) <= CLOCK_STEP
    }

    fn grant(&self) -> Option<GrantId> {
        self.outcome.as_ref().ok()?.grant
    }
}

impl Memory {
    fn shard(&self, digest: &Digest) -> &Mutex<Shard> {
        &self.shards[usize::from(digest[0]) % SHARDS]
    }

    /// Before anything is forgotten, so that whoever remembers something later than this knows.
    fn note_forgotten(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    fn remove(&self, digest: &Digest) {
        let mut shard = lock(self.shard(digest));
        if let Some(known) = shard.known.remove(digest) {
            self.forget_name(digest, known.grant());
        }
    }

    /// Remembers an answer, unless something was to be forgotten since it was asked for: it may
    /// be older than that. Of many tokens those go first that end first: what has ended, and what
    /// was refused.
    fn remember(&self, digest: Digest, begun: u64, known: Known) {
        let mut shard = lock(self.shard(&digest));
        let grant = known.grant();
        if let Some(grant) = grant {
            let mut grants = lock(&self.grants);
            let digests = grants.entry(grant).or_default();
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        // Under its name first: whoever forgets before this look is seen here, and whoever forgets
        // later finds the name and waits for the shard.
        if self.forgotten.load(Ordering::SeqCst) != begun {
            self.forget_name(&digest, grant);
            return;
        }
        if shard.known.len() >= self.room && !shard.known.contains_key(&digest) {
            let first = shard.known.iter().min_by_key(|(_, known)| known.until);
            if let Some(first) = first.map(|(digest, _)| *digest) {
                let known = shard.known.remove(&first);
                self.forget_name(&first, known.and_then(|known| known.grant()));
            }
        }
        shard.known.insert(digest, known);
    }

    fn forget_name(&self, digest: &Digest, grant: Option<GrantId>) {
        let Some(grant) = grant else { return };
        let mut grants = lock(&self.grants);
        let Some(digests) = grants.get_mut(&grant) else {
            return;
        };
        digests.retain(|held| held != digest);
        if digests.is_empty() {
            grants.remove(&grant);
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
    question: Option<Arc<Question>>,
}

impl Asking<'_> {
    /// The answer of whoever among them asks; if that one gives up, the next asks.
    pub(super) async fn once(
        &self,
        ask: impl Future<Output = Result<AccessClaims, VerificationError>>,
    ) -> Result<AccessClaims, VerificationError> {
        match &self.question {
            Some(question) => question.answer.get_or_init(|| ask).await.clone(),
            None => ask.await,
        }
    }

    /// Remembers an answer.
    pub(super) fn remember(
        &self,
        outcome: Result<AccessClaims, TokenRefused>,
        since: Timestamp,
        until: Timestamp,
    ) {
        if let Some(question) = &self.question {
            let known = Known {
                outcome,
                since,
                until,
            };
            self.memory.remember(self.digest, question.begun, known);
        }
    }
}

impl Drop for Asking<'_> {
    /// The last one leaves nothing behind, and nobody joins those who have their answer.
    fn drop(&mut self) {
        let Some(question) = self.question.take() else {
            return;
        };
        let mut shard = lock(self.memory.shard(&self.digest));
        let ours = |held: &Arc<Question>| Arc::ptr_eq(held, &question);
        let over = question.answer.is_initialized() || Arc::strong_count(&question) == 2;
        if over && shard.asked.get(&self.digest).is_some_and(ours) {
            shard.asked.remove(&self.digest);
        }
        // Before the shard is left, or two who leave at once would each count the other.
        drop(question);
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
