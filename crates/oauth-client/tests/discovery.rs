//! From a server's address to its authorization server, past everything that can be wrong.

mod common;

use common::scripted::{ASM, PRM, Said, Web, asm, prm};
use oauth_client::discovery::{Discovered, DiscoveryError, discover};
use oauth_client::types::{Issuer, Reach};
use oauth_client::{BearerChallenge, ClientConfig, Leniency, Ports};
use oauth_testkit::{FixedClock, SeededEntropy, block_on};

fn find_with(
    web: &Web,
    leniency: Leniency,
    metadata: Option<&str>,
) -> Result<Discovered, DiscoveryError> {
    let config = ClientConfig::new(common::MCP, "Test")
        .unwrap()
        .leniency(leniency);
    let ports = Ports::new(
        web.clone(),
        FixedClock::at(1_800_000_000),
        SeededEntropy::new(1),
    );
    let mut challenge = BearerChallenge::default();
    challenge.resource_metadata = metadata.map(str::to_owned);
    block_on(discover(&config, &ports, &challenge, None))
}

fn find(web: &Web) -> Result<Discovered, DiscoveryError> {
    find_with(web, Leniency::STRICT, None)
}

/// CL-DISC-1, CL-DISC-2: where the challenge says, else for the path, else for the host.
#[test]
fn a_servers_metadata_are_looked_for_in_three_places() {
    let root = "GET https://mcp.example/.well-known/oauth-protected-resource";
    let custom = "GET https://mcp.example/custom.json";
    let mut of_host = prm("https://as.example");
    of_host["resource"] = "https://mcp.example".into();
    let web = Web::default();
    web.put(ASM, Said::json(asm("https://as.example")));
    web.put(root, Said::json(of_host));
    assert_eq!(find(&web).unwrap().resource.as_str(), "https://mcp.example");
    assert_eq!(web.lines(), [PRM, root, ASM]);
    let web = Web::usual();
    web.put(custom, Said::json(prm("https://as.example")));
    find_with(
        &web,
        Leniency::STRICT,
        Some("https://mcp.example/custom.json"),
    )
    .unwrap();
    assert_eq!(web.lines(), [custom, ASM]);
    // A challenge that leads nowhere is passed over.
    let web = Web::usual();
    find_with(&web, Leniency::STRICT, Some("https://mcp.example/nothing")).unwrap();
    assert_eq!(web.lines().len(), 3);
}

/// CL-DISC-3, D12: metadata of another resource end the search; one above it is forgiven on demand.
#[test]
fn metadata_of_another_resource_are_refused() {
    for (resource, strict, lenient) in [
        ("https://mcp.example/mcp", true, true),
        ("https://MCP.example/mcp", true, true),
        ("https://mcp.example/", false, true),
        ("https://mcp.example/mcp/", false, false),
        ("https://mcp.example/mc", false, false),
        ("https://evil.example/mcp", false, false),
        ("http://mcp.example/mcp", false, false),
    ] {
        let mut document = prm("https://as.example");
        document["resource"] = resource.into();
        let web = Web::usual();
        web.put(PRM, Said::json(document));
        assert_eq!(find(&web).is_ok(), strict, "{resource}");
        let leniency = Leniency::STRICT.parent_resource(true);
        assert_eq!(
            find_with(&web, leniency, None).is_ok(),
            lenient,
            "{resource}"
        );
    }
    let web = Web::usual();
    let mut document = prm("https://as.example");
    document["resource"] = "https://evil.example/mcp".into();
    web.put(PRM, Said::json(document));
    let said = find(&web).unwrap_err().to_string();
    assert!(
        said.contains("protected resource metadata at https://mcp.example/.well-known"),
        "{said}"
    );
    assert!(
        said.contains("got `resource` https://evil.example/mcp"),
        "{said}"
    );
    assert_eq!(web.lines(), [PRM, PRM][..1]);
}

/// CL-DISC-4: with a path the three places, in their order; the report names each.
#[test]
fn a_servers_places_are_tried_in_the_order_of_the_standard() {
    let issuer = "https://as.example/tenant";
    let appended = "GET https://as.example/tenant/.well-known/openid-configuration";
    let web = Web::usual();
    web.put(PRM, Said::json(prm(issuer)));
    web.put(appended, Said::json(asm(issuer)));
    let found = find(&web).unwrap();
    assert_eq!(found.server.issuer.as_str(), issuer);
    assert_eq!(
        web.lines()[1..],
        [
            "GET https://as.example/.well-known/oauth-authorization-server/tenant",
            "GET https://as.example/.well-known/openid-configuration/tenant",
            appended,
        ]
    );
    let report = found.report.to_string();
    assert!(
        report.contains("oauth-authorization-server/tenant: status 404"),
        "{report}"
    );
    assert!(report.contains("openid-configuration: found"), "{report}");
}

