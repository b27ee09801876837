//! What the back end of a consent page elsewhere is told, what it may say, and who is one.

mod common;

use bytes::Bytes;
use common::elsewhere::{CREDENTIAL, NEXT_CREDENTIAL, Scene, resume};
use common::{cookies, error, location, text};
use http::{Request, StatusCode, header};
use oauth_core::types::Subject;
use oauth_core::{InProcessLimiter, Source};
use oauth_testkit::block_on;
use oauth_testkit::flows::parameter;
use serde_json::json;

/// The page can show all that our own would, and knows what the client demands of the sign-in.
/// AS-AUTHZ-33, AS-AUTHZ-34.
#[test]
fn the_page_is_told_all_that_a_person_has_to_know() {
    let scene = Scene::new();
    let app = &scene.server.confidential;
    let too_long = "x".repeat(257);
    let plain = scene.begin(app, &[("acr_values", &too_long)], "");
    assert_eq!(
        scene.describe(&plain.handle),
        json!({
            "client_id": app.client_id,
            "client_name": null,
            "client_uri": null,
            "client_uri_elsewhere": false,
            "client_host": null,
            "client_vouched_for": false,
            "redirect_host": "app.example",
            "redirect_kind": "https",
            "scopes": [{ "scope": "mcp:tools", "description": "Use the tools" }],
            "resources": [{ "resource": "https://mcp.example/mcp", "name": "Example tools" }],
            "login_hint": null,
            "signed_in_since": null,
            "select_account": false,
            "ask_consent": false,
            "acr_values": [],
            "ui_locales": [],
            "expires_at": 1_800_000_600,
        })
    );
    for (changes, member, expected) in [
        (("login_hint", "alice"), "login_hint", json!("alice")),
        (("max_age", "60"), "signed_in_since", json!(1_799_999_940)),
        (("max_age", "0"), "signed_in_since", json!(1_799_999_995)),
        (("prompt", "login"), "signed_in_since", json!(1_799_999_995)),
        (("prompt", "select_account"), "select_account", json!(true)),
        (("prompt", "consent"), "ask_consent", json!(true)),
        (
            ("acr_values", "loa3 loa2"),
            "acr_values",
            json!(["loa3", "loa2"]),
        ),
        (
            ("ui_locales", "fr-CA fr"),
            "ui_locales",
            json!(["fr-CA", "fr"]),
        ),
    ] {
        let begun = scene.begin(app, &[changes], "");
        assert_eq!(
            scene.describe(&begun.handle)[member],
            expected,
            "{changes:?}"
        );
    }
}

