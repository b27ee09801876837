//! The life of a grant as short stories: what a client sees, step by step.

use std::sync::Arc;

use oauth_core::storage::{Storage, SubjectRecord};
use oauth_core::types::{GrantId, Lifetime, ResourceUri, Subject, TokenErrorCode, TokenResponse};
use oauth_core::{ResourcePolicy, TokenError};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, Code, World};

fn begin(world: &World) -> (App, TokenResponse) {
    let app = world.register();
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    let tokens = world.redeem(&app, &code).unwrap();
    (app, tokens)
}

fn refresh_token(tokens: &TokenResponse) -> &str {
    tokens.refresh_token.as_deref().unwrap()
}

fn word<T: std::fmt::Debug>(outcome: Result<T, TokenError>) -> TokenErrorCode {
    outcome.unwrap_err().code().unwrap()
}

/// AS-TOKEN-3, AS-AT-1, AS-AT-6, AS-CODE-1, AS-AUTHZ-31.
#[test]
fn a_code_becomes_tokens_for_the_resource_that_was_asked_for() {
    let world = World::new(1);
    let (app, tokens) = begin(&world);
    assert_eq!(tokens.expires_in, 900);
    assert_eq!(tokens.scope.as_str(), "mcp:tools mcp:write");
    let claims = world.check(&tokens.access_token).unwrap();
    assert!(
        claims
            .audience
            .iter()
            .map(ResourceUri::as_str)
            .eq(["https://mcp.example/mcp"])
    );
    assert_eq!(claims.subject.as_str(), "alice");
    assert_eq!(claims.client_id.unwrap().as_str(), app.client_id);
    // Each kind of text is good only in its own place.
    assert!(world.check(refresh_token(&tokens)).is_none());
    assert_eq!(
        word(world.refresh(&app, &tokens.access_token)),
        TokenErrorCode::InvalidGrant
    );
}

/// AS-CODE-2, AS-CODE-5, AS-AUTHZ-31: only a replay that is right in everything else ends the grant.
#[test]
fn a_stranger_with_a_code_signs_nobody_out() {
    let world = World::new(2);
    let (app, stranger) = (world.register(), world.register());
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    let tokens = world.redeem(&app, &code).unwrap();

    let guess = Code {
        code: code.code.clone(),
        verifier: world.verifier(),
    };
    assert_eq!(
        word(world.redeem(&app, &guess)),
        TokenErrorCode::InvalidGrant
    );
    assert_eq!(
        word(world.redeem(&stranger, &code)),
        TokenErrorCode::InvalidGrant
    );
    assert!(world.check(&tokens.access_token).is_some());

    assert_eq!(
        word(world.redeem(&app, &code)),
        TokenErrorCode::InvalidGrant
    );
    assert!(world.check(&tokens.access_token).is_none());
    assert_eq!(
        word(world.refresh(&app, refresh_token(&tokens))),
        TokenErrorCode::InvalidGrant
    );
}

/// AS-CODE-2, AS-CODE-6, AS-CODE-7: what is wrong is refused before anything is consumed.
#[test]
fn mistakes_do_not_cost_the_owner_the_code() {
    let world = World::new(3);
    let app = world.register();
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    let base = [
        ("grant_type", "authorization_code"),
        ("code", code.code.as_str()),
        ("code_verifier", code.verifier.as_str()),
    ];
    let with = |extra: (&'static str, &'static str)| {
        let form: Vec<_> = base.iter().copied().chain([extra]).collect();
        word(block_on(world.token_async(&app, &form)))
    };
    assert_eq!(
        with(("resource", "https://other.example/mcp")),
        TokenErrorCode::InvalidTarget
    );
    assert_eq!(
        with(("scope", "mcp:tools admin")),
        TokenErrorCode::InvalidScope
    );
    assert_eq!(with(("scope", "a  b")), TokenErrorCode::InvalidScope);
    assert_eq!(
        with(("redirect_uri", "http://127.0.0.1:1/x")),
        TokenErrorCode::InvalidGrant
    );
    assert_eq!(with(("code", "twice")), TokenErrorCode::InvalidRequest);
    let short = Code {
        code: code.code.clone(),
        verifier: "short".to_owned(),
    };
    assert_eq!(
        word(world.redeem(&app, &short)),
        TokenErrorCode::InvalidRequest
    );
    assert!(world.redeem(&app, &code).is_ok());
}

/// AS-CODE-1, AS-AUTHZ-30.
#[test]
fn a_code_ends_after_a_minute() {
    let world = World::new(4);
    let app = world.register();
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    world.clock.advance(Lifetime::seconds(60));
    assert_eq!(
        word(world.redeem(&app, &code)),
        TokenErrorCode::InvalidGrant
    );
}

