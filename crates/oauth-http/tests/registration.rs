//! What a client that introduces itself is told. Spec: RFC 7591.

mod common;

use common::registering::{public, register};
use common::{Server, error, json, text};
use http::{Request, header};
use serde_json::json;

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
