//! For which server a token is got, and that nobody can turn it into one for another.

mod common;

use common::scripted::{Said, Scene, TOKEN, Web, prm};
use oauth_client::{BearerChallenge, Client};
use oauth_testkit::block_on;

/// CL-DISC-3, CL-TOK-2: a server cannot name the metadata of another one, of another host or its
/// neighbour, and so be shown a token that was got for that one. What it could be found with anyway,
/// without a challenge, may be named.
#[test]
fn a_challenge_does_not_choose_another_resource() {
    for (place, resource, good) in [
        (
            "https://bank.example/.well-known/oauth-protected-resource/mcp",
            "https://bank.example/mcp",
            false,
        ),
        (
            "https://bank.example/.well-known/oauth-protected-resource",
            "https://bank.example",
            false,
        ),
        (
            "https://mcp.example/.well-known/oauth-protected-resource/other",
            "https://mcp.example/other",
            false,
        ),
        (
            "https://mcp.example/.well-known/oauth-protected-resource/mcp/deeper",
            "https://mcp.example/mcp/deeper",
            false,
        ),
        (
            "https://mcp.example/.well-known/oauth-protected-resource",
            "https://mcp.example",
            true,
        ),
        ("https://bank.example/any", common::MCP, true),
    ] {
        let scene = Scene::new(Web::usual());
        let mut document = prm("https://as.example");
        document["resource"] = resource.into();
        scene
            .web
            .put(&format!("GET {place}"), Said::json(document.clone()));
        let mut challenge = BearerChallenge::default();
        challenge.resource_metadata = Some(place.to_owned());
        let signed_in = block_on(scene.client(|config| config).sign_in(&challenge));
        assert_eq!(signed_in.is_ok(), good, "{resource}: {signed_in:?}");
        assert_eq!(scene.web.lines().iter().any(|line| line == TOKEN), good);
    }
}

/// Begins a sign-in at one client, and the query with which the person comes back.
fn begin(client: &Client) -> (oauth_client::PendingAuthorization, String) {
    let redirect_uri = "https://app.example/callback";
    let begun = block_on(client.begin(&BearerChallenge::default(), redirect_uri)).unwrap();
    let (_, query) = begun.url.split_once('?').unwrap();
    let mut sent = form_urlencoded::parse(query.as_bytes());
    let (_, state) = sent.find(|(name, _)| name == "state").unwrap();
    assert!(!format!("{begun:?}").contains(&*state), "{begun:?}");
    (begun.pending, format!("code=the-code&state={state}"))
}

/// CL-AUTHZ-16, CL-TOK-2: of two connections to one authorization server, to two servers or of two
/// persons, neither finishes what the other began, also where both are one client there.
#[test]
fn a_sign_in_is_finished_by_the_connection_that_began_it() {
    let web = common::scripted::with("client_id_metadata_document_supported", true);
    let place = "GET https://other.example/.well-known/oauth-protected-resource/mcp";
    let mut document = prm("https://as.example");
    document["resource"] = "https://other.example/mcp".into();
    web.put(place, Said::json(document));
    let scene = Scene::new(web);
    let documented = |config: oauth_client::ClientConfig| {
        config.client_metadata_url("https://app.example/client.json")
    };
    let first = scene.client(documented);
    let other_person = scene.client(|config| documented(config).owner("bob"));
    let other_server = scene.client(|_| {
        documented(oauth_client::ClientConfig::new("https://other.example/mcp", "Test").unwrap())
    });
    for other in [&other_person, &other_server] {
        let (pending, answer) = begin(&first);
        let error = block_on(other.finish(pending, &answer)).unwrap_err();
        assert!(
            error.to_string().contains("sign-in began for another"),
            "{error}"
        );
        assert!(!scene.web.lines().iter().any(|line| line == TOKEN));
        assert!(block_on(other.access_token()).unwrap().is_none());
    }
    let (pending, answer) = begin(&first);
    let again = scene.client(documented);
    block_on(again.finish(pending, &answer)).unwrap();
}
