//! A person's own pages, without HTTP: only what is theirs, only in their browser and sign-in.

use std::sync::Arc;

use oauth_core::account::AccountFormError;
use oauth_core::storage::{ClientRegistration, Storage};
use oauth_core::types::registration::ClientMetadata;
use oauth_core::types::{ClientId, GrantId, Lifetime, Subject, TokenResponse};
use oauth_core::{Approval, ConnectedGrant};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, World};

fn sign_in(world: &World, app: &App, person: &str) -> TokenResponse {
    let browser = world.browser(person);
    let code = world.approve(app, &browser);
    world.redeem(app, &code).unwrap()
}

fn grant_of(world: &World, tokens: &TokenResponse) -> GrantId {
    world.check(&tokens.access_token).unwrap().grant.unwrap()
}

fn listed(world: &World, person: &str) -> Vec<ConnectedGrant> {
    let page = block_on(world.server.account_page(&Subject::new(person), None));
    page.unwrap().0
}

/// AS-REG-9: whoever knows the name of somebody else's grant, and it is no secret, ends nothing
/// with it, neither the grant nor anything of its client.
#[test]
fn nobody_ends_what_somebody_else_gave() {
    let world = World::new(71);
    let app = world.register();
    let bobs = sign_in(&world, &app, "bob");
    let id = grant_of(&world, &bobs);
    let (alice, bob) = (Subject::new("alice"), Subject::new("bob"));
    let nothing = GrantId::from_bytes([7; 16]);
    for grant in [id, nothing] {
        assert!(!block_on(world.server.close_own_grant(&alice, &grant)).unwrap());
        assert!(!block_on(world.server.withdraw_by_grant(&alice, &grant)).unwrap());
    }
    assert!(world.check(&bobs.access_token).is_some());
    let refresh = bobs.refresh_token.as_deref().unwrap();
    let bobs = world.refresh(&app, refresh).unwrap();

    assert!(block_on(world.server.close_own_grant(&bob, &id)).unwrap());
    assert!(world.check(&bobs.access_token).is_none());
    let again = block_on(world.server.close_own_grant(&bob, &id)).unwrap();
    assert!(!again, "it had ended already");
}

/// A person who takes something back that they do not have leaves no trace in their record.
#[test]
fn withdrawing_what_is_not_there_writes_nothing() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let world = World::builder(72).storage(Arc::clone(&storage)).build();
    let app = world.register();
    let bobs = grant_of(&world, &sign_in(&world, &app, "bob"));
    let mallory = Subject::new("mallory");
    block_on(world.server.withdraw_by_grant(&mallory, &bobs)).unwrap();
    assert!(
        block_on(storage.subjects().find(&mallory))
            .unwrap()
            .is_none()
    );
}

/// AS-REG-9: everything of one client ends by any of its grants, also one that has ended already.
#[test]
fn everything_of_a_client_ends_by_one_of_its_grants() {
    let world = World::new(73);
    let (app, other) = (world.register(), world.register());
    let alice = Subject::new("alice");
    let (first, second) = (
        sign_in(&world, &app, "alice"),
        sign_in(&world, &app, "alice"),
    );
    let elsewhere = sign_in(&world, &other, "alice");
    let id = grant_of(&world, &first);
    block_on(world.server.close_own_grant(&alice, &id)).unwrap();
    assert!(block_on(world.server.withdraw_by_grant(&alice, &id)).unwrap());
    assert!(world.check(&second.access_token).is_none());
    assert!(world.check(&elsewhere.access_token).is_some());
    assert_eq!(listed(&world, "alice").len(), 1);
}

/// A list of who has access names nobody who has none any more: not what a fence or a barrier
/// ended, nor a code that nobody redeemed, nor what ran out.
#[test]
fn what_allows_nothing_any_more_is_not_listed() {
    let world = World::new(74);
    let app = world.register();
    let mut metadata = ClientMetadata::default();
    metadata.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
    metadata.token_endpoint_auth_method = Some("none".to_owned());
    let without_refresh = world.register_as(metadata);
    let alice = world.browser("alice");
    world.approve(&app, &alice);
    sign_in(&world, &without_refresh, "alice");
    let listed_now = || listed(&world, "alice").len();
    assert_eq!(listed_now(), 2);
    world.clock.advance(Lifetime::seconds(61));
    assert_eq!(listed_now(), 1, "the code ran out");
    world.clock.advance(Lifetime::minutes(15));
    assert_eq!(listed_now(), 0, "and so did the only token");

    sign_in(&world, &app, "alice");
    assert_eq!(listed_now(), 1);
    world.clock.advance(Lifetime::days(31));
    assert_eq!(listed_now(), 0, "nobody came back for a month");

    sign_in(&world, &app, "alice");
    block_on(world.server.fence()).unwrap();
    assert_eq!(listed_now(), 0, "a fence");
}

/// CIMD-25, AS-AUTHZ-23: who has access is told apart as it was when the person was asked.
#[test]
fn a_client_is_shown_as_on_the_consent_page() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let world = World::builder(75).storage(Arc::clone(&storage)).build();
    let app = world.register();
    sign_in(&world, &app, "alice");
    let seen = &listed(&world, "alice")[0];
    assert!(!seen.is_client_vouched_for && seen.client_host.is_none());
    assert_eq!(seen.redirect_uris[0].as_str(), "http://127.0.0.1/callback");

    let id = ClientId::new(&*app.client_id);
    let found = block_on(storage.clients().find(&id)).unwrap().unwrap();
    let mut entered = (*found.record).clone();
    entered.registration = ClientRegistration::Preregistered;
    block_on(storage.clients().replace(found.revision, entered)).unwrap();
    assert!(listed(&world, "alice")[0].is_client_vouched_for);
}

