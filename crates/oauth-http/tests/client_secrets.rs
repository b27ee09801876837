//! Secrets change and end, and the client goes on. Spec: RFC 7591 §3.2.1, RFC 7592 §2.2.

mod common;

use common::json;
use common::managing::{confidential, register};
use common::registering::server;
use oauth_core::RotationError;
use oauth_core::storage::TokenEndpointAuthMethod;
use oauth_core::types::{ClientId, Lifetime};
use oauth_testkit::block_on;
use serde_json::{Value, json};

/// AS-CAUTH-7, AS-DCM-6: while a secret changes, both work; then only the new one does.
#[test]
fn secrets_rotate_with_an_overlap() {
    let server = server(|_| {});
    let managed = register(&server, &confidential());
    let first = managed.app.client_secret.clone().unwrap();
    let id = ClientId::new(managed.app.client_id.as_str());
    let rotate = || {
        block_on(
            server
                .service
                .authorization_server()
                .rotate_client_secret(&id),
        )
    };
    let (second, ends) = rotate().unwrap();
    assert_eq!(ends, None);
    assert!(managed.proves(&server, &first) && managed.proves(&server, second.expose()));
    // A second rotation in the overlap leaves the two newest.
    let (third, _) = rotate().unwrap();
    assert!(!managed.proves(&server, &first) && managed.proves(&server, second.expose()));
    server.clock.advance(Lifetime::days(1));
    assert!(!managed.proves(&server, second.expose()) && managed.proves(&server, third.expose()));

    for nobody in ["unknown", "c_"] {
        let refused = server.service.authorization_server();
        let refused = block_on(refused.rotate_client_secret(&ClientId::new(nobody)));
        assert!(matches!(refused, Err(RotationError::NoSecret)));
    }
}

/// AS-CAUTH-6, AS-CAUTH-7, AS-DCM-6: a client renews a secret that is about to end by an update,
/// and still can when it has ended.
#[test]
fn an_update_renews_a_secret_in_time() {
    let server = server(|rules| rules.secret_lifetime = Some(Lifetime::days(90)));
    let managed = register(&server, &confidential());
    let first = managed.app.client_secret.clone().unwrap();
    let mut body = confidential();
    body["client_id"] = json!(managed.app.client_id);
    // RFC 7592 §2.2: null is as good as left out.
    body["client_secret"] = Value::Null;
    server.clock.advance(Lifetime::days(80));
    assert_eq!(
        json(&managed.put(&server, &body)).get("client_secret"),
        None
    );
    server.clock.advance(Lifetime::days(9));
    let renewed = json(&managed.put(&server, &body));
    let second = renewed["client_secret"].as_str().unwrap();
    assert_eq!(
        renewed["client_secret_expires_at"],
        1_800_000_000 + (89 + 90) * 86_400
    );
    assert!(managed.proves(&server, &first) && managed.proves(&server, second));
    server.clock.advance(Lifetime::days(1));
    assert!(!managed.proves(&server, &first) && managed.proves(&server, second));
    server.clock.advance(Lifetime::days(200));
    assert!(!managed.proves(&server, second));
    let third = json(&managed.put(&server, &body));
    assert!(managed.proves(&server, third["client_secret"].as_str().unwrap()));
}

/// AS-DCR-6, AS-REG-10: between methods of confidential clients a secret comes and goes.
#[test]
fn a_secret_goes_with_its_method() {
    let server = server(|_| {});
    let managed = register(&server, &confidential());
    let secret = managed.app.client_secret.clone().unwrap();
    let mut body = confidential();
    body["client_id"] = json!(managed.app.client_id);
    body["token_endpoint_auth_method"] = json!("private_key_jwt");
    body["jwks_uri"] = json!("https://app.example/jwks");
    let answer = json(&managed.put(&server, &body));
    assert_eq!(answer["jwks_uri"], "https://app.example/jwks");
    assert_eq!(answer.get("client_secret_expires_at"), None);
    assert!(!managed.proves(&server, &secret));
    let found = block_on(
        server
            .service
            .authorization_server()
            .storage()
            .clients()
            .find(&ClientId::new(managed.app.client_id.as_str())),
    );
    let record = found.unwrap().unwrap().record;
    assert_eq!(
        record.token_endpoint_auth_method,
        TokenEndpointAuthMethod::PrivateKeyJwt
    );
    assert!(record.secrets.is_empty() && record.metadata.jwks_uri.is_none());

    let mut back = confidential();
    back["client_id"] = json!(managed.app.client_id);
    let answer = json(&managed.put(&server, &back));
    assert!(managed.proves(&server, answer["client_secret"].as_str().unwrap()));
    assert!(!managed.proves(&server, &secret));
}
