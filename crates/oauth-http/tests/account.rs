//! The pages on which a person sees what they granted, and ends it.

mod common;

use bytes::Bytes;
use common::account::{Browser, is_alive, offering, server, shown, words};
use common::{Server, encode, location, text};
use http::{Method, Request, Response, header};
use oauth_core::types::Issuer;
use oauth_testkit::block_on;
use oauth_testkit::flows::{World, WorldBuilder};

/// AS-REG-9, AS-RT-11: a person signs in, sees what is theirs, ends one grant, then all of a client.
#[test]
fn a_person_sees_who_has_access_and_ends_it() {
    let server = server();
    let tokens = [0, 1].map(|_| server.tokens(&server.public));
    let elsewhere = server.tokens(&server.confidential);
    let mut alice = Browser::new(&server);
    assert_eq!(alice.sees("/account"), "login");
    let wrong = alice.form("/account", &[("username", "alice"), ("password", "x")]);
    let answer = alice.post("/account", &wrong);
    assert_eq!((answer.status().as_u16(), &*words(&answer)), (200, "login"));

    let mut alice = Browser::signed_in(&server, "alice");
    let page = alice.sees("/account");
    assert!(
        page.starts_with("grants of alice, first true, next []"),
        "{page}"
    );
    assert_eq!(shown(&page).len(), 3);
    let claims = |tokens: &serde_json::Value| {
        let token = tokens["access_token"].as_str().unwrap();
        let server = server.service.authorization_server();
        block_on(server.check_access_token(token))
            .unwrap()
            .unwrap()
            .grant
            .unwrap()
            .to_string()
    };
    let (one, other) = (claims(&tokens[0]), claims(&tokens[1]));

    let close = alice.form("/account", &[("decision", "close"), ("grant", &one)]);
    let answer = alice.post("/account", &close);
    assert_eq!(
        (answer.status().as_u16(), &*location(&answer)),
        (303, "/account")
    );
    let alive = |tokens: &_| is_alive(&server, tokens);
    assert!(!alive(&tokens[0]) && alive(&tokens[1]) && alive(&elsewhere));

    let withdraw = alice.form("/account", &[("decision", "withdraw"), ("grant", &other)]);
    assert_eq!(alice.post("/account", &withdraw).status(), 303);
    assert!(!alive(&tokens[1]) && alive(&elsewhere));
    assert_eq!(shown(&alice.sees("/account")).len(), 1);
    // Sent twice, it changes nothing more.
    assert_eq!(alice.post("/account", &withdraw).status(), 303);
    assert!(alive(&elsewhere));
}

/// AS-REG-9: the names of grants are no secret, and open nothing.
#[test]
fn nobody_ends_somebody_elses_grant() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut alice = Browser::signed_in(&server, "alice");
    let theirs = shown(&alice.sees("/account")).remove(0);
    let mut mallory = Browser::signed_in(&server, "mallory");
    assert!(shown(&mallory.sees("/account")).is_empty());
    for decision in ["close", "withdraw", "", "sign_out"] {
        for grant in [&*theirs, "nonsense", ""] {
            let fields = [("decision", decision), ("grant", grant)];
            let form = mallory.form("/account", &fields);
            assert_eq!(mallory.post("/account", &form).status(), 303);
        }
    }
    let everywhere = mallory.form("/signout/everywhere", &[]);
    assert_eq!(
        mallory.post("/signout/everywhere", &everywhere).status(),
        303
    );
    assert!(is_alive(&server, &tokens));
}

/// AS-AUTHZ-25: a form counts only from our page, in its browser, and for its sign-in.
#[test]
fn a_form_counts_only_where_it_was_made() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut alice = Browser::signed_in(&server, "alice");
    let grant = shown(&alice.sees("/account")).remove(0);
    let fields = [("decision", "withdraw"), ("grant", &*grant)];
    let form = alice.form("/account", &fields);
    let refused = |answer: Response<Bytes>, status: u16| {
        assert_eq!(answer.status(), status);
        assert_eq!(text(&answer, header::SET_COOKIE), "");
        assert!(is_alive(&server, &tokens));
    };
    for path in ["/account", "/signout", "/signout/everywhere"] {
        for site in ["cross-site", "same-site"] {
            refused(alice.post_from(path, &form, site), 403);
        }
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, alice.jar())
            .header(header::ORIGIN, "https://evil.example");
        refused(server.send(request.body(form.clone()).unwrap()), 403);
        // Without a form of ours, with another person's, or as something else than a form.
        refused(alice.post(path, &encode(&fields)), 400);
        let mut mallory = Browser::signed_in(&server, "mallory");
        let foreign = mallory.form("/account", &fields);
        refused(alice.post(path, &foreign), 400);
        refused(mallory.post(path, &form), 400);
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "text/plain")
            .header(header::COOKIE, alice.jar());
        refused(server.send(request.body(form.clone()).unwrap()), 400);
    }
    // Somebody signs in anew in the same browser: the page of before decides nothing any more.
    let sign_in = alice.form("/signout", &[]);
    let _ = alice.post("/signout", &sign_in);
    let sign_in = [("username", "mallory"), ("password", "wonderland")];
    let sign_in = alice.form("/account", &sign_in);
    assert_eq!(alice.post("/account", &sign_in).status(), 303);
    for path in ["/account", "/signout/everywhere"] {
        refused(alice.post(path, &form), 400);
    }
}