/// AS-RT-4: a token of any age that was replaced ends the grant when it comes back.
#[test]
fn an_old_refresh_token_ends_the_grant_however_old() {
    let world = World::new(5);
    let (app, first) = begin(&world);
    let second = world.refresh(&app, refresh_token(&first)).unwrap();
    let third = world.refresh(&app, refresh_token(&second)).unwrap();
    assert!(world.check(&third.access_token).is_some());
    assert_eq!(
        word(world.refresh(&app, refresh_token(&first))),
        TokenErrorCode::InvalidGrant
    );
    assert!(world.check(&third.access_token).is_none());
    assert_eq!(
        word(world.refresh(&app, refresh_token(&third))),
        TokenErrorCode::InvalidGrant
    );
}

/// AS-RT-5: an identical retry gets the identical answer; the window closes when the successor
/// is presented, or with time.
#[test]
fn a_lost_answer_can_be_asked_for_again() {
    let world = World::new(6);
    let (app, first) = begin(&world);
    let second = world.refresh(&app, refresh_token(&first)).unwrap();
    let again = world.refresh(&app, refresh_token(&first)).unwrap();
    assert_eq!(again.access_token, second.access_token);
    assert_eq!(again.refresh_token, second.refresh_token);

    // Another request gets the same successor and an access token of its own.
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token(&first)),
        ("scope", "mcp:tools"),
    ];
    let narrow = block_on(world.token_async(&app, &narrow)).unwrap();
    assert_eq!(narrow.refresh_token, second.refresh_token);
    assert_ne!(narrow.access_token, second.access_token);
    assert_eq!(narrow.scope.as_str(), "mcp:tools");

    world.clock.advance(Lifetime::seconds(30));
    assert_eq!(
        word(world.refresh(&app, refresh_token(&first))),
        TokenErrorCode::InvalidGrant
    );
    assert!(world.check(&second.access_token).is_none());
}

/// A strict server forgives nothing.
#[test]
fn without_a_window_a_second_presentation_ends_the_grant() {
    let world = World::builder(7)
        .configure(|config| config.policy.retry_window = Lifetime::ZERO)
        .build();
    let (app, first) = begin(&world);
    let second = world.refresh(&app, refresh_token(&first)).unwrap();
    assert_eq!(
        word(world.refresh(&app, refresh_token(&first))),
        TokenErrorCode::InvalidGrant
    );
    assert!(world.check(&second.access_token).is_none());
}

/// A token that was revoked does not come back under the same bytes.
#[test]
fn revoking_an_access_token_ends_its_retry_and_nothing_else() {
    let world = World::new(8);
    let (app, first) = begin(&world);
    let second = world.refresh(&app, refresh_token(&first)).unwrap();
    world.revoke(&app, &second.access_token).unwrap();
    assert!(world.check(&second.access_token).is_none());
    assert_eq!(
        word(world.refresh(&app, refresh_token(&first))),
        TokenErrorCode::InvalidGrant
    );
    assert!(
        world.check(&first.access_token).is_some(),
        "an earlier token still lives"
    );
    assert!(
        world.refresh(&app, refresh_token(&second)).is_ok(),
        "the grant still lives"
    );
}

/// AS-REV-2, AS-REV-4.
#[test]
fn revoking_a_refresh_token_ends_the_grant_for_its_own_client_only() {
    let world = World::new(9);
    let (app, tokens) = begin(&world);
    let stranger = world.register();
    world.revoke(&stranger, refresh_token(&tokens)).unwrap();
    assert!(world.check(&tokens.access_token).is_some());
    world.revoke(&app, refresh_token(&tokens)).unwrap();
    assert!(world.check(&tokens.access_token).is_none());
    world.revoke(&app, refresh_token(&tokens)).unwrap();
    world.revoke(&app, "garbage").unwrap();
}

/// AS-RT-7: a narrower refresh does not shrink the grant.
#[test]
fn narrowing_lasts_for_one_access_token() {
    let world = World::new(10);
    let (app, tokens) = begin(&world);
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token(&tokens)),
        ("scope", "mcp:tools"),
    ];
    let narrow = block_on(world.token_async(&app, &narrow)).unwrap();
    assert_eq!(
        world.check(&narrow.access_token).unwrap().scope.as_str(),
        "mcp:tools"
    );
    let whole = world.refresh(&app, refresh_token(&narrow)).unwrap();
    assert_eq!(whole.scope.as_str(), "mcp:tools mcp:write");
}

