//! What a client that introduces itself is told. Spec: RFC 7591.

mod common;

use common::{Server, error, json, text};
use http::{Request, Response, header};
use oauth_core::types::{Lifetime, Scope, SecretHash};
use oauth_core::{InProcessLimiter, Limit, RegistrationMode, RegistrationRules, Source};
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, World};
use serde_json::{Value, json};

const INITIAL: &str = "an-initial-access-token-of-many-random-characters";

fn server(change: impl Fn(&mut RegistrationRules) + 'static) -> Server {
    let world = World::builder(22);
    Server::bare(world.configure(|config| change(&mut config.policy.registration)))
}

fn register(server: &Server, body: &Value) -> Response<bytes::Bytes> {
    register_with(server, body, &[])
}

fn register_with(server: &Server, body: &Value, authorization: &[&str]) -> Response<bytes::Bytes> {
    let mut request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
    for value in authorization {
        request = request.header(header::AUTHORIZATION, *value);
    }
    server.send(request.body(body.to_string()).unwrap())
}

fn public(uri: &str) -> Value {
    json!({"redirect_uris": [uri], "token_endpoint_auth_method": "none", "client_name": "Editor"})
}

fn id(response: &Response<bytes::Bytes>) -> String {
    assert_eq!(response.status(), 201, "{:?}", response.body());
    json(response)["client_id"].as_str().unwrap().to_owned()
}

/// AS-DCR-2, AS-DCR-3, AS-DCR-13: the media type, the shape of the body, the method, the headers.
#[test]
fn only_a_json_object_is_posted() {
    let server = Server::new();
    let body = public("http://127.0.0.1/cb").to_string();
    for (media, body) in [
        ("text/plain", body.as_str()),
        ("application/x-www-form-urlencoded", "redirect_uris=x"),
        ("application/json", ""),
        ("application/json", "{"),
        ("application/json", "null"),
        ("application/json", "[[\"https://app.example/cb\"]]"),
        ("application/json", "\"x\""),
    ] {
        let request = Request::post("/register").header(header::CONTENT_TYPE, media);
        let answer = server.send(request.body(body.to_owned()).unwrap());
        assert_eq!(
            error(&answer),
            (400, "invalid_client_metadata".to_owned()),
            "{body}"
        );
        assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
        assert_eq!(text(&answer, header::CONTENT_TYPE), "application/json");
        assert!(json(&answer)["error_description"].is_string());
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        let request = Request::builder().method(method).uri("/register");
        let answer = server.send(request.body("").unwrap());
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(text(&answer, header::ALLOW), "POST, OPTIONS");
    }
    let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
    let answer = server.send(request.body(body).unwrap());
    assert_eq!(answer.status(), 201);
    assert_eq!(text(&answer, header::CONTENT_TYPE), "application/json");
    assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
    assert_eq!(text(&answer, header::PRAGMA), "no-cache");
    assert_eq!(text(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
}

/// AS-DCR-4, AS-DCR-5, AS-DCR-6, AS-DCR-7, AS-REG-1, AS-REG-3, AS-REG-5, AS-REG-10: what is left
/// out has the standard's default and is said; a secret only where one is used.
#[test]
fn defaults_are_said_and_secrets_go_to_those_who_use_them() {
    let server = Server::new();
    let key = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "x"}]});
    for (method, keys, secret) in [
        (None, None, true),
        (Some("client_secret_basic"), None, true),
        (Some("client_secret_post"), None, true),
        (Some("none"), None, false),
        (Some("private_key_jwt"), Some(key), false),
    ] {
        let mut body = json!({"redirect_uris": ["https://app.example/cb"]});
        if let Some(method) = method {
            body["token_endpoint_auth_method"] = json!(method);
        }
        if let Some(keys) = &keys {
            body["jwks"] = keys.clone();
        }
        let answer = json(&register(&server, &body));
        let held = method.unwrap_or("client_secret_basic");
        assert_eq!(answer["token_endpoint_auth_method"], held);
        assert_eq!(answer["grant_types"], json!(["authorization_code"]));
        assert_eq!(answer["response_types"], json!(["code"]));
        assert_eq!(answer["redirect_uris"], body["redirect_uris"]);
        assert_eq!(answer["client_id_issued_at"], 1_800_000_000);
        assert_eq!(answer["jwks"], keys.unwrap_or_default());
        assert_eq!(answer.get("client_secret").is_some(), secret, "{held}");
        let expires = answer.get("client_secret_expires_at");
        assert_eq!(expires, secret.then(|| json!(0)).as_ref(), "{held}");
        let id = answer["client_id"].as_str().unwrap();
        let unreserved = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        assert!(id.starts_with("c_") && id.bytes().all(unreserved), "{id}");
        if let Some(secret) = answer["client_secret"].as_str() {
            assert!(secret.len() == 44 && secret.bytes().all(unreserved));
        }
    }
    // A client has no say in its identifier or secret.
    let mut body = public("https://other.example/cb");
    body["client_id"] = json!("alice");
    body["client_secret"] = json!("chosen");
    let answer = json(&register(&server, &body));
    assert_ne!(answer["client_id"], "alice");
    assert_eq!(answer.get("client_secret"), None);
}

