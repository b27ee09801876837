//! The keys of somebody who publishes them at an address, remembered.

use std::error::Error;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use oauth_types::outbound::{Fetch, Outbound, OutboundError};
use oauth_types::{Lifetime, Timestamp};
use tracing::field::display;

use crate::algorithm::Algorithm;
use crate::jwks::{InvalidKeySet, KeySet, LONGEST_DOCUMENT};
use crate::location::JwksLocation;
use crate::verify::{Jws, VerifyError};

/// An address is asked once in this time at the most, whatever is presented.
const BETWEEN_FETCHES: Lifetime = Lifetime::minutes(1);
/// How long an answer is good for that does not say.
const FRESH: Lifetime = Lifetime::minutes(10);
/// How long it is good for at the most: a key that was withdrawn ends then.
const FRESH_AT_MOST: Lifetime = Lifetime::minutes(60);
/// A moment may lie this far ahead of what somebody else calls now. One that lies further ahead is
/// from before the clock went back, and means nothing.
const CLOCK_STEP: Lifetime = Lifetime::minutes(1);
/// Fetches that may be abandoned halfway between two that count: those who hang up on purpose can
/// neither use up the turn of others nor make us ask without end.
const MOST_ABANDONED: u8 = 4;

/// What is done while an address does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long keys go on being good after they ceased to be fresh.
    grace: Lifetime,
    /// When the address is asked again while no key is good.
    again: Lifetime,
}

impl Patience {
    /// For a party that anybody may be: keys end when they are no longer fresh, and an address that
    /// fails is asked once a minute.
    pub const STRANGER: Self = Self {
        grace: Lifetime::ZERO,
        again: BETWEEN_FETCHES,
    };

    /// For a party that the operator named: its keys are good for an hour longer, and while there
    /// are none its address is asked every ten seconds.
    pub const TRUSTED: Self = Self {
        grace: Lifetime::minutes(60),
        again: Lifetime::seconds(10),
    };
}

/// A [`KeySet`] that is fetched from its address and kept up to date.
///
/// A token whose key is known and fresh is verified without asking or waiting for anybody. Nothing
/// known, nothing fresh any more or a key that is not among those known makes one caller ask and the
/// others wait for that; then it is a minute before the address is asked again, whatever is
/// presented and however it answered.
///
/// An answer is good for as long as its headers say, from one minute to an hour, and ten minutes
/// where they say nothing. What cannot be fetched or understood leaves what is known as it is, for
/// as long as [`Patience`] says.
#[derive(Debug)]
pub struct RemoteKeySet {
    patience: Patience,
    state: RwLock<State>,
    /// Held by the one who asks.
    turn: async_lock::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    known: Option<Known>,
    asked_at: Option<Timestamp>,
    /// Why the last question came to nothing.
    failure: Option<Arc<FetchError>>,
    under_way: bool,
    abandoned: u8,
    /// Counts the questions that were answered, well or not.
    asked: u64,
}

#[derive(Debug, Clone)]
struct Known {
    keys: Arc<KeySet>,
    fetched_at: Timestamp,
    fresh_for: Lifetime,
}

