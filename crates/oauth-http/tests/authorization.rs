//! The authorization endpoint and the way through sign-in and consent.

mod common;

use common::{Server, cookies, encode, error, handle, location, text};
use http::{Request, header};
use oauth_testkit::flows::parameter;

fn with(
    mut query: Vec<(String, String)>,
    name: &str,
    value: Option<&str>,
) -> Vec<(String, String)> {
    query.retain(|(held, _)| held != name);
    query.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    query
}

/// AS-AUTHZ-12, AS-AUTHZ-13, AS-AUTHZ-14, AS-AUTHZ-27.
#[test]
fn a_person_signs_in_and_the_code_goes_to_the_client_with_state_and_issuer() {
    let server = Server::new();
    for (app, prefix) in [
        (&server.public, "http://127.0.0.1/callback?code=mcpc_"),
        (
            &server.confidential,
            "https://app.example/cb?keep=1&code=mcpc_",
        ),
    ] {
        let location = server.sign_in(app, &"v".repeat(43));
        assert!(location.starts_with(prefix), "{location}");
        assert_eq!(parameter(&location, "state").unwrap(), "s+t%26a%3Dte");
        assert_eq!(
            parameter(&location, "iss").unwrap(),
            "https%3A%2F%2Fmcp.example"
        );
    }
}

/// AS-AUTHZ-3, AS-AUTHZ-4, AS-AUTHZ-5: a page, 400, never a redirect.
#[test]
fn nothing_is_sent_to_an_address_that_is_not_proven() {
    let server = Server::new();
    let sound = server.query(&server.public, &"v".repeat(43));
    for (name, value) in [
        ("client_id", None),
        ("client_id", Some("c_nobody")),
        ("redirect_uri", Some("https://evil.example/cb")),
        ("redirect_uri", Some("http://127.0.0.1/callback2")),
        ("redirect_uri", Some("javascript:alert(1)")),
    ] {
        let page = server.authorize(&with(sound.clone(), name, value), "");
        assert_eq!(page.status(), 400, "{name} {value:?}");
        assert_eq!(location(&page), "");
    }
    for name in ["client_id", "redirect_uri"] {
        let mut twice = sound.clone();
        twice.extend(
            with(sound.clone(), "x", None)
                .into_iter()
                .filter(|(held, _)| held == name),
        );
        assert_eq!(server.authorize(&twice, "").status(), 400, "{name} twice");
    }
    // The only registered address may be left out.
    assert_eq!(
        server
            .authorize(&with(sound, "redirect_uri", None), "")
            .status(),
        200
    );
}

