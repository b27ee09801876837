//! With an issuer on this machine, over sockets.

use std::net::SocketAddr;

use axum::Json;
use axum::routing::get;
use oauth_testkit::socket::{Answer, get as ask};
use oauth_testkit::{Signer, canary};
use oauth_types::env::Clock;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::*;

fn bind(runtime: &Runtime) -> (TcpListener, SocketAddr) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let here = listener.local_addr().unwrap();
    (listener, here)
}

/// Somebody else's authorization server, as far as a resource server sees it.
fn issuer(runtime: &Runtime, listener: TcpListener, keys: Value) -> JoinHandle<()> {
    let name = format!("http://{}", listener.local_addr().unwrap());
    let metadata = json!({ "issuer": name, "jwks_uri": format!("{name}/keys") });
    let routes = Router::new()
        .route("/.well-known/openid-configuration", get(Json(metadata)))
        .route("/keys", get(Json(keys)));
    runtime.spawn(async move { axum::serve(listener, routes).await.unwrap() })
}

fn present(to: SocketAddr, token: &str) -> Answer {
    canary::secret(token);
    ask(to, "/mcp", &format!("Authorization: Bearer {token}\r\n")).unwrap()
}

/// RS-TOK-5, RS-TOK-6, RS-PRM-1: a token of the issuer for this resource is good, each single thing wrong
/// with it is not, and an issuer that goes away takes nobody's access along.
#[test]
fn tokens_of_the_issuer_are_good_for_what_they_were_made_for() {
    canary::watch();
    let runtime = Runtime::new().unwrap();
    let signer = Signer::new("ES256", "a");
    let (listener, there) = bind(&runtime);
    let name = format!("http://{there}");
    let issuing = issuer(&runtime, listener, signer.jwks());
    let (listener, here) = bind(&runtime);
    let trusted = name.clone();
    runtime.spawn(async move { serve(listener, &trusted).await.unwrap() });

    let refused = ask(here, "/mcp", "").unwrap();
    assert_eq!(refused.status, 401);
    let document = "/.well-known/oauth-protected-resource/mcp";
    assert!(refused.header("www-authenticate").contains(document));
    let document = ask(here, document, "").unwrap().body;
    assert!(document.contains(&format!("\"authorization_servers\":[\"{name}\"]")));

    let now = SystemClock.now().as_unix();
    let with = |member: &str, value: Value| {
        let mut claims = json!({
            "iss": name, "sub": "alice", "client_id": "app", "aud": format!("http://{here}/mcp"),
            "scope": "mcp:tools", "iat": now, "exp": now + 60, "jti": "1",
        });
        claims[member] = value;
        let header = json!({ "alg": signer.alg, "kid": signer.kid, "typ": "at+jwt" });
        signer.sign_text(&header.to_string(), &claims.to_string())
    };
    let good = with("sub", json!("alice"));
    let answer = present(here, &good);
    assert_eq!((answer.status, &*answer.body), (200, "hello alice"));
    for (member, value, status) in [
        ("aud", json!("https://other.example/mcp"), 401),
        ("iss", json!("https://other.example"), 401),
        ("exp", json!(now - 60), 401),
        ("scope", json!("mcp:other"), 403),
    ] {
        assert_eq!(
            present(here, &with(member, value)).status,
            status,
            "{member}"
        );
    }

    issuing.abort();
    assert_eq!(present(here, &good).status, 200, "its keys are known");
}

/// RS-TOK-10: nobody can say whether a token is good while its issuer is away.
#[test]
fn an_issuer_that_was_never_there_is_no_fault_of_the_caller() {
    canary::watch();
    let runtime = Runtime::new().unwrap();
    let (unused, there) = bind(&runtime);
    drop(unused);
    let (listener, here) = bind(&runtime);
    runtime.spawn(async move { serve(listener, &format!("http://{there}")).await.unwrap() });
    let now = SystemClock.now().as_unix();
    let claims = json!({
        "iss": format!("http://{there}"), "sub": "alice", "aud": format!("http://{here}/mcp"),
        "exp": now + 60,
    });
    let header = json!({ "alg": "ES256", "kid": "a", "typ": "at+jwt" }).to_string();
    let token = Signer::new("ES256", "a").sign_text(&header, &claims.to_string());
    let answer = present(here, &token);
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
}