/// AS-REG-6, AS-REG-7, AS-REG-8, AS-DCR-8, AS-DCR-12: one bad address spoils the list; what
/// kind of program it is decides which are good.
#[test]
fn redirect_addresses_fit_the_kind_of_program() {
    let server = Server::new();
    let all = [None, Some("native"), Some("web")];
    for (uri, good) in [
        ("https://app.example/cb", [true, true, true]),
        ("https://localhost/cb", [true, true, false]),
        ("https://127.0.0.1/cb", [true, true, false]),
        ("https://[::1]/cb", [true, true, false]),
        ("http://127.0.0.1/cb", [true, true, false]),
        ("http://[::1]:8080/cb", [true, true, false]),
        ("http://localhost:33418/", [true, true, false]),
        ("com.example.app:/cb", [true, true, false]),
        (
            "cursor://anysphere.cursor-retrieval/oauth/x/callback",
            [true, true, false],
        ),
        (
            "vscode://vscode.github-authentication/x",
            [true, true, false],
        ),
        ("vscode-insiders://x/y", [true, true, false]),
        ("code-oss://x/y", [true, true, false]),
        ("windsurf://x/y", [true, true, false]),
        ("zed://x/y", [true, true, false]),
        ("nobody-knows-this://x", [false; 3]),
        ("http://app.example/cb", [false; 3]),
        ("http://192.168.0.1/cb", [false; 3]),
        ("javascript:alert(1)//x.y", [false; 3]),
        ("data:text/html,x", [false; 3]),
        ("file:///etc/passwd", [false; 3]),
        ("vbscript:x", [false; 3]),
        ("blob:https://x/y", [false; 3]),
        ("about:blank", [false; 3]),
        ("intent://x", [false; 3]),
        ("https://app.example/cb#f", [false; 3]),
        ("https://u:p@app.example/cb", [false; 3]),
        ("/cb", [false; 3]),
        ("", [false; 3]),
    ] {
        for (kind, good) in all.into_iter().zip(good) {
            let mut body = public(uri);
            body["redirect_uris"] = json!(["https://fine.example/cb", uri]);
            if let Some(kind) = kind {
                body["application_type"] = json!(kind);
            }
            let answer = register(&server, &body);
            if !good {
                assert_eq!(
                    error(&answer),
                    (400, "invalid_redirect_uri".to_owned()),
                    "{uri}"
                );
                continue;
            }
            assert_eq!(answer.status(), 201, "{uri} {kind:?}");
            let inferred = if uri == "https://app.example/cb" {
                "web"
            } else {
                "native"
            };
            assert_eq!(
                json(&answer)["application_type"],
                kind.unwrap_or(inferred),
                "{uri}"
            );
        }
    }
    for body in [
        json!({"token_endpoint_auth_method": "none"}),
        json!({"redirect_uris": []}),
        json!({"redirect_uris": null}),
        json!({"redirect_uris": vec!["https://app.example/cb"; 33]}),
        json!({"redirect_uris": [format!("https://app.example/{}", "x".repeat(2048))]}),
    ] {
        assert_eq!(error(&register(&server, &body)).1, "invalid_redirect_uri");
    }
}

