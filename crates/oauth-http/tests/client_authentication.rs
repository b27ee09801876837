//! Who is asking: every way to prove it, and the ways that prove nothing.

mod common;

use common::signing::{
    ISSUER, JWT_BEARER, NOW, Signing, accepted, invalid_request, preregister, rejected,
};
use common::{Server, basic, error, json, text};
use http::header;
use oauth_core::storage::{ClientSecret, TokenEndpointAuthMethod};
use oauth_core::types::{Lifetime, SecretHash};
use oauth_testkit::signer::assertion;
use serde_json::{Value, json};

/// AS-CAUTH-4: the registered method is the only one: keys do not help a client with a secret, nor
/// does a name or a secret help one with keys.
#[test]
fn methods_do_not_stand_in_for_each_other() {
    let signing = Signing::new();
    let server = &signing.server;
    let credentials = [("grant_type", "client_credentials")];
    for form in [
        vec![("client_id", "service")],
        vec![("client_id", "service"), ("client_secret", "")],
        vec![("client_id", "service"), ("client_secret", "x")],
    ] {
        let all: Vec<_> = credentials.iter().chain(&form).copied().collect();
        assert_eq!(error(&server.post("/token", &all)), rejected(), "{form:?}");
    }
    assert_eq!(error(&basic(server, "service:", &credentials)), rejected());
    let post = server.confidential.client_id.as_str();
    server.change_client(post, |record| record.jwks = Some(signing.signer.jwks()));
    for client in [post, &server.public.client_id, "nobody"] {
        let claims = Value::Object(assertion(client, ISSUER, "1", NOW));
        assert_eq!(signing.present(&signing.signer.sign(&claims)), rejected());
    }
}

/// AS-META-12, AS-CAUTH-8: what the document promises is what is understood.
#[test]
fn discovery_names_the_method_and_its_algorithms() {
    let signing = Signing::new();
    let document = json(
        &signing
            .server
            .get("/.well-known/oauth-authorization-server"),
    );
    for endpoint in ["token", "revocation", "introspection"] {
        let methods = &document[format!("{endpoint}_endpoint_auth_methods_supported")];
        assert!(
            methods
                .as_array()
                .unwrap()
                .contains(&"private_key_jwt".into())
        );
        let algorithms =
            &document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert_eq!(
            *algorithms,
            json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"])
        );
    }
    // At the other two endpoints as well.
    let form = |jti: &str| {
        let token = signing.signer.sign(&signing.claims(jti, json!({})));
        [
            ("token", "x".to_owned()),
            ("client_assertion_type", JWT_BEARER.to_owned()),
            ("client_assertion", token),
        ]
    };
    for (path, jti) in [("/introspect", "i"), ("/revoke", "r")] {
        let form = form(jti);
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(signing.server.post(path, &form).status(), 200, "{path}");
    }
}

/// AS-CAUTH-1, AS-CAUTH-2, AS-CAUTH-3, AS-CAUTH-16: both readings of Basic, and 401 with a
/// challenge for who tried it.
#[test]
fn secrets_in_the_header_are_read_both_ways() {
    let server = Server::new();
    let secret = "s%2Be/c+r:t";
    preregister(&server, "ser vice", |client| {
        client.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretBasic;
        client.client_secrets = vec![SecretHash::of(secret.as_bytes())];
    });
    let credentials = [("grant_type", "client_credentials")];
    let with_id = [
        ("grant_type", "client_credentials"),
        ("client_id", "ser vice"),
    ];
    for (pair, form, expected) in [
        ("ser+vice:s%252Be%2Fc%2Br%3At", &credentials[..], accepted()),
        ("ser%20vice:s%2Be/c+r:t", &credentials, accepted()),
        ("ser vice:s%2Be/c+r:t", &with_id, accepted()),
        ("ser vice:s+e/c+r:t", &credentials, rejected()),
        ("ser vice:", &credentials, rejected()),
        ("nobody:x", &credentials, rejected()),
        ("another:x", &with_id, invalid_request()),
    ] {
        let answer = basic(&server, pair, form);
        assert_eq!(error(&answer), expected, "{pair}");
        let challenge = text(&answer, header::WWW_AUTHENTICATE);
        assert_eq!(
            challenge.starts_with("Basic realm="),
            expected == rejected(),
            "{pair}"
        );
    }
    let post = [
        ("grant_type", "client_credentials"),
        ("client_id", "ser vice"),
        ("client_secret", secret),
    ];
    let answer = server.post("/token", &post);
    assert_eq!(error(&answer), rejected());
    assert!(!answer.headers().contains_key(header::WWW_AUTHENTICATE));
}

/// AS-CAUTH-5, AS-CAUTH-6, AS-CAUTH-7: digests are kept, several at a time, each until its end.
#[test]
fn secrets_rotate_and_expire() {
    let server = Server::new();
    let id = server.confidential.client_id.clone();
    let old = server.confidential.client_secret.clone().unwrap();
    server.change_client(&id, |record| {
        assert!(!serde_json::to_string(record).unwrap().contains(&old));
        record.secrets[0].expires_at = Some(
            server
                .service
                .authorization_server()
                .now()
                .plus(Lifetime::seconds(60)),
        );
        record.secrets.push(ClientSecret {
            hash: SecretHash::of(b"the new secret"),
            expires_at: None,
        });
    });
    let ask = |secret: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_id", id.as_str()),
            ("client_secret", secret),
        ];
        error(&server.post("/token", &form))
    };
    let proven = (400, "invalid_grant".to_owned());
    assert_eq!(
        (ask(&old), ask("the new secret")),
        (proven.clone(), proven.clone())
    );
    server.clock.advance(Lifetime::seconds(59));
    assert_eq!(ask(&old), proven);
    server.clock.advance(Lifetime::seconds(1));
    assert_eq!((ask(&old), ask("the new secret")), (rejected(), proven));
}
