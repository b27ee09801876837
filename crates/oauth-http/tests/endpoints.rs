//! The endpoints that programs call: token, registration, revocation, introspection, documents.

mod common;

use common::{Server, encode, error, json, text};
use http::{Request, header};

const FORM: &str = "application/x-www-form-urlencoded";

/// AS-TOKEN-3, AS-TOKEN-4, AS-TOKEN-10, AS-AT-8, AS-AUTHZ-36.
#[test]
fn tokens_come_uncacheable_and_complete() {
    let server = Server::new();
    for app in [&server.public, &server.confidential] {
        let verifier = "v".repeat(43);
        let location = server.sign_in(app, &verifier);
        let form = server.redemption(app, &location, &verifier);
        let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
        let answer = server.post("/token", &pairs);
        assert_eq!(answer.status(), 200);
        assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
        assert_eq!(text(&answer, header::CONTENT_TYPE), "application/json");
        assert_eq!(text(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        let body = json(&answer);
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 900);
        assert_eq!(body["scope"], "mcp:tools");
        for (member, prefix) in [("access_token", "mcpa_"), ("refresh_token", "mcpr_")] {
            let token = body[member].as_str().unwrap();
            assert!(token.starts_with(prefix) && token.len() == 90, "{token}");
            assert!(token[5..].bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }
}

/// AS-TOKEN-1, AS-TOKEN-2, AS-TOKEN-5, AS-TOKEN-7, AS-TOKEN-8.
#[test]
fn malformed_token_requests_get_the_standards_words() {
    let server = Server::new();
    let id = server.public.client_id.as_str();
    for (form, expected) in [
        (vec![("client_id", id)], "invalid_request"),
        (
            vec![("client_id", id), ("grant_type", "")],
            "invalid_request",
        ),
        (
            vec![("client_id", id), ("grant_type", "password")],
            "unsupported_grant_type",
        ),
        (
            vec![("client_id", id), ("grant_type", "authorization_code")],
            "invalid_request",
        ),
        (
            vec![("client_id", id), ("grant_type", "refresh_token")],
            "invalid_request",
        ),
        (
            vec![
                ("client_id", id),
                ("client_id", id),
                ("grant_type", "refresh_token"),
            ],
            "invalid_request",
        ),
        (
            vec![("client_id", id), ("grant_type", "client_credentials")],
            "unauthorized_client",
        ),
        (
            vec![
                ("client_id", id),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ],
            "invalid_grant",
        ),
    ] {
        let answer = server.post("/token", &form);
        assert_eq!(error(&answer), (400, expected.to_owned()), "{form:?}");
        assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
    }
    for media_type in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded; charset=latin1",
    ] {
        let request = Request::post("/token")
            .header(header::CONTENT_TYPE, media_type)
            .body("{}")
            .unwrap();
        assert_eq!(
            error(&server.send(request)),
            (400, "invalid_request".to_owned()),
            "{media_type}"
        );
    }
    let get = server.get("/token?grant_type=refresh_token");
    assert_eq!(error(&get), (405, "invalid_request".to_owned()));
    assert_eq!(text(&get, header::ALLOW), "POST, OPTIONS");
    let many = "x=1&".repeat(200);
    let request = Request::post("/token")
        .header(header::CONTENT_TYPE, FORM)
        .body(many)
        .unwrap();
    assert_eq!(
        error(&server.send(request)),
        (400, "invalid_request".to_owned())
    );
}

/// A content type that is cut off, or is no text at all, is answered like any other wrong one.
#[test]
fn a_malformed_content_type_is_answered() {
    let server = Server::new();
    for path in [
        "/token",
        "/revoke",
        "/introspect",
        "/register",
        "/authorize",
        "/authorize/interact",
    ] {
        for media_type in [
            &b"application/x-www-form-urlencoded; x"[..],
            b"application/x-www-form-urlencoded;charset=",
            b"application/json; c",
            b";",
            b"",
            b"/",
            b"\xff\xfe",
        ] {
            let request = Request::post(path)
                .header(header::CONTENT_TYPE, media_type)
                .body("x")
                .unwrap();
            let status = server.send(request).status();
            assert!(
                status.is_client_error() || status.is_redirection(),
                "{path} {media_type:?} {status}"
            );
        }
    }
}

/// AS-CAUTH-1, AS-CAUTH-3, AS-CAUTH-4, AS-CAUTH-16, AS-TOKEN-6, AS-REG-1, AS-REG-10.
#[test]
fn clients_prove_themselves_in_the_one_way_they_registered() {
    let server = Server::new();
    let (public, post) = (&server.public, &server.confidential);
    let secret = post.client_secret.as_deref().unwrap();
    let ask = |basic: Option<(&str, &str)>, form: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "refresh_token"), ("refresh_token", "x")];
        all.extend_from_slice(form);
        let mut request = Request::post("/token").header(header::CONTENT_TYPE, FORM);
        if let Some((user, password)) = basic {
            use base64::Engine as _;
            let pair =
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
        }
        server.send(request.body(encode(&all)).unwrap())
    };
    let (id, other) = (post.client_id.as_str(), public.client_id.as_str());
    let accepted = (400, "invalid_grant".to_owned());
    let rejected = (401, "invalid_client".to_owned());
    let several = (400, "invalid_request".to_owned());
    for (basic, form, expected) in [
        (None, vec![("client_id", other)], &accepted),
        (
            None,
            vec![("client_id", id), ("client_secret", secret)],
            &accepted,
        ),
        (None, vec![], &rejected),
        (None, vec![("client_id", "c_nobody")], &rejected),
        (None, vec![("client_id", id)], &rejected),
        (
            None,
            vec![("client_id", id), ("client_secret", "wrong")],
            &rejected,
        ),
        (
            None,
            vec![("client_id", other), ("client_secret", "any")],
            &rejected,
        ),
        (Some((id, secret)), vec![], &rejected),
        (
            Some((id, secret)),
            vec![("client_secret", secret)],
            &several,
        ),
        (Some((id, secret)), vec![("client_id", other)], &several),
        (
            None,
            vec![
                ("client_id", id),
                ("client_secret", secret),
                ("client_assertion", "x"),
            ],
            &several,
        ),
        (
            None,
            vec![("client_id", other), ("client_assertion", "x")],
            &several,
        ),
    ] {
        let answer = ask(basic, &form);
        assert_eq!(error(&answer), *expected, "{form:?}");
        let challenged = answer.headers().contains_key(header::WWW_AUTHENTICATE);
        assert_eq!(challenged, basic.is_some() && expected.0 == 401);
    }
}