/// AS-AUTHZ-26, AS-AUTHZ-28, AS-AUTHZ-29: as the other pages: not framed, kept or read by others.
#[test]
fn account_pages_cannot_be_framed_cached_or_read_by_other_origins() {
    let server = server();
    let mut alice = Browser::signed_in(&server, "alice");
    let mut answers = Vec::new();
    for path in ["/account", "/signout", "/signout/everywhere"] {
        answers.push(alice.get(path));
        answers.push(Browser::new(&server).get(path));
        answers.push(alice.post(path, ""));
    }
    let out = alice.form("/signout", &[]);
    let left = alice.post("/signout", &out);
    for page in &answers {
        let policy = text(page, header::CONTENT_SECURITY_POLICY);
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("img-src"), "{policy}");
        assert_eq!(text(page, header::X_FRAME_OPTIONS), "DENY");
    }
    for answer in answers.iter().chain([&left]) {
        assert_eq!(text(answer, header::CACHE_CONTROL), "no-store");
        assert_eq!(text(answer, header::REFERRER_POLICY), "no-referrer");
        assert_eq!(text(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    }
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(method).uri("/account");
        let answer = server.send(request.body("").unwrap());
        assert_eq!(answer.status(), 405);
        assert_eq!(text(&answer, header::ALLOW), "GET, HEAD, POST");
        assert_eq!(text(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    }
}

/// An application that does not offer these pages has their paths for itself.
#[test]
fn pages_that_are_not_offered_are_not_there() {
    let without = Server::new();
    for path in ["/account", "/signout", "/signout/everywhere"] {
        assert_eq!(without.get(path).status(), 404);
        assert_eq!(without.post(path, &[]).status(), 404);
        assert!(without.service.paths().all(|held| held != path));
    }
    let with = server();
    for path in ["/account", "/signout", "/signout/everywhere"] {
        assert!(with.service.paths().any(|held| held == path));
    }
}

/// AS-REG-9: many grants come page by page, and what is ended on a page leads back to it.
#[test]
fn many_grants_are_shown_page_by_page() {
    let server = server();
    for _ in 0..60 {
        server.tokens(&server.public);
    }
    let mut alice = Browser::signed_in(&server, "alice");
    let first = alice.sees("/account");
    let (_, rest) = first.split_once("next [").unwrap();
    let next = rest.split_once(']').unwrap().0.to_owned();
    assert!(next.starts_with("/account?page="), "{next}");
    let second = alice.sees(&next);
    assert!(second.contains("first false, next []"), "{second}");
    let (first, second) = (shown(&first), shown(&second));
    assert_eq!(first.len() + second.len(), 60);
    assert!(first.iter().all(|id| !second.contains(id)));
    let form = alice.form(&next, &[("decision", "close"), ("grant", &second[0])]);
    assert_eq!(location(&alice.post(&next, &form)), next);
    assert_eq!(shown(&alice.sees(&next)).len(), second.len() - 1);
    // Whatever else stands in the query leads nowhere.
    for strange in [
        "?page=AAAA",
        "?page=../x",
        "?x=y",
        "?page=",
        "?page=a&page=b",
    ] {
        assert_eq!(shown(&alice.sees(&format!("/account{strange}"))), first);
        let form = alice.form("/account", &[]);
        let led = location(&alice.post(&format!("/account{strange}"), &form));
        assert!(["/account", "/account?page=AAAA"].contains(&&*led), "{led}");
    }
}

/// Below the issuer's path, and on loopback under the issuer's own name only.
#[test]
fn account_pages_stand_below_the_issuer_and_answer_to_its_name() {
    let at = |issuer: &'static str| -> Server {
        let change = move |world: WorldBuilder| {
            world.configure(|config| config.issuer = Issuer::parse(issuer).unwrap())
        };
        offering(Server::bare(change(World::builder(31))))
    };
    let below = at("https://mcp.example/auth/v1");
    assert_eq!(below.get("/auth/v1/account").status(), 200);
    assert_eq!(below.get("/account").status(), 404);

    let local = at("http://127.0.0.1:3000");
    for path in ["/account", "/signout", "/signout/everywhere"] {
        for (host, status) in [("127.0.0.1:3000", 200), ("evil.example", 421)] {
            let request = Request::get(path).header(header::HOST, host);
            assert_eq!(local.send(request.body("").unwrap()).status(), status);
        }
    }
}
