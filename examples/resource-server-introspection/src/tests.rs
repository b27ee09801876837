//! With an issuer on this machine, over sockets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use oauth_testkit::canary;
use oauth_testkit::socket::{Answer, get as ask};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::*;

/// What an issuer knows of its tokens, and how often it was asked.
#[derive(Default)]
struct Known {
    tokens: HashMap<String, Value>,
    asked: usize,
}

type Shared = Arc<Mutex<Known>>;

/// `mcp-server` with the secret `secret`, by RFC 7617.
const BASIC: &str = "Basic bWNwLXNlcnZlcjpzZWNyZXQ=";

async fn introspect(
    State(known): State<Shared>,
    headers: HeaderMap,
    form: String,
) -> (StatusCode, Json<Value>) {
    if headers
        .get("authorization")
        .is_none_or(|sent| sent != BASIC)
    {
        return (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "invalid_client" })),
        );
    }
    let mut known = known.lock().unwrap();
    known.asked += 1;
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let token = pairs.find(|(name, _)| *name == "token").unwrap().1;
    let answer = known.tokens.get(token).cloned();
    (
        StatusCode::OK,
        Json(answer.unwrap_or_else(|| json!({ "active": false }))),
    )
}

fn bind(runtime: &Runtime) -> (TcpListener, SocketAddr) {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let here = listener.local_addr().unwrap();
    (listener, here)
}

fn present(to: SocketAddr, token: &str) -> Answer {
    canary::secret(token);
    ask(to, "/mcp", &format!("Authorization: Bearer {token}\r\n")).unwrap()
}

/// An issuer that knows `known`, and a server that trusts it and proves itself with `secret`.
fn start(runtime: &Runtime, known: &Shared, secret: &str) -> SocketAddr {
    let (listener, there) = bind(runtime);
    let name = format!("http://{there}");
    let metadata =
        json!({ "issuer": name, "introspection_endpoint": format!("{name}/introspect") });
    let routes = Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(Json(metadata)),
        )
        .route("/introspect", post(introspect))
        .with_state(known.clone());
    runtime.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let (listener, here) = bind(runtime);
    let own = ClientCredentials::basic(&ClientId::new("mcp-server"), &SecretText::new(secret));
    runtime.spawn(async move { serve(listener, &name, own).await.unwrap() });
    here
}

/// RS-TOK-10: a token is what its issuer says it is, asked once for many requests.
#[test]
fn tokens_are_what_their_issuer_says() {
    canary::watch();
    let runtime = Runtime::new().unwrap();
    let known = Shared::default();
    let here = start(&runtime, &known, "secret");
    let about = |member: &str, value: Value| {
        let mut answer = json!({
            "active": true, "sub": "alice", "client_id": "app",
            "aud": format!("http://{here}/mcp"), "scope": "mcp:tools",
        });
        answer[member] = value;
        let members = answer.as_object_mut().unwrap();
        members.retain(|_, value| !value.is_null());
        answer
    };
    let tokens = [
        ("opaque-good", about("sub", json!("alice")), 200),
        (
            "opaque-elsewhere",
            about("aud", json!("https://other.example/mcp")),
            401,
        ),
        ("opaque-nowhere", about("aud", Value::Null), 401),
        ("opaque-poor", about("scope", json!("mcp:other")), 403),
        ("opaque-over", json!({ "active": false }), 401),
    ];
    known.lock().unwrap().tokens = HashMap::from(
        tokens
            .clone()
            .map(|(token, answer, _)| (token.to_owned(), answer)),
    );
    assert_eq!(ask(here, "/mcp", "").unwrap().status, 401);
    for (token, _, status) in &tokens {
        assert_eq!(present(here, token).status, *status, "{token}");
    }
    assert_eq!(present(here, "opaque-unknown").status, 401);
    let answer = present(here, "opaque-good");
    assert_eq!(answer.body, "hello alice");
    assert_eq!(known.lock().unwrap().asked, 6, "once for each token");
}

/// RS-TOK-10: a secret that the issuer does not accept is a fault of this server, not of the caller.
#[test]
fn a_wrong_secret_of_ours_is_no_fault_of_the_caller() {
    canary::watch();
    let runtime = Runtime::new().unwrap();
    let here = start(&runtime, &Shared::default(), "wrong");
    let answer = present(here, "opaque-good");
    assert_eq!(answer.status, 503);
    assert!(!answer.header("retry-after").is_empty());
}
