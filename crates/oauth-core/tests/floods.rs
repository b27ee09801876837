//! Floods of registrations: what they may cost, and whom they must not disturb.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use oauth_core::storage::{Storage, StorageError, StorageErrorKind};
use oauth_core::types::registration::ClientMetadata;
use oauth_core::types::{ClientId, Lifetime, Timestamp};
use oauth_core::{
    Attempt, Context, Event, EventSink, Hit, InProcessLimiter, Limit, Noted, RateLimiter,
    RegistrationError, Source,
};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::{World, WorldBuilder};

const FLOOD: u32 = 100_000;
const MOST_CLIENTS: usize = 10_000;

/// A world whose store can be looked into.
fn world(change: impl FnOnce(WorldBuilder) -> WorldBuilder) -> (World, Arc<MemoryStorage>) {
    let storage = Arc::new(MemoryStorage::new());
    let builder = World::builder(51).storage(Arc::clone(&storage) as Arc<dyn Storage>);
    (change(builder).build(), storage)
}

/// Metadata that no other number has.
fn small(number: u32) -> ClientMetadata {
    let mut metadata = ClientMetadata::default();
    metadata.redirect_uris = vec![format!("http://127.0.0.1/{number}")];
    metadata.token_endpoint_auth_method = Some("none".to_owned());
    metadata
}

fn many_sources(number: u32) -> Context {
    Context::from(Source(Some(IpAddr::V4(Ipv4Addr::from(number)))))
}

/// How many of these are stored.
fn stored(storage: &MemoryStorage, ids: &[String]) -> usize {
    let distinct: HashSet<&String> = ids.iter().collect();
    let found = |id: &&&String| {
        let id = ClientId::new(id.as_str());
        block_on(storage.clients().find(&id)).unwrap().is_some()
    };
    distinct.iter().filter(found).count()
}

