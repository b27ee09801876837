//! What the server promises beside the flows: the same answer to the same decision, counted reads
//! and writes, its own work recognised, the same bytes for the same seed.

use std::sync::Arc;

use oauth_core::types::{Lifetime, Scope, TokenResponse};
use oauth_core::{Approval, ApprovalError};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::faults::{Counts, Fault, FaultyStorage};
use oauth_testkit::flows::{Code, World, parameter};

fn refresh_token(tokens: &TokenResponse) -> &str {
    tokens.refresh_token.as_deref().unwrap()
}

/// A form sent twice gives the same redirect, so a double click loses nothing.
#[test]
fn the_same_yes_twice_gives_the_same_code() {
    let world = World::new(15);
    let app = world.register();
    let (alice, bob) = (world.browser("alice"), world.browser("bob"));
    let (pending, verifier) = world.ask(&app, &alice, "mcp:tools mcp:write");
    let yes = |scope: &str| {
        let approval = Approval::of(Scope::parse(scope).unwrap());
        block_on(world.server.approve(&pending, &alice.session, approval))
    };
    let first = yes("mcp:tools").unwrap();
    assert_eq!(yes("mcp:tools").unwrap().location(), first.location());
    assert!(matches!(
        yes("mcp:tools mcp:write"),
        Err(ApprovalError::AlreadyAnswered)
    ));
    assert!(matches!(
        yes("mcp:tools admin"),
        Err(ApprovalError::Decision)
    ));

    // Another browser cannot decide what this one began.
    assert!(
        world
            .server
            .resume(&world.server.seal(&pending).unwrap(), Some(&bob.binding))
            .is_err()
    );
    let approval = Approval::of(pending.scope().clone());
    let other = block_on(world.server.approve(&pending, &bob.session, approval));
    assert!(matches!(other, Err(ApprovalError::SignInAgain)));

    let code = parameter(first.location(), "code").unwrap();
    let tokens = world.redeem(&app, &Code { code, verifier }).unwrap();
    assert_eq!(tokens.scope.as_str(), "mcp:tools");
    assert!(matches!(
        yes("mcp:tools"),
        Err(ApprovalError::AlreadyAnswered)
    ));
}

/// One read and one conditional write per exchange and per refresh, one read per check, and
/// nothing written for a refusal.
#[test]
fn reads_and_writes_are_counted() {
    let storage = FaultyStorage::immediate(Arc::new(MemoryStorage::new()));
    let world = World::builder(16)
        .storage(Arc::new(storage.clone()))
        .build();
    let app = world.register();
    let alice = world.browser("alice");
    let counts = |find, insert, replace, replaced| Counts {
        find,
        insert,
        replace,
        replaced,
        list: 0,
    };

    let code = world.approve(&app, &alice);
    assert_eq!(storage.take_counts(), counts(0, 1, 0, 0));
    let guess = Code {
        code: code.code.clone(),
        verifier: world.verifier(),
    };
    assert!(world.redeem(&app, &guess).is_err());
    assert_eq!(storage.take_counts(), counts(1, 0, 0, 0));
    let first = world.redeem(&app, &code).unwrap();
    assert_eq!(storage.take_counts(), counts(1, 0, 1, 1));
    assert!(world.check(&first.access_token).is_some());
    assert_eq!(storage.take_counts(), counts(1, 0, 0, 0));
    let second = world.refresh(&app, refresh_token(&first)).unwrap();
    assert_eq!(storage.take_counts(), counts(1, 0, 1, 1));
    world.refresh(&app, refresh_token(&first)).unwrap();
    assert_eq!(
        storage.take_counts(),
        counts(1, 0, 0, 0),
        "an identical retry writes nothing"
    );
    world.revoke(&app, refresh_token(&second)).unwrap();
    assert_eq!(storage.take_counts(), counts(1, 0, 1, 1));
    let mut forged = refresh_token(&first).to_owned();
    forged.replace_range(10..11, if &forged[10..11] == "0" { "1" } else { "0" });
    assert!(world.refresh(&app, &forged).is_err());
    assert!(world.check("mcpa_garbage").is_none());
    assert_eq!(
        storage.take_counts(),
        Counts::default(),
        "garbage never reaches the store"
    );
}

