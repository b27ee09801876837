//! One grant, the clients that hold its tokens, and what they may expect.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use oauth_core::types::{Lifetime, Subject, TokenResponse};
use oauth_core::{Event, EventSink, Noted, TokenError};
use oauth_storage::{
    ClosedReason, Filter, GrantRecord, Page, Replace, Storage, StorageErrorKind, Versioned,
};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::faults::{Fault, FaultyStorage, interleave};
use oauth_testkit::flows::{App, Browser, Code, World};
use proptest::prelude::*;

/// What happened, as the operator sees it.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Note>>>);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Note {
    Closed(ClosedReason),
    Revoked,
    Retired,
    Retried,
}

impl EventSink for Seen {
    fn record(&self, noted: &Noted<'_>) {
        let note = match noted.event() {
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
    pub(crate) fn closed(&self) -> Option<ClosedReason> {
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
pub(crate) enum Ask {
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
pub(crate) struct Round {
    pub(crate) asks: Vec<Ask>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) order: Vec<usize>,
    pub(crate) seconds: i64,
    /// The store is restored as it was after this round of the story, counted from its beginning.
    pub(crate) restore: Option<usize>,
}

/// What a backup holds, and what may be expected once it is restored.
#[derive(Clone)]
pub(crate) struct Backup {
    grant: GrantRecord,
    notes: Vec<Note>,
    access: BTreeMap<String, u64>,
    successors: BTreeMap<String, BTreeSet<String>>,
    redemptions: Vec<TokenResponse>,
}

pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) store: FaultyStorage,
    plain: Arc<MemoryStorage>,
    backups: Vec<Backup>,
    pub(crate) seen: Seen,
    pub(crate) app: App,
    stranger: App,
    pub(crate) code: Code,
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
    pub(crate) fn begin(window: u64) -> Self {
        let plain = Arc::new(MemoryStorage::new());
        let store = FaultyStorage::new(Arc::clone(&plain) as Arc<dyn Storage>);
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
        let mut story = Self {
            world,
            store,
            plain,
            backups: Vec::new(),
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
        };
        story.back_up();
        story
    }

    /// The one grant, past all faults.
    fn grant(&self) -> Versioned<GrantRecord> {
        let alice = Filter::Subject(Subject::new("alice"));
        let listed = block_on(self.plain.grants().list(&alice, &Page::first(2))).unwrap();
        let [grant] = &listed.items[..] else {
            panic!("one grant")
        };
        grant.clone()
    }

    pub(crate) fn back_up(&mut self) {
        self.backups.push(Backup {
            grant: (*self.grant().record).clone(),
            notes: self.seen.0.lock().unwrap().clone(),
            access: self.access.clone(),
            successors: self.successors.clone(),
            redemptions: self.redemptions.clone(),
        });
    }

    /// The store forgets what came after a backup; what clients received since stays with them.
    pub(crate) fn restore(&mut self, pick: usize) {
        let backup = self.backups[pick % self.backups.len()].clone();
        let restored = self
            .plain
            .grants()
            .replace(self.grant().revision, backup.grant);
        assert!(matches!(block_on(restored), Ok(Replace::Replaced(_))));
        *self.seen.0.lock().unwrap() = backup.notes;
        self.access = backup.access;
        self.successors = backup.successors;
        self.redemptions = backup.redemptions;
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

    pub(crate) fn play(&mut self, round: &Round) -> Result<(), TestCaseError> {
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
    pub(crate) fn check_tokens(&self) -> Result<(), TestCaseError> {
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

    pub(crate) fn pass(&mut self, seconds: i64) {
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
pub(crate) fn spin<T>(future: impl Future<Output = T>) -> T {
    interleave(vec![Box::pin(future)], |_| 0).remove(0)
}