/// AS-RT-9: idle and absolute ends; rotation never pushes the absolute one outward.
#[test]
fn a_grant_ends_when_idle_and_at_the_latest_after_ninety_days() {
    let world = World::new(11);
    let (app, mut tokens) = begin(&world);
    for days in [6, 20, 20, 20, 20] {
        world.clock.advance(Lifetime::days(days));
        tokens = world.refresh(&app, refresh_token(&tokens)).unwrap();
    }
    world.clock.advance(Lifetime::days(4));
    assert_eq!(
        word(world.refresh(&app, refresh_token(&tokens))),
        TokenErrorCode::InvalidGrant
    );

    let (app, tokens) = begin(&world);
    let tokens = world.refresh(&app, refresh_token(&tokens)).unwrap();
    world.clock.advance(Lifetime::days(30));
    assert_eq!(
        word(world.refresh(&app, refresh_token(&tokens))),
        TokenErrorCode::InvalidGrant
    );
}

/// AS-RT-10, AS-RT-11: barriers are numbers, so no clock plays a part.
#[test]
fn a_raised_epoch_or_a_disabled_person_stops_codes_and_refreshes() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let world = World::builder(12).storage(Arc::clone(&storage)).build();
    let change = |change: &dyn Fn(&mut SubjectRecord)| {
        let id = Subject::new("alice");
        match block_on(storage.subjects().find(&id)).unwrap() {
            None => {
                let mut record = SubjectRecord::new(id);
                change(&mut record);
                block_on(storage.subjects().insert(record)).unwrap();
            }
            Some(found) => {
                let mut record = (*found.record).clone();
                change(&mut record);
                block_on(storage.subjects().replace(found.revision, record)).unwrap();
            }
        }
    };
    let (app, tokens) = begin(&world);
    let client = oauth_core::types::ClientId::new(app.client_id.as_str());
    change(&|person| {
        person.clients.insert(client.clone(), 1);
    });
    assert_eq!(
        word(world.refresh(&app, refresh_token(&tokens))),
        TokenErrorCode::InvalidGrant
    );

    let (app, tokens) = begin(&world);
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    change(&|person| person.epoch += 1);
    assert_eq!(
        word(world.refresh(&app, refresh_token(&tokens))),
        TokenErrorCode::InvalidGrant
    );
    assert_eq!(
        word(world.redeem(&app, &code)),
        TokenErrorCode::InvalidGrant
    );

    let (app, tokens) = begin(&world);
    change(&|person| person.disabled = true);
    assert_eq!(
        word(world.refresh(&app, refresh_token(&tokens))),
        TokenErrorCode::InvalidGrant
    );
}

/// A token of ours that is newer than its record means that the store has lost writes: nothing
/// is closed, because nobody did anything wrong.
#[test]
fn a_store_that_went_back_in_time_is_refused_without_harm() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let world = World::builder(13).storage(Arc::clone(&storage)).build();
    let (app, first) = begin(&world);
    let id = world.check(&first.access_token).unwrap().grant.unwrap();
    let backup = block_on(storage.grants().find(&id)).unwrap().unwrap();
    let second = world.refresh(&app, refresh_token(&first)).unwrap();

    let now = block_on(storage.grants().find(&id)).unwrap().unwrap();
    let restored = (*backup.record).clone();
    block_on(storage.grants().replace(now.revision, restored)).unwrap();
    assert_eq!(
        word(world.refresh(&app, refresh_token(&second))),
        TokenErrorCode::InvalidGrant
    );
    assert!(world.check(&first.access_token).is_some());
    // The rotation happens again with another successor, and the lost one stays refused.
    let other = world.refresh(&app, refresh_token(&first)).unwrap();
    assert_ne!(other.refresh_token, second.refresh_token);
    assert_eq!(
        word(world.refresh(&app, refresh_token(&second))),
        TokenErrorCode::InvalidGrant
    );
    assert!(world.check(&other.access_token).is_some());
}

/// Sixteen live access tokens; the oldest makes room.
#[test]
fn live_access_tokens_of_a_grant_are_bounded() {
    let world = World::new(14);
    let (app, first) = begin(&world);
    let mut tokens = first.clone();
    for _ in 0..15 {
        tokens = world.refresh(&app, refresh_token(&tokens)).unwrap();
    }
    assert!(world.check(&first.access_token).is_some());
    tokens = world.refresh(&app, refresh_token(&tokens)).unwrap();
    assert!(world.check(&first.access_token).is_none());
    assert!(world.check(&tokens.access_token).is_some());
}

