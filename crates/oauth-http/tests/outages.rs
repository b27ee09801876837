//! What everybody is told while the store is down, and that nothing was lost when it is back.

mod common;

use common::{Server, error, json, text};
use http::header;
use oauth_testkit::faults::Fault;

fn borrowed(form: &[(String, String)]) -> Vec<(&str, &str)> {
    form.iter().map(|(n, v)| (&**n, &**v)).collect()
}

/// AS-TOKEN-15: an outage is 503 with `Retry-After`, and the code is still good afterwards.
#[test]
fn a_code_survives_an_outage() {
    let server = Server::new();
    let verifier = "v".repeat(43);
    let location = server.sign_in(&server.public, &verifier);
    let form = server.redemption(&server.public, &location, &verifier);
    server.storage.line_up([Fault::Refused]);
    let answer = server.post("/token", &borrowed(&form));
    assert_eq!(error(&answer), (503, "temporarily_unavailable".into()));
    assert_eq!(text(&answer, header::RETRY_AFTER), "1");
    assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
    assert_eq!(server.post("/token", &borrowed(&form)).status(), 200);
}

/// AS-REV-5: a revocation that could not be done says so.
#[test]
fn a_revocation_that_did_not_happen_says_so() {
    let server = Server::new();
    let tokens = server.tokens(&server.public);
    let form = [
        ("client_id", &*server.public.client_id),
        ("token", tokens["refresh_token"].as_str().unwrap()),
    ];
    server.storage.line_up([Fault::Refused]);
    let answer = server.post("/revoke", &form);
    assert_eq!(error(&answer), (503, "temporarily_unavailable".into()));
    assert_eq!(text(&answer, header::RETRY_AFTER), "1");
    assert_eq!(server.post("/revoke", &form).status(), 200);
}

/// AS-TOKEN-16: ids, states and scopes as long as a request line may be.
#[test]
fn long_values_are_handled() {
    let server = Server::new();
    let mut query = server.query(&server.public, &"v".repeat(43));
    let long = "s".repeat(4096);
    query.retain(|(name, _)| name != "state");
    query.push(("state".to_owned(), long.clone()));
    query.push(("unknown".to_owned(), "x".repeat(3000)));
    let location = server.sign_in_with(&query);
    assert!(location.contains(&long));
    let unknown = [("client_id", "c".repeat(8000))];
    let unknown = unknown.each_ref().map(|(n, v)| (*n, v.as_str()));
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        unknown[0],
    ];
    assert_eq!(
        error(&server.post("/token", &form)),
        (401, "invalid_client".into())
    );
}

/// AS-SEC-8: beyond the bounds a short refusal.
#[test]
fn what_is_too_long_is_refused_early() {
    let server = Server::new();
    let target = format!("/authorize?x={}", "x".repeat(17_000));
    assert_eq!(server.get(&target).status(), 414);
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let request = http::Request::post("/register")
        .header(header::CONTENT_TYPE, "application/json")
        .body(format!("{{\"redirect_uris\":{deep}}}"));
    let answer = server.send(request.unwrap());
    assert_eq!(error(&answer), (400, "invalid_client_metadata".into()));
    assert!(json(&answer)["error_description"].is_string());
}
