//! The grant's life under every order of events that ten thousand random stories reach: racing
//! requests, lost replies, refused writes, clocks that step, stolen tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use oauth_core::types::{Lifetime, TokenResponse};
use oauth_core::{Event, EventSink, TokenError};
use oauth_storage::{ClosedReason, StorageErrorKind};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::faults::{Fault, FaultyStorage, interleave};
use oauth_testkit::flows::{App, Browser, Code, World};
use proptest::prelude::*;

/// What happened, as the operator sees it.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Note>>>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Note {
    Closed(ClosedReason),
    Revoked,
    Retired,
    Retried,
}

impl EventSink for Seen {
    fn record(&self, event: &Event<'_>) {
        let note = match event {
            Event::GrantClosed { reason, .. } => Note::Closed(*reason),
            Event::AccessTokenRevoked { .. } => Note::Revoked,
            Event::AccessTokenRetired { .. } => Note::Retired,
            Event::RefreshRetried { .. } => Note::Retried,
            _ => return,
        };
        self.0.lock().unwrap().push(note);
    }
}

impl Seen {
    fn closed(&self) -> Option<ClosedReason> {
        self.0.lock().unwrap().iter().find_map(|note| match note {
            Note::Closed(reason) => Some(*reason),
            _ => None,
        })
    }
    fn has(&self, note: Note) -> bool {
        self.0.lock().unwrap().contains(&note)
    }
}

/// One request of a story. Numbers choose among the tokens that exist so far.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Redeem,
    RedeemWrongVerifier,
    RedeemWrongClient,
    RedeemWrongRedirect,
    RedeemTooWide,
    Refresh(usize),
    RefreshNarrow(usize),
    RefreshTooWide(usize),
    RefreshWrongClient(usize),
    RefreshAccessToken(usize),
    RevokeAccess(usize),
    RevokeRefresh(usize),
    RevokeWrongClient(usize),
}

/// A few requests at once, then time passes.
#[derive(Debug, Clone)]
struct Round {
    asks: Vec<Ask>,
    faults: Vec<Fault>,
    order: Vec<usize>,
    seconds: i64,
}

fn ask() -> impl Strategy<Value = Ask> {
    let pick = || prop_oneof![4 => Just(0usize), 2 => Just(1), 1 => 2usize..6];
    prop_oneof![
        3 => Just(Ask::Redeem),
        1 => Just(Ask::RedeemWrongVerifier),
        1 => Just(Ask::RedeemWrongClient),
        1 => Just(Ask::RedeemWrongRedirect),
        1 => Just(Ask::RedeemTooWide),
        8 => pick().prop_map(Ask::Refresh),
        2 => pick().prop_map(Ask::RefreshNarrow),
        1 => pick().prop_map(Ask::RefreshTooWide),
        1 => pick().prop_map(Ask::RefreshWrongClient),
        1 => pick().prop_map(Ask::RefreshAccessToken),
        1 => pick().prop_map(Ask::RevokeAccess),
        1 => pick().prop_map(Ask::RevokeRefresh),
        1 => pick().prop_map(Ask::RevokeWrongClient),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::ReplyLost),
        1 => Just(Fault::RequestLost),
        1 => Just(Fault::Refused),
    ]
}

fn round(asks: usize) -> impl Strategy<Value = Round> {
    (
        proptest::collection::vec(ask(), 1..=asks),
        proptest::collection::vec(fault(), 0..4),
        proptest::collection::vec(0usize..8, 24),
        prop_oneof![4 => Just(0i64), 2 => 1i64..6, 1 => -5i64..0, 1 => 25i64..40, 1 => 800i64..1000],
    )
        .prop_map(|(asks, faults, order, seconds)| Round { asks, faults, order, seconds })
}

struct Story {
    world: World,
    store: FaultyStorage,
    seen: Seen,
    app: App,
    stranger: App,
    code: Code,
    _alice: Browser,
    /// Refresh tokens in the order they were received, newest last, without repetition.
    refresh: Vec<String>,
    /// Access tokens received, with the moment they end.
    access: BTreeMap<String, u64>,
    /// For each refresh token presented, the successors it got.
    successors: BTreeMap<String, BTreeSet<String>>,
    redemptions: Vec<TokenResponse>,
    now: i64,
    /// The latest the clock ever showed.
    latest: i64,
}

impl Story {
    fn begin(window: u64) -> Self {
        let store = FaultyStorage::new(Arc::new(MemoryStorage::new()));
        let seen = Seen::default();
        let world = World::builder(11)
            .storage(Arc::new(store.clone()))
            .events(seen.clone())
            .configure(|config| config.policy.retry_window = Lifetime::seconds(window))
            .build();
        let app = world.register();
        let stranger = world.register();
        let alice = world.browser("alice");
        // The clock's steps of the story begin away from the beginning.
        world.clock.advance(Lifetime::seconds(100));
        let code = spin(async { world.approve(&app, &alice) });
        Self {
            world,
            store,
            seen,
            app,
            stranger,
            code,
            _alice: alice,
            refresh: Vec::new(),
            access: BTreeMap::new(),
            successors: BTreeMap::new(),
            redemptions: Vec::new(),
            now: 1_800_000_100,
            latest: 1_800_000_100,
        }
    }

