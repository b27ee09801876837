//! For which server a token is got, and that nobody can turn it into one for another.

mod common;

use common::scripted::{Said, Scene, TOKEN, Web, prm};
use oauth_client::BearerChallenge;
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
