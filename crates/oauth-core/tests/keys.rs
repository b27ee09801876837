//! Keys that change under running servers, and the fence that ends everything.

use std::sync::{Arc, Mutex};

use oauth_core::storage::Storage;
use oauth_core::types::Lifetime;
use oauth_core::{
    AuthorizationServer, EventSink, KEY_ANNOUNCEMENT, KeyRingError, Noted, OpenError, Personal,
    Ports, RootSecret,
};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::{World, WorldBuilder};

/// Two servers on one store, with clocks that show the same.
fn pair(seed: u64) -> [World; 2] {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    [seed, seed + 1].map(|seed| World::builder(seed).storage(Arc::clone(&storage)).build())
}

fn pass(worlds: &[World; 2], time: Lifetime) {
    for world in worlds {
        world.clock.advance(time);
        block_on(world.server.refresh_keys()).unwrap();
    }
}

/// AS-SEC-11, AS-META-29: a new key is known before it is used and an old one good for what was
/// made under it, published all the while; no client notices, whichever server it meets.
#[test]
fn keys_change_and_no_client_notices() {
    let worlds = pair(61);
    let [one, other] = &worlds;
    let app = one.register();
    let alice = one.browser("alice");
    let code = one.approve(&app, &alice);
    let first = one.redeem(&app, &code).unwrap();
    let under_way = one.approve(&app, &alice);
    let (pending, _) = one.ask(&app, &alice, "mcp:tools");
    let sealed = one.server.seal(&pending).unwrap();
    let key_of = |token: &str| token[5..7].to_owned();

    block_on(one.server.rotate_keys()).unwrap();
    block_on(other.server.refresh_keys()).unwrap();
    assert_eq!(one.server.public_jwks().len(), 2);
    assert_eq!(
        other.server.public_jwks().len(),
        2,
        "published before it is used"
    );
    let early = one
        .refresh(&app, first.refresh_token.as_deref().unwrap())
        .unwrap();
    assert_eq!(
        key_of(&early.access_token),
        key_of(&first.access_token),
        "not in use yet"
    );

    pass(&worlds, Lifetime::seconds(30));
    assert!(other.redeem(&app, &under_way).is_ok(), "a code of before");
    assert!(
        other.server.resume(&sealed, Some(&alice.binding)).is_ok(),
        "a request of before"
    );
    pass(&worlds, KEY_ANNOUNCEMENT);
    let late = other
        .refresh(&app, early.refresh_token.as_deref().unwrap())
        .unwrap();
    assert_ne!(
        key_of(&late.access_token),
        key_of(&first.access_token),
        "in use now"
    );
    assert!(one.check(&late.access_token).is_some());
    assert!(
        one.check(&early.access_token).is_some(),
        "made under the old key"
    );
    // A token of before that comes back is still recognised as ours, and ends the grant.
    assert!(
        one.refresh(&app, first.refresh_token.as_deref().unwrap())
            .is_err()
    );
    assert!(other.check(&late.access_token).is_none());
}

/// A key is dropped once nothing that was made under it can be left, and not before.
#[test]
fn a_key_is_dropped_when_nothing_of_it_can_be_left() {
    let worlds = pair(63);
    let [one, _] = &worlds;
    let mut counts = Vec::new();
    for _ in 0..6 {
        block_on(one.server.rotate_keys()).unwrap();
        counts.push(one.server.public_jwks().len());
        pass(&worlds, Lifetime::days(45));
    }
    assert_eq!(counts, [2, 3, 4, 4, 4, 4]);
}