/// AS-AUTHZ-8, AS-AUTHZ-9, AS-AUTHZ-10, AS-AUTHZ-11, AS-AUTHZ-13, AS-AUTHZ-15, AS-AUTHZ-16, AS-AUTHZ-19,
/// AS-AUTHZ-35, AS-META-9.
#[test]
fn other_errors_go_to_a_proven_loopback_address() {
    let server = Server::new();
    let sound = server.query(&server.public, &"v".repeat(43));
    for (name, value, code) in [
        ("response_type", None, "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        ("response_mode", Some("fragment"), "invalid_request"),
        ("code_challenge", None, "invalid_request"),
        ("code_challenge", Some("short"), "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("scope", Some("admin"), "invalid_scope"),
        ("scope", Some("mcp:tools  mcp:write"), "invalid_scope"),
        ("resource", Some("https://other.example"), "invalid_target"),
        ("resource", Some("not a uri"), "invalid_target"),
        ("request", Some("eyJ"), "request_not_supported"),
        ("request_uri", Some("urn:x"), "request_uri_not_supported"),
        ("prompt", Some("none"), "login_required"),
        ("prompt", Some("none login"), "invalid_request"),
    ] {
        let answer = server.authorize(&with(sound.clone(), name, value), "");
        assert_eq!(answer.status(), 303, "{name} {value:?}");
        let location = location(&answer);
        assert!(
            location.starts_with("http://127.0.0.1/callback?error="),
            "{location}"
        );
        assert_eq!(
            parameter(&location, "error").unwrap(),
            code,
            "{name} {value:?}"
        );
        assert_eq!(parameter(&location, "state").unwrap(), "s+t%26a%3Dte");
        assert_eq!(
            parameter(&location, "iss").unwrap(),
            "https%3A%2F%2Fmcp.example"
        );
        let told = parameter(&location, "error_description").unwrap();
        let told = told.replace('+', " ");
        let printable = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
        assert!(
            !told.contains("%22") && told.chars().all(printable),
            "{told}"
        );
    }
}

/// AS-AUTHZ-21, AS-AUTHZ-22: no open redirector for clients that registered themselves.
#[test]
fn a_person_is_asked_before_an_error_leaves_for_a_strange_host() {
    let server = Server::new();
    let query = server.query(&server.confidential, &"v".repeat(43));
    let page = server.authorize(&with(query, "response_type", Some("bogus")), "");
    assert_eq!(page.status(), 400);
    assert_eq!(location(&page), "");
    assert!(String::from_utf8_lossy(page.body()).contains("app.example"));
}

/// AS-AUTHZ-2, AS-AUTHZ-18, AS-AUTHZ-20, AS-AUTHZ-34: unknown and empty parameters, defaults.
#[test]
fn what_is_left_out_has_a_default() {
    let server = Server::new();
    let sound = server.query(&server.public, &"v".repeat(43));
    for (name, value) in [
        ("scope", None),
        ("scope", Some("")),
        ("scope", Some("offline_access")),
        ("scope", Some("mcp:tools offline_access")),
        ("resource", None),
        ("state", None),
        ("unknown", Some("x")),
        ("prompt", Some("consent")),
        ("login_hint", Some("alice")),
        ("max_age", Some("600")),
        ("acr_values", Some("gold")),
        ("ui_locales", Some("de fr")),
        ("resource", Some("HTTPS://MCP.example/mcp")),
    ] {
        let page = server.authorize(&with(sound.clone(), name, value), "");
        assert_eq!(page.status(), 200, "{name} {value:?}");
    }
}

/// AS-AUTHZ-25, AS-AUTHZ-26, AS-AUTHZ-28, AS-AUTHZ-29, AS-SEC-9, AS-SEC-12.
#[test]
fn pages_cannot_be_framed_cached_or_read_by_other_origins() {
    let server = Server::new();
    let page = server.authorize(&server.query(&server.public, &"v".repeat(43)), "");
    let policy = text(&page, header::CONTENT_SECURITY_POLICY);
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(text(&page, header::X_FRAME_OPTIONS), "DENY");
    assert_eq!(text(&page, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(text(&page, header::CACHE_CONTROL), "no-store");
    assert_eq!(text(&page, header::REFERRER_POLICY), "no-referrer");
    assert_eq!(
        text(&page, header::STRICT_TRANSPORT_SECURITY),
        "max-age=31536000"
    );
    assert_eq!(text(&page, header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    let cookie = text(&page, header::SET_COOKIE);
    for part in [
        "__Host-oa-",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Path=/",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

/// AS-AUTHZ-25: a transaction works in the browser and session it belongs to, and nowhere else.
#[test]
fn a_decision_counts_only_in_the_browser_that_began() {
    let server = Server::new();
    let verifier = "v".repeat(43);
    let query = server.query(&server.public, &verifier);
    let page = server.authorize(&query, "");
    let mine = cookies(&page);
    let theirs = cookies(&server.authorize(&query, ""));
    let login = [
        ("transaction", &*handle(&page)),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    for stolen in ["", theirs.as_str(), &format!("{mine}; {mine}")] {
        assert_eq!(server.interact(stolen, &login).status(), 400, "{stolen}");
    }
    let consent = server.interact(&mine, &login);
    let session = cookies(&consent);
    let approve = [("transaction", &*handle(&consent)), ("decision", "approve")];
    // Without the session that signed in for it, back to signing in.
    let again = server.interact(&mine, &approve);
    assert_eq!(again.status(), 200);
    assert!(String::from_utf8_lossy(again.body()).contains("login"));
    // The transaction of before the sign-in does not count for another's session.
    let redirect = server.interact(&format!("{mine}; {session}"), &approve);
    assert_eq!(redirect.status(), 303);

    // The cookie of one tab serves all: a second request goes straight to consent.
    let second = server.authorize(&query, &format!("{mine}; {session}"));
    assert!(String::from_utf8_lossy(second.body()).contains("consent"));
    // A session in another browser is nobody's.
    let foreign = server.authorize(&query, &format!("{theirs}; {session}"));
    assert!(String::from_utf8_lossy(foreign.body()).contains("login"));
    // And prompt=login asks again even here.
    let fresh = server.authorize(
        &with(query, "prompt", Some("login")),
        &format!("{mine}; {session}"),
    );
    assert!(String::from_utf8_lossy(fresh.body()).contains("login"));
}

/// AS-AUTHZ-25.
#[test]
fn forms_from_other_sites_are_refused() {
    let server = Server::new();
    let page = server.authorize(&server.query(&server.public, &"v".repeat(43)), "");
    let body = encode(&[
        ("transaction", &handle(&page)),
        ("username", "alice"),
        ("password", "wonderland"),
    ]);
    let post = |name: &str, value: &str| {
        let request = Request::post("/authorize/interact")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, cookies(&page))
            .header(name, value);
        server.send(request.body(body.clone()).unwrap()).status()
    };
    assert_eq!(post("sec-fetch-site", "cross-site"), 403);
    assert_eq!(post("sec-fetch-site", "same-site"), 403);
    assert_eq!(post("origin", "https://evil.example"), 403);
    assert_eq!(post("origin", "https://mcp.example"), 200);
    assert_eq!(post("origin", "null"), 200);
}

/// AS-AUTHZ-1: POST means the same; it is asked for again by GET, so that our cookies come along.
#[test]
fn a_posted_request_is_answered_like_a_get() {
    let server = Server::new();
    let query = server.query(&server.public, &"v".repeat(43));
    let pairs: Vec<(&str, &str)> = query.iter().map(|(n, v)| (&**n, &**v)).collect();
    let answer = server.post("/authorize", &pairs);
    assert_eq!(answer.status(), 303);
    assert!(answer.headers().get(header::SET_COOKIE).is_none());
    assert_eq!(server.get(&location(&answer)).status(), 200);
    let put = server.send(Request::put("/authorize").body("").unwrap());
    assert_eq!(error(&put), (405, "invalid_request".to_owned()));
    assert_eq!(text(&put, header::ALLOW), "GET, HEAD, POST");
}

/// AS-AUTHZ-13, AS-AUTHZ-15.
#[test]
fn denying_tells_the_client() {
    let server = Server::new();
    let page = server.authorize(&server.query(&server.public, &"v".repeat(43)), "");
    let login = [
        ("transaction", &*handle(&page)),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    let consent = server.interact(&cookies(&page), &login);
    let all = format!("{}; {}", cookies(&page), cookies(&consent));
    let answer = server.interact(
        &all,
        &[("transaction", &*handle(&consent)), ("decision", "deny")],
    );
    assert_eq!(
        parameter(&location(&answer), "error").unwrap(),
        "access_denied"
    );
    assert!(parameter(&location(&answer), "code").is_none());
    assert_eq!(
        parameter(&location(&answer), "iss").unwrap(),
        "https%3A%2F%2Fmcp.example"
    );
}

#[test]
fn a_sign_in_that_took_too_long_says_so() {
    let server = Server::new();
    let page = server.authorize(&server.query(&server.public, &"v".repeat(43)), "");
    server
        .clock
        .advance(oauth_core::types::Lifetime::minutes(10));
    let answer = server.interact(&cookies(&page), &[("transaction", &*handle(&page))]);
    assert_eq!(answer.status(), 400);
    assert!(String::from_utf8_lossy(answer.body()).contains("expired"));
}