/// AS-CODE-8: a used code is remembered for ten minutes after its end, refreshes or not.
#[test]
fn a_replay_is_noticed_after_a_refresh_and_forgotten_in_time() {
    let world = World::new(22);
    let app = world.register();
    let alice = world.browser("alice");

    let code = world.approve(&app, &alice);
    let tokens = world.redeem(&app, &code).unwrap();
    let next = world.refresh(&app, refresh_token(&tokens)).unwrap();
    assert!(world.redeem(&app, &code).is_err());
    assert!(world.check(&next.access_token).is_none(), "closed");

    let code = world.approve(&app, &alice);
    let tokens = world.redeem(&app, &code).unwrap();
    world.clock.advance(Lifetime::minutes(11));
    let next = world.refresh(&app, refresh_token(&tokens)).unwrap();
    assert!(world.redeem(&app, &code).is_err());
    assert!(world.check(&next.access_token).is_some(), "merely unknown");
}

/// AS-REV-4: a refresh token that was replaced twice no longer stands for its grant.
#[test]
fn giving_back_a_token_of_long_ago_changes_nothing() {
    let world = World::new(23);
    let (app, first) = begin(&world);
    let second = world.refresh(&app, refresh_token(&first)).unwrap();
    let third = world.refresh(&app, refresh_token(&second)).unwrap();
    world.revoke(&app, refresh_token(&first)).unwrap();
    assert!(world.check(&third.access_token).is_some());
    world.revoke(&app, refresh_token(&second)).unwrap();
    assert!(world.check(&third.access_token).is_none(), "just replaced");
}

/// A person or an operator ends a grant without any of its tokens.
#[test]
fn a_grant_can_be_ended_by_its_name() {
    let world = World::new(24);
    let (app, tokens) = begin(&world);
    let id = world.check(&tokens.access_token).unwrap().grant.unwrap();
    block_on(world.server.close_grant(&id)).unwrap();
    assert!(world.check(&tokens.access_token).is_none());
    assert!(world.refresh(&app, refresh_token(&tokens)).is_err());
    block_on(world.server.close_grant(&id)).unwrap();
}

/// AS-TOKEN-13, AS-RT-8: one of the granted resources may be named, another may not.
#[test]
fn a_token_request_may_name_a_granted_resource() {
    let world = World::new(25);
    let (app, tokens) = begin(&world);
    let refresh = |resource| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token(&tokens)),
            ("resource", resource),
        ];
        block_on(world.token_async(&app, &form))
    };
    assert_eq!(
        word(refresh("https://elsewhere.example/mcp")),
        TokenErrorCode::InvalidTarget
    );
    let named = refresh("https://mcp.example/mcp").unwrap();
    assert!(world.check(&named.access_token).is_some());
}

/// An expired access token leaves the record once it has expired on every replica's clock.
#[test]
fn expired_access_tokens_leave_the_record() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let world = World::builder(26).storage(Arc::clone(&storage)).build();
    let kept = |id: &GrantId| {
        let found = block_on(storage.grants().find(id)).unwrap().unwrap();
        found.record.access.len()
    };
    for (pause, left) in [(904, 2), (905, 1)] {
        let (app, tokens) = begin(&world);
        let id = world.check(&tokens.access_token).unwrap().grant.unwrap();
        world.clock.advance(Lifetime::seconds(pause));
        world.refresh(&app, refresh_token(&tokens)).unwrap();
        assert_eq!(kept(&id), left, "after {pause} seconds");
    }
}

/// The oldest token of the same resource makes room, not another resource's.
#[test]
fn a_token_makes_room_for_one_of_its_own_resource() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let other = ResourceUri::parse("https://other.example/mcp").unwrap();
    let world = World::builder(27)
        .storage(Arc::clone(&storage))
        .configure(|config| {
            config.policy.access_tokens_per_grant = 2;
            let resource = ResourcePolicy::new(other.clone()).scope("mcp:tools", "Use the tools");
            config.resources.push(resource);
        })
        .build();
    let (app, here) = begin(&world);
    let id = world.check(&here.access_token).unwrap().grant.unwrap();
    let found = block_on(storage.grants().find(&id)).unwrap().unwrap();
    let mut both = (*found.record).clone();
    both.resources.push(other.clone());
    block_on(storage.grants().replace(found.revision, both)).unwrap();

    let there = |tokens: &TokenResponse| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token(tokens)),
            ("resource", other.as_str()),
        ];
        block_on(world.token_async(&app, &form)).unwrap()
    };
    let first = there(&here);
    let second = there(&first);
    assert!(world.check(&here.access_token).is_some());
    assert!(world.check(&first.access_token).is_none());
    assert!(world.check(&second.access_token).is_some());
}