/// After a restore: everything of before ends, at once here and with the next reading elsewhere.
#[test]
fn a_fence_ends_everything_of_before() {
    let worlds = pair(65);
    let [one, other] = &worlds;
    let app = one.register();
    let alice = one.browser("alice");
    let code = one.approve(&app, &alice);
    let tokens = one.redeem(&app, &code).unwrap();
    let unused = one.approve(&app, &alice);
    let (pending, _) = one.ask(&app, &alice, "mcp:tools");
    let sealed = one.server.seal(&pending).unwrap();

    block_on(one.server.fence()).unwrap();
    block_on(other.server.refresh_keys()).unwrap();
    for world in &worlds {
        assert!(world.check(&tokens.access_token).is_none());
        assert!(
            world
                .refresh(&app, tokens.refresh_token.as_deref().unwrap())
                .is_err()
        );
        assert!(world.redeem(&app, &unused).is_err());
        assert!(world.server.resume(&sealed, Some(&alice.binding)).is_err());
    }
    // And everything new is good everywhere.
    let alice = one.browser("alice");
    let code = one.approve(&app, &alice);
    let tokens = other.redeem(&app, &code).unwrap();
    assert!(one.check(&tokens.access_token).is_some());
}

/// Two servers that rotate at the same moment both succeed, one after the other.
#[test]
fn rotations_at_the_same_moment_do_not_undo_each_other() {
    let worlds = pair(67);
    for world in &worlds {
        block_on(world.server.rotate_keys()).unwrap();
    }
    block_on(worlds[0].server.refresh_keys()).unwrap();
    assert_eq!(worlds[0].server.public_jwks().len(), 3);
    assert_eq!(worlds[1].server.public_jwks().len(), 3);
}

fn root(letter: &str) -> RootSecret {
    RootSecret::from_text(&letter.repeat(32)).unwrap()
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl EventSink for Lines {
    fn record(&self, noted: &Noted<'_>) {
        self.0
            .lock()
            .unwrap()
            .push(noted.to_json(Personal::Pseudonyms));
    }
}

/// The root secret is exchanged while servers run: those that know both notice nothing, one that
/// was forgotten goes on with what it has and says so, and in the end the old one opens nothing.
#[test]
fn the_root_secret_is_exchanged_under_running_servers() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let lines = Lines::default();
    let world = |seed, root| -> WorldBuilder {
        World::builder(seed)
            .storage(Arc::clone(&storage))
            .events(lines.clone())
            .root(root)
    };
    let told = |word: &str| {
        lines
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(word))
    };
    let one = world(81, root("o").opening(root("n"))).build();
    let other = world(82, root("n").opening(root("o"))).build();
    let forgotten = world(83, root("o")).build();
    let app = one.register();
    let alice = one.browser("alice");
    let tokens = one.redeem(&app, &one.approve(&app, &alice)).unwrap();
    let token = tokens.refresh_token.as_deref().unwrap();

    block_on(other.server.rewrap_keys()).unwrap();
    assert!(told("keys_rewrapped"));
    for world in [&one, &other] {
        block_on(world.server.refresh_keys()).unwrap();
        assert!(world.check(&tokens.access_token).is_some());
    }
    let refused = block_on(forgotten.server.refresh_keys());
    assert!(matches!(refused, Err(KeyRingError::OtherRoot { .. })));
    assert!(told(
        "\"event\":\"keys_unreadable\",\"reason\":\"other_root\""
    ));
    assert!(
        forgotten.check(&tokens.access_token).is_some(),
        "it goes on"
    );
    let next = forgotten.refresh(&app, token).unwrap();
    assert!(one.check(&next.access_token).is_some());

    // Keys can be changed meanwhile by either, and each opens what the other sealed.
    block_on(one.server.rotate_keys()).unwrap();
    block_on(other.server.rotate_keys()).unwrap();
    block_on(one.server.refresh_keys()).unwrap();
    assert_eq!(one.server.public_jwks().len(), 3);

    block_on(other.server.rewrap_keys()).unwrap();
    let last = world(84, root("n")).build();
    assert!(last.check(&next.access_token).is_some());
    let ports = Ports::new(last.clock.clone(), oauth_testkit::SeededEntropy::new(85));
    let config = last.server.config().clone();
    let old = root("o");
    let old = AuthorizationServer::open(config, storage, &old, ports);
    let refused = block_on(old).unwrap_err();
    assert!(
        matches!(refused, OpenError::KeyRing(KeyRingError::OtherRoot { .. })),
        "{refused}"
    );
}
