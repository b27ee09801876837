//! A client that signs people in again and again: how many grants it leaves, and what that costs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use oauth_core::storage::{ClosedReason, Filter, Page, Storage};
use oauth_core::types::{Lifetime, Subject, TokenResponse};
use oauth_core::{Event, EventSink, Noted};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::faults::{FaultyStorage, interleave};
use oauth_testkit::flows::{App, Browser, World};

/// How many grants were ended to make room.
#[derive(Clone, Default)]
struct Ended(Arc<AtomicUsize>);

impl EventSink for Ended {
    fn record(&self, noted: &Noted<'_>) {
        let reason = ClosedReason::MadeRoom;
        if matches!(noted.event(), Event::GrantClosed { reason: why, .. } if *why == reason) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn world(storage: &FaultyStorage, seed: u64, cap: usize, ended: &Ended) -> World {
    World::builder(seed)
        .storage(Arc::new(storage.clone()))
        .events(ended.clone())
        .configure(|config| config.policy.grants_per_client = cap)
        .build()
}

fn store() -> FaultyStorage {
    FaultyStorage::immediate(Arc::new(MemoryStorage::new()))
}

fn sign_in(world: &World, app: &App, browser: &Browser) -> TokenResponse {
    let code = world.approve(app, browser);
    world.redeem(app, &code).unwrap()
}

fn refresh(world: &World, app: &App, tokens: &mut TokenResponse) {
    *tokens = world
        .refresh(app, tokens.refresh_token.as_deref().unwrap())
        .unwrap();
}

/// How many grants with tokens a person has open with this client.
fn open(storage: &FaultyStorage, person: &str, app: &App) -> usize {
    let (filter, mut page) = (Filter::Subject(Subject::new(person)), Page::first(100));
    let mut count = 0;
    loop {
        let listed = block_on(storage.grants().list(&filter, &page)).unwrap();
        let theirs = listed.items.iter().map(|found| &found.record);
        count += theirs
            .filter(|grant| grant.client_id.as_str() == app.client_id && grant.refresh.is_some())
            .count();
        page.after = listed.next;
        if page.after.is_none() {
            return count;
        }
    }
}

/// The cap holds but for what comes between two looks; a grant in use is never ended, nor is
/// anybody else's or another client's; each end is told; and nearly every approval is one insert.
#[test]
fn the_longest_unused_grants_make_room() {
    const CAP: usize = 5;
    let (storage, ended) = (store(), Ended::default());
    let world = world(&storage, 71, CAP, &ended);
    let (app, other) = (world.register(), world.register());
    let (alice, bob) = (world.browser("alice"), world.browser("bob"));
    let mut in_use = sign_in(&world, &app, &alice);
    let elsewhere = [sign_in(&world, &other, &alice), sign_in(&world, &app, &bob)];
    let (mut most, mut looks) = (0, 0);
    for _ in 0..320 {
        world.clock.advance(Lifetime::seconds(1));
        refresh(&world, &app, &mut in_use);
        storage.take_counts();
        let code = world.approve(&app, &alice);
        let counts = storage.take_counts();
        assert_eq!(counts.insert, 1);
        world.redeem(&app, &code).unwrap();
        let open = open(&storage, "alice", &app);
        if counts.list > 0 {
            looks += 1;
            assert_eq!(open, CAP, "after a look");
        } else {
            assert_eq!((counts.find, counts.replace), (0, 0));
        }
        most = most.max(open);
    }
    println!("{looks} looks at 320 approvals, at most {most} grants open");
    assert!((10..40).contains(&looks), "{looks}");
    assert!(most < CAP + 80, "{most}");
    assert_eq!(
        ended.0.load(Ordering::SeqCst),
        321 - open(&storage, "alice", &app)
    );
    for tokens in elsewhere.iter().chain([&in_use]) {
        assert!(world.check(&tokens.access_token).is_some());
    }
    // What was ended is soon forgotten: a flood of them is no flood of records.
    world.clock.advance(Lifetime::minutes(12));
    let swept = block_on(world.server.sweep(1_000)).grants;
    assert!(swept >= ended.0.load(Ordering::SeqCst), "{swept}");
    refresh(&world, &app, &mut in_use);
}

/// However many grants a person has, a look reads and writes so much and no more, and the looks
/// together still arrive at the cap.
#[test]
fn a_look_is_bounded() {
    let (storage, ended) = (store(), Ended::default());
    let open_world = world(&storage, 72, usize::MAX, &ended);
    let (app, other) = (open_world.register(), open_world.register());
    let alice = open_world.browser("alice");
    for _ in 0..600 {
        sign_in(&open_world, &app, &alice);
        sign_in(&open_world, &other, &alice);
    }
    assert_eq!(open(&storage, "alice", &app), 600);
    let world = world(&storage, 73, 50, &ended);
    let alice = world.browser("alice");
    for number in 0..640 {
        if number % 16 == 0 {
            world.clock.advance(Lifetime::minutes(1));
            let _ = block_on(world.server.sweep(1_000));
        }
        storage.take_counts();
        world.approve(&app, &alice);
        let counts = storage.take_counts();
        assert!(counts.list <= 10 && counts.replace <= 64, "{counts:?}");
    }
    let left = open(&storage, "alice", &app);
    assert!(left < 150, "{left}");
    assert_eq!(
        open(&storage, "alice", &other),
        600,
        "not this client's business"
    );
}

/// A grant that is used while it is to be ended either is not, or was already: never both.
#[test]
fn a_grant_that_is_just_being_used_is_spared() {
    let ended = Ended::default();
    let storage = FaultyStorage::new(Arc::new(MemoryStorage::new()));
    let world = world(&storage, 74, 2, &ended);
    let app = world.register();
    let alice = world.browser("alice");
    let (mut spared, mut refused) = (0, 0);
    for round in 0..400_usize {
        let tokens = sign_in(&world, &app, &alice);
        world.clock.advance(Lifetime::seconds(1));
        sign_in(&world, &app, &alice);
        world.clock.advance(Lifetime::seconds(1));
        let token = tokens.refresh_token.unwrap();
        let answer = Mutex::new(None);
        let mut turn = round;
        interleave(
            vec![
                Box::pin(async {
                    world.approve_async(&app, &alice).await;
                }),
                Box::pin(async {
                    *answer.lock().unwrap() = Some(world.refresh_async(&app, &token).await);
                }),
            ],
            |_| {
                // Mostly the approval, and how much of it comes first differs by round.
                turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                usize::from((turn >> 33) % (2 + round % 40) == 0)
            },
        );
        let answer = answer.into_inner().unwrap().unwrap();
        match answer {
            // Used before the look or during it: either way it is one of the two newest.
            Ok(tokens) => {
                spared += 1;
                assert!(world.check(&tokens.access_token).is_some());
            }
            Err(_) => refused += 1,
        }
    }
    println!("{spared} spared, {refused} ended before");
    assert!(refused > 0 && spared > 0);
}

/// A grant that nobody ever refreshes ends after a week; one that is, lives on for a month at a
/// time.
#[test]
fn a_grant_that_is_never_refreshed_ends_after_a_week() {
    let world = World::new(75);
    let app = world.register();
    let alice = world.browser("alice");
    let left = sign_in(&world, &app, &alice);
    let mut kept = sign_in(&world, &app, &alice);
    world.clock.advance(Lifetime::days(6));
    refresh(&world, &app, &mut kept);
    world.clock.advance(Lifetime::days(1));
    assert!(
        world
            .refresh(&app, left.refresh_token.as_deref().unwrap())
            .is_err()
    );
    world.clock.advance(Lifetime::days(22));
    refresh(&world, &app, &mut kept);
}
