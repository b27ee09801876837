//! What the operator decides about registrations: who, how many, for how long. Spec: RFC 7591 §3, §5.

mod common;

use common::registering::{id, public, register, register_with, server};
use common::{Server, error, json, text};
use http::{Request, header};
use oauth_core::types::{Lifetime, Scope, SecretHash};
use oauth_core::{InProcessLimiter, Limit, RegistrationMode, Source};
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, World};
use serde_json::json;

const INITIAL: &str = "an-initial-access-token-of-many-random-characters";

/// AS-REG-7, AS-REG-8: which private-use schemes are good is the operator's choice.
#[test]
fn private_use_schemes_are_the_operators_choice() {
    let strict = server(|rules| rules.private_use_schemes = None);
    let own = server(|rules| rules.private_use_schemes = Some(vec!["myeditor".to_owned()]));
    for (uri, in_strict, in_own) in [
        ("myeditor://x/cb", 400, 201),
        ("cursor://x/cb", 400, 400),
        ("com.example.app:/cb", 400, 201),
        ("http://127.0.0.1/cb", 201, 201),
    ] {
        assert_eq!(register(&strict, &public(uri)).status(), in_strict, "{uri}");
        assert_eq!(register(&own, &public(uri)).status(), in_own, "{uri}");
    }
    // And the scheme works where it leads to.
    let client = id(&register(&own, &public("myeditor://x/cb")));
    let app = App {
        client_id: client,
        client_secret: None,
        redirect_uri: "myeditor://x/cb".to_owned(),
    };
    let location = own.sign_in(&app, &"v".repeat(43));
    assert!(location.starts_with("myeditor://x/cb?code="), "{location}");
}

/// AS-DCR-19, AS-REG-9: what is registered is what is offered, up to the operator's ceiling.
#[test]
fn the_scope_of_a_registration_is_the_operators() {
    let mut body = public("http://127.0.0.1/cb");
    body["scope"] = json!("mcp:tools admin unheard-of");
    let open = Server::new();
    assert_eq!(
        json(&register(&open, &body))["scope"],
        "mcp:tools mcp:write"
    );

    let ceiling = server(|rules| rules.scope = Some(Scope::parse("mcp:tools other").unwrap()));
    let answer = register(&ceiling, &body);
    assert_eq!(json(&answer)["scope"], "mcp:tools");
    let app = App {
        client_id: id(&answer),
        client_secret: None,
        redirect_uri: "http://127.0.0.1/cb".to_owned(),
    };
    let mut query = ceiling.query(&app, &"v".repeat(43));
    let scope = query.iter_mut().find(|(name, _)| name == "scope").unwrap();
    scope.1 = "mcp:write".to_owned();
    let refused = common::location(&ceiling.authorize(&query, ""));
    assert!(refused.contains("error=invalid_scope"), "{refused}");
}

/// AS-DCR-1, AS-DCR-14, AS-META-16, AS-REG-2: off, open, or with a token; and only what is open to everybody
/// is announced.
#[test]
fn registration_is_off_open_or_by_token() {
    let held = format!(
        "sha256:{}",
        SecretHash::of(INITIAL.as_bytes())
            .as_bytes()
            .map(|byte| format!("{byte:02x}"))
            .concat()
    );
    let in_mode = |mode| {
        let held = SecretHash::from_configured(&held).unwrap();
        server(move |rules| {
            rules.mode = RegistrationMode::Open;
            rules.initial_access_tokens = vec![held];
            rules.manage_public_registrations = false;
            rules.mode = mode;
        })
    };
    let body = public("http://127.0.0.1/cb");
    let (good, bad) = (format!("Bearer {INITIAL}"), format!("Bearer {INITIAL}x"));
    let twice = [&*good, &*good];
    for (mode, announced, without, with) in [
        (RegistrationMode::Off, false, 403, 403),
        (RegistrationMode::Open, true, 201, 201),
        (RegistrationMode::InitialAccessToken, false, 401, 201),
    ] {
        let server = in_mode(mode);
        let metadata = json(&server.get("/.well-known/oauth-authorization-server"));
        assert_eq!(metadata.get("registration_endpoint").is_some(), announced);
        let anonymous = register(&server, &body);
        assert_eq!(anonymous.status(), without, "{mode:?}");
        assert_eq!(text(&anonymous, header::CACHE_CONTROL), "no-store");
        let answer = register_with(&server, &body, &[&good]);
        assert_eq!(answer.status(), with, "{mode:?}");
        if with == 201 {
            // Brought in by somebody who is trusted: its own identifier, and management.
            assert_ne!(id(&answer), id(&register_with(&server, &body, &[&good])));
            assert!(json(&answer)["registration_access_token"].is_string());
        }
        if mode != RegistrationMode::Off {
            for presented in [&[&*bad][..], &["Basic YTpi"], &["Bearer"], &twice] {
                let refused = register_with(&server, &body, presented);
                assert_eq!(
                    error(&refused),
                    (401, "invalid_token".to_owned()),
                    "{presented:?}"
                );
                let challenge = text(&refused, header::WWW_AUTHENTICATE);
                assert!(challenge.starts_with("Bearer "), "{challenge}");
            }
        }
        if without == 401 {
            let challenge = text(&anonymous, header::WWW_AUTHENTICATE);
            assert_eq!(challenge, "Bearer realm=\"registration\"");
        }
    }
}