/// CL-DISC-5: 4xx, 502 and pages that are no JSON are passed over; a 500 is told.
#[test]
fn a_hard_failure_is_not_passed_over() {
    for (said, passes) in [
        (Said::status(404), true),
        (Said::status(401), true),
        (Said::status(502), true),
        (Said::json("<html>"), true),
        (Said::json("[]"), true),
        (Said::json("{}"), true),
        (Said::status(500), false),
        (Said::status(503), false),
        (Said::status(204), true),
        (Said::redirect("https://evil.example/"), false),
    ] {
        let status = said.status;
        let web = Web::usual();
        web.put(PRM, said);
        let root = "GET https://mcp.example/.well-known/oauth-protected-resource";
        let mut of_host = prm("https://as.example");
        of_host["resource"] = "https://mcp.example".into();
        web.put(root, Said::json(of_host));
        let found = find(&web);
        assert_eq!(found.is_ok(), passes, "{status}: {found:?}");
        if let Err(error) = found {
            assert_eq!(error.is_temporary(), status >= 500, "{status}");
        }
    }
}

/// CL-DISC-6, D13: the document's issuer is the one that was named, letter for letter; a slash after
/// a bare host is forgiven on demand, both ways, and the document's own spelling counts.
#[test]
fn a_document_of_another_issuer_is_not_used() {
    for (named, says, strict, lenient) in [
        ("https://as.example", "https://as.example", true, true),
        ("https://as.example", "https://as.example/", false, true),
        ("https://as.example/", "https://as.example", false, true),
        ("https://as.example", "https://AS.example", false, false),
        ("https://as.example", "https://evil.example", false, false),
        (
            "https://as.example/a",
            "https://as.example/a/",
            false,
            false,
        ),
        ("https://as.example/a", "https://as.example", false, false),
        ("https://as.example", "", false, false),
    ] {
        let web = Web::usual();
        web.put(PRM, Said::json(prm(named)));
        for place in oauth_client::discovery::server_places(&Issuer::parse(named).unwrap()) {
            web.put(&format!("GET {place}"), Said::json(asm(says)));
        }
        assert_eq!(find(&web).is_ok(), strict, "{named} {says}");
        let found = find_with(&web, Leniency::STRICT.issuer_slash(true), None);
        assert_eq!(found.is_ok(), lenient, "{named} {says}");
        if let Ok(found) = found {
            assert_eq!(found.server.issuer.as_str(), says);
        }
    }
}

/// Feature 94: of several authorization servers the first that can be used is taken, and the report
/// says why the others cannot.
#[test]
fn several_authorization_servers_are_tried() {
    let web = Web::usual();
    let mut document = prm("https://as.example");
    document["authorization_servers"] =
        serde_json::json!(["no issuer", "https://down.example", "https://as.example"]);
    web.put(PRM, Said::json(document));
    let down = "GET https://down.example/.well-known/oauth-authorization-server";
    web.put(down, Said::status(500));
    let found = find(&web).unwrap();
    assert_eq!(found.server.issuer.as_str(), "https://as.example");
    let report = found.report.to_string();
    assert!(report.contains("got status 500"), "{report}");
    assert!(report.contains("expected an issuer"), "{report}");
    web.put(ASM, Said::status(404));
    let error = find(&web).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no authorization server can be used"),
        "{error}"
    );
}

/// Feature 110: a document may move within its origin, a few times.
#[test]
fn redirects_are_followed_within_the_origin() {
    let web = Web::usual();
    web.put(PRM, Said::redirect("/elsewhere.json"));
    web.put(
        "GET https://mcp.example/elsewhere.json",
        Said::json(prm("https://as.example")),
    );
    find(&web).unwrap();
    for to in [
        "https://evil.example/prm",
        "http://mcp.example/prm",
        "https://mcp.example:8443/prm",
        "//evil.example/prm",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ] {
        web.put(PRM, Said::redirect(to));
        let said = find(&web).unwrap_err().to_string();
        assert!(
            said.contains("got a redirect, which is not followed"),
            "{said}"
        );
        assert_eq!(
            web.lines()
                .iter()
                .filter(|line| line.contains("evil"))
                .count(),
            0
        );
    }
    web.put(PRM, Said::redirect(common::MCP));
    web.put("GET https://mcp.example/mcp", Said::redirect("/mcp"));
    assert!(find(&web).is_err());
}

