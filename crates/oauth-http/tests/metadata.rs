//! What the discovery document says, member by member.

mod common;

use common::{Server, json, text};
use http::{Request, header};
use oauth_core::types::{Issuer, Link};
use serde_json::{Value, json as value};

fn document(server: &Server) -> Value {
    json(&server.get("/.well-known/oauth-authorization-server"))
}

/// AS-META-6, AS-META-7, AS-META-9, AS-META-10, AS-META-11, AS-META-16, AS-META-17, AS-META-20, AS-META-25.
#[test]
fn every_member_is_explicit_and_true() {
    let server = Server::new();
    let answer = server.get("/.well-known/oauth-authorization-server");
    assert_eq!(answer.status(), 200);
    assert_eq!(text(&answer, header::CONTENT_TYPE), "application/json");
    let body = json(&answer);
    assert_eq!(body["response_types_supported"], value!(["code"]));
    assert_eq!(body["response_modes_supported"], value!(["query"]));
    let grants = body["grant_types_supported"].as_array().unwrap();
    for grant in ["authorization_code", "refresh_token", "client_credentials"] {
        assert!(grants.contains(&value!(grant)), "{grant}");
    }
    for removed in ["implicit", "password"] {
        assert!(!grants.contains(&value!(removed)), "{removed}");
    }
    let methods = |name: &str| body[name].as_array().unwrap().clone();
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let listed = methods("token_endpoint_auth_methods_supported");
        assert!(listed.contains(&value!(method)), "{method}");
    }
    let asking = methods("introspection_endpoint_auth_methods_supported");
    assert!(!asking.contains(&value!("none")));
    assert!(!methods("revocation_endpoint_auth_methods_supported").is_empty());

    let members = body.as_object().unwrap();
    for (name, member) in members {
        assert_ne!(*member, value!([]), "{name} is empty");
        assert_ne!(*member, Value::Null, "{name} is null");
        if let (true, Some(url)) = (name.ends_with("_endpoint"), member.as_str()) {
            assert!(
                url.starts_with("https://mcp.example/") && !url.contains('#'),
                "{url}"
            );
        }
    }
    for endpoint in [
        "authorization",
        "token",
        "registration",
        "revocation",
        "introspection",
    ] {
        let name = format!("{endpoint}_endpoint");
        let path = body[&name]
            .as_str()
            .unwrap()
            .trim_start_matches("https://mcp.example");
        assert_ne!(server.get(path).status(), 404, "{name} answers");
    }
}

/// AS-META-18: public keys with distinct names, and nothing private.
#[test]
fn the_key_set_is_public() {
    let server = Server::new();
    let body = document(&server);
    let path = body["jwks_uri"]
        .as_str()
        .unwrap()
        .trim_start_matches("https://mcp.example");
    let keys = json(&server.get(path))["keys"].as_array().unwrap().clone();
    let mut names = Vec::new();
    for key in &keys {
        names.push(key["kid"].as_str().unwrap().to_owned());
        assert_eq!(key["use"], "sig");
        assert!(key["alg"].is_string());
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(key.get(private), None);
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert!(count > 0 && names.len() == count);
}

/// AS-META-4, AS-SEC-10: what the request calls us by plays no part.
#[test]
fn the_issuer_is_what_was_configured_whatever_the_host_header_says() {
    for issuer in ["https://mcp.example/auth/", "https://mcp.example:8443/auth"] {
        let server = Server::build(|builder| {
            builder.configure(|config| config.issuer = Issuer::parse(issuer).unwrap())
        });
        let request = Request::get("/.well-known/oauth-authorization-server/auth")
            .header(header::HOST, "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "host=evil.example;proto=http");
        let answer = server.send(request.body("").unwrap());
        assert_eq!(answer.status(), 200, "{issuer}");
        let body = json(&answer);
        assert_eq!(body["issuer"], issuer);
        assert!(!body.to_string().contains("evil"), "{body}");
    }
}

/// AS-META-28: an issuer at the root has the endpoints that the first revision's clients assume.
#[test]
fn clients_of_the_first_revision_find_what_they_assume() {
    let server = Server::new();
    for path in ["/authorize", "/token", "/register"] {
        assert_ne!(server.get(path).status(), 404, "{path}");
    }
    assert_eq!(
        document(&server)["token_endpoint"],
        "https://mcp.example/token"
    );
}

/// AS-META-20: what people may want to read is published where it was configured.
#[test]
fn links_for_people_are_published_when_there_are_any() {
    let plain = document(&Server::new());
    let server = Server::build(|builder| {
        builder.configure(|config| {
            config.about.documentation = Link::parse("https://mcp.example/docs").ok();
            config.about.policy = Link::parse("https://mcp.example/privacy").ok();
            config.about.terms = Link::parse("https://mcp.example/terms").ok();
            config.about.ui_locales = vec!["en".to_owned(), "pt-BR".to_owned()];
        })
    });
    let told = document(&server);
    for (member, expected) in [
        ("service_documentation", value!("https://mcp.example/docs")),
        ("op_policy_uri", value!("https://mcp.example/privacy")),
        ("op_tos_uri", value!("https://mcp.example/terms")),
        ("ui_locales_supported", value!(["en", "pt-BR"])),
    ] {
        assert_eq!(told[member], expected, "{member}");
        assert_eq!(plain.get(member), None, "{member}");
    }
}
