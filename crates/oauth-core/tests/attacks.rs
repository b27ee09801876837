//! Things that went wrong elsewhere and are no other test's subject.

use std::sync::Arc;

use oauth_core::storage::{Delete, Storage};
use oauth_core::types::{Lifetime, ResourceUri, TokenErrorCode};
use oauth_core::{Approval, ApprovalError};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::World;

/// A refresh in the last minute of a grant is answered, with tokens that end when it does.
#[test]
fn a_refresh_in_a_grants_last_minute_is_answered() {
    let world = World::builder(51)
        .configure(|config| {
            config.policy.refresh_idle_lifetime = Lifetime::days(90);
            config.policy.unrefreshed_lifetime = Lifetime::days(90);
        })
        .build();
    let app = world.register();
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    let tokens = world.redeem(&app, &code).unwrap();
    let whole = Lifetime::days(90).as_seconds();
    world.clock.advance(Lifetime::seconds(whole - 7));
    let last = world.refresh(&app, &tokens.refresh_token.unwrap()).unwrap();
    assert_eq!(last.expires_in, 7);
    world.clock.advance(Lifetime::seconds(7));
    assert!(world.check(&last.access_token).is_none());
    let over = world
        .refresh(&app, &last.refresh_token.unwrap())
        .unwrap_err();
    assert_eq!(over.code(), Some(TokenErrorCode::InvalidGrant));
}

/// A grant that was deleted is no grant: its tokens are not thereby without limits.
#[test]
fn a_deleted_grant_allows_nothing() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let world = World::builder(52).storage(Arc::clone(&storage)).build();
    let app = world.register();
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    let tokens = world.redeem(&app, &code).unwrap();
    let id = world.check(&tokens.access_token).unwrap().grant.unwrap();
    let found = block_on(storage.grants().find(&id)).unwrap().unwrap();
    let deleted = block_on(storage.grants().delete(&id, found.revision)).unwrap();
    assert_eq!(deleted, Delete::Deleted);
    assert!(world.check(&tokens.access_token).is_none());
    assert!(world.refresh(&app, &tokens.refresh_token.unwrap()).is_err());
    assert!(world.redeem(&app, &code).is_err());
    assert!(world.revoke(&app, &tokens.access_token).is_ok());
}

/// A refresh that says nothing of the resource goes on for the one it was for.
#[test]
fn a_refresh_that_forgets_the_resource_goes_on() {
    let world = World::new(53);
    let app = world.register();
    let alice = world.browser("alice");
    let code = world.approve(&app, &alice);
    let tokens = world.redeem(&app, &code).unwrap();
    let next = world.refresh(&app, &tokens.refresh_token.unwrap()).unwrap();
    let claims = world.check(&next.access_token).unwrap();
    assert!(
        claims
            .audience
            .iter()
            .map(ResourceUri::as_str)
            .eq(["https://mcp.example/mcp"])
    );
    assert_eq!(claims.scope.as_str(), "mcp:tools mcp:write");
}

/// AS-AT-5, AS-REG-4: nobody signs in under a name that a client has or could be given, so a token
/// of a client is never taken for a person's (RFC 9700 §4.15).
#[test]
fn a_person_cannot_be_called_like_a_client() {
    let world = World::new(54);
    let app = world.register();
    for name in [
        app.client_id.as_str(),
        "c_",
        "https://app.example/client.json",
    ] {
        let browser = world.browser(name);
        let (pending, _) = world.ask(&app, &browser, "mcp:tools");
        let approval = Approval::of(pending.scope().clone());
        let refused = block_on(world.server.approve(&pending, &browser.session, approval));
        assert!(matches!(refused, Err(ApprovalError::Decision)), "{name}");
    }
}
