//! Clients that are web pages: which of them are let in, and what a browser shows them.

mod common;

use common::resource::{Notes, Tokens, ask, challenge, resource, with};
use http::{HeaderMap, Request, header};
use oauth_http::resource::{AllowedOrigins, BearerLayer};
use tower_layer::Layer;

/// What a page learns by the headers that a browser looks at.
fn cors(headers: &HeaderMap) -> (String, bool) {
    let text = |name| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let exposed = text(header::ACCESS_CONTROL_EXPOSE_HEADERS).to_ascii_lowercase();
    let readable = ["www-authenticate", "mcp-session-id"]
        .iter()
        .all(|name| exposed.split(", ").any(|held| held == *name));
    (
        text(header::ACCESS_CONTROL_ALLOW_ORIGIN).to_owned(),
        readable,
    )
}

/// RS-HTTP-5, RS-HTTP-6: a preflight needs no token, `Authorization` is allowed by its name, and the
/// challenge can be read.
#[test]
fn a_client_in_a_browser_can_begin() {
    let layer = BearerLayer::new(resource(), Tokens::alice("mcp:tools"));
    let notes = Notes::default();
    let mut service = layer.layer(notes.clone());
    let preflight = Request::options("/mcp")
        .header(header::ORIGIN, "https://app.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let answer = ask(&mut service, preflight);
    assert_eq!(answer.status(), 204);
    let allowed = common::text(&answer, header::ACCESS_CONTROL_ALLOW_HEADERS);
    for name in [
        "Authorization",
        "Content-Type",
        "Accept",
        "MCP-Protocol-Version",
        "Mcp-Method",
        "Mcp-Name",
        "Mcp-Session-Id",
        "Last-Event-ID",
        "DPoP",
    ] {
        assert!(allowed.split(", ").any(|held| held == name), "{name}");
    }
    assert!(notes.seen.lock().unwrap().is_empty());
    for request in [Request::post("/mcp"), with("nobody"), with("alice")] {
        let answer = ask(
            &mut service,
            request.header(header::ORIGIN, "https://app.example"),
        );
        assert_eq!(cors(answer.headers()), ("*".to_owned(), true), "{answer:?}");
    }
}

/// RS-HTTP-1: refused before anybody looks at the token, and told to nobody.
#[test]
fn another_host_and_a_strange_page_are_refused_first() {
    let notes = Notes::default();
    let tokens = Tokens::alice("mcp:tools");
    let origins = AllowedOrigins::of(resource().uri()).origin("https://app.example");
    let layer = BearerLayer::new(resource(), tokens).origins(origins);
    let mut service = layer.layer(notes.clone());
    let own = || with("alice").header(header::HOST, "mcp.example");
    let preflight = || {
        Request::options("/mcp")
            .header(header::HOST, "mcp.example")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
    };
    let from = |request: http::request::Builder, page: &str| request.header(header::ORIGIN, page);
    for (request, status) in [
        (with("alice"), 400),
        (with("alice").header(header::HOST, "evil.example"), 421),
        (with("alice").uri("http://evil.example/mcp"), 421),
        (from(own(), "https://evil.example"), 403),
        (from(own(), "null"), 403),
        (
            from(
                Request::post("/mcp").header(header::HOST, "mcp.example"),
                "https://evil.example",
            ),
            403,
        ),
        (from(preflight(), "https://evil.example"), 403),
    ] {
        let refused = ask(&mut service, request);
        assert_eq!(refused.status(), status);
        assert_eq!(cors(refused.headers()), (String::new(), false));
        assert_eq!(challenge(&refused), "");
        assert_eq!(common::text(&refused, header::VARY), "Origin");
    }
    assert!(notes.seen.lock().unwrap().is_empty());

    let page = "https://app.example";
    for (request, status) in [
        (from(own(), page), 403),
        (
            from(own().header(header::AUTHORIZATION, "Bearer x"), page),
            400,
        ),
        (from(preflight(), page), 204),
    ] {
        let answer = ask(&mut service, request);
        assert_eq!(answer.status(), status);
        assert_eq!(cors(answer.headers()), (page.to_owned(), true));
        assert_eq!(common::text(&answer, header::VARY), "Origin");
    }
    let program = ask(&mut service, own());
    assert_eq!(cors(program.headers()), (String::new(), true));
}
