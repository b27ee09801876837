//! Lists of tools that show no more than their caller may call.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use oauth_http::resource::{AccessClaims, OperationLayer, OperationPolicy, ProtectedResource};
use oauth_testkit::block_on;
use oauth_types::{ClientId, Issuer, ResourceUri, Scope, Subject, Timestamp};
use tower_layer::Layer;
use tower_service::Service;

/// An MCP server with one answer, in pieces.
#[derive(Clone)]
struct Mcp {
    headers: Vec<(header::HeaderName, &'static str)>,
    pieces: Vec<Bytes>,
}

impl<B> Service<Request<B>> for Mcp {
    type Response = Response<Pieces>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = Response::new(Pieces(self.pieces.clone()));
        for (name, value) in &self.headers {
            let value = header::HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        std::future::ready(Ok(response))
    }
}

struct Pieces(Vec<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(self.0.remove(0)))))
    }
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn layer() -> OperationLayer {
    let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    let resource = ProtectedResource::new(uri, "https://mcp.example", scope("mcp:tools"))
        .including("mcp:admin", scope("mcp:write"));
    let policy = OperationPolicy::new().tool("write", scope("mcp:write"));
    OperationLayer::new(resource, policy).body_limit(1000)
}

fn json(answer: &str) -> Mcp {
    Mcp {
        headers: vec![(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        pieces: vec![Bytes::from(answer.to_owned())],
    }
}

fn stream(pieces: &[&str]) -> Mcp {
    let pieces = pieces.iter().map(|piece| Bytes::from((*piece).to_owned()));
    Mcp {
        headers: vec![(header::CONTENT_TYPE, "text/event-stream")],
        pieces: pieces.collect(),
    }
}

/// What somebody who holds `held` is answered to a request with this body.
fn ask(layer: &OperationLayer, mcp: Mcp, held: &str, body: &str) -> (u16, String) {
    let method = if body.is_empty() {
        Method::GET
    } else {
        Method::POST
    };
    let claims = AccessClaims::new(
        Issuer::parse("https://mcp.example").unwrap(),
        Subject::new("alice"),
        ClientId::new("app"),
        scope(held),
        ResourceUri::parse("https://mcp.example/mcp").unwrap(),
        (Timestamp::from_unix(1), Timestamp::from_unix(2)),
    );
    let request = Request::builder().method(method).extension(claims);
    let request = request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let Ok(response) = block_on(layer.layer(mcp).call(request));
    let status = response.status().as_u16();
    let body = block_on(response.into_body().collect()).unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const CACHED: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
const TOOLS: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read"}, {"name":"write"}],"x": 1.50}}"#;
const FEWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read"}],"x":1.50}}"#;

/// RS-TOK-20: by the scope that somebody holds, or what it includes; and not at all where nobody
/// asked for that.
#[test]
fn a_list_shows_what_its_caller_may_call() {
    let hiding = layer().hiding_tools();
    let all = |layer: &OperationLayer, held| {
        ask(layer, json(TOOLS), held, LIST) == (200, TOOLS.to_owned())
    };
    assert_eq!(
        ask(&hiding, json(TOOLS), "mcp:tools", LIST),
        (200, FEWER.to_owned())
    );
    assert!(all(&hiding, "mcp:tools mcp:write"));
    assert!(all(&hiding, "mcp:admin mcp:tools"));
    assert!(all(&layer(), "mcp:tools"), "where hiding is off");

    let batch = format!("[{LIST},{PING}]");
    let answers = format!("[{TOOLS},{{\"id\":2,\"result\":{{}}}}]");
    let fewer = answers.replace(TOOLS, FEWER);
    assert_eq!(
        ask(&hiding, json(&answers), "mcp:tools", &batch),
        (200, fewer)
    );
    // What nobody asked a list of is not looked into.
    assert_eq!(
        ask(&hiding, json(TOOLS), "mcp:tools", PING),
        (200, TOOLS.to_owned())
    );
    let failure = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#;
    assert_eq!(
        ask(&hiding, json(failure), "mcp:tools", LIST),
        (200, failure.to_owned())
    );
}

/// RS-TOK-19: a cache that serves everybody would show one caller's list to the next.
#[test]
fn a_list_by_caller_says_that_it_is_private() {
    let hiding = layer().hiding_tools();
    for held in ["mcp:tools", "mcp:tools mcp:write"] {
        let (_, told) = ask(&hiding, json(TOOLS), held, CACHED);
        assert!(told.contains(r#""cacheScope":"private""#), "{told}");
    }
    let (_, told) = ask(&layer(), json(TOOLS), "mcp:tools", CACHED);
    assert_eq!(told, TOOLS, "where hiding is off");
}

/// RS-TOK-20: in a stream, however it is cut, and on one that a client comes back to.
#[test]
fn a_list_in_a_stream_shows_no_more() {
    let hiding = layer().hiding_tools();
    let before = ": hello\n\nevent: message\ndata: {\"method\":\"notifications/progress\"}\n\n";
    let told = format!("{before}id: 7\ndata: {TOOLS}\n\ndata: bye\n\n");
    let shown = format!("{before}id: 7\ndata: {FEWER}\n\ndata: bye\n\n");
    for size in [1, 7, 64, 1000] {
        let pieces: Vec<&str> = (0..told.len())
            .step_by(size)
            .map(|at| &told[at..told.len().min(at + size)])
            .collect();
        for body in [LIST, ""] {
            let answer = ask(&hiding, stream(&pieces), "mcp:tools", body);
            assert_eq!(answer, (200, shown.clone()), "pieces of {size}");
        }
        assert_eq!(ask(&hiding, stream(&pieces), "mcp:tools", PING).1, told);
        assert_eq!(ask(&layer(), stream(&pieces), "mcp:tools", LIST).1, told);
    }
    // A stream that breaks off within the event shows no more either.
    let broken = format!("data: {TOOLS}");
    let (_, shown) = ask(&hiding, stream(&[&broken]), "mcp:tools", LIST);
    assert_eq!(shown, format!("data: {FEWER}\n\n"));
}

/// What cannot be read might show anything.
#[test]
fn a_list_that_cannot_be_read_is_shown_to_nobody() {
    let hiding = layer().hiding_tools();
    let long = TOOLS.replace("read", &"r".repeat(1000));
    let twice = TOOLS.replace("\"id\":1", "\"result\":{}");
    let mut packed = json(TOOLS);
    packed.headers.push((header::CONTENT_ENCODING, "gzip"));
    let mut packed_stream = stream(&["data: x\n\n"]);
    packed_stream
        .headers
        .push((header::CONTENT_ENCODING, "gzip"));
    for mcp in [json(&long), json(&twice), packed, packed_stream] {
        let (status, told) = ask(&hiding, mcp, "mcp:tools", LIST);
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(told.contains("-32603") && !told.contains("write"), "{told}");
    }
    let events = format!("data: 1\n\ndata: {twice}\n\ndata: 2\n\n");
    let (_, told) = ask(&hiding, stream(&[&events]), "mcp:tools", LIST);
    assert_eq!(told, "data: 1\n\ndata: 2\n\n");
    let events = format!("data: 1\n\ndata: {long}");
    let (_, told) = ask(
        &hiding,
        stream(&[&events, "\n\ndata: 2\n\n"]),
        "mcp:tools",
        LIST,
    );
    assert_eq!(
        told, "data: 1\n\n",
        "a stream ends at an event that is too long"
    );
}
