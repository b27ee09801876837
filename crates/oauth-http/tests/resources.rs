//! Which resource a token is for: named, not named, named otherwise, several.

mod common;

use common::{Server, error, json, location};
use oauth_core::types::ResourceUri;
use oauth_core::{ResourceMode, ResourcePolicy};
use oauth_testkit::flows::parameter;

/// Two resources of one host, told apart by their paths.
fn server(mode: ResourceMode) -> Server {
    Server::build(|builder| {
        builder.configure(|config| {
            config.policy.resource_mode = mode;
            let uri = ResourceUri::parse("https://files.example/mcp").unwrap();
            let files = ResourcePolicy::new(uri).scope("files:read", "Read files");
            config.resources.push(files);
        })
    })
}

fn query(server: &Server, resources: &[&str], scope: &str) -> Vec<(String, String)> {
    let mut query = server.query(&server.public, &"v".repeat(43));
    query.retain(|(name, _)| name != "resource" && name != "scope");
    let resources = resources.iter().map(|uri| ("resource", *uri));
    let more = resources.chain([("scope", scope)]);
    query.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    query
}

/// The error told to the client, or nothing where a person is asked.
fn refusal(server: &Server, resources: &[&str]) -> Option<String> {
    let answer = server.authorize(&query(server, resources, "mcp:tools"), "");
    parameter(&location(&answer), "error")
}

/// AS-AUTHZ-16, AS-AUTHZ-17, AS-AUTHZ-18: three policies for what older clients send.
#[test]
fn a_resource_is_named_strictly_leniently_or_compatibly() {
    use ResourceMode::{Compatible, Lenient, Strict};
    let target = || Some("invalid_target".to_owned());
    for (mode, resources, expected) in [
        (Strict, vec!["https://mcp.example/mcp"], None),
        (Strict, vec!["HTTPS://MCP.example/mcp"], None),
        (Strict, vec![], target()),
        (Lenient, vec![], None),
        (Lenient, vec!["https://mcp.example"], target()),
        (Compatible, vec![], None),
        (Compatible, vec!["https://mcp.example"], None),
        (Compatible, vec!["https://mcp.example/"], None),
        (Compatible, vec!["https://mcp.example/mc"], target()),
        (Compatible, vec!["https://mcp.example/mcp/x"], target()),
        (Compatible, vec!["https://other.example"], target()),
        (Compatible, vec!["https://mcp.example.evil"], target()),
        (Lenient, vec!["https://mcp.example/mcp#part"], target()),
        (Lenient, vec!["mcp"], target()),
    ] {
        let server = server(mode);
        assert_eq!(
            refusal(&server, &resources),
            expected,
            "{mode:?} {resources:?}"
        );
    }
}

/// What a client was taken to mean, its token is for, also when it says the same again.
#[test]
fn a_compatible_client_gets_a_token_for_the_resource_itself() {
    let server = server(ResourceMode::Compatible);
    let verifier = "v".repeat(43);
    let answer = server.sign_in_with(&query(&server, &["https://mcp.example"], "mcp:tools"));
    let mut form = server.redemption(&server.public, &answer, &verifier);
    form.push(("resource".to_owned(), "https://mcp.example".to_owned()));
    let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
    let tokens = server.post("/token", &pairs);
    let token = json(&tokens)["access_token"].as_str().unwrap().to_owned();
    let checked = server
        .service
        .authorization_server()
        .check_access_token(&token);
    let claims = oauth_testkit::block_on(checked).unwrap().unwrap();
    assert!(
        claims
            .audience
            .iter()
            .map(ResourceUri::as_str)
            .eq(["https://mcp.example/mcp"])
    );
}

/// AS-TOKEN-13, AS-TOKEN-14: of several granted resources a token is for one, and carries that
/// one's scopes only.
#[test]
fn a_token_never_carries_what_means_something_elsewhere() {
    let server = server(ResourceMode::Lenient);
    let verifier = "v".repeat(43);
    let both = ["https://mcp.example/mcp", "https://files.example/mcp"];
    let location = server.sign_in_with(&query(&server, &both, "mcp:tools files:read"));
    let redeem = |extra: &[(&str, &str)]| {
        let form = server.redemption(&server.public, &location, &verifier);
        let pairs = form.iter().map(|(n, v)| (&**n, &**v));
        let pairs: Vec<(&str, &str)> = pairs.chain(extra.iter().copied()).collect();
        server.post("/token", &pairs)
    };
    let elsewhere = [("resource", "https://other.example/mcp")];
    assert_eq!(error(&redeem(&elsewhere)), (400, "invalid_target".into()));
    let several = both.map(|uri| ("resource", uri));
    assert_eq!(error(&redeem(&several)), (400, "invalid_target".into()));
    let mixed = [
        ("resource", "https://files.example/mcp"),
        ("scope", "mcp:tools"),
    ];
    assert_eq!(error(&redeem(&mixed)), (400, "invalid_scope".into()));

    // None of that cost the code; without a word the first resource is meant.
    let tokens = json(&redeem(&[]));
    assert_eq!(tokens["scope"], "mcp:tools");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let files = server.post(
        "/token",
        &[
            ("grant_type", "refresh_token"),
            ("client_id", &server.public.client_id),
            ("refresh_token", refresh),
            ("resource", "https://files.example/mcp"),
        ],
    );
    assert_eq!(json(&files)["scope"], "files:read");
}

/// The audience is what the person granted, not what the token request says: another resource of
/// the same server was never asked about.
#[test]
fn a_token_request_cannot_choose_a_resource_that_was_not_granted() {
    let server = server(ResourceMode::Lenient);
    let verifier = "v".repeat(43);
    let one = ["https://mcp.example/mcp"];
    let location = server.sign_in_with(&query(&server, &one, "mcp:tools"));
    let mut form = server.redemption(&server.public, &location, &verifier);
    form.push((
        "resource".to_owned(),
        "https://files.example/mcp".to_owned(),
    ));
    let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
    let answer = server.post("/token", &pairs);
    assert_eq!(error(&answer), (400, "invalid_target".into()));
}
