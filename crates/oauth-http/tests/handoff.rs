//! A consent page hosted elsewhere: the way there and the way back.

mod common;

use common::elsewhere::{PAGE, Scene, resume};
use common::{error, json, location, text};
use http::{Request, StatusCode, header};
use oauth_core::types::{ClientId, Lifetime, Subject};
use oauth_testkit::block_on;
use oauth_testkit::faults::{Counts, Fault};
use oauth_testkit::flows::parameter;
use serde_json::json;

/// AS-AUTHZ-31, AS-AT-4, AS-INT-3: what a person decided elsewhere, and how they had signed in
/// there, is what the client and the resource servers get. On the way nothing is stored.
#[test]
fn a_person_decides_elsewhere_and_the_code_goes_to_the_client() {
    let scene = Scene::new();
    let (server, app) = (&scene.server, &scene.server.public);
    server.let_introspect();
    let begun = scene.begin(app, &[("scope", "mcp:tools mcp:write")], "");
    let _ = server.storage.take_counts();
    assert_eq!(
        scene.describe(&begun.handle)["scopes"],
        json!([
            { "scope": "mcp:tools", "description": "Use the tools" },
            { "scope": "mcp:write", "description": "Change things" },
        ])
    );
    let signed_in = json!({ "auth_time": 1_799_999_990, "acr": "loa2", "amr": ["pwd", "otp"] });
    let decided = scene.decide(&begun.handle, &signed_in);
    assert_eq!(json(&decided)["expires_in"], 60);
    assert_eq!(server.storage.take_counts(), Counts::default());

    let answer = scene.open(&resume(&decided), &begun.cookies);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
    assert_eq!(text(&answer, header::REFERRER_POLICY), "no-referrer");
    let to = location(&answer);
    assert!(to.starts_with("http://127.0.0.1/callback?code="), "{to}");
    assert_eq!(parameter(&to, "state").unwrap(), "s+t%26a%3Dte");
    assert_eq!(parameter(&to, "iss").unwrap(), "https%3A%2F%2Fmcp.example");
    assert_eq!(scene.book.take("GrantApproved"), 1);

    let form = server.redemption(app, &to, &"v".repeat(43));
    let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
    let tokens = json(&server.post("/token", &form));
    let told = server.introspected(&tokens);
    assert_eq!(told["sub"], "alice");
    assert_eq!(told["scope"], "mcp:tools", "only what was allowed");
    assert_eq!(told["auth_time"], 1_799_999_990);
    assert_eq!(told["acr"], "loa2");
    assert_eq!(told["amr"], json!(["pwd", "otp"]));
}

/// The session swap: an attacker begins, and sends somebody else to the page to decide it. Neither
/// browser gets a code: not the attacker's, which has the cookie and no decision, nor the other,
/// which has the decision and no cookie, or one of its own.
#[test]
fn a_request_begun_in_one_browser_and_decided_in_another_gives_neither_a_code() {
    let scene = Scene::new();
    let (server, app) = (&scene.server, &scene.server.public);
    let attacker = scene.begin(app, &[], "");
    let victim = scene.begin(app, &[], "");
    let decided = scene.yes(&attacker.handle);
    let _ = (scene.book.take(""), server.storage.take_counts());

    // The attacker resumes with what there is: the handle.
    let with_handle = format!("/authorize/resume?decision={}", attacker.handle);
    for path in [
        &*with_handle,
        "/authorize/resume",
        "/authorize/resume?decision=",
    ] {
        scene.assert_page(&scene.open(path, &attacker.cookies), path);
    }
    let form = [("transaction", &*attacker.handle), ("decision", "approve")];
    let again = server.interact(&attacker.cookies, &form);
    assert_eq!(parameter(&location(&again), "code"), None);
    assert!(location(&again).starts_with(PAGE), "asked, not approved");

    // The victim's browser, which the page sent on, never began.
    assert_eq!(scene.book.take("BrowserMismatch"), 0);
    for cookies in ["", &victim.cookies] {
        scene.assert_page(&scene.open(&decided, cookies), cookies);
    }
    assert_eq!(scene.book.take("BrowserMismatch"), 2);
    assert_eq!(server.storage.take_counts(), Counts::default(), "no grant");
}

