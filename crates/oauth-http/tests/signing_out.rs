//! Signing in at the account pages, and signing out, here and everywhere.

mod common;

use common::account::{Browser, is_alive, server, shown, words};
use common::{handle, location, text};
use http::header;
use oauth_core::types::{Lifetime, Subject};
use oauth_testkit::block_on;
use oauth_testkit::faults::Fault;

/// Whose sign-in has ended meanwhile is asked who they are, and what was posted is not done.
#[test]
fn a_form_after_the_sign_in_has_ended_asks_who_it_is() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut alice = Browser::signed_in(&server, "alice");
    let grant = shown(&alice.sees("/account")).remove(0);
    let form = alice.form("/account", &[("decision", "close"), ("grant", &grant)]);
    let out = alice.form("/signout", &[]);
    assert_eq!(alice.post("/signout", &out).status(), 303);
    let answer = alice.post("/account", &form);
    assert_eq!((answer.status().as_u16(), &*words(&answer)), (200, "login"));
    assert!(is_alive(&server, &tokens));
}

/// Two tabs ask who it is; whoever signs in on the second is signed in, whatever the first did.
#[test]
fn the_sign_in_page_of_another_tab_still_signs_in() {
    let server = server();
    let mut browser = Browser::new(&server);
    let sign_in = |name| [("username", name), ("password", "wonderland")];
    let forms = ["alice", "bob"].map(|name| browser.form("/account", &sign_in(name)));
    for (form, name) in forms.iter().zip(["alice", "bob"]) {
        assert_eq!(browser.post("/account", form).status(), 303);
        let page = browser.sees("/account");
        assert!(page.starts_with(&format!("grants of {name}")), "{page}");
    }
}

/// Signing out forgets the sign-in in this browser and ends nothing else; asked twice, or by
/// nobody, it says so.
#[test]
fn signing_out_ends_this_browsers_sign_in_and_nothing_else() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut nobody = Browser::new(&server);
    assert_eq!(nobody.sees("/signout"), "out None");
    let form = nobody.form("/signout", &[]);
    assert_eq!(location(&nobody.post("/signout", &form)), "/signout");

    let (mut alice, mut at_work) = (
        Browser::signed_in(&server, "alice"),
        Browser::signed_in(&server, "alice"),
    );
    assert_eq!(alice.sees("/signout"), "out Some(\"alice\")");
    let form = alice.form("/signout", &[("decision", "sign_out")]);
    for _ in 0..2 {
        let answer = alice.post("/signout", &form);
        assert_eq!(
            (answer.status().as_u16(), &*location(&answer)),
            (303, "/signout")
        );
        let cookie = text(&answer, header::SET_COOKIE);
        for part in [
            "__Host-os-",
            "=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert_eq!(alice.sees("/signout"), "out None");
    }
    assert_eq!(alice.sees("/account"), "login");
    assert!(at_work.sees("/account").starts_with("grants of alice"));
    assert!(is_alive(&server, &tokens));
}

/// AS-RT-11: signing out everywhere asks first, then ends every sign-in and every grant of this
/// person, and nobody else's.
#[test]
fn signing_out_everywhere_ends_everything_of_one_person() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut nobody = Browser::new(&server);
    assert_eq!(nobody.sees("/signout/everywhere"), "login");
    let sign_in = [("username", "bob"), ("password", "wonderland")];
    let sign_in = nobody.form("/signout/everywhere", &sign_in);
    let answer = nobody.post("/signout/everywhere", &sign_in);
    assert_eq!(location(&answer), "/signout/everywhere", "asked, not done");
    let mut bob = nobody;

    let (mut alice, mut at_work) = (
        Browser::signed_in(&server, "alice"),
        Browser::signed_in(&server, "alice"),
    );
    assert_eq!(alice.sees("/signout/everywhere"), "everywhere alice");
    assert!(is_alive(&server, &tokens), "looking ends nothing");
    let form = alice.form("/signout/everywhere", &[]);
    let answer = alice.post("/signout/everywhere", &form);
    assert_eq!(
        (answer.status().as_u16(), &*location(&answer)),
        (303, "/signout")
    );
    assert_eq!(alice.sees("/signout"), "out None");
    assert_eq!(at_work.sees("/account"), "login");
    assert!(!is_alive(&server, &tokens));
    assert_eq!(bob.sees("/signout/everywhere"), "everywhere bob");
}