/// AS-REG-7, AS-REG-8: which private-use schemes are good is the operator's choice.
#[test]
fn private_use_schemes_are_the_operators_choice() {
    let strict = server(|rules| rules.private_use_schemes = None);
    let own = server(|rules| rules.private_use_schemes = Some(vec!["myeditor".to_owned()]));
    for (uri, in_strict, in_own) in [
        ("myeditor://x/cb", 400, 201),
        ("cursor://x/cb", 400, 400),
        ("com.example.app:/cb", 400, 201),
        ("http://127.0.0.1/cb", 201, 201),
    ] {
        assert_eq!(register(&strict, &public(uri)).status(), in_strict, "{uri}");
        assert_eq!(register(&own, &public(uri)).status(), in_own, "{uri}");
    }
    // And the scheme works where it leads to.
    let client = id(&register(&own, &public("myeditor://x/cb")));
    let app = App {
        client_id: client,
        client_secret: None,
        redirect_uri: "myeditor://x/cb".to_owned(),
    };
    let location = own.sign_in(&app, &"v".repeat(43));
    assert!(location.starts_with("myeditor://x/cb?code="), "{location}");
}

/// AS-DCR-9: grant and response types go together, and what does not exist any more is refused.
#[test]
fn grant_and_response_types_agree() {
    let server = Server::new();
    for (grants, responses, kept) in [
        (
            json!(null),
            json!(null),
            Some(json!(["authorization_code"])),
        ),
        (
            json!(["authorization_code"]),
            json!(["code"]),
            Some(json!(["authorization_code"])),
        ),
        (
            json!([
                "refresh_token",
                "authorization_code",
                "refresh_token",
                "urn:x:y"
            ]),
            json!(["code", "code id_token"]),
            Some(json!(["refresh_token", "authorization_code"])),
        ),
        (
            json!(["authorization_code", "client_credentials"]),
            json!(null),
            Some(json!(["authorization_code"])),
        ),
        (json!(["authorization_code"]), json!([]), None),
        (json!(["authorization_code"]), json!(["token"]), None),
        (json!(["refresh_token"]), json!(["code"]), None),
        (json!([]), json!(["code"]), None),
        (
            json!(["authorization_code", "implicit"]),
            json!(["code"]),
            None,
        ),
        (json!(["authorization_code", "password"]), json!(null), None),
        (json!("authorization_code"), json!(null), None),
    ] {
        let mut body = public("https://app.example/cb");
        body["grant_types"] = grants.clone();
        body["response_types"] = responses.clone();
        let answer = register(&server, &body);
        match kept {
            Some(kept) => {
                assert_eq!(json(&answer)["grant_types"], kept, "{grants} {responses}");
                assert_eq!(json(&answer)["response_types"], json!(["code"]));
            }
            None => assert_eq!(
                error(&answer),
                (400, "invalid_client_metadata".to_owned()),
                "{grants} {responses}"
            ),
        }
    }
}