    /// Refresh tokens are chosen from the newest backwards.
    fn refresh_token(&self, pick: usize) -> Option<&String> {
        let newest = self.refresh.len().checked_sub(1)?;
        self.refresh.get(newest.saturating_sub(pick))
    }

    fn access_token(&self, pick: usize) -> Option<&String> {
        self.access
            .keys()
            .nth(pick.min(self.access.len().saturating_sub(1)))
    }

    fn request(&self, ask: Ask) -> Option<(Ask, Option<String>)> {
        let token = match ask {
            Ask::Refresh(pick)
            | Ask::RefreshNarrow(pick)
            | Ask::RefreshTooWide(pick)
            | Ask::RefreshWrongClient(pick)
            | Ask::RevokeRefresh(pick)
            | Ask::RevokeWrongClient(pick) => Some(self.refresh_token(pick)?.clone()),
            Ask::RevokeAccess(pick) | Ask::RefreshAccessToken(pick) => {
                Some(self.access_token(pick)?.clone())
            }
            _ => None,
        };
        Some((ask, token))
    }

    async fn perform(
        &self,
        ask: Ask,
        token: Option<String>,
    ) -> Result<Option<TokenResponse>, TokenError> {
        let (world, app, stranger, code) = (&self.world, &self.app, &self.stranger, &self.code);
        let token = token.unwrap_or_default();
        let redeem = |code: Code, extra: Option<(&'static str, &'static str)>, app: App| async move {
            let mut form = vec![
                ("grant_type", "authorization_code"),
                ("code", code.code.as_str()),
                ("code_verifier", code.verifier.as_str()),
            ];
            form.extend(extra);
            world.token_async(&app, &form).await.map(Some)
        };
        let wrong = Code {
            code: code.code.clone(),
            verifier: "w".repeat(43),
        };
        match ask {
            Ask::Redeem => world.redeem_async(app, code).await.map(Some),
            Ask::RedeemWrongVerifier => redeem(wrong, None, app.clone()).await,
            Ask::RedeemWrongClient => redeem(code.clone(), None, stranger.clone()).await,
            Ask::RedeemWrongRedirect => {
                let elsewhere = ("redirect_uri", "http://127.0.0.1:9/callback");
                redeem(code.clone(), Some(elsewhere), app.clone()).await
            }
            Ask::RedeemTooWide => {
                redeem(
                    code.clone(),
                    Some(("scope", "mcp:tools admin")),
                    app.clone(),
                )
                .await
            }
            Ask::Refresh(_) => world.refresh_async(app, &token).await.map(Some),
            Ask::RefreshNarrow(_) | Ask::RefreshTooWide(_) => {
                let narrow = matches!(ask, Ask::RefreshNarrow(_));
                let scope = if narrow {
                    "mcp:tools"
                } else {
                    "mcp:tools admin"
                };
                let form = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", token.as_str()),
                    ("scope", scope),
                ];
                world.token_async(app, &form).await.map(Some)
            }
            Ask::RefreshWrongClient(_) => world.refresh_async(stranger, &token).await.map(Some),
            Ask::RefreshAccessToken(_) => world.refresh_async(app, &token).await.map(Some),
            Ask::RevokeAccess(_) | Ask::RevokeRefresh(_) => {
                world.revoke_async(app, &token).await.map(|()| None)
            }
            Ask::RevokeWrongClient(_) => world.revoke_async(stranger, &token).await.map(|()| None),
        }
    }

    fn play(&mut self, round: &Round) -> Result<(), TestCaseError> {
        let closed_before = self.seen.closed();
        let requests: Vec<_> = round
            .asks
            .iter()
            .filter_map(|ask| self.request(*ask))
            .collect();
        self.store.line_up(round.faults.iter().copied());
        let futures = requests
            .iter()
            .map(|(ask, token)| {
                Box::pin(self.perform(*ask, token.clone())) as Pin<Box<dyn Future<Output = _>>>
            })
            .collect();
        let mut order = round.order.iter().cycle();
        let outcomes = interleave(futures, |_| *order.next().unwrap());
        // Faults that no write met are not for the next round.
        self.store.clear_faults();
        let mut known = Vec::new();
        for ((ask, token), outcome) in requests.iter().zip(outcomes) {
            match outcome {
                Ok(Some(response)) => {
                    prop_assert!(
                        closed_before.is_none(),
                        "{ask:?} succeeded on a closed grant"
                    );
                    self.check_answer(*ask, token.as_deref(), &response)?;
                    known.push(response);
                }
                Ok(None) => {}
                Err(error) => Self::check_refusal(*ask, &error)?,
            }
        }
        for response in known {
            let ends = self.now as u64 + response.expires_in;
            let held = self.access.entry(response.access_token).or_insert(ends);
            *held = (*held).max(ends);
            if let Some(token) = response.refresh_token
                && !self.refresh.contains(&token)
            {
                self.refresh.push(token);
            }
        }
        self.check_tokens()
    }

    /// Wrong clients, wrong verifiers, wrong addresses and wishes that go too far get nothing.
    fn check_answer(
        &mut self,
        ask: Ask,
        token: Option<&str>,
        response: &TokenResponse,
    ) -> Result<(), TestCaseError> {
        match ask {
            Ask::Redeem => {
                self.redemptions.push(response.clone());
                prop_assert_eq!(self.redemptions.len(), 1, "a code gave two sets of tokens");
            }
            Ask::Refresh(_) | Ask::RefreshNarrow(_) => {
                let successor = response.refresh_token.clone().unwrap_or_default();
                let got = self
                    .successors
                    .entry(token.unwrap_or_default().to_owned())
                    .or_default();
                got.insert(successor);
                prop_assert_eq!(got.len(), 1, "a refresh token has two successors");
                let narrow = matches!(ask, Ask::RefreshNarrow(_));
                let expected = if narrow {
                    "mcp:tools"
                } else {
                    "mcp:tools mcp:write"
                };
                prop_assert_eq!(response.scope.as_str(), expected);
            }
            other => prop_assert!(false, "{:?} was honoured", other),
        }
        Ok(())
    }

    fn check_refusal(ask: Ask, error: &TokenError) -> Result<(), TestCaseError> {
        match (ask, error) {
            (_, TokenError::Storage(error)) => {
                // Under so few racers nobody loses sixteen rounds.
                prop_assert_ne!(error.kind(), StorageErrorKind::Contended);
                prop_assert_ne!(error.kind(), StorageErrorKind::Corrupt);
            }
            (Ask::RedeemTooWide | Ask::RefreshTooWide(_), error) => {
                let word = error.code().map(|code| code.as_str());
                prop_assert!(
                    matches!(word, Some("invalid_scope" | "invalid_grant")),
                    "{:?}",
                    word
                );
            }
            (_, error) => {
                let word = error.code().map(|code| code.as_str());
                prop_assert_eq!(word, Some("invalid_grant"), "{:?}", ask);
            }
        }
        Ok(())
    }

    /// A token that was received is good until it expires, is revoked or retired, or its grant
    /// was closed with a reason; and then it is not.
    fn check_tokens(&self) -> Result<(), TestCaseError> {
        let closed = self.seen.closed().is_some();
        let excused = self.seen.has(Note::Revoked) || self.seen.has(Note::Retired);
        for (token, ends) in &self.access {
            let live = spin(self.world.server.check_access_token(token))
                .unwrap()
                .is_some();
            if closed {
                prop_assert!(!live, "a token outlived its grant");
            } else if !excused {
                prop_assert!(!live || (self.now as u64) < *ends, "a token lives on");
                prop_assert!(live || (self.latest as u64) >= *ends, "a token was lost");
            }
        }
        Ok(())
    }

    fn pass(&mut self, seconds: i64) {
        if seconds >= 0 {
            self.world
                .clock
                .advance(Lifetime::seconds(seconds.unsigned_abs()));
        } else {
            self.world
                .clock
                .step_back(Lifetime::seconds(seconds.unsigned_abs()));
        }
        self.now += seconds;
        self.latest = self.latest.max(self.now);
    }
}