/// A decision is about the request that it was made for, whatever else the browser has begun, and
/// is nothing but a decision.
#[test]
fn a_decision_is_about_one_request_only() {
    let scene = Scene::new();
    let app = &scene.server.public;
    let first = scene.begin(app, &[("state", "first")], "");
    let second = scene.begin(app, &[("state", "second")], &first.cookies);
    let decided = scene.yes(&first.handle);
    let answer = scene.open(&decided, &second.cookies);
    assert_eq!(parameter(&location(&answer), "state").unwrap(), "first");

    let (path, sealed) = decided.split_once('=').unwrap();
    let mut altered = sealed.to_owned();
    let at = altered.len() / 2;
    let other = if &altered[at..=at] == "A" { "B" } else { "A" };
    altered.replace_range(at..=at, other);
    for wrong in [
        format!("{path}={altered}"),
        format!("{path}={sealed}&decision={sealed}"),
        format!("{path}={}", second.handle),
    ] {
        scene.assert_page(&scene.open(&wrong, &first.cookies), &wrong);
    }
    // Nor does it open as the request it holds.
    let body = json!({ "transaction": sealed });
    let answer = scene.operator("/authorize/transaction", &body);
    assert_eq!(answer.status(), StatusCode::GONE);
    let form = [("transaction", sealed), ("decision", "approve")];
    let answer = scene.server.interact(&first.cookies, &form);
    assert_eq!(location(&answer), "");
}

/// A decision is good for a minute, a request for ten, and no decision outlives its
/// request.
#[test]
fn what_took_too_long_has_no_effect() {
    let scene = Scene::new();
    let (clock, app) = (&scene.server.clock, &scene.server.public);
    let begun = scene.begin(app, &[], "");
    let decided = scene.yes(&begun.handle);
    clock.advance(Lifetime::seconds(60));
    scene.assert_page(&scene.open(&decided, &begun.cookies), "a minute later");

    clock.advance(Lifetime::seconds(9 * 60 - 10));
    let late = scene.decide(&begun.handle, &json!({}));
    assert_eq!(json(&late)["expires_in"], 10);
    clock.advance(Lifetime::seconds(10));
    scene.assert_page(&scene.open(&resume(&late), &begun.cookies), "over");
    let gone = (410, "expired_transaction".to_owned());
    assert_eq!(error(&scene.decide(&begun.handle, &json!({}))), gone);
    let body = json!({ "transaction": begun.handle });
    let described = scene.operator("/authorize/transaction", &body);
    assert_eq!(error(&described), gone);
    assert_eq!(scene.book.take("GrantApproved"), 0);
}

/// A double click, at the page or in the browser, loses nothing: the same decision gives the same
/// redirect with the same code. After the code was used it gives a page, and so does another
/// decision about the same request.
#[test]
fn the_same_decision_gives_the_same_code_while_it_is_unused() {
    let scene = Scene::new();
    let (server, app) = (&scene.server, &scene.server.public);
    let begun = scene.begin(app, &[("scope", "mcp:tools mcp:write")], "");
    let decided = scene.yes(&begun.handle);
    let to = location(&scene.open(&decided, &begun.cookies));
    assert!(parameter(&to, "code").is_some());
    assert_eq!(location(&scene.open(&decided, &begun.cookies)), to);
    let posted_twice = scene.yes(&begun.handle);
    assert_eq!(location(&scene.open(&posted_twice, &begun.cookies)), to);
    for other in [json!({ "scope": "mcp:write" }), json!({ "subject": "bob" })] {
        let other = resume(&scene.decide(&begun.handle, &other));
        scene.assert_page(&scene.open(&other, &begun.cookies), &other);
    }

    let form = server.redemption(app, &to, &"v".repeat(43));
    let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
    let tokens = server.post("/token", &form);
    assert_eq!(tokens.status(), StatusCode::OK);
    scene.assert_page(&scene.open(&decided, &begun.cookies), "used");
    let access = json(&tokens)["access_token"].as_str().unwrap().to_owned();
    let authorization = server.service.authorization_server();
    let claims = block_on(authorization.check_access_token(&access)).unwrap();
    assert!(claims.is_some(), "and costs the client nothing");
}