/// AS-DCR-11: keys in one place, and public ones only.
#[test]
fn keys_are_in_one_place_and_public() {
    let server = Server::new();
    let key = json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"});
    let private = json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "d": "d"});
    let uri = "https://app.example/jwks";
    for (method, jwks, jwks_uri, status) in [
        ("private_key_jwt", json!({"keys": [key]}), json!(null), 201),
        ("private_key_jwt", json!(null), json!(uri), 201),
        ("none", json!({"keys": [key]}), json!(null), 201),
        ("private_key_jwt", json!(null), json!(null), 400),
        ("private_key_jwt", json!({"keys": [key]}), json!(uri), 400),
        (
            "private_key_jwt",
            json!({"keys": [private]}),
            json!(null),
            400,
        ),
        ("none", json!({"keys": [private]}), json!(null), 400),
        (
            "private_key_jwt",
            json!(null),
            json!("http://app.example/jwks"),
            400,
        ),
        ("private_key_jwt", json!(null), json!("jwks"), 400),
    ] {
        let mut body = public("https://app.example/cb");
        body["token_endpoint_auth_method"] = json!(method);
        body["jwks"] = jwks.clone();
        body["jwks_uri"] = jwks_uri.clone();
        let answer = register(&server, &body);
        assert_eq!(answer.status(), status, "{body}");
        if status == 201 {
            assert_eq!(json(&answer)["jwks"], jwks);
            assert_eq!(json(&answer)["jwks_uri"], jwks_uri);
        } else {
            assert_eq!(error(&answer).1, "invalid_client_metadata");
        }
    }
}

/// AS-DCR-10, AS-DCR-17: unknown members mean nothing, and texts for people are hostile input.
#[test]
fn texts_for_people_are_judged_in_every_language() {
    let server = Server::new();
    let mut body = public("https://app.example/cb");
    body["client_name"] = json!("Pay\u{202e}lap\u{0} ");
    body["client_name#de"] = json!("Zahl\u{200b}freund");
    body["logo_uri"] = json!("data:image/png;base64,x");
    body["tos_uri#de"] = json!("https://app.example/agb");
    body["policy_uri#de"] = json!("http://app.example/datenschutz");
    body["anything"] = json!({"at": ["all"]});
    let answer = json(&register(&server, &body));
    assert_eq!(answer["client_name"], "Paylap");
    assert_eq!(answer["client_name#de"], "Zahlfreund");
    assert_eq!(answer["tos_uri#de"], "https://app.example/agb");
    for gone in ["logo_uri", "policy_uri#de", "anything"] {
        assert_eq!(answer.get(gone), None, "{gone}");
    }
    body["client_name#de"] = json!("x".repeat(201));
    let refused = error(&register(&server, &body));
    assert_eq!(refused, (400, "invalid_client_metadata".to_owned()));
}

/// AS-DCR-19, AS-REG-9: what is registered is what is offered, up to the operator's ceiling.
#[test]
fn the_scope_of_a_registration_is_the_operators() {
    let mut body = public("http://127.0.0.1/cb");
    body["scope"] = json!("mcp:tools admin unheard-of");
    let open = Server::new();
    assert_eq!(
        json(&register(&open, &body))["scope"],
        "mcp:tools mcp:write"
    );

    let ceiling = server(|rules| rules.scope = Some(Scope::parse("mcp:tools other").unwrap()));
    let answer = register(&ceiling, &body);
    assert_eq!(json(&answer)["scope"], "mcp:tools");
    let app = App {
        client_id: id(&answer),
        client_secret: None,
        redirect_uri: "http://127.0.0.1/cb".to_owned(),
    };
    let mut query = ceiling.query(&app, &"v".repeat(43));
    let scope = query.iter_mut().find(|(name, _)| name == "scope").unwrap();
    scope.1 = "mcp:write".to_owned();
    let refused = common::location(&ceiling.authorize(&query, ""));
    assert!(refused.contains("error=invalid_scope"), "{refused}");
}

/// AS-DCR-13, AS-DCR-16: a statement that counts for nothing is refused, not ignored.
#[test]
fn software_statements_are_refused_by_name() {
    let server = Server::new();
    for (statement, code) in [
        ("eyJh.eyJi.c2ln", "unapproved_software_statement"),
        ("eyJh.eyJi.", "invalid_software_statement"),
        ("not a statement", "invalid_software_statement"),
        ("", "invalid_software_statement"),
    ] {
        let mut body = public("https://app.example/cb");
        body["software_statement"] = json!(statement);
        assert_eq!(error(&register(&server, &body)), (400, code.to_owned()));
    }
}