/// AS-DCR-2, AS-DCR-3, AS-DCR-4, AS-DCR-5, AS-DCR-6, AS-DCR-7, AS-DCR-8, AS-DCR-9, AS-DCR-10, AS-DCR-12,
/// AS-DCR-13, AS-DCR-17, AS-REG-3, AS-REG-5, AS-REG-6, AS-REG-7.
#[test]
fn registrations_are_judged_corrected_and_echoed() {
    let server = Server::new();
    let register = |body: serde_json::Value| {
        let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
        server.send(request.body(body.to_string()).unwrap())
    };
    let answer = register(serde_json::json!({
        "redirect_uris": ["https://app.example/cb", "cursor://anysphere.cursor/cb", "http://localhost:33418/"],
        "client_name": "An\u{202e} app",
        "client_uri": "javascript:alert(1)",
        "logo_uri": "https://app.example/logo.png",
        "grant_types": ["authorization_code", "refresh_token", "urn:x"],
        "something_else": {"a": 1},
    }));
    assert_eq!(answer.status(), 201);
    assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
    let body = json(&answer);
    assert_eq!(body["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(body["client_secret_expires_at"], 0);
    assert_eq!(body["client_secret"].as_str().unwrap().len(), 44);
    assert!(body["client_id"].as_str().unwrap().starts_with("c_"));
    assert_eq!(body["client_id_issued_at"], 1_800_000_000);
    assert_eq!(
        body["grant_types"],
        serde_json::json!(["authorization_code", "refresh_token"])
    );
    assert_eq!(body["response_types"], serde_json::json!(["code"]));
    assert_eq!(body["client_name"], "An app");
    assert_eq!(body["logo_uri"], "https://app.example/logo.png");
    assert_eq!(body.get("client_uri"), None);
    assert_eq!(body["scope"], "mcp:tools mcp:write");

    let uri = serde_json::json!(["https://app.example/cb"]);
    for (body, code) in [
        (serde_json::json!([]), "invalid_client_metadata"),
        (serde_json::json!({}), "invalid_redirect_uri"),
        (
            serde_json::json!({"redirect_uris": []}),
            "invalid_redirect_uri",
        ),
        (
            serde_json::json!({"redirect_uris": "x"}),
            "invalid_client_metadata",
        ),
        (
            serde_json::json!({"redirect_uris": ["http://app.example/cb"]}),
            "invalid_redirect_uri",
        ),
        (
            serde_json::json!({"redirect_uris": ["javascript:alert(1)"]}),
            "invalid_redirect_uri",
        ),
        (
            serde_json::json!({"redirect_uris": ["https://app.example/cb#x"]}),
            "invalid_redirect_uri",
        ),
        (
            serde_json::json!({"redirect_uris": ["http://127.0.0.1/cb"], "application_type": "web"}),
            "invalid_redirect_uri",
        ),
        (
            serde_json::json!({"redirect_uris": uri, "grant_types": ["implicit"]}),
            "invalid_client_metadata",
        ),
        (
            serde_json::json!({"redirect_uris": uri, "grant_types": ["client_credentials"]}),
            "invalid_client_metadata",
        ),
        (
            serde_json::json!({"redirect_uris": uri, "response_types": ["token"]}),
            "invalid_client_metadata",
        ),
        (
            serde_json::json!({"redirect_uris": uri, "token_endpoint_auth_method": "tls_client_auth"}),
            "invalid_client_metadata",
        ),
        (
            serde_json::json!({"redirect_uris": uri, "client_name": "x".repeat(201)}),
            "invalid_client_metadata",
        ),
    ] {
        assert_eq!(
            error(&register(body.clone())),
            (400, code.to_owned()),
            "{body}"
        );
    }
    let public =
        register(serde_json::json!({"redirect_uris": uri, "token_endpoint_auth_method": "none"}));
    assert_eq!(json(&public).get("client_secret"), None);
    assert_eq!(json(&public).get("client_secret_expires_at"), None);
}

/// AS-META-1, AS-META-2, AS-META-3, AS-META-4, AS-META-8, AS-META-14, AS-META-15, AS-META-19, AS-META-26, AS-META-27,
/// AS-META-29.
#[test]
fn one_document_answers_every_probe() {
    for (issuer, path) in [
        ("https://mcp.example", ""),
        ("https://mcp.example/auth/v1", "/auth/v1"),
    ] {
        let server = Server::build(|builder| {
            builder.configure(|config| {
                config.issuer = oauth_core::types::Issuer::parse(issuer).unwrap();
            })
        });
        let probes = [
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("/.well-known/openid-configuration{path}"),
            format!("{path}/.well-known/openid-configuration"),
        ];
        for probe in probes {
            let answer = server.get(&probe);
            assert_eq!(answer.status(), 200, "{probe}");
            assert_eq!(text(&answer, header::CONTENT_TYPE), "application/json");
            assert_eq!(text(&answer, header::CACHE_CONTROL), "public, max-age=300");
            let body = json(&answer);
            assert_eq!(body["issuer"], issuer);
            assert_eq!(body["token_endpoint"], format!("{issuer}/token"));
            assert_eq!(
                body["code_challenge_methods_supported"],
                serde_json::json!(["S256"])
            );
            assert_eq!(body["authorization_response_iss_parameter_supported"], true);
            assert_eq!(
                body["id_token_signing_alg_values_supported"],
                serde_json::json!(["EdDSA"])
            );
            assert!(
                !body["scopes_supported"]
                    .as_array()
                    .unwrap()
                    .contains(&"offline_access".into())
            );

            let head = server.send(Request::head(&probe).body("").unwrap());
            assert!(head.body().is_empty());
            assert_eq!(
                text(&head, header::CONTENT_LENGTH),
                answer.body().len().to_string()
            );
            let etag = text(&answer, header::ETAG);
            let again = Request::get(&probe)
                .header(header::IF_NONE_MATCH, etag)
                .body("")
                .unwrap();
            assert_eq!(server.send(again).status(), 304);
            let post = server.post(&probe, &[]);
            assert_eq!(error(&post), (405, "invalid_request".to_owned()));
            assert_eq!(text(&post, header::ALLOW), "GET, HEAD, OPTIONS");
        }
        let jwks = json(&server.get(&format!("{path}/jwks")));
        assert_eq!(jwks["keys"][0]["kty"], "OKP");
        assert_eq!(jwks["keys"][0].get("d"), None);
        assert_eq!(server.get("/.well-known/other").status(), 404);
    }
}

/// AS-SEC-3, AS-SEC-4, AS-REV-6.
#[test]
fn browsers_of_any_origin_may_call_what_needs_no_cookie() {
    let server = Server::new();
    for (path, open) in [
        ("/token", true),
        ("/register", true),
        ("/revoke", true),
        ("/jwks", true),
        ("/.well-known/oauth-authorization-server", true),
        ("/introspect", false),
        ("/authorize", false),
        ("/authorize/interact", false),
    ] {
        let preflight = Request::options(path)
            .header(header::ORIGIN, "https://web.example")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .body("")
            .unwrap();
        let answer = server.send(preflight);
        assert_eq!(answer.status() == 204, open, "{path}");
        let origin = text(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(origin == "*", open, "{path}");
        assert!(
            !answer
                .headers()
                .contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS)
        );
        if open {
            let allowed = text(&answer, header::ACCESS_CONTROL_ALLOW_HEADERS);
            for name in ["Authorization", "Content-Type", "MCP-Protocol-Version"] {
                assert!(allowed.contains(name), "{allowed}");
            }
        }
    }
}

/// AS-REV-1, AS-REV-3, AS-REV-4.
#[test]
fn revocation_is_always_the_same_empty_answer() {
    let server = Server::new();
    let tokens = server.tokens(&server.public);
    let id = server.public.client_id.as_str();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    for form in [
        vec![("client_id", id), ("token", "unknown")],
        vec![
            ("client_id", id),
            ("token", refresh),
            ("token_type_hint", "access_token"),
        ],
        vec![("client_id", id), ("token", refresh)],
    ] {
        let answer = server.post("/revoke", &form);
        assert_eq!(answer.status(), 200);
        assert!(answer.body().is_empty());
    }
    let form = [
        ("client_id", id),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
    ];
    assert_eq!(
        error(&server.post("/token", &form)),
        (400, "invalid_grant".to_owned())
    );
    assert_eq!(
        error(&server.post("/revoke", &[("client_id", id)])),
        (400, "invalid_request".to_owned())
    );
    let nobody = [("client_id", "c_nobody"), ("token", refresh)];
    assert_eq!(
        error(&server.post("/revoke", &nobody)),
        (401, "invalid_client".to_owned())
    );
}

/// AS-INT-1: callers prove themselves; a public client is nobody.
#[test]
fn introspection_is_for_confidential_callers() {
    let server = Server::new();
    let tokens = server.tokens(&server.public);
    let token = tokens["access_token"].as_str().unwrap();
    let public = [
        ("client_id", server.public.client_id.as_str()),
        ("token", token),
    ];
    assert_eq!(
        error(&server.post("/introspect", &public)),
        (401, "invalid_client".to_owned())
    );
    let secret = server.confidential.client_secret.as_deref().unwrap();
    // It is confidential, but no resource server of this audience.
    let form = [
        ("client_id", server.confidential.client_id.as_str()),
        ("client_secret", secret),
        ("token", token),
    ];
    let answer = server.post("/introspect", &form);
    assert_eq!(json(&answer), serde_json::json!({"active": false}));
}
