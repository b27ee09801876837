//! Guessing and scanning, and who is not to suffer from it.

mod common;

use std::net::IpAddr;

use bytes::Bytes;
use common::{Server, encode, error, json, text};
use http::{Request, Response, header};
use oauth_core::{InProcessLimiter, Source};
use oauth_testkit::block_on;
use oauth_testkit::flows::App;

fn server() -> Server {
    Server::build(|builder| builder.ports(|ports| ports.limiter(InProcessLimiter::default())))
}

fn post(server: &Server, from: &str, path: &str, form: &[(&str, &str)]) -> Response<Bytes> {
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(encode(form))
        .unwrap();
    let (parts, body) = request.into_parts();
    let address: IpAddr = from.parse().unwrap();
    block_on(
        server
            .service
            .handle(parts, body.into(), Source(Some(address))),
    )
}

fn is_limited(answer: &Response<Bytes>) -> bool {
    let limited = answer.status() == 429;
    if limited {
        assert_eq!(json(answer)["error"], "temporarily_unavailable");
        assert!(text(answer, header::RETRY_AFTER).parse::<u64>().unwrap() > 0);
        assert_eq!(text(answer, header::CACHE_CONTROL), "no-store");
    }
    limited
}

/// AS-TOKEN-12: a client's secret is guessed twenty times a minute from one address; neither the
/// client elsewhere nor others behind that address notice.
#[test]
fn guessing_a_secret_is_slowed_down_for_the_guesser_only() {
    let server = server();
    let (id, other) = (&*server.confidential.client_id, &*server.public.client_id);
    let guess = |from| {
        let form = [
            ("client_id", id),
            ("client_secret", "guess"),
            ("grant_type", "refresh_token"),
        ];
        post(&server, from, "/token", &form)
    };
    let answers: Vec<_> = (0..25).map(|_| guess("203.0.113.5")).collect();
    assert!(answers[..20].iter().all(|answer| answer.status() == 401));
    assert!(answers[20..].iter().all(is_limited));
    assert_eq!(guess("203.0.113.6").status(), 401);
    let honest = [
        ("client_id", other),
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
    ];
    let neighbour = post(&server, "203.0.113.5", "/token", &honest);
    assert_eq!(error(&neighbour), (400, "invalid_grant".into()));
    // The right secret still works from there.
    let secret = server.confidential.client_secret.as_deref().unwrap();
    let right = [
        ("client_id", id),
        ("client_secret", secret),
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
    ];
    let right = post(&server, "203.0.113.5", "/token", &right);
    assert_eq!(error(&right), (400, "invalid_grant".into()));
}

/// AS-TOKEN-12: refused codes and tokens are counted, good ones never.
#[test]
fn only_refused_grants_are_counted() {
    let server = server();
    let id = &*server.public.client_id;
    let mut token = server.tokens(&server.public)["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let refresh = |token: &str| {
        let form = [
            ("client_id", id),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
        ];
        post(&server, "203.0.113.5", "/token", &form)
    };
    for _ in 0..200 {
        let answer = refresh(&token);
        assert_eq!(answer.status(), 200);
        token = json(&answer)["refresh_token"].as_str().unwrap().to_owned();
    }
    let refused: Vec<_> = (0..65).map(|_| refresh("garbage")).collect();
    assert!(refused[..60].iter().all(|answer| answer.status() == 400));
    assert!(refused[60..].iter().all(is_limited));
    assert_eq!(refresh(&token).status(), 200, "a good token is good");
}

/// AS-INT-3, AS-INT-4: an active answer is complete and not cached; scanning is slowed down.
#[test]
fn a_resource_server_learns_what_it_needs_and_cannot_scan() {
    let server = server();
    server.let_introspect();
    let token = server.tokens(&server.public)["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let ask = |token: &str| {
        let form = [
            ("client_id", &*server.confidential.client_id),
            (
                "client_secret",
                server.confidential.client_secret.as_deref().unwrap(),
            ),
            ("token", token),
        ];
        post(&server, "203.0.113.5", "/introspect", &form)
    };
    let answer = ask(&token);
    assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
    let body = json(&answer);
    for (member, expected) in [
        ("active", serde_json::json!(true)),
        ("scope", serde_json::json!("mcp:tools")),
        ("client_id", serde_json::json!(server.public.client_id)),
        ("sub", serde_json::json!("alice")),
        ("aud", serde_json::json!("https://mcp.example/mcp")),
        ("iss", serde_json::json!("https://mcp.example")),
        ("token_type", serde_json::json!("Bearer")),
        ("iat", serde_json::json!(1_800_000_000)),
        ("exp", serde_json::json!(1_800_000_900)),
    ] {
        assert_eq!(body[member], expected, "{member}");
    }
    for _ in 0..600 {
        assert_eq!(json(&ask("garbage")), serde_json::json!({"active": false}));
    }
    assert!(is_limited(&ask("garbage")));
    assert_eq!(json(&ask(&token))["active"], true);
}

/// AS-TOKEN-12: a client that brings bad tokens all day does not slow down the others behind the
/// same address: an office, a cloud, an egress that thousands share.
#[test]
fn one_address_is_shared_by_many() {
    let server = server();
    let refresh = |app: &App, token: &str| {
        let mut form = vec![
            ("client_id", &*app.client_id),
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
        ];
        form.extend(
            app.client_secret
                .as_deref()
                .map(|secret| ("client_secret", secret)),
        );
        post(&server, "203.0.113.5", "/token", &form)
    };
    for _ in 0..100 {
        refresh(&server.public, "garbage");
    }
    assert!(is_limited(&refresh(&server.public, "garbage")));
    let neighbour = refresh(&server.confidential, "garbage");
    assert_eq!(error(&neighbour), (400, "invalid_grant".into()));
}