/// A token is not believed, or nobody can say.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "no, or no answer: there is no third"
)]
pub enum RemoteError {
    /// The token is not believed, by keys that are good.
    #[error(transparent)]
    Refused(#[from] VerifyError),
    /// The keys that would tell are not to be had.
    #[error("the keys cannot be fetched")]
    Unavailable {
        /// What happened; nothing if somebody gave up asking.
        #[source]
        cause: Option<Arc<FetchError>>,
        /// When the address is asked again.
        retry_after: Lifetime,
    },
}

/// Keys were not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody knows where they are.
    #[error("the address of the keys cannot be found out")]
    Location(#[source] Box<dyn Error + Send + Sync>),
    /// The address did not answer.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// It answered something else than 200.
    #[error("the address of the keys answers {0}")]
    Status(u16),
    /// It answered something else than keys.
    #[error(transparent)]
    Document(#[from] InvalidKeySet),
}

impl RemoteKeySet {
    /// Nothing is known yet, and nobody is asked before the first token.
    pub fn new(patience: Patience) -> Self {
        Self {
            patience,
            state: RwLock::default(),
            turn: async_lock::Mutex::new(()),
        }
    }

    /// Believes a token if one of the keys signed it with an algorithm of `allowed`; as
    /// [`Jws::verify`], by keys that may be fetched for it. All callers of one set name the same
    /// address.
    ///
    /// Dropping the future while it asks loses nothing: the next caller asks instead.
    ///
    /// # Errors
    /// See [`RemoteError`]. A key that is not known is [`VerifyError::UnknownKey`] only if the
    /// address answered lately: while it does not, the key may be a new one.
    pub async fn verify(
        &self,
        jws: &Jws<'_>,
        allowed: &[Algorithm],
        location: &dyn JwksLocation,
        outbound: &dyn Outbound,
        now: Timestamp,
    ) -> Result<(), RemoteError> {
        let verify = |keys: &KeySet| jws.verify(keys, allowed).map(|_| ());
        let seen = self.state().clone();
        if let Some(keys) = seen.fresh(now) {
            match verify(keys) {
                Err(VerifyError::UnknownKey) => {}
                verified => return Ok(verified?),
            }
        }
        let stale = seen
            .good(self.patience, now)
            .filter(|_| seen.fresh(now).is_none());
        if seen.under_way
            && let Some(keys) = stale
        {
            // Somebody else is asking. What was good a moment ago is for as long as that takes.
            match verify(keys) {
                Err(VerifyError::UnknownKey) => {}
                verified => return Ok(verified?),
            }
        }
        let seen = if seen.under_way || seen.may_ask(self.patience, now) {
            self.asked(seen.asked, location, outbound, now).await
        } else {
            seen
        };
        let unavailable = || RemoteError::Unavailable {
            cause: seen.failure.clone(),
            retry_after: seen
                .asked_again(self.patience, now)
                .max(Lifetime::seconds(1)),
        };
        let keys = seen.good(self.patience, now).ok_or_else(unavailable)?;
        match verify(keys) {
            Err(VerifyError::UnknownKey) if seen.failure.is_some() => Err(unavailable()),
            verified => Ok(verified?),
        }
    }

    /// What is known once the address was asked, by us or by somebody who was before us since
    /// `asked` questions were answered.
    async fn asked(
        &self,
        asked: u64,
        location: &dyn JwksLocation,
        outbound: &dyn Outbound,
        now: Timestamp,
    ) -> State {
        let _turn = self.turn.lock().await;
        {
            let mut state = self.state_mut();
            if state.asked != asked || !state.may_ask(self.patience, now) {
                return state.clone();
            }
            if state.abandoned > MOST_ABANDONED {
                state.abandoned = 0;
            }
            state.under_way = true;
        }
        let question = Question {
            set: self,
            now,
            answered: false,
        };
        let fetched = fetch(location, outbound, self.patience, now).await;
        question.answer(fetched)
    }

    /// Nothing panics while it holds the state.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The keys, as long as they are fresh. A clock that went back makes them stale.
    fn fresh(&self, now: Timestamp) -> Option<&KeySet> {
        self.until(now, Lifetime::ZERO)
    }

    /// The keys, as long as they are any good.
    fn good(&self, patience: Patience, now: Timestamp) -> Option<&KeySet> {
        self.until(now, patience.grace)
    }

    fn until(&self, now: Timestamp, grace: Lifetime) -> Option<&KeySet> {
        let known = self.known.as_ref()?;
        let end = known.fetched_at.plus(known.fresh_for).plus(grace);
        let sane = known.fetched_at <= now.plus(CLOCK_STEP) || grace > Lifetime::ZERO;
        (sane && now < end).then_some(&*known.keys)
    }

    fn may_ask(&self, patience: Patience, now: Timestamp) -> bool {
        self.asked_again(patience, now) == Lifetime::ZERO
    }

    /// How long it is until the address may be asked again.
    fn asked_again(&self, patience: Patience, now: Timestamp) -> Lifetime {
        let pause = if self.failure.is_some() && self.good(patience, now).is_none() {
            patience.again
        } else {
            BETWEEN_FETCHES
        };
        match self.asked_at {
            Some(asked_at) if asked_at <= now.plus(CLOCK_STEP) => asked_at.plus(pause).since(now),
            _ => Lifetime::ZERO,
        }
    }
}

/// A question that is under way. Dropped before it was answered, it leaves the turn to the next.
struct Question<'a> {
    set: &'a RemoteKeySet,
    now: Timestamp,
    answered: bool,
}

impl Question<'_> {
    fn answer(mut self, fetched: Result<(KeySet, Lifetime), FetchError>) -> State {
        self.answered = true;
        let mut state = self.set.state_mut();
        state.under_way = false;
        state.abandoned = 0;
        state.asked_at = Some(self.now);
        state.asked += 1;
        match fetched {
            Ok((keys, fresh_for)) => {
                state.failure = None;
                state.known = Some(Known {
                    keys: Arc::new(keys),
                    fetched_at: self.now,
                    fresh_for,
                });
            }
            Err(error) => state.failure = Some(Arc::new(error)),
        }
        state.clone()
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let mut state = self.set.state_mut();
        state.under_way = false;
        state.abandoned += 1;
        if state.abandoned > MOST_ABANDONED {
            state.asked_at = Some(self.now);
        }
    }
}

/// The keys at an address, and for how long they are good: never less than the time between
/// fetches.
async fn fetch(
    location: &dyn JwksLocation,
    outbound: &dyn Outbound,
    patience: Patience,
    now: Timestamp,
) -> Result<(KeySet, Lifetime), FetchError> {
    let uri = location.jwks_uri().await.map_err(FetchError::Location)?;
    let fetched = fetch_from(&uri, outbound, now).await;
    fetched.inspect_err(|error| {
        let (cause, address) = (error.source().map(display), uri.split('?').next());
        if patience == Patience::TRUSTED {
            tracing::warn!(address, cause, "keys are not to be had: {error}");
        } else {
            tracing::debug!(address, cause, "keys are not to be had: {error}");
        }
    })
}

async fn fetch_from(
    uri: &str,
    outbound: &dyn Outbound,
    now: Timestamp,
) -> Result<(KeySet, Lifetime), FetchError> {
    let fetched = outbound.fetch(&Fetch::of(uri, LONGEST_DOCUMENT)).await?;
    if fetched.status != 200 {
        return Err(FetchError::Status(fetched.status));
    }
    let keys = KeySet::parse(&fetched.body)?;
    let fresh_for = fetched.freshness(now).unwrap_or(FRESH);
    Ok((keys, fresh_for.clamp(BETWEEN_FETCHES, FRESH_AT_MOST)))
}