/// AS-DCR-4, AS-DCM-1: the same words give the same public client, ports aside; the answer
/// repeats what was sent, and holds nothing to change the shared client with.
#[test]
fn who_says_the_same_gets_the_same_public_client() {
    let server = Server::new();
    let body = |port: u16| public(&format!("http://127.0.0.1:{port}/cb"));
    let first = register(&server, &body(3000));
    server.clock.advance(Lifetime::minutes(60));
    let again = register(&server, &body(51004));
    assert_eq!(id(&first), id(&again));
    assert_eq!(
        json(&again)["redirect_uris"],
        json!(["http://127.0.0.1:51004/cb"])
    );
    assert_eq!(json(&again)["client_id_issued_at"], 1_800_000_000);
    for answer in [&first, &again] {
        assert_eq!(json(answer).get("registration_access_token"), None);
        assert_eq!(json(answer).get("registration_client_uri"), None);
    }
    let mut reordered = body(1);
    reordered["unknown"] = json!("x");
    reordered["response_types"] = json!(["code"]);
    assert_eq!(id(&register(&server, &reordered)), id(&first));
    for (member, value) in [
        ("client_name", json!("Editor 2")),
        ("client_name#de", json!("Editor")),
        ("redirect_uris", json!(["http://127.0.0.1/cb2"])),
        ("redirect_uris", json!(["http://localhost:3000/cb"])),
        (
            "redirect_uris",
            json!(["http://127.0.0.1/cb", "https://app.example/cb"]),
        ),
        (
            "grant_types",
            json!(["authorization_code", "refresh_token"]),
        ),
        ("client_uri", json!("https://app.example/")),
    ] {
        let mut other = body(3000);
        other[member] = value;
        assert_ne!(id(&register(&server, &other)), id(&first), "{other}");
    }
    // Clients with a secret are never shared.
    let mut confidential = body(3000);
    confidential["token_endpoint_auth_method"] = json!("client_secret_post");
    let (one, two) = (
        register(&server, &confidential),
        register(&server, &confidential),
    );
    assert_ne!(id(&one), id(&two));
    assert_ne!(json(&one)["client_secret"], json(&two)["client_secret"]);
}

/// AS-CAUTH-6: a secret that ended is no secret.
#[test]
fn a_secret_ends_when_it_says() {
    for (lifetime, ends) in [
        (None, 0),
        // Zero is never, as on the wire, and not at once.
        (Some(Lifetime::ZERO), 0),
        (Some(Lifetime::days(90)), 1_800_000_000 + 90 * 86_400),
    ] {
        let server = server(move |rules| rules.secret_lifetime = lifetime);
        let answer = json(&register(
            &server,
            &json!({
                "redirect_uris": ["https://app.example/cb"],
                "token_endpoint_auth_method": "client_secret_post",
            }),
        ));
        assert_eq!(answer["client_secret_expires_at"], ends);
        let ask = || {
            let word = |member: &str| answer[member].as_str().unwrap().to_owned();
            let (id, secret) = (word("client_id"), word("client_secret"));
            error(&server.post(
                "/token",
                &[
                    ("grant_type", "authorization_code"),
                    ("client_id", &id),
                    ("client_secret", &secret),
                    ("code", "x"),
                    ("code_verifier", &"v".repeat(43)),
                ],
            ))
        };
        server.clock.advance(Lifetime::seconds(90 * 86_400 - 1));
        assert_eq!(ask(), (400, "invalid_grant".to_owned()));
        server.clock.advance(Lifetime::seconds(1));
        let after = if ends == 0 {
            (400, "invalid_grant")
        } else {
            (401, "invalid_client")
        };
        assert_eq!(ask(), (after.0, after.1.to_owned()));
    }
}

/// AS-DCR-15: too much is 429, with the time to wait; the same again is not more, and neither is
/// another source.
#[test]
fn too_many_registrations_are_told_when_to_come_back() {
    let world = World::builder(25).ports(|ports| ports.limiter(InProcessLimiter::default()));
    let server = Server::bare(world);
    let from = |source: [u8; 4], number: u32| {
        let body = public(&format!("http://127.0.0.1/{number}")).to_string();
        let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
        let (parts, body) = request.body(body.into()).unwrap().into_parts();
        let source = Source(Some(source.into()));
        block_on(server.service.handle(parts, body, source))
    };
    for number in 0..Limit::REGISTRATION.attempts {
        assert_eq!(from([192, 0, 2, 1], number).status(), 201);
    }
    server.clock.advance(Lifetime::minutes(10));
    let refused = from([192, 0, 2, 1], 1_000);
    assert_eq!(refused.status(), 429);
    assert_eq!(text(&refused, header::RETRY_AFTER), "3000");
    assert_eq!(text(&refused, header::CACHE_CONTROL), "no-store");
    assert_eq!(from([192, 0, 2, 1], 0).status(), 201);
    assert_eq!(from([192, 0, 2, 2], 1_000).status(), 201);
}