/// Whoever is signed in to the embedder's application need not sign in again, there or here.
#[test]
fn an_application_that_knows_who_it_is_asks_nothing() {
    let server = server();
    let mut alice = Browser::new(&server);
    alice.cookies.push(("shop".to_owned(), "alice".to_owned()));
    assert_eq!(alice.sees("/signout"), "out None");
    assert!(alice.sees("/account").starts_with("grants of alice"));
    assert_eq!(alice.sees("/signout"), "out Some(\"alice\")");
    assert_eq!(alice.cookies.len(), 3, "now signed in here too");
}

/// An outage is a page to try again from. What it left undone, doing it again finishes; after
/// signing out everywhere, that takes signing in again.
#[test]
fn an_outage_is_a_page_to_try_again_from() {
    let server = server();
    let tokens = [&server.public, &server.confidential].map(|app| server.tokens(app));
    let mut alice = Browser::signed_in(&server, "alice");
    let grant = shown(&alice.sees("/account")).remove(0);
    let withdraw = alice.form("/account", &[("decision", "withdraw"), ("grant", &grant)]);
    let alive = || tokens.iter().filter(|held| is_alive(&server, held)).count();
    server.storage.line_up([Fault::Refused]);
    let answer = alice.post("/account", &withdraw);
    assert_eq!((answer.status().as_u16(), alive()), (503, 2));
    assert_eq!(text(&answer, header::RETRY_AFTER), "1");
    let answer = alice.post("/account", &withdraw);
    assert_eq!((answer.status().as_u16(), alive()), (303, 1));

    let path = "/signout/everywhere";
    let everywhere = alice.form(path, &[]);
    server.storage.line_up([Fault::Refused]);
    let answer = alice.post(path, &everywhere);
    assert_eq!((answer.status().as_u16(), alive()), (503, 1));
    assert_eq!(words(&alice.post(path, &everywhere)), "login");
    let mut alice = Browser::signed_in(&server, "alice");
    let everywhere = alice.form(path, &[]);
    let answer = alice.post(path, &everywhere);
    assert_eq!((answer.status().as_u16(), alive()), (303, 0));

    let mut nobody = Browser::new(&server);
    let broken = nobody.form("/account", &[("username", "broken"), ("password", "x")]);
    assert_eq!(nobody.post("/account", &broken).status(), 503);
}

/// Who is shut out is told so.
#[test]
fn who_is_shut_out_sees_no_account() {
    let server = server();
    let authorization = server.service.authorization_server();
    block_on(authorization.set_disabled(&Subject::new("alice"), true)).unwrap();
    let mut alice = Browser::new(&server);
    let sign_in = [("username", "alice"), ("password", "wonderland")];
    let sign_in = alice.form("/account", &sign_in);
    let answer = alice.post("/account", &sign_in);
    assert_eq!(answer.status(), 403);
    assert_eq!(text(&answer, header::SET_COOKIE), "");
}

/// Signing in here is signing in for authorization requests too, and the other way round.
#[test]
fn one_sign_in_serves_all_pages() {
    let server = server();
    let alice = Browser::signed_in(&server, "alice");
    let query = server.query(&server.public, &"v".repeat(43));
    let page = server.authorize(&query, &alice.jar());
    assert_eq!(words(&page), "consent");

    let login = server.authorize(&query, "");
    let mut bob = Browser::new(&server);
    bob.keep(&login);
    let form = [
        ("transaction", &*handle(&login)),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    let consent = server.interact(&bob.jar(), &form);
    bob.keep(&consent);
    assert!(bob.sees("/account").starts_with("grants of alice"));
    server.clock.advance(Lifetime::days(1));
    assert_eq!(bob.sees("/account"), "login");
}