/// AS-DCR-1, AS-DCR-14, AS-REG-2: off, open, or with a token; and only what is open to everybody
/// is announced.
#[test]
fn registration_is_off_open_or_by_token() {
    let held = format!(
        "sha256:{}",
        SecretHash::of(INITIAL.as_bytes())
            .as_bytes()
            .map(|byte| format!("{byte:02x}"))
            .concat()
    );
    let in_mode = |mode| {
        let held = SecretHash::from_configured(&held).unwrap();
        server(move |rules| {
            rules.mode = RegistrationMode::Open;
            rules.initial_access_tokens = vec![held];
            rules.manage_public_registrations = false;
            rules.mode = mode;
        })
    };
    let body = public("http://127.0.0.1/cb");
    let (good, bad) = (format!("Bearer {INITIAL}"), format!("Bearer {INITIAL}x"));
    let twice = [&*good, &*good];
    for (mode, announced, without, with) in [
        (RegistrationMode::Off, false, 403, 403),
        (RegistrationMode::Open, true, 201, 201),
        (RegistrationMode::InitialAccessToken, false, 401, 201),
    ] {
        let server = in_mode(mode);
        let metadata = json(&server.get("/.well-known/oauth-authorization-server"));
        assert_eq!(metadata.get("registration_endpoint").is_some(), announced);
        let anonymous = register(&server, &body);
        assert_eq!(anonymous.status(), without, "{mode:?}");
        assert_eq!(text(&anonymous, header::CACHE_CONTROL), "no-store");
        let answer = register_with(&server, &body, &[&good]);
        assert_eq!(answer.status(), with, "{mode:?}");
        if with == 201 {
            // Brought in by somebody who is trusted: its own identifier, and management.
            assert_ne!(id(&answer), id(&register_with(&server, &body, &[&good])));
            assert!(json(&answer)["registration_access_token"].is_string());
        }
        if mode != RegistrationMode::Off {
            for presented in [&[&*bad][..], &["Basic YTpi"], &["Bearer"], &twice] {
                let refused = register_with(&server, &body, presented);
                assert_eq!(
                    error(&refused),
                    (401, "invalid_token".to_owned()),
                    "{presented:?}"
                );
                let challenge = text(&refused, header::WWW_AUTHENTICATE);
                assert!(challenge.starts_with("Bearer "), "{challenge}");
            }
        }
        if without == 401 {
            let challenge = text(&anonymous, header::WWW_AUTHENTICATE);
            assert_eq!(challenge, "Bearer realm=\"registration\"");
        }
    }
}