/// CL-DISC-8, CL-TOK-13: no document from the public internet leads into a private network, by
/// address or by name, or over plain http; one of a private network may lead to its neighbours.
#[test]
fn a_public_document_does_not_lead_inside() {
    for issuer in [
        "https://127.0.0.1",
        "https://localhost",
        "http://localhost:9000",
        "https://10.0.0.1",
        "https://192.168.1.1",
        "https://169.254.169.254",
        "https://[::ffff:7f00:1]",
        "http://as.example",
    ] {
        let web = Web::usual();
        web.put(PRM, Said::json(prm(issuer)));
        assert!(find(&web).is_err(), "{issuer}");
        assert_eq!(web.lines(), [PRM], "{issuer}");
    }
    // A name that turns out to lie inside is refused by whoever connects.
    let inside = Said {
        reach: Reach::Private,
        ..Said::json(asm("https://as.example"))
    };
    let web = Web::usual();
    web.put(ASM, inside.clone());
    let said = find(&web).unwrap_err().to_string();
    assert!(said.contains("not one that may be asked"), "{said}");
    assert_eq!(web.last(ASM).within, Reach::Public);
    // The same, where the protected server is a neighbour.
    web.put(
        PRM,
        Said {
            reach: Reach::Private,
            ..Said::json(prm("https://as.example"))
        },
    );
    let found = find(&web).unwrap();
    assert_eq!(found.server.within, Reach::Private);
    // The one whom the person named may be anywhere, and a challenge of its own origin, too.
    assert_eq!(web.last(PRM).within, Reach::Local);
    // An authorization server of the same origin may lie anywhere, but where it was reached counts
    // for what it names.
    let web = Web::usual();
    web.put(PRM, Said::json(prm("https://mcp.example")));
    let own = "GET https://mcp.example/.well-known/oauth-authorization-server";
    web.put(own, Said::json(asm("https://mcp.example")));
    assert_eq!(find(&web).unwrap().server.within, Reach::Public);
    assert_eq!(web.last(own).within, Reach::Local);
    let web = Web::usual();
    let elsewhere = "https://prm.example/x";
    assert!(find_with(&web, Leniency::STRICT, Some(elsewhere)).is_ok());
    assert_eq!(web.last("GET https://prm.example/x").within, Reach::Public);
    let web = Web::usual();
    assert!(find_with(&web, Leniency::STRICT, Some("http://127.0.0.1:1/x")).is_err());
    assert!(web.lines().is_empty());
}

/// CL-DISC-8: a program that connects to servers which others name bounds how far inside any of it may
/// lie: also the server itself, and an authorization server of its origin.
#[test]
fn a_server_of_strangers_does_not_lead_inside() {
    let within = |reach: Reach, server: &str| {
        let web = Web::usual();
        let config = ClientConfig::new(server, "Test").unwrap().within(reach);
        let ports = Ports::new(
            web.clone(),
            FixedClock::at(1_800_000_000),
            SeededEntropy::new(1),
        );
        let challenge = BearerChallenge::default();
        (block_on(discover(&config, &ports, &challenge, None)), web)
    };
    for server in [
        "https://10.0.0.1/mcp",
        "http://127.0.0.1:1/mcp",
        "https://169.254.169.254/",
    ] {
        let (found, web) = within(Reach::Public, server);
        assert!(found.is_err() && web.lines().is_empty(), "{server}");
    }
    assert!(
        !within(Reach::Private, "https://10.0.0.1/mcp")
            .1
            .lines()
            .is_empty()
    );
    let (found, web) = within(Reach::Public, common::MCP);
    assert_eq!(found.unwrap().server.within, Reach::Public);
    assert!(
        web.asked()
            .iter()
            .all(|asked| asked.within == Reach::Public)
    );
}

/// CL-DISC-9: without metadata a server of the revision 2025-03-26 is its own authorization server, if
/// that is wanted; with metadata at its origin, these count.
#[test]
fn servers_of_an_old_revision_are_used_on_demand() {
    let old = Leniency::STRICT.legacy_2025_03_26(true);
    let web = Web::default();
    let error = find(&web).unwrap_err().to_string();
    assert!(
        error.contains("publishes no protected resource metadata"),
        "{error}"
    );
    let found = find_with(&web, old, None).unwrap();
    assert_eq!(
        found.server.token_endpoint.unwrap(),
        "https://mcp.example/token"
    );
    assert_eq!(found.resource.as_str(), common::MCP);
    let place = "GET https://mcp.example/.well-known/oauth-authorization-server";
    let mut document = asm("https://mcp.example");
    document["token_endpoint"] = "https://mcp.example/oauth/token".into();
    web.put(place, Said::json(document));
    let found = find_with(&web, old, None).unwrap();
    assert_eq!(
        found.server.token_endpoint.unwrap(),
        "https://mcp.example/oauth/token"
    );
    web.put(place, Said::status(500));
    assert!(find_with(&web, old, None).is_err());
}