/// AS-AUTHZ-15: a no goes to the client, with `state` and `iss`, by the same way.
#[test]
fn a_refusal_goes_to_the_client_by_the_same_way() {
    let scene = Scene::new();
    let begun = scene.begin(&scene.server.public, &[], "");
    let no = json!({ "transaction": begun.handle, "decision": "deny" });
    let decided = resume(&scene.operator("/authorize/decision", &no));
    scene.assert_page(&scene.open(&decided, ""), "another browser");
    let to = location(&scene.open(&decided, &begun.cookies));
    assert_eq!(parameter(&to, "error").unwrap(), "access_denied");
    assert_eq!(parameter(&to, "state").unwrap(), "s+t%26a%3Dte");
    assert_eq!(parameter(&to, "iss").unwrap(), "https%3A%2F%2Fmcp.example");
    assert_eq!(parameter(&to, "code"), None);
    assert_eq!(scene.book.take("GrantDenied"), 1);
}

/// Whatever changed between the decision and the browser's coming back counts.
#[test]
fn everything_is_looked_at_again_when_the_browser_comes_back() {
    type Change = fn(&Scene);
    let changes: [(&str, Change); 6] = [
        ("shut out", |scene| {
            let server = scene.server.service.authorization_server();
            block_on(server.set_disabled(&Subject::new("alice"), true)).unwrap();
        }),
        ("signed out everywhere", |scene| {
            let server = scene.server.service.authorization_server();
            block_on(server.sign_out_everywhere(&Subject::new("alice"))).unwrap();
        }),
        ("taken back from the client", |scene| {
            let server = scene.server.service.authorization_server();
            let client = ClientId::new(&*scene.server.public.client_id);
            block_on(server.withdraw(&Subject::new("alice"), &client)).unwrap();
        }),
        ("taken back from everybody", |scene| {
            let server = scene.server.service.authorization_server();
            let client = ClientId::new(&*scene.server.public.client_id);
            block_on(server.revoke_client(&client)).unwrap();
        }),
        ("another address", |scene| {
            let id = &scene.server.public.client_id;
            scene
                .server
                .change_client(id, |client| client.redirect_uris.clear());
        }),
        ("no such client", |scene| {
            let server = scene.server.service.authorization_server();
            let client = ClientId::new(&*scene.server.public.client_id);
            block_on(server.remove_client(&client)).unwrap();
        }),
    ];
    for (name, change) in changes {
        let scene = Scene::new();
        let begun = scene.begin(&scene.server.public, &[], "");
        let decided = scene.yes(&begun.handle);
        change(&scene);
        scene.assert_page(&scene.open(&decided, &begun.cookies), name);
        assert_eq!(scene.book.take("GrantApproved"), 0, "{name}");
    }
}

/// An outage costs nothing: the browser is asked to try again, and the decision is still good.
#[test]
fn an_outage_leaves_the_decision_as_it_is() {
    let scene = Scene::new();
    let begun = scene.begin(&scene.server.public, &[], "");
    let decided = scene.yes(&begun.handle);
    scene.server.storage.line_up([Fault::Refused]);
    let answer = scene.open(&decided, &begun.cookies);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(location(&answer), "");
    let to = location(&scene.open(&decided, &begun.cookies));
    assert!(parameter(&to, "code").is_some());
}

/// Asking for the headers decides nothing; neither does a form.
#[test]
fn a_decision_is_brought_by_get() {
    let scene = Scene::new();
    let begun = scene.begin(&scene.server.public, &[], "");
    let decided = scene.yes(&begun.handle);
    for request in [Request::head(&decided), Request::post(&decided)] {
        let request = request.header(header::COOKIE, &begun.cookies);
        let answer = scene.server.send(request.body("").unwrap());
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(text(&answer, header::ALLOW), "GET");
    }
    assert_eq!(scene.book.take("GrantApproved"), 0);
}
