//! What a resource asks of every request, and tells those that it does not let through.

mod common;

use common::Server;
use common::resource::{Notes, Tokens, ask, ask_with, challenge, claims, resource, scope, with};
use http::{Request, header};
use oauth_core::ResourcePolicy;
use oauth_http::resource::{BearerLayer, Needs, ProtectedResource, RequireScopes, ResourceService};
use oauth_types::{Issuer, Lifetime, ResourceUri, Subject};
use tower_layer::Layer;

/// RS-TOK-1: a session of the application, or a token that was good a moment ago, opens
/// nothing.
#[test]
fn each_request_is_authorized_by_itself() {
    let tokens = Tokens::alice("mcp:tools");
    let mut service = BearerLayer::new(resource(), tokens.clone()).layer(Notes::default());
    let first = ask(&mut service, with("alice"));
    assert_eq!(first.status(), 403, "it reached the application");
    let session = first.headers()["mcp-session-id"].clone();
    let again = Request::post("/mcp").header("mcp-session-id", session);
    assert_eq!(ask(&mut service, again).status(), 401);
    tokens.0.lock().unwrap().clear();
    assert_eq!(ask(&mut service, with("alice")).status(), 401);
}

/// RS-TOK-2, RS-TOK-3, RS-TOK-4, RS-ERR-8: one header, of one form.
#[test]
fn a_token_is_brought_in_one_header_and_nowhere_else() {
    let notes = Notes::default();
    let layer = BearerLayer::new(resource(), Tokens::alice("mcp:tools"));
    let mut service = layer.layer(notes.clone());
    for value in ["Bearer alice", "bearer   alice", "BEARER alice"] {
        let request = Request::post("/mcp").header(header::AUTHORIZATION, value);
        assert_eq!(ask(&mut service, request).status(), 403, "{value}");
    }
    let reached = notes.seen.lock().unwrap().len();
    let in_query = Request::post("/mcp?access_token=alice");
    let in_form =
        Request::post("/mcp").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (request, body) in [(in_query, ""), (in_form, "access_token=alice")] {
        let refused = ask_with(&mut service, request, body);
        assert_eq!(refused.status(), 401);
        assert!(
            !challenge(&refused).contains("error="),
            "nobody brought a token"
        );
    }
    let twice = with("alice").header(header::AUTHORIZATION, "Bearer alice");
    let two_ways = with("alice").uri("/mcp?x=1&access_token=alice");
    let malformed = Request::post("/mcp").header(header::AUTHORIZATION, "Bearer a,b");
    for request in [twice, two_ways, malformed] {
        let refused = ask(&mut service, request);
        assert_eq!(common::error(&refused), (400, "invalid_request".to_owned()));
        assert!(challenge(&refused).starts_with("Bearer error=\"invalid_request\""));
    }
    assert_eq!(notes.seen.lock().unwrap().len(), reached);
    let harmless = with("alice").uri("/mcp?my_access_token=x");
    assert_eq!(ask(&mut service, harmless).status(), 403);
}

