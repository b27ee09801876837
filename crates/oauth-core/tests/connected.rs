//! Seeing who has access, and ending it: one grant, one client, one person.

use std::sync::Arc;

use oauth_core::storage::{Page, Storage};
use oauth_core::types::{ClientId, Subject, TokenResponse};
use oauth_core::{Approval, ConnectedGrant};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::faults::{FaultyStorage, interleave};
use oauth_testkit::flows::{App, World};

fn sign_in(world: &World, app: &App, person: &str) -> TokenResponse {
    let browser = world.browser(person);
    let code = world.approve(app, &browser);
    world.redeem(app, &code).unwrap()
}

fn connected(world: &World, person: &str) -> Vec<ConnectedGrant> {
    let person = Subject::new(person);
    block_on(world.server.connected_grants(&person, &Page::first(50)))
        .unwrap()
        .0
}

fn is_alive(world: &World, app: &App, tokens: &TokenResponse) -> (bool, bool) {
    let access = world.check(&tokens.access_token).is_some();
    let refresh = tokens.refresh_token.as_deref().unwrap();
    (access, world.refresh(app, refresh).is_ok())
}

/// AS-REG-9: a person sees who may do what since when, and ends one grant.
#[test]
fn a_person_sees_their_grants_and_ends_one() {
    let world = World::new(41);
    let app = world.register();
    let (first, second) = (
        sign_in(&world, &app, "alice"),
        sign_in(&world, &app, "alice"),
    );
    sign_in(&world, &app, "bob");
    let seen = connected(&world, "alice");
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].client_id.as_str(), app.client_id);
    assert!(seen[0].client_name.is_some());
    assert_eq!(seen[0].scope.as_str(), "mcp:tools mcp:write");
    assert_eq!(seen[0].resources[0].as_str(), "https://mcp.example/mcp");
    assert_eq!(seen[0].approved_at.as_unix(), 1_800_000_000);
    assert!(seen[0].last_used_at.is_some());

    let one = world.check(&first.access_token).unwrap().grant.unwrap();
    block_on(world.server.close_grant(&one)).unwrap();
    assert_eq!(is_alive(&world, &app, &first), (false, false));
    assert_eq!(is_alive(&world, &app, &second), (true, true));
    assert_eq!(connected(&world, "alice").len(), 1);
}

/// A person takes everything back from one client: not from another, and nobody else's.
#[test]
fn a_person_takes_everything_back_from_one_client() {
    let world = World::new(42);
    let (app, other) = (world.register(), world.register());
    let mine = [
        sign_in(&world, &app, "alice"),
        sign_in(&world, &app, "alice"),
    ];
    let elsewhere = sign_in(&world, &other, "alice");
    let bobs = sign_in(&world, &app, "bob");
    let client = ClientId::new(&*app.client_id);
    block_on(world.server.withdraw(&Subject::new("alice"), &client)).unwrap();
    for tokens in &mine {
        assert_eq!(is_alive(&world, &app, tokens), (false, false));
    }
    assert_eq!(is_alive(&world, &other, &elsewhere), (true, true));
    assert_eq!(is_alive(&world, &app, &bobs), (true, true));
    let again = sign_in(&world, &app, "alice");
    assert_eq!(is_alive(&world, &app, &again), (true, true));
}

/// AS-RT-11: an operator ends a client, a person, and shuts one out.
#[test]
fn an_operator_ends_a_client_or_a_person() {
    let world = World::new(43);
    let (app, other) = (world.register(), world.register());
    let people = ["alice", "bob"].map(|person| sign_in(&world, &app, person));
    block_on(world.server.revoke_client(&ClientId::new(&*app.client_id))).unwrap();
    for tokens in &people {
        assert_eq!(is_alive(&world, &app, tokens), (false, false));
    }

    let (alices, bobs) = (
        sign_in(&world, &app, "alice"),
        sign_in(&world, &other, "bob"),
    );
    let before = world.browser("alice");
    block_on(world.server.sign_out_everywhere(&Subject::new("alice"))).unwrap();
    assert_eq!(is_alive(&world, &app, &alices), (false, false));
    assert_eq!(is_alive(&world, &other, &bobs), (true, true));
    // A sign-in of before decides nothing any more.
    let (pending, _) = world.ask(&app, &before, "mcp:tools");
    let approval = Approval::of(pending.scope().clone());
    assert!(block_on(world.server.approve(&pending, &before.session, approval)).is_err());

    let bob = Subject::new("bob");
    block_on(world.server.set_disabled(&bob, true)).unwrap();
    assert_eq!(is_alive(&world, &other, &bobs), (false, false));
    let binding = world.server.bind_browser().unwrap();
    let who = oauth_core::Authentication::of(bob.clone());
    assert!(
        block_on(world.server.sign_in(&who, &binding))
            .unwrap()
            .is_none()
    );
    block_on(world.server.set_disabled(&bob, false)).unwrap();
    let back = sign_in(&world, &other, "bob");
    assert_eq!(is_alive(&world, &other, &back), (true, true));
}

