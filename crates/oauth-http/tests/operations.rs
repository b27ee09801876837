//! Scopes by operation: what the body of a request asks for decides what its token must carry.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Either, Full};
use oauth_http::resource::{
    AccessClaims, OperationLayer, OperationPolicy, Operations, ProtectedResource,
};
use oauth_testkit::block_on;
use oauth_types::{ClientId, Issuer, ResourceUri, Scope, Subject, Timestamp};
use tower_layer::Layer;
use tower_service::Service;

/// An MCP server that remembers what reached it.
#[derive(Clone, Default)]
struct Mcp(Arc<Mutex<Vec<Bytes>>>);

impl Service<Request<Either<Full<Bytes>, Full<Bytes>>>> for Mcp {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Either<Full<Bytes>, Full<Bytes>>>) -> Self::Future {
        let body = block_on(request.into_body().collect()).unwrap().to_bytes();
        self.0.lock().unwrap().push(body);
        std::future::ready(Ok(Response::new(Full::new(Bytes::from_static(b"done")))))
    }
}

struct Scene {
    mcp: Mcp,
    service: Operations<Mcp>,
}

impl Scene {
    fn new() -> Self {
        let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
        let resource = ProtectedResource::new(uri, "https://mcp.example", scope("mcp:tools"))
            .including("mcp:admin", scope("mcp:write"));
        let policy = OperationPolicy::new().tool("write", scope("mcp:write"));
        let mcp = Mcp::default();
        let layer = OperationLayer::new(resource, policy).body_limit(1000);
        Self {
            service: layer.layer(mcp.clone()),
            mcp,
        }
    }

    /// What becomes of a POST by somebody who holds `held`: status and body, and whether it
    /// reached the server.
    fn post(&mut self, held: Option<&str>, headers: &[(&str, &str)], body: &str) -> Outcome {
        self.send("POST", held, headers, body)
    }

    fn send(
        &mut self,
        method: &str,
        held: Option<&str>,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Outcome {
        let mut request = Request::builder()
            .method(method)
            .uri("https://mcp.example/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(held) = held {
            request = request.extension(claims(held));
        }
        let before = self.mcp.0.lock().unwrap().len();
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let Ok(response) = block_on(self.service.call(request));
        let status = response.status().as_u16();
        let challenge = response
            .headers()
            .get(header::WWW_AUTHENTICATE)
            .map(|value| value.to_str().unwrap().to_owned());
        let told = block_on(response.into_body().collect()).unwrap().to_bytes();
        let reached = self.mcp.0.lock().unwrap()[before..].first().cloned();
        Outcome {
            status,
            challenge: challenge.unwrap_or_default(),
            told: String::from_utf8(told.to_vec()).unwrap(),
            reached,
        }
    }
}

struct Outcome {
    status: u16,
    challenge: String,
    told: String,
    reached: Option<Bytes>,
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn claims(held: &str) -> AccessClaims {
    AccessClaims::new(
        Issuer::parse("https://mcp.example").unwrap(),
        Subject::new("alice"),
        ClientId::new("app"),
        scope(held),
        ResourceUri::parse("https://mcp.example/mcp").unwrap(),
        (Timestamp::from_unix(1), Timestamp::from_unix(2)),
    )
}

const WRITE: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write"}}"#;
const READ: &str = r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"read"}}"#;

/// RS-ERR-5, RS-ERR-10, RS-TOK-12: the challenge names everything that this call needs, and the
/// call itself never reaches the server; a broader scope is enough.
#[test]
fn a_call_that_needs_more_is_refused_before_it_runs() {
    let mut scene = Scene::new();
    let refused = scene.post(Some("mcp:tools"), &[], WRITE);
    assert_eq!((refused.status, refused.reached), (403, None));
    assert!(
        refused.challenge.contains("error=\"insufficient_scope\""),
        "{}",
        refused.challenge
    );
    assert!(
        refused.challenge.contains("scope=\"mcp:tools mcp:write\""),
        "{}",
        refused.challenge
    );
    assert!(
        refused
            .challenge
            .contains("resource_metadata=\"https://mcp.example/.well-known/")
    );

    for (held, body) in [
        ("mcp:tools", READ),
        ("mcp:tools mcp:write", WRITE),
        ("mcp:admin mcp:tools", WRITE),
    ] {
        let passed = scene.post(Some(held), &[], body);
        assert_eq!((passed.status, &*passed.told), (200, "done"), "{held}");
        // What is handed on is what came, to the byte.
        assert_eq!(passed.reached.as_deref(), Some(body.as_bytes()));
    }
    let batch = format!("[{READ}, {WRITE}]");
    assert_eq!(scene.post(Some("mcp:tools"), &[], &batch).status, 403);
    assert_eq!(
        scene.post(Some("mcp:tools mcp:write"), &[], &batch).status,
        200
    );
}

/// RS-HTTP-3: a gateway that believed the header would let this through.
#[test]
fn headers_that_say_something_else_than_the_body_are_refused() {
    let mut scene = Scene::new();
    for headers in [
        &[("mcp-name", "read")][..],
        &[("mcp-method", "tools/list")],
        &[
            ("mcp-method", "tools/call"),
            ("mcp-name", "write"),
            ("mcp-name", "read"),
        ],
    ] {
        let refused = scene.post(Some("mcp:tools mcp:write"), headers, WRITE);
        assert_eq!(
            (refused.status, refused.reached),
            (400, None),
            "{headers:?}"
        );
        let told: serde_json::Value = serde_json::from_str(&refused.told).unwrap();
        assert_eq!(
            (&told["error"]["code"], &told["id"]),
            (&(-32020).into(), &7.into())
        );
    }
    let both = [("mcp-method", "tools/call"), ("mcp-name", "read")];
    assert_eq!(scene.post(Some("mcp:tools"), &both, READ).status, 200);
}

#[test]
fn a_body_that_cannot_be_judged_does_not_pass() {
    let mut scene = Scene::new();
    let twice = r#"{"method":"tools/call","params":{"name":"read","name":"write"}}"#;
    for body in ["", "{", "[]", twice, "\"text\""] {
        let refused = scene.post(Some("mcp:tools mcp:write"), &[], body);
        assert_eq!((refused.status, refused.reached), (400, None), "{body}");
    }
    let large = format!("{{\"method\":\"ping\",\"x\":\"{}\"}}", "y".repeat(1000));
    let refused = scene.post(Some("mcp:tools"), &[], &large);
    assert_eq!((refused.status, refused.reached), (413, None));
}

/// What a server makes of an odd method is not known, so no method but those without a message is
/// a way around.
#[test]
fn another_method_is_no_way_around() {
    let mut scene = Scene::new();
    for method in ["PUT", "PATCH", "QUERY"] {
        let refused = scene.send(method, Some("mcp:tools"), &[], WRITE);
        assert_eq!((refused.status, refused.reached), (403, None), "{method}");
    }
    assert_eq!(scene.send("GET", Some("mcp:tools"), &[], "").status, 200);
}

/// A layer that is put in the wrong place asks for a token and lets nobody through.
#[test]
fn without_claims_nothing_passes() {
    let mut scene = Scene::new();
    let refused = scene.post(None, &[], READ);
    assert_eq!((refused.status, refused.reached), (401, None));
    assert!(
        refused.challenge.starts_with("Bearer "),
        "{}",
        refused.challenge
    );
}