/// RS-TOK-5, RS-ERR-2: of our own tokens, the live ones for this resource with its scope.
#[test]
fn only_a_live_token_for_this_resource_with_its_scope_is_let_through() {
    let server = Server::build(|builder| {
        builder.configure(|config| {
            let uri = ResourceUri::parse("https://files.example/mcp").unwrap();
            let files = ResourcePolicy::new(uri).scope("mcp:tools", "Read files");
            config.resources.push(files);
        })
    });
    let layer = BearerLayer::new(resource(), server.service.clone());
    let status = |layer: &BearerLayer, token: &str| {
        let answer = ask(&mut layer.layer(Notes::default()), with(token));
        (answer.status().as_u16(), challenge(&answer))
    };
    let token = |tokens: &serde_json::Value| tokens["access_token"].as_str().unwrap().to_owned();
    let first = token(&server.tokens(&server.public));
    assert_eq!(
        status(&layer, &first),
        (403, String::new()),
        "the application's own no"
    );
    let (refused, why) = status(&layer.requiring(scope("mcp:write")), &first);
    assert_eq!(refused, 403);
    assert!(why.contains("error=\"insufficient_scope\""), "{why}");

    let files = ResourceUri::parse("https://files.example/mcp").unwrap();
    let files = ProtectedResource::new(files, "https://mcp.example", scope("mcp:tools"));
    let files = BearerLayer::new(files, server.service.clone());
    let form = [("token", &*first), ("client_id", &*server.public.client_id)];
    let revoked = {
        let other = token(&server.tokens(&server.public));
        let form = [("token", &*other), form[1]];
        assert_eq!(server.post("/revoke", &form).status(), 200);
        other
    };
    let tampered = format!("{}x", &first[..first.len() - 1]);
    for (layer, token) in [(&files, &first), (&layer, &revoked), (&layer, &tampered)] {
        let (refused, why) = status(layer, token);
        assert_eq!(refused, 401);
        assert!(why.contains("error=\"invalid_token\""), "{why}");
    }
    server.clock.advance(Lifetime::seconds(3_600));
    assert_eq!(status(&layer, &first).0, 401, "expired");
}

/// RS-TOK-6, RS-TOK-7: the audience is this resource itself, in its own spelling but for what means
/// the same in every URL.
#[test]
fn a_token_for_something_near_by_is_for_something_else() {
    for (audience, expected) in [
        ("https://mcp.example/mcp", 403),
        ("HTTPS://MCP.example/mcp", 403),
        ("https://mcp.example/mcp/", 401),
        ("https://mcp.example/mcp/x", 401),
        ("https://mcp.example/mc", 401),
        ("https://mcp.example", 401),
        ("https://mcp.example.evil/mcp", 401),
    ] {
        let claims = claims("https://mcp.example", "alice", "mcp:tools", audience);
        let layer = BearerLayer::new(resource(), Tokens::of(&[("alice", claims)]));
        let answer = ask(&mut layer.layer(Notes::default()), with("alice"));
        assert_eq!(answer.status(), expected, "{audience}");
    }
}

/// RS-TOK-13, RS-TOK-14: a scope lets somebody as far as the application, which goes by issuer and
/// subject; its no is its own, and gets no challenge.
#[test]
fn whose_something_is_decides_the_application_by_issuer_and_subject() {
    let uri = "https://mcp.example/mcp";
    let of = |issuer, subject| claims(issuer, subject, "mcp:tools", uri);
    let tokens = Tokens::of(&[
        ("alice", of("https://mcp.example", "alice")),
        ("her-namesake", of("https://other.example", "alice")),
        ("bob", of("https://mcp.example", "bob")),
    ]);
    let notes = Notes::default();
    let alice = (
        Issuer::parse("https://mcp.example").unwrap(),
        Subject::new("alice"),
    );
    notes.kept.lock().unwrap().insert(alice, "milk".to_owned());
    let layer = BearerLayer::new(resource().trusting("https://other.example"), tokens);
    let mut service = layer.layer(notes);
    let answer = ask(&mut service, with("alice"));
    assert_eq!(
        (answer.status().as_u16(), &answer.body()[..]),
        (200, &b"milk"[..])
    );
    for other in ["her-namesake", "bob"] {
        let answer = ask(&mut service, with(other));
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (403, &b""[..]),
            "{other}"
        );
        assert_eq!(challenge(&answer), "");
    }
}

/// RS-TOK-15: an application that logs its requests logs no token.
#[test]
fn a_request_that_is_printed_shows_no_token() {
    let notes = Notes::default();
    let layer = BearerLayer::new(resource(), Tokens::alice("mcp:tools"));
    let layer = layer.ending_streams(oauth_types::env::SystemClock, |_| std::future::pending());
    ask(&mut layer.layer(notes.clone()), with("alice"));
    let request = with("alice").body(()).unwrap();
    let asked = layer.asked(&request.into_parts().0, None);
    let seen = notes.seen.lock().unwrap();
    assert!(seen[0].contains("authorization"), "{}", seen[0]);
    for printed in [
        format!("{layer:?} {asked:?}"),
        seen[0].replace("Subject(\"alice\")", ""),
    ] {
        assert!(!printed.contains("Bearer alice"), "{printed}");
    }
}