/// Forgotten: no grant, no consent, no password; and still no way back for an old sign-in.
#[test]
fn a_person_can_be_forgotten() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let world = World::builder(44).storage(Arc::clone(&storage)).build();
    let app = world.register();
    let before = world.browser("alice");
    let tokens = sign_in(&world, &app, "alice");
    let id = world.check(&tokens.access_token).unwrap().grant.unwrap();
    let alice = Subject::new("alice");
    block_on(world.server.withdraw(&alice, &ClientId::new("some-client"))).unwrap();
    block_on(world.server.erase(&alice)).unwrap();
    assert!(block_on(storage.grants().find(&id)).unwrap().is_none());
    let left = block_on(storage.subjects().find(&alice)).unwrap().unwrap();
    assert!(left.record.clients.is_empty() && left.record.password.is_none());
    let (pending, _) = world.ask(&app, &before, "mcp:tools");
    let approval = Approval::of(pending.scope().clone());
    assert!(block_on(world.server.approve(&pending, &before.session, approval)).is_err());

    block_on(world.server.set_disabled(&alice, true)).unwrap();
    block_on(world.server.erase(&alice)).unwrap();
    let left = block_on(storage.subjects().find(&alice)).unwrap().unwrap();
    assert!(left.record.disabled, "erasing lets nobody in again");
}

/// Whatever is under way while a person takes everything back: approving, redeeming or refreshing
/// at every moment of it, nothing survives.
#[test]
fn nothing_that_is_under_way_survives_a_withdrawal() {
    for moment in 0..60usize {
        let store = FaultyStorage::new(Arc::new(MemoryStorage::new()));
        let world = World::builder(45).storage(Arc::new(store)).build();
        let spin = |future: std::pin::Pin<Box<dyn Future<Output = Option<TokenResponse>> + '_>>| {
            interleave(vec![future], |_| 0).remove(0)
        };
        let app = world.register();
        let alice = world.browser("alice");
        let held = spin(Box::pin(async {
            let code = world.approve_async(&app, &alice).await;
            world.redeem_async(&app, &code).await.ok()
        }));
        let refresh = held.unwrap().refresh_token.unwrap();
        let (who, client) = (Subject::new("alice"), ClientId::new(&*app.client_id));
        let mut polls = 0;
        let answers = interleave(
            vec![
                Box::pin(async {
                    world.server.withdraw(&who, &client).await.unwrap();
                    None
                }),
                Box::pin(async { world.refresh_async(&app, &refresh).await.ok() }),
            ],
            |running| {
                polls += 1;
                // The withdrawal begins, and at this moment the other goes on to its end.
                if running < 2 {
                    0
                } else {
                    usize::from(polls > moment)
                }
            },
        );
        for tokens in answers.into_iter().flatten() {
            let alive = spin(Box::pin(async {
                let checked = world.server.check_access_token(&tokens.access_token).await;
                checked.unwrap().map(|_| tokens.clone())
            }));
            assert!(alive.is_none(), "an access token survived at {moment}");
            let refresh = tokens.refresh_token.as_deref().unwrap_or_default();
            let next = spin(Box::pin(async {
                world.refresh_async(&app, refresh).await.ok()
            }));
            assert!(next.is_none(), "a refresh token survived at {moment}");
        }
    }
}

/// An approval that had looked at the barrier before it was raised, and is stored after everything
/// was listed: its code is good for nothing.
#[test]
fn an_approval_that_was_under_way_counts_for_nothing() {
    enum End {
        Withdraw,
        SignOut,
        RevokeClient,
    }
    for end in [End::Withdraw, End::SignOut, End::RevokeClient] {
        let store = FaultyStorage::new(Arc::new(MemoryStorage::new()));
        let world = World::builder(46).storage(Arc::new(store)).build();
        let app = world.register();
        let alice = world.browser("alice");
        let (who, client) = (Subject::new("alice"), ClientId::new(&*app.client_id));
        let mut polls = 0;
        let codes = interleave(
            vec![
                Box::pin(async { Some(world.approve_async(&app, &alice).await) }),
                Box::pin(async {
                    let server = &world.server;
                    let ended = match end {
                        End::Withdraw => server.withdraw(&who, &client).await,
                        End::SignOut => server.sign_out_everywhere(&who).await,
                        End::RevokeClient => server.revoke_client(&client).await,
                    };
                    ended.unwrap();
                    None
                }),
            ],
            |_| {
                polls += 1;
                // The approval begins, the other goes to its end, the approval goes on.
                usize::from(polls > 1)
            },
        );
        let code = codes.into_iter().flatten().next().unwrap();
        let redeemed = interleave(vec![Box::pin(world.redeem_async(&app, &code))], |_| 0).remove(0);
        assert!(redeemed.is_err());
    }
}