/// AS-DCR-4, AS-DCM-1: the same words give the same public client, ports aside; the answer
/// repeats what was sent, and holds nothing to change the shared client with.
#[test]
fn who_says_the_same_gets_the_same_public_client() {
    let server = Server::new();
    let body = |port: u16| public(&format!("http://127.0.0.1:{port}/cb"));
    let first = register(&server, &body(3000));
    server.clock.advance(Lifetime::minutes(60));
    let again = register(&server, &body(51004));
    assert_eq!(id(&first), id(&again));
    assert_eq!(
        json(&again)["redirect_uris"],
        json!(["http://127.0.0.1:51004/cb"])
    );
    assert_eq!(json(&again)["client_id_issued_at"], 1_800_000_000);
    for answer in [&first, &again] {
        assert_eq!(json(answer).get("registration_access_token"), None);
        assert_eq!(json(answer).get("registration_client_uri"), None);
    }
    let mut reordered = body(1);
    reordered["unknown"] = json!("x");
    reordered["response_types"] = json!(["code"]);
    assert_eq!(id(&register(&server, &reordered)), id(&first));
    for (member, value) in [
        ("client_name", json!("Editor 2")),
        ("client_name#de", json!("Editor")),
        ("redirect_uris", json!(["http://127.0.0.1/cb2"])),
        ("redirect_uris", json!(["http://localhost:3000/cb"])),
        (
            "redirect_uris",
            json!(["http://127.0.0.1/cb", "https://app.example/cb"]),
        ),
        (
            "grant_types",
            json!(["authorization_code", "refresh_token"]),
        ),
        ("client_uri", json!("https://app.example/")),
    ] {
        let mut other = body(3000);
        other[member] = value;
        assert_ne!(id(&register(&server, &other)), id(&first), "{other}");
    }
    // Clients with a secret are never shared.
    let mut confidential = body(3000);
    confidential["token_endpoint_auth_method"] = json!("client_secret_post");
    let (one, two) = (
        register(&server, &confidential),
        register(&server, &confidential),
    );
    assert_ne!(id(&one), id(&two));
    assert_ne!(json(&one)["client_secret"], json(&two)["client_secret"]);
}

/// AS-CAUTH-6: a secret that ended is no secret.
#[test]
fn a_secret_ends_when_it_says() {
    for (lifetime, ends) in [
        (None, 0),
        // Zero is never, as on the wire, and not at once.
        (Some(Lifetime::ZERO), 0),
        (Some(Lifetime::days(90)), 1_800_000_000 + 90 * 86_400),
    ] {
        let server = server(move |rules| rules.secret_lifetime = lifetime);
        let answer = json(&register(
            &server,
            &json!({
                "redirect_uris": ["https://app.example/cb"],
                "token_endpoint_auth_method": "client_secret_post",
            }),
        ));
        assert_eq!(answer["client_secret_expires_at"], ends);
        let ask = || {
            let word = |member: &str| answer[member].as_str().unwrap().to_owned();
            let (id, secret) = (word("client_id"), word("client_secret"));
            error(&server.post(
                "/token",
                &[
                    ("grant_type", "authorization_code"),
                    ("client_id", &id),
                    ("client_secret", &secret),
                    ("code", "x"),
                    ("code_verifier", &"v".repeat(43)),
                ],
            ))
        };
        server.clock.advance(Lifetime::seconds(90 * 86_400 - 1));
        assert_eq!(ask(), (400, "invalid_grant".to_owned()));
        server.clock.advance(Lifetime::seconds(1));
        let after = if ends == 0 {
            (400, "invalid_grant")
        } else {
            (401, "invalid_client")
        };
        assert_eq!(ask(), (after.0, after.1.to_owned()));
    }
}

/// AS-DCR-15: too much is 429, with the time to wait; the same again is not more, and neither is
/// another source.
#[test]
fn too_many_registrations_are_told_when_to_come_back() {
    let world = World::builder(25).ports(|ports| ports.limiter(InProcessLimiter::default()));
    let server = Server::bare(world);
    let from = |source: [u8; 4], number: u32| {
        let body = public(&format!("http://127.0.0.1/{number}")).to_string();
        let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
        let (parts, body) = request.body(body.into()).unwrap().into_parts();
        let source = Source(Some(source.into()));
        block_on(server.service.handle(parts, body, source))
    };
    for number in 0..Limit::REGISTRATION.attempts {
        assert_eq!(from([192, 0, 2, 1], number).status(), 201);
    }
    server.clock.advance(Lifetime::minutes(10));
    let refused = from([192, 0, 2, 1], 1_000);
    assert_eq!(refused.status(), 429);
    assert_eq!(text(&refused, header::RETRY_AFTER), "3000");
    assert_eq!(text(&refused, header::CACHE_CONTROL), "no-store");
    assert_eq!(from([192, 0, 2, 1], 0).status(), 201);
    assert_eq!(from([192, 0, 2, 2], 1_000).status(), 201);
}