/// A decision that does not fit the request, or that nobody could have meant, is refused in words,
/// and the request can still be decided.
#[test]
fn a_decision_has_to_fit_the_request() {
    let scene = Scene::new();
    let server = scene.server.service.authorization_server();
    block_on(server.set_disabled(&Subject::new("mallory"), true)).unwrap();
    let recent = [("max_age", "600")];
    let begun = scene.begin(&scene.server.public, &recent, "");
    let long = "x".repeat(256);
    for (more, word) in [
        (json!({ "scope": "mcp:tools mcp:write" }), "invalid_scope"),
        (json!({ "scope": "" }), "invalid_scope"),
        (json!({ "subject": "" }), "invalid_request"),
        (json!({ "subject": long }), "invalid_request"),
        (json!({ "subject": "c_somebody" }), "invalid_request"),
        (
            json!({ "subject": "https://app.example/x" }),
            "invalid_request",
        ),
        (json!({ "subject": "mallory" }), "access_denied"),
        (
            json!({ "auth_time": 1_800_000_000_000_u64 }),
            "invalid_request",
        ),
        (json!({ "auth_time": 1_799_999_399 }), "login_required"),
        (json!({ "acr": "two words" }), "invalid_request"),
        (json!({ "amr": "pwd" }), "invalid_request"),
        (json!({ "scopes": ["mcp:tools"] }), "invalid_request"),
        (json!({ "decision": "perhaps" }), "invalid_request"),
    ] {
        let refused = scene.decide(&begun.handle, &more);
        assert_eq!(error(&refused), (400, word.to_owned()), "{more}");
    }
    let bearer = format!("Bearer {CREDENTIAL}");
    let handle = &begun.handle;
    for body in [
        format!(r#"["{handle}"]"#),
        format!(r#"{{"transaction":"{handle}","decision":"approve","subject":"alice"}}"#),
        format!(r#"{{"transaction":"{handle}","decision":"deny","decision":"deny"}}"#),
        "{".to_owned(),
        String::new(),
    ] {
        let refused = scene.post("/authorize/decision", Some(&bearer), &body);
        assert_eq!(
            error(&refused),
            (400, "invalid_request".to_owned()),
            "{body}"
        );
    }
    let good = json!({ "auth_time": 1_799_999_400 });
    let to = location(&scene.open(&resume(&scene.decide(handle, &good)), &begun.cookies));
    assert!(parameter(&to, "code").is_some());
}

/// Only an operator is answered, by any of its credentials; no client is one. Guessing is counted
/// by address, and costs the operator nothing. No other site reads what is answered.
#[test]
fn only_an_operator_is_answered() {
    let scene =
        Scene::build(|builder| builder.ports(|ports| ports.limiter(InProcessLimiter::default())));
    let begun = scene.begin(&scene.server.public, &[], "");
    let body = json!({ "transaction": begun.handle, "decision": "deny" }).to_string();
    let secret = scene.server.confidential.client_secret.clone().unwrap();
    let (rejected, bare) = (
        "Bearer realm=\"operator\", error=\"invalid_token\"",
        "Bearer realm=\"operator\"",
    );
    for path in ["/authorize/transaction", "/authorize/decision"] {
        for (authorization, challenge) in [
            (None, bare),
            (Some("Bearer guess".to_owned()), rejected),
            (Some("Bearer ".to_owned()), rejected),
            (Some("Basic YTpi".to_owned()), rejected),
            (Some(format!("Bearer {secret}")), rejected),
        ] {
            let refused = scene.post(path, authorization.as_deref(), &body);
            let unauthorized = (401, "invalid_token".to_owned());
            assert_eq!(error(&refused), unauthorized, "{authorization:?}");
            assert_eq!(text(&refused, header::WWW_AUTHENTICATE), challenge);
            assert_eq!(text(&refused, header::CACHE_CONTROL), "no-store");
        }
        let answer = scene.server.get(path);
        assert_eq!(
            (answer.status().as_u16(), &*text(&answer, header::ALLOW)),
            (405, "POST")
        );
        let preflight = Request::options(path).header(header::ORIGIN, "https://web.example");
        let answer = scene.server.send(preflight.body("").unwrap());
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(scene.book.take("OperatorRejected"), 8);

    for credential in [CREDENTIAL, NEXT_CREDENTIAL] {
        let bearer = format!("bearer {credential}");
        let answer = scene.post("/authorize/decision", Some(&bearer), &body);
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
        assert_eq!(text(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    }
    let mut last = 0;
    for _ in 0..21 {
        let guess = scene.post("/authorize/decision", Some("Bearer guess"), &body);
        last = guess.status().as_u16();
    }
    assert_eq!(last, 429);
    let operator = scene.operator(
        "/authorize/transaction",
        &json!({ "transaction": begun.handle }),
    );
    assert_eq!(operator.status(), StatusCode::OK, "from the same address");
}

/// Where no operator credential is configured, none of it is there, and nobody is sent away with
/// no way back.
#[test]
fn without_an_operator_none_of_it_is_there() {
    let scene =
        Scene::build(|builder| builder.configure(|config| config.operator_credentials.clear()));
    let paths: Vec<&str> = scene.server.service.paths().collect();
    for path in [
        "/authorize/transaction",
        "/authorize/decision",
        "/authorize/resume",
    ] {
        assert!(!paths.contains(&path));
        let empty = format!("Bearer {CREDENTIAL}");
        let answer = scene.post(path, Some(&empty), "{}");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(scene.server.get(path).status(), StatusCode::NOT_FOUND);
    }
    let answer = scene.ask(&scene.server.public, &[], "");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(location(&answer), "");
}

/// What does not fit an address is refused at once, by the error that names the
/// limit, before a person has decided anything; what fits can be decided.
#[test]
fn a_request_too_long_for_an_address_is_refused_before_anybody_is_asked() {
    let scene = Scene::new();
    let mut fitted = 0;
    for length in (0..=4096).step_by(64) {
        let state = "s".repeat(length.max(1));
        let answer = scene.ask(&scene.server.public, &[("state", &state)], "");
        let to = location(&answer);
        if let Some(refused) = parameter(&to, "error") {
            assert_eq!(refused, "invalid_request");
            assert_eq!(parameter(&to, "state").unwrap(), state);
            let said = parameter(&to, "error_description").unwrap();
            assert!(said.contains("6144"), "{said}");
            continue;
        }
        fitted = length;
        assert!(to.len() <= 6144);
        let most = json!({
            "subject": "x".repeat(255),
            "acr": "a".repeat(128),
            "amr": vec!["m".repeat(32); 8],
            "auth_time": 1_800_000_000,
        });
        let handle = parameter(&to, "transaction").unwrap();
        let decided = resume(&scene.decide(&handle, &most));
        assert!("https://mcp.example".len() + decided.len() <= 6144);
        let answer = scene.open(&decided, &cookies(&answer));
        assert_eq!(parameter(&location(&answer), "state").unwrap(), state);
    }
    assert!((2048..3072).contains(&fitted), "{fitted}");
    // For a host that nobody vouches for, a person is asked before the error goes there.
    let long = "s".repeat(4096);
    let answer = scene.ask(&scene.server.confidential, &[("state", &long)], "");
    scene.assert_page(&answer, "a strange host");
}

/// The address that counts is the one that connects.
#[test]
fn guesses_from_elsewhere_are_counted_elsewhere() {
    let scene =
        Scene::build(|builder| builder.ports(|ports| ports.limiter(InProcessLimiter::default())));
    let guess = |from: &str| {
        let request = Request::post("/authorize/decision")
            .header(header::AUTHORIZATION, "Bearer guess")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let source = Source(Some(from.parse().unwrap()));
        let answer = block_on(scene.server.service.handle(parts, Bytes::new(), source));
        answer.status().as_u16()
    };
    for _ in 0..20 {
        assert_eq!(guess("203.0.113.5"), 401);
    }
    assert_eq!((guess("203.0.113.5"), guess("203.0.113.6")), (429, 401));
}