/// The store yields, so that requests interleave; alone they are just polled again.
fn spin<T>(future: impl Future<Output = T>) -> T {
    interleave(vec![Box::pin(future)], |_| 0).remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// AS-CODE-4, AS-RT-6, AS-RT-7, AS-RT-2: whatever happens, in whatever order.
    #[test]
    fn no_order_of_events_breaks_a_promise(
        window in prop_oneof![Just(0u64), Just(30)],
        rounds in proptest::collection::vec(round(4), 1..9),
    ) {
        let mut story = Story::begin(window);
        for round in &rounds {
            story.play(round)?;
            story.pass(round.seconds);
        }
    }

    /// B2 and AS-RT-5: one client that asks one thing at a time, presenting what it received last
    /// and asking again when a reply was lost, is never mistaken for a thief.
    #[test]
    fn an_honest_client_is_never_signed_out(
        faults in proptest::collection::vec(proptest::collection::vec(fault(), 0..4), 1..9),
        pauses in proptest::collection::vec(0i64..29, 8),
    ) {
        let mut story = Story::begin(30);
        let mut refresh: Option<String> = None;
        for (faults, pause) in faults.iter().zip(pauses) {
            story.store.line_up(faults.iter().copied());
            for _ in 0..faults.len() + 2 {
                let outcome = match &refresh {
                    None => spin(story.world.redeem_async(&story.app, &story.code)),
                    Some(token) => spin(story.world.refresh_async(&story.app, token)),
                };
                match outcome {
                    Ok(response) => {
                        refresh = response.refresh_token;
                        break;
                    }
                    Err(TokenError::Storage(_)) => {
                        // A code whose answer was lost for good is spent: the person signs in again.
                        if refresh.is_none() && story.store.take_counts().replaced > 0 {
                            return Ok(());
                        }
                    }
                    Err(error) => prop_assert!(false, "refused: {error}"),
                }
            }
            story.store.clear_faults();
            story.pass(pause);
            prop_assert_eq!(story.seen.closed(), None);
        }
    }
}
