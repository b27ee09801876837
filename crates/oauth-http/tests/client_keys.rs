//! Keys that a client publishes at an address of its own.

mod common;

use common::signing::{ISSUER, JWKS_URI, NOW, Signing, accepted, preregister, rejected};
use oauth_core::types::Lifetime;
use oauth_testkit::Signer;
use oauth_testkit::signer::assertion;
use serde_json::{Value, json};

/// AS-CAUTH-14: keys at an address are fetched once for many, again when one is new, and never
/// more than once a minute.
#[test]
fn published_keys_are_fetched_sparingly() {
    let signing = Signing::new();
    let (server, documents) = (&signing.server, &signing.documents);
    preregister(server, "remote", |client| {
        client.jwks_uri = Some(JWKS_URI.to_owned())
    });
    let (first, second) = (Signer::new("ES256", "1"), Signer::new("EdDSA", "2"));
    let mut count = 0;
    let mut present = |signer: &Signer, elapsed: u64| {
        count += 1;
        let claims = assertion("remote", ISSUER, &count.to_string(), NOW + elapsed);
        signing.present(&signer.sign(&Value::Object(claims)))
    };
    let unavailable = (503, "temporarily_unavailable".to_owned());

    // Nothing there: nothing is believed, and nobody is asked again at once.
    assert_eq!(present(&first, 0), unavailable);
    documents.put(JWKS_URI, first.jwks().to_string(), None);
    assert_eq!(present(&first, 0), unavailable);
    assert_eq!(documents.take_asked(), 1);
    server.clock.advance(Lifetime::seconds(60));
    assert_eq!(present(&first, 60), accepted());
    assert_eq!(present(&first, 60), accepted());
    assert_eq!(documents.take_asked(), 1);

    // An unknown name is worth a question, once a minute.
    assert_eq!(present(&second, 60), rejected());
    assert_eq!(documents.take_asked(), 0);
    let both = json!({ "keys": [first.jwk(), second.jwk()] });
    documents.put(JWKS_URI, both.to_string(), None);
    server.clock.advance(Lifetime::seconds(60));
    assert_eq!(present(&second, 120), accepted());
    assert_eq!(present(&first, 120), accepted());
    for _ in 0..5 {
        assert_eq!(present(&Signer::new("EdDSA", "3"), 120), rejected());
    }
    // A wrong signature under a known name is none.
    server.clock.advance(Lifetime::seconds(60));
    assert_eq!(present(&Signer::new("EdDSA", "2"), 180), rejected());
    assert_eq!(documents.take_asked(), 1);

    // A key that was withdrawn ends with what was fetched before.
    documents.put(JWKS_URI, second.jwks().to_string(), None);
    server.clock.advance(Lifetime::seconds(539));
    assert_eq!(present(&first, 719), accepted());
    server.clock.advance(Lifetime::seconds(1));
    assert_eq!(present(&first, 720), rejected());
    assert_eq!(present(&second, 720), accepted());

    // So does everything, when the address is gone for longer than that.
    documents.remove(JWKS_URI);
    server.clock.advance(Lifetime::seconds(599));
    assert_eq!(present(&second, 1319), accepted());
    server.clock.advance(Lifetime::seconds(1));
    assert_eq!(present(&second, 1320), unavailable);
    // Or when what is there is no set of public keys.
    for body in [
        "",
        "[]",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"AA"}]}"#,
    ] {
        documents.put(JWKS_URI, body, None);
        server.clock.advance(Lifetime::seconds(60));
        let elapsed = server.service.authorization_server().now().as_unix() - NOW;
        assert_eq!(present(&second, elapsed), unavailable, "{body}");
    }
}

/// AS-CAUTH-14: of many requests that need the same keys, one asks for them.
#[test]
fn published_keys_are_fetched_once_for_many() {
    let signing = Signing::new();
    preregister(&signing.server, "remote", |client| {
        client.jwks_uri = Some(JWKS_URI.to_owned())
    });
    let signer = Signer::new("ES256", "1");
    signing
        .documents
        .put(JWKS_URI, signer.jwks().to_string(), None);
    std::thread::scope(|scope| {
        for count in 0..32 {
            let (signing, signer) = (&signing, &signer);
            scope.spawn(move || {
                let claims = assertion("remote", ISSUER, &count.to_string(), NOW);
                assert_eq!(
                    signing.present(&signer.sign(&Value::Object(claims))),
                    accepted()
                );
            });
        }
    });
    assert_eq!(signing.documents.take_asked(), 1);
}
