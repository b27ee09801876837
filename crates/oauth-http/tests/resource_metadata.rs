//! What a resource server says about its resources, and where.

use bytes::Bytes;
use http::{Method, Request, Response};
use oauth_http::resource::{ProtectedResource, ResourceService};
use oauth_types::{Link, ResourceUri, Scope};
use serde_json::{Value, json};

fn resource(uri: &str) -> ProtectedResource {
    ProtectedResource::new(
        ResourceUri::parse(uri).unwrap(),
        "https://auth.example",
        Scope::parse("mcp:tools").unwrap(),
    )
}

fn ask(service: &ResourceService, method: Method, path: &str) -> Response<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(())
        .unwrap();
    service.handle(&request.into_parts().0)
}

/// The resource that a path's document describes, if there is one.
fn described(service: &ResourceService, path: &str) -> Option<String> {
    let answer = ask(service, Method::GET, path);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    (answer.status() == 200).then(|| body["resource"].as_str().unwrap().to_owned())
}

/// RS-PRM-3, RS-PRM-4: one resource is found from the root as well; of several each has its own
/// path and nobody the root, since a client would discard a document that names another resource.
#[test]
fn each_resource_has_its_own_document() {
    let (notes, files) = (
        resource("https://mcp.example/notes"),
        resource("https://mcp.example/files/"),
    );
    let alone = ResourceService::new([&notes]);
    let root = "/.well-known/oauth-protected-resource";
    let at_notes = "/.well-known/oauth-protected-resource/notes";
    for path in [root, at_notes] {
        assert_eq!(
            described(&alone, path).as_deref(),
            Some("https://mcp.example/notes"),
            "{path}"
        );
    }

    let both = ResourceService::new([&notes, &files]);
    assert_eq!(
        described(&both, at_notes).as_deref(),
        Some("https://mcp.example/notes")
    );
    for path in [
        "/.well-known/oauth-protected-resource/files/",
        "/.well-known/oauth-protected-resource/files",
    ] {
        assert_eq!(
            described(&both, path).as_deref(),
            Some("https://mcp.example/files/"),
            "{path}"
        );
    }
    assert_eq!(described(&both, root), None);

    let whole = resource("https://mcp.example");
    let with_root = ResourceService::new([&notes, &whole]);
    assert_eq!(
        described(&with_root, root).as_deref(),
        Some("https://mcp.example")
    );
    assert_eq!(with_root.paths().count(), 2);
}

/// RS-PRM-1, RS-PRM-6, RS-PRM-8: every issuer in order, links where there are some, nothing empty.
#[test]
fn a_document_says_what_was_configured_and_no_more() {
    let plain = ResourceService::new([&resource("https://mcp.example/mcp")]);
    let path = "/.well-known/oauth-protected-resource/mcp";
    let body: Value = serde_json::from_slice(ask(&plain, Method::GET, path).body()).unwrap();
    assert_eq!(
        body,
        json!({
            "resource": "https://mcp.example/mcp",
            "authorization_servers": ["https://auth.example"],
            "scopes_supported": ["mcp:tools"],
            "bearer_methods_supported": ["header"],
        })
    );

    let link = |text| Link::parse(text).unwrap();
    let full = resource("https://mcp.example/mcp")
        .named("Notes")
        .trusting("https://login.example/")
        .documented_at(link("https://mcp.example/docs"))
        .with_policy(link("https://mcp.example/privacy"))
        .with_terms(link("https://mcp.example/terms"));
    let full = ResourceService::new([&full]);
    let body: Value = serde_json::from_slice(ask(&full, Method::GET, path).body()).unwrap();
    assert_eq!(
        body["authorization_servers"],
        json!(["https://auth.example", "https://login.example/"])
    );
    for (member, expected) in [
        ("resource_name", "Notes"),
        ("resource_documentation", "https://mcp.example/docs"),
        ("resource_policy_uri", "https://mcp.example/privacy"),
        ("resource_tos_uri", "https://mcp.example/terms"),
    ] {
        assert_eq!(body[member], expected, "{member}");
    }
    assert_eq!(ask(&full, Method::HEAD, path).body().len(), 0);
    assert_eq!(ask(&full, Method::POST, path).status(), 405);
    assert_eq!(ask(&full, Method::GET, "/.well-known/other").status(), 404);
}

/// RS-PRM-5: a client that compares the document with the address it was given finds the same.
#[test]
fn a_resource_is_called_what_its_clients_call_it() {
    for uri in [
        "https://mcp.example",
        "https://mcp.example/mcp",
        "https://mcp.example/a/",
        "https://mcp.example/a?tenant=1",
        "http://127.0.0.1:3000/mcp",
    ] {
        let service = ResourceService::new([&resource(uri)]);
        let path = ResourceUri::parse(uri).unwrap().metadata_path();
        let path = path.split('?').next().unwrap();
        assert_eq!(described(&service, path).as_deref(), Some(uri));
    }
    for uri in [
        "mcp.example/mcp",
        "/mcp",
        "http://mcp.example/mcp",
        "https://mcp.example/mcp#part",
    ] {
        assert!(ResourceUri::parse(uri).is_err(), "{uri}");
    }
}

/// RS-PRM-6, RS-PRM-10: nobody has to bring anything, and pages of any origin may ask.
#[test]
fn anybody_may_read_a_document() {
    let service = ResourceService::new([&resource("https://mcp.example/mcp")]);
    let path = "/.well-known/oauth-protected-resource/mcp";
    for method in [Method::GET, Method::HEAD] {
        let answer = ask(&service, method, path);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    }
    let preflight = ask(&service, Method::OPTIONS, path);
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    let allowed = preflight.headers()["access-control-allow-headers"].to_str();
    assert!(allowed.unwrap().contains("MCP-Protocol-Version"));
}
