//! What somebody trusted has signed about a client's software. Spec: RFC 7591 §2.3.

mod common;

use common::managing;
use common::registering::{public, register, server};
use common::{Server, error, json};
use oauth_core::{KeySet, SoftwareStatementIssuer};
use oauth_testkit::Signer;
use serde_json::{Value, json};

const VENDOR: &str = "https://vendor.example";

/// A server that trusts the vendor, and the vendor.
fn trusting() -> (Server, Signer) {
    let vendor = Signer::new("ES256", "vendor-1");
    let keys = KeySet::from_value(&vendor.jwks()).unwrap();
    let server = server(move |rules| {
        rules.software_statements = vec![SoftwareStatementIssuer::new(
            VENDOR.to_owned(),
            keys.clone(),
        )];
    });
    (server, vendor)
}

fn with(statement: &str) -> Value {
    let mut body = public("http://127.0.0.1/cb");
    body["software_statement"] = json!(statement);
    body["software_id"] = json!("my own words");
    body
}

/// AS-DCR-16: the statement is verified, its claims come before the client's own words, and it is
/// echoed unchanged; a client with one is its own, and managed.
#[test]
fn a_trusted_statement_comes_before_the_clients_words() {
    let (server, vendor) = trusting();
    let statement = vendor.sign(&json!({
        "iss": VENDOR,
        "software_id": "editor",
        "client_name": "The Editor",
        "client_name#de": "Der Editor",
        "redirect_uris": ["http://127.0.0.1/stated"],
        "jti": "not about the client",
    }));
    let answer = json(&register(&server, &with(&statement)));
    assert_eq!(answer["software_statement"], statement);
    assert_eq!(answer["software_id"], "editor");
    assert_eq!(answer["client_name"], "The Editor");
    assert_eq!(answer["client_name#de"], "Der Editor");
    assert_eq!(answer["redirect_uris"], json!(["http://127.0.0.1/stated"]));
    assert_eq!(answer.get("jti"), None);
    let managed = managing::register(&server, &with(&statement));
    assert_ne!(managed.app.client_id, answer["client_id"]);
    let mut held = json(&managed.get(&server));
    assert_eq!(held["software_statement"], statement);

    // A change is stated too.
    for server_only in [
        "client_id_issued_at",
        "registration_client_uri",
        "registration_access_token",
    ] {
        held.as_object_mut().unwrap().remove(server_only);
    }
    held["client_name"] = json!("My own words");
    assert_eq!(
        json(&managed.put(&server, &held))["client_name"],
        "The Editor"
    );
    held["software_statement"] = json!("x");
    let refused = error(&managed.put(&server, &held));
    assert_eq!(refused, (400, "invalid_software_statement".to_owned()));
}

/// AS-DCR-13, AS-DCR-16: a statement that does not count is refused, not ignored.
#[test]
fn a_statement_that_does_not_count_is_refused_by_name() {
    let (server, vendor) = trusting();
    let claims = json!({"iss": VENDOR, "client_name": "The Editor"});
    let changed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let stranger = Signer::new("ES256", "vendor-1");
    let (unapproved, invalid) = (
        "unapproved_software_statement",
        "invalid_software_statement",
    );
    let other = changed("iss", json!("https://other.example"));
    for (statement, code) in [
        (stranger.sign(&other), unapproved),
        (vendor.sign(&other), unapproved),
        (stranger.sign(&claims), invalid),
        (vendor.sign(&json!({"client_name": "x"})), invalid),
        (vendor.sign(&changed("exp", json!(1_799_999_000))), invalid),
        (
            vendor.sign(&changed("aud", json!("https://other.example"))),
            invalid,
        ),
        (vendor.sign(&changed("client_name", json!(1))), invalid),
        ("not a statement".to_owned(), invalid),
        (String::new(), invalid),
    ] {
        let refused = error(&register(&server, &with(&statement)));
        assert_eq!(refused, (400, code.to_owned()), "{statement}");
    }
    // What it says is judged like anything else.
    let bad = vendor.sign(&changed("redirect_uris", json!(["http://app.example/"])));
    let refused = error(&register(&server, &with(&bad)));
    assert_eq!(refused, (400, "invalid_redirect_uri".to_owned()));
    // And nobody's statement counts where nobody is trusted.
    let nobody = common::registering::server(|_| {});
    let refused = error(&register(&nobody, &with(&vendor.sign(&claims))));
    assert_eq!(refused, (400, unapproved.to_owned()));
}