/// However many grants there are, and however many have ended, a page is neither long nor empty, every grant is on one, and a name of a page that
/// was altered or is too old is the first.
#[test]
fn many_grants_are_shown_page_by_page() {
    let world = World::new(76);
    let app = world.register();
    let alice = world.browser("alice");
    let ended: Vec<_> = (0..130).map(|_| world.approve(&app, &alice)).collect();
    drop(ended);
    world.clock.advance(Lifetime::minutes(2));
    for _ in 0..60 {
        sign_in(&world, &app, "alice");
    }
    let who = Subject::new("alice");
    let (mut seen, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let (grants, next) = block_on(world.server.account_page(&who, page.as_deref())).unwrap();
        assert!(grants.len() < 75 && (grants.len() >= 25 || next.is_none()));
        seen.extend(grants.iter().map(|grant| grant.grant));
        pages += 1;
        let Some(next) = next else { break };
        page = Some(next);
    }
    assert!(pages > 1);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 60);

    let ids = |page: Option<&str>| -> Vec<GrantId> {
        let (grants, _) = block_on(world.server.account_page(&who, page)).unwrap();
        grants.iter().map(|grant| grant.grant).collect()
    };
    let last = page.unwrap();
    assert_ne!(ids(Some(&last)), ids(None));
    for strange in ["", "AAAA", &last[1..], "../../etc"] {
        assert_eq!(ids(Some(strange)), ids(None), "{strange}");
    }
    world.clock.advance(Lifetime::days(1));
    assert_eq!(ids(Some(&last)), ids(None));
}

/// AS-AUTHZ-25: a form is good in the browser and for the sign-in it was made for, for as long as
/// that lasts, and is no session and no transaction.
#[test]
fn a_form_is_good_in_its_own_browser_and_sign_in_only() {
    let world = World::new(77);
    let (alice, other) = (world.browser("alice"), world.browser("alice"));
    let server = &world.server;
    let form = server
        .seal_account_form(Some(&alice.session), &alice.binding)
        .unwrap();
    let opened = server
        .open_account_form(&form, Some(&alice.binding))
        .unwrap();
    assert!(opened.is_for(&alice.session) && !opened.is_for(&other.session));
    assert!(!opened.is_for_signing_in());

    let refused = |form: &str, browser| server.open_account_form(form, browser).unwrap_err();
    let elsewhere = AccountFormError::OtherBrowser;
    assert_eq!(refused(&form, Some(&other.binding)), elsewhere);
    assert_eq!(refused(&form, None), elsewhere);
    assert_eq!(refused("", Some(&alice.binding)), AccountFormError::Expired);
    let session = block_on(server.session(&form, &alice.binding)).unwrap();
    assert!(session.is_none());
    assert!(server.resume(&form, Some(&alice.binding)).is_err());
    let app = world.register();
    let (pending, _) = world.ask(&app, &alice, "mcp:tools");
    let transaction = server.seal(&pending).unwrap();
    let foreign = refused(&transaction, Some(&alice.binding));
    assert_eq!(foreign, AccountFormError::Expired);

    let nobody = server.seal_account_form(None, &alice.binding).unwrap();
    let opened = server.open_account_form(&nobody, Some(&alice.binding));
    let opened = opened.unwrap();
    assert!(opened.is_for_signing_in() && !opened.is_for(&alice.session));
    world.clock.advance(Lifetime::minutes(10));
    assert!(
        server
            .open_account_form(&nobody, Some(&alice.binding))
            .is_err()
    );
    assert!(
        server
            .open_account_form(&form, Some(&alice.binding))
            .is_ok()
    );
    world.clock.advance(Lifetime::minutes(12 * 60));
    assert!(
        server
            .open_account_form(&form, Some(&alice.binding))
            .is_err()
    );
}

/// Saying no is as good as leaving everything unticked: what was asked is remembered no longer,
/// what was not asked is, and what was granted before stays granted.
#[test]
fn a_no_takes_back_what_was_remembered_of_it() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let world = World::builder(78).storage(Arc::clone(&storage)).build();
    let mut metadata = ClientMetadata::default();
    metadata.redirect_uris = vec!["https://app.example/cb".to_owned()];
    metadata.token_endpoint_auth_method = Some("none".to_owned());
    let app = world.register_as(metadata);
    let id = ClientId::new(&*app.client_id);
    let found = block_on(storage.clients().find(&id)).unwrap().unwrap();
    let mut entered = (*found.record).clone();
    entered.registration = ClientRegistration::Preregistered;
    block_on(storage.clients().replace(found.revision, entered)).unwrap();

    let alice = world.browser("alice");
    let both = "mcp:tools mcp:write";
    let (pending, _) = world.ask(&app, &alice, both);
    let approval = Approval::of(pending.scope().clone());
    block_on(world.server.approve(&pending, &alice.session, approval)).unwrap();
    let remembered = |scope: &str| {
        let (pending, _) = world.ask(&app, &alice, scope);
        block_on(world.server.has_consented(&pending, &alice.session)).unwrap()
    };
    assert!(remembered(both));

    let (pending, _) = world.ask(&app, &alice, "mcp:write");
    let stranger = world.browser("mallory");
    block_on(world.server.forget_refused(&pending, &stranger.session)).unwrap();
    assert!(remembered(both), "somebody else said no");
    block_on(world.server.forget_refused(&pending, &alice.session)).unwrap();
    assert!(remembered("mcp:tools"));
    assert!(!remembered("mcp:write") && !remembered(both));
    let (pending, _) = world.ask(&app, &alice, both);
    block_on(world.server.forget_refused(&pending, &alice.session)).unwrap();
    assert!(!remembered("mcp:tools"));
    assert_eq!(listed(&world, "alice").len(), 1);
}