/// RS-PRM-2, RS-ERR-1, RS-ERR-3, RS-ERR-4, RS-ERR-6, RS-ERR-11, RS-HTTP-4: every refusal leads to
/// the document, names the same scope every time, and is nobody's to keep.
#[test]
fn whoever_is_refused_learns_the_way_in() {
    let document = ResourceService::new([&resource()]);
    let layer = BearerLayer::new(resource(), Tokens::alice("mcp:tools"));
    let mut writing = layer.requiring(scope("mcp:write")).layer(Notes::default());
    let mut plain = layer.layer(Notes::default());
    let mut refusals = Vec::new();
    for method in ["POST", "GET", "DELETE"] {
        let request = || Request::builder().method(method).uri("/mcp");
        for _ in 0..2 {
            refusals.push((ask(&mut plain, request()), 401, "mcp:tools"));
        }
    }
    refusals.push((ask(&mut plain, with("nobody")), 401, "mcp:tools"));
    for _ in 0..2 {
        refusals.push((ask(&mut writing, with("alice")), 403, "mcp:tools mcp:write"));
    }
    for (refused, status, asked) in refusals {
        assert_eq!(refused.status(), status);
        assert_eq!(common::text(&refused, header::CACHE_CONTROL), "no-store");
        let challenge = challenge(&refused);
        assert!(
            challenge.ends_with(&format!(", scope=\"{asked}\"")),
            "{challenge}"
        );
        let (_, url) = challenge
            .split_once("resource_metadata=\"https://mcp.example")
            .unwrap();
        let path = url.split('"').next().unwrap();
        let request = Request::get(path).body(()).unwrap();
        assert_eq!(document.handle(&request.into_parts().0).status(), 200);
    }
    let bare = ask(&mut plain, Request::post("/mcp"));
    assert!(
        challenge(&bare).starts_with("Bearer resource_metadata="),
        "{bare:?}"
    );
    // A server of the newest revision only has no streams to GET, and says so itself.
    let get = with("alice").method("GET");
    assert_eq!(ask(&mut plain, get).status(), 405);
}

/// A route inside of a guard asks for more by what the guard found, and nothing is let through that
/// no guard looked at.
#[test]
fn a_route_may_need_more_than_the_guard_around_it() {
    let resource = resource().including("mcp:admin", scope("mcp:write"));
    let further = RequireScopes::new(&resource, scope("mcp:write"));
    for (held, enough) in [
        ("mcp:tools mcp:write", true),
        ("mcp:tools mcp:admin", true),
        ("mcp:tools", false),
    ] {
        let layer = BearerLayer::new(resource.clone(), Tokens::alice(held));
        let notes = Notes::default();
        let answer = ask(
            &mut layer.layer(further.layer(notes.clone())),
            with("alice"),
        );
        assert_eq!(answer.status(), 403, "the application's no, or ours");
        assert_eq!(notes.seen.lock().unwrap().len() == 1, enough, "{held}");
        let asked = challenge(&answer).contains("scope=\"mcp:tools mcp:write\"");
        assert_eq!(asked, !enough, "{held}");
    }
    let optional = BearerLayer::new(resource.clone(), Tokens::alice("mcp:tools")).optional();
    let request = || Request::post("/mcp");
    let unknown = ask(
        &mut optional.layer(further.layer(Notes::default())),
        request(),
    );
    assert_eq!(unknown.status(), 401);
    let unguarded = ask(&mut further.layer(Notes::default()), request());
    assert_eq!(unguarded.status(), 401);
    let either = RequireScopes::new(&resource, Needs::any_of([scope("a"), scope("mcp:tools")]));
    let any = claims(
        "https://mcp.example",
        "alice",
        "mcp:tools",
        "https://mcp.example/mcp",
    );
    assert!(either.refuse(Some(&any)).is_none());
}