/// A write that happened although its reply was lost is recognised, not mistaken for a replay.
#[test]
fn a_lost_reply_of_the_store_ends_nothing() {
    for window in [0, 30] {
        let storage = FaultyStorage::immediate(Arc::new(MemoryStorage::new()));
        let world = World::builder(17)
            .storage(Arc::new(storage.clone()))
            .configure(|config| config.policy.retry_window = Lifetime::seconds(window))
            .build();
        let app = world.register();
        let alice = world.browser("alice");
        let code = world.approve(&app, &alice);
        storage.line_up([Fault::ReplyLost]);
        let first = world.redeem(&app, &code).unwrap();
        assert!(world.check(&first.access_token).is_some());
        storage.line_up([Fault::RequestLost, Fault::ReplyLost]);
        let second = world.refresh(&app, refresh_token(&first)).unwrap();
        assert!(world.check(&second.access_token).is_some());
        assert!(world.refresh(&app, refresh_token(&second)).is_ok());
    }
}

/// Same seed, same clock, same requests: the same bytes, tokens and sealed values alike.
#[test]
fn the_same_seed_gives_the_same_bytes() {
    let story = || {
        let world = World::new(18);
        let app = world.register();
        let alice = world.browser("alice");
        let (pending, _) = world.ask(&app, &alice, "mcp:tools");
        let sealed = world.server.seal(&pending).unwrap();
        let code = world.approve(&app, &alice);
        let first = world.redeem(&app, &code).unwrap();
        let second = world.refresh(&app, refresh_token(&first)).unwrap();
        let jwks = format!("{:?}", world.server.public_jwks());
        let token = |t: &TokenResponse| (t.access_token.clone(), t.refresh_token.clone());
        (
            app.client_id,
            sealed,
            code.code,
            token(&first),
            token(&second),
            jwks,
        )
    };
    assert_eq!(story(), story());
}

/// Retries that differ in scope add access tokens of their own, but only a few.
#[test]
fn retries_that_differ_are_bounded() {
    let world = World::builder(19)
        .configure(|config| {
            let resource = config.resources.remove(0);
            let more = resource.extra_scope("a", "A").extra_scope("b", "B");
            config.resources.push(more);
        })
        .build();
    let app = world.register();
    let alice = world.browser("alice");
    let code = world.approve_scope(&app, &alice, "a b mcp:tools mcp:write");
    let first = world.redeem(&app, &code).unwrap();
    let second = world.refresh(&app, refresh_token(&first)).unwrap();
    let retry = |scope: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token(&first)),
            ("scope", scope),
        ];
        block_on(world.token_async(&app, &form))
    };
    for scope in ["a", "b", "mcp:tools", "a b"] {
        let answer = retry(scope).unwrap();
        assert_eq!(answer.refresh_token, second.refresh_token);
    }
    assert!(retry("mcp:write").is_err(), "a fifth variant");
    // Refused, and nothing ended: the known ones are still answered.
    assert!(retry("a b").is_ok());
    assert!(world.refresh(&app, refresh_token(&second)).is_ok());
}

/// A store that surely wrote nothing is not asked again: the client hears 503 at once and tries
/// later, with its code or token intact.
#[test]
fn a_refused_write_is_answered_at_once() {
    let storage = FaultyStorage::immediate(Arc::new(MemoryStorage::new()));
    let world = World::builder(20)
        .storage(Arc::new(storage.clone()))
        .build();
    let app = world.register();
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    storage.take_counts();
    storage.line_up([Fault::Refused]);
    let refused = world.redeem(&app, &code).unwrap_err();
    assert_eq!(refused.code(), None, "no word of the standard's");
    let counts = storage.take_counts();
    assert_eq!((counts.find, counts.replace), (1, 1));
    assert!(world.redeem(&app, &code).is_ok());
}
