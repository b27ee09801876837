//! What a cache saves, what it must not, and whom it makes wait.

use std::future::poll_fn;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::FutureExt;
use futures_util::future::join_all;
use oauth_testkit::{FixedClock, block_on};
use oauth_types::{ClientId, GrantId, Issuer, ResourceUri, Scope, Subject, Timestamp};

use super::*;
use crate::verify::{TokenRefused, VerifierUnavailable};

const START: u64 = 1_000_000;

/// Says of every token what it is told to, after letting others run, and counts.
#[derive(Clone)]
struct Slow {
    says: Arc<Mutex<Result<AccessClaims, VerificationError>>>,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl AccessTokenVerifier for Slow {
    async fn verify(&self, _: &str) -> Result<AccessClaims, VerificationError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // What it says is settled now, and arrives later.
        let says = self.says.lock().unwrap().clone();
        let mut pauses = 3;
        poll_fn(|context| {
            if pauses == 0 {
                return Poll::Ready(());
            }
            pauses -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        says
    }
}

struct World {
    slow: Slow,
    clock: FixedClock,
    cache: VerificationCache<Slow>,
}

impl World {
    fn new() -> Self {
        let slow = Slow {
            says: Arc::new(Mutex::new(Ok(claims(600, 1)))),
            asked: Arc::default(),
        };
        let clock = FixedClock::at(START);
        let cache = VerificationCache::new(slow.clone(), Arc::new(clock.clone()));
        Self { slow, clock, cache }
    }

    fn says(&self, outcome: Result<AccessClaims, VerificationError>) {
        *self.slow.says.lock().unwrap() = outcome;
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        block_on(self.cache.verify(token))
    }

    fn asked(&self) -> usize {
        self.slow.asked.swap(0, Ordering::SeqCst)
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Lifetime::seconds(seconds));
    }
}

/// Claims that end so many seconds after the start, under the grant of that number.
fn claims(ends: u64, grant: u8) -> AccessClaims {
    let mut claims = AccessClaims::new(
        Issuer::parse("https://idp.example").unwrap(),
        Subject::new("alice"),
        ClientId::new("app"),
        Scope::empty(),
        ResourceUri::parse("https://mcp.example/mcp").unwrap(),
        (None, Timestamp::from_unix(START + ends)),
    );
    claims.grant = Some(GrantId::from_bytes([grant; 16]));
    claims
}

fn refused() -> Result<AccessClaims, VerificationError> {
    Err(TokenRefused::Inactive.into())
}

fn outage() -> Result<AccessClaims, VerificationError> {
    Err(VerifierUnavailable::new("nobody there").into())
}

/// RS-TOK-10: one thousand requests with one token ask once, whatever the answer, and a known
/// token is answered at the first poll.
#[test]
fn a_thousand_requests_with_one_token_ask_once() {
    for says in [Ok(claims(600, 1)), refused(), outage()] {
        let world = World::new();
        world.says(says.clone());
        let told = block_on(join_all((0..1000).map(|_| world.cache.verify("token"))));
        assert!(told.iter().all(|told| told.is_ok() == says.is_ok()));
        assert_eq!(world.asked(), 1);
        let at_once = world.cache.verify("token").now_or_never();
        let is_outage = matches!(says, Err(VerificationError::Unavailable(_)));
        assert_eq!(at_once.is_none(), is_outage, "an outage is not remembered");
    }
}

/// RS-TOK-10: a good token is believed for half a minute and never past its end, a refused one for
/// five seconds.
#[test]
fn answers_are_believed_for_a_while() {
    for (says, kept) in [
        (Ok(claims(600, 1)), 30),
        (Ok(claims(7, 1)), 7),
        (Ok(claims(0, 1)), 0),
        (refused(), 5),
        (outage(), 0),
    ] {
        let world = World::new();
        world.says(says.clone());
        let _ = world.verify("token");
        assert_eq!(world.asked(), 1);
        if kept > 0 {
            world.wait(kept - 1);
            assert_eq!(world.verify("token").is_ok(), says.is_ok());
            assert_eq!(world.asked(), 0, "{says:?}");
            world.wait(1);
        }
        let _ = world.verify("token");
        assert_eq!(world.asked(), 1, "{says:?}");
    }
    // Another token is another question.
    let world = World::new();
    world.verify("token").unwrap();
    world.verify("token2").unwrap();
    assert_eq!(world.asked(), 2);
}

/// RS-TOK-10: while nobody answers, known tokens are good until they would be asked about.
#[test]
fn an_outage_is_not_noticed_by_those_who_are_known() {
    let world = World::new();
    world.verify("token").unwrap();
    world.says(outage());
    world.wait(29);
    assert!(world.verify("token").is_ok());
    let told = world.verify("other").unwrap_err();
    assert!(matches!(told, VerificationError::Unavailable(_)));
    world.wait(1);
    assert!(world.verify("token").is_err());
    world.says(Ok(claims(600, 1)));
    assert!(world.verify("token").is_ok(), "and at once when it is over");
}

/// RS-TOK-5: what has ended is asked about anew, at once: by token, by grant, or all.
#[test]
fn what_is_forgotten_is_asked_about_again() {
    let world = World::new();
    let known = world.cache.known();
    let forget_other = || known.forget_grant(&GrantId::from_bytes([2; 16]));
    for (forget, again) in [
        (&(|| known.forget("token")) as &dyn Fn(), 1),
        (&|| known.forget("other"), 0),
        (&|| known.forget_grant(&GrantId::from_bytes([1; 16])), 1),
        (&forget_other, 0),
        (&|| known.forget_all(), 1),
    ] {
        world.verify("token").unwrap();
        world.asked();
        forget();
        world.verify("token").unwrap();
        assert_eq!(world.asked(), again);
    }
}

/// RS-TOK-5: an answer that was on its way when its token ended is told to those who asked before,
/// to nobody who asks later, and not remembered.
#[test]
fn an_answer_older_than_a_revocation_is_not_believed_later() {
    for forget in [
        (|known: &KnownTokens| known.forget("token")) as fn(&KnownTokens),
        |known| known.forget_grant(&GrantId::from_bytes([1; 16])),
        |known| known.forget_all(),
    ] {
        let world = World::new();
        let mut early = Box::pin(world.cache.verify("token"));
        assert!((&mut early).now_or_never().is_none());
        world.says(refused());
        forget(&world.cache.known());
        assert!(world.verify("token").is_err(), "asked for itself");
        assert!(block_on(early).is_ok());
        assert_eq!(world.asked(), 2);
        world.wait(5);
        assert!(
            world.verify("token").is_err(),
            "the old answer is not remembered"
        );
    }
}

/// A request that gives up while others wait for its answer hands the question on, and the last
/// one leaves nothing behind.
#[test]
fn a_request_that_is_given_up_loses_nothing() {
    let world = World::new();
    let mut first = Box::pin(world.cache.verify("token"));
    let mut second = Box::pin(world.cache.verify("token"));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    assert!(block_on(second).is_ok());
    assert_eq!(world.asked(), 2);
    assert_eq!(world.cache.known().counted(), (1, 0, 1));
    for number in 0..100 {
        let token = number.to_string();
        let mut given_up = Box::pin(world.cache.verify(&token));
        assert!((&mut given_up).now_or_never().is_none());
    }
    assert_eq!(world.cache.known().counted(), (1, 0, 1));
}

/// RS-TOK-15: strangers fill a bounded room, and not with what was verified; the tokens themselves
/// are nowhere.
#[test]
fn the_number_of_tokens_is_bounded_and_refused_ones_make_room_first() {
    let world = World::new();
    let slow = world.slow.clone();
    let cache = VerificationCache::new(slow, Arc::new(world.clock.clone()))
        .remembering_in(KnownTokens::with_room_for(1280));
    // Half of the room of each part of the memory, and a little.
    for number in 0..320 {
        block_on(cache.verify(&format!("good{number}"))).unwrap();
    }
    world.says(refused());
    for number in 0..20_000 {
        let _ = block_on(cache.verify(&format!("bad{number}")));
    }
    let (known, asked, grants) = cache.known().counted();
    assert!(known <= 1280 && asked == 0 && grants == 1);
    world.asked();
    for number in 0..320 {
        block_on(cache.verify(&format!("good{number}"))).unwrap();
    }
    assert_eq!(world.asked(), 0);
}

/// Of many tokens under many grants as many are remembered as there is room for, and their grants
/// with them.
#[test]
fn grants_are_forgotten_with_their_tokens() {
    let World { slow, clock, .. } = World::new();
    let cache = VerificationCache::new(slow.clone(), Arc::new(clock))
        .remembering_in(KnownTokens::with_room_for(128));
    for number in 0..=255 {
        *slow.says.lock().unwrap() = Ok(claims(600, number));
        for token in 0..4 {
            block_on(cache.verify(&format!("{number}.{token}"))).unwrap();
        }
    }
    let known = cache.known();
    let (tokens, _, grants) = known.counted();
    assert!(tokens <= 128 && grants <= tokens);
    for number in 0..=255 {
        known.forget_grant(&GrantId::from_bytes([number; 16]));
    }
    assert_eq!(known.counted(), (0, 0, 0));
}

/// A clock that goes back makes nothing good for longer.
#[test]
fn a_clock_that_goes_back_is_not_believed() {
    let world = World::new();
    world.verify("token").unwrap();
    world.clock.step_back(Lifetime::seconds(5));
    world.verify("token").unwrap();
    assert_eq!(world.asked(), 1);
    world.clock.step_back(Lifetime::minutes(60));
    world.verify("token").unwrap();
    assert_eq!(world.asked(), 1);
}

/// Of zero, nothing is remembered, and requests at once still ask once.
#[test]
fn a_cache_may_remember_nothing() {
    let World { slow, clock, .. } = World::new();
    let cache = VerificationCache::new(slow.clone(), Arc::new(clock)).for_at_most(Lifetime::ZERO);
    for _ in 0..2 {
        block_on(join_all((0..10).map(|_| cache.verify("token"))));
    }
    assert_eq!(slow.asked.load(Ordering::SeqCst), 2);
    assert_eq!(cache.known().counted(), (0, 0, 0));
}