/// AS-DCR-15: one source gets as far as its quota, is told when to come back, and nobody else
/// notices.
#[test]
fn one_source_gets_no_further_than_its_quota() {
    let (world, storage) =
        world(|builder| builder.ports(|ports| ports.limiter(InProcessLimiter::default())));
    let source = many_sources(7);
    let mut ids = Vec::new();
    for number in 0..FLOOD {
        match block_on(world.server.within(source).register(small(number))) {
            Ok(answer) => ids.push(answer.client_id),
            Err(RegistrationError::Limited(limited)) => {
                assert_eq!(limited.retry_after, Limit::REGISTRATION.per);
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(ids.len(), Limit::REGISTRATION.attempts as usize);
    assert_eq!(stored(&storage, &ids), ids.len());
    // What is there already costs nothing and is not counted.
    let again = block_on(world.server.within(source).register(small(3))).unwrap();
    assert_eq!(again.client_id, ids[3]);
    assert!(block_on(world.server.within(many_sources(8)).register(small(FLOOD))).is_ok());
    world.clock.advance(Limit::REGISTRATION.per);
    assert!(block_on(world.server.within(source).register(small(FLOOD + 1))).is_ok());
}

/// A limiter that fails neither opens the door nor shuts it: this process counts for itself, says
/// so, and goes back to the limiter when that works again.
#[test]
fn while_the_limiter_fails_the_process_counts_for_itself() {
    #[derive(Clone, Default)]
    struct Flaky {
        works: Arc<AtomicBool>,
        not_counted: Arc<AtomicUsize>,
    }
    #[async_trait::async_trait]
    impl RateLimiter for Flaky {
        async fn hit(&self, _: Attempt<'_>, _: Timestamp) -> Result<Hit, StorageError> {
            match self.works.load(Ordering::SeqCst) {
                true => Ok(Hit::Allowed),
                false => Err(StorageErrorKind::Unavailable.into()),
            }
        }
    }
    impl EventSink for Flaky {
        fn record(&self, noted: &Noted<'_>) {
            if matches!(
                noted.event(),
                Event::NotCounted {
                    limit: "registration"
                }
            ) {
                self.not_counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    let flaky = Flaky::default();
    let limiter = flaky.clone();
    let (world, _) = world(|builder| {
        builder
            .events(flaky.clone())
            .ports(|ports| ports.limiter(limiter))
    });
    let register = |number| block_on(world.server.within(many_sources(7)).register(small(number)));
    let allowed = Limit::REGISTRATION.attempts;
    for number in 0..allowed + 5 {
        assert_eq!(register(number).is_ok(), number < allowed, "{number}");
    }
    let not_counted = flaky.not_counted.load(Ordering::SeqCst);
    assert_eq!(not_counted, allowed as usize + 5);
    flaky.works.store(true, Ordering::SeqCst);
    assert!(register(allowed).is_ok(), "the limiter is asked again");
}

/// AS-DCR-15: from ever new sources, without any limit on each, at most ten thousand clients;
/// those a person may be signing in to stay, and whoever has a grant stays.
#[test]
fn all_sources_together_fill_a_bounded_store() {
    for pace in [Lifetime::ZERO, Lifetime::seconds(1)] {
        let (world, storage) = world(|builder| builder);
        let app = world.register();
        let browser = world.browser("alice");
        let code = world.approve(&app, &browser);
        let (mut ids, mut refused) = (Vec::new(), 0);
        for number in 0..FLOOD {
            world.clock.advance(pace);
            match block_on(
                world
                    .server
                    .within(many_sources(number))
                    .register(small(number)),
            ) {
                Ok(answer) => ids.push(answer.client_id),
                Err(RegistrationError::Limited(limited)) => {
                    let wait = limited.retry_after.as_seconds();
                    assert!((1..=600).contains(&wait), "{wait}");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
            if number % 10_000 == 0 {
                assert!(stored(&storage, &ids) <= MOST_CLIENTS);
            }
        }
        let kept = stored(&storage, &ids);
        println!("{pace:?}: {kept} kept, {refused} refused");
        assert!(kept <= MOST_CLIENTS, "{kept}");
        // The pages fill evenly enough that the bound is not far from what is reached.
        assert!(kept > MOST_CLIENTS * 8 / 10, "{kept}");
        if pace == Lifetime::ZERO {
            // Nothing young was thrown away: what there is no room for is refused.
            assert_eq!((kept, kept + refused), (ids.len(), FLOOD as usize));
            world.redeem(&app, &code).unwrap();
        } else {
            assert_eq!(refused, 0);
            // A client with a grant is there, and is found by its words.
            let found = block_on(
                storage
                    .clients()
                    .find(&ClientId::new(app.client_id.as_str())),
            );
            assert!(found.unwrap().is_some(), "{app:?}");
        }
    }
}

#[derive(Default, Clone)]
struct Forgotten(Arc<AtomicUsize>);

impl EventSink for Forgotten {
    fn record(&self, noted: &Noted<'_>) {
        if matches!(noted.event(), Event::UnusedClientForgotten { .. }) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// AS-DCR-15: the oldest unused client makes room, a used one never does, and a young one does
/// not yet.
#[test]
fn the_oldest_unused_client_makes_room() {
    let forgotten = Forgotten::default();
    let (world, storage) = world(|builder| {
        builder
            .events(forgotten.clone())
            .configure(|config| config.policy.registration.unused_clients = 1)
    });
    let register = |number| block_on(world.server.register(small(number)));
    let there = |id: &str| stored(&storage, &[id.to_owned()]) == 1;
    let first = register(1).unwrap().client_id;
    let Err(RegistrationError::Limited(limited)) = register(2) else {
        panic!("there is no room yet");
    };
    assert_eq!(limited.retry_after, Lifetime::minutes(10));
    world.clock.advance(Lifetime::minutes(10));
    let second = register(2).unwrap().client_id;
    assert!(!there(&first) && there(&second));
    assert_eq!(forgotten.0.load(Ordering::SeqCst), 1);

    let app = oauth_testkit::flows::App {
        client_id: second.clone(),
        client_secret: None,
        redirect_uri: "http://127.0.0.1/2".to_owned(),
    };
    let code = world.approve(&app, &world.browser("alice"));
    world.clock.advance(Lifetime::minutes(10));
    let third = register(3).unwrap().client_id;
    assert!(there(&second) && there(&third));
    assert_eq!(forgotten.0.load(Ordering::SeqCst), 1);
    // Still shared, though it no longer counts.
    assert_eq!(register(2).unwrap().client_id, second);
    drop(code);
}

/// AS-DCR-15: a client without a grant is forgotten after a week; registering again in the same
/// words keeps it, and a grant keeps it for as long as the grant could last.
#[test]
fn the_never_used_expire_and_live_grants_are_spared() {
    let (world, storage) = world(|builder| builder);
    let register = |number| block_on(world.server.register(small(number)));
    let there = |id: &str| stored(&storage, &[id.to_owned()]) == 1;
    let days = |days| {
        world.clock.advance(Lifetime::days(days));
        assert!(block_on(world.server.sweep(1_000)).failed.is_empty());
    };
    let (unused, renewed) = (
        register(1).unwrap().client_id,
        register(2).unwrap().client_id,
    );
    let app = world.register();
    world.approve(&app, &world.browser("alice"));
    days(6);
    assert_eq!(register(2).unwrap().client_id, renewed);
    days(2);
    assert!(!there(&unused) && there(&renewed) && there(&app.client_id));
    // A new one in the old words has a new identifier.
    assert_ne!(register(1).unwrap().client_id, unused);
    days(81);
    assert!(!there(&renewed) && there(&app.client_id));
    days(33);
    assert!(!there(&app.client_id));
}

/// The date of the last use is kept to the day, so that a client that many share is written once
/// a day for it.
#[test]
fn the_last_use_is_written_once_a_day() {
    let (world, storage) = world(|builder| builder);
    let app = world.register();
    let id = ClientId::new(app.client_id.as_str());
    let read = || {
        let found = block_on(storage.clients().find(&id)).unwrap().unwrap();
        (
            found.revision,
            found.record.last_used_at.map(Timestamp::as_unix),
        )
    };
    assert_eq!(read().1, None);
    for (hours, expected) in [(0, 0), (1, 0), (22, 0), (1, 24), (23, 24), (48, 95)] {
        let before = read();
        world.clock.advance(Lifetime::minutes(hours * 60));
        world.approve(&app, &world.browser("alice"));
        let after = read();
        assert_eq!(after.1, Some(1_800_000_000 + expected * 3600));
        assert_eq!(before.0 == after.0, before.1 == after.1);
    }
}
