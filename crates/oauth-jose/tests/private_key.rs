//! Keys of one's own: read from files, and believed by those who know their public half.

use base64::Engine as _;
use oauth_jose::{Algorithm, Jws, KeySet, PrivateKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm};
use serde_json::json;

/// CL-TOK-5, CL-REG-3: what each kind of key signs is verified with the key that it publishes, under
/// its own name and algorithm.
#[test]
fn what_a_key_signs_is_verified_with_its_public_half() {
    let kinds: [(&SignatureAlgorithm, &str, bool); 4] = [
        (&PKCS_ECDSA_P256_SHA256, "ES256", false),
        (&PKCS_ED25519, "EdDSA", false),
        (&PKCS_RSA_SHA256, "RS256", false),
        (&PKCS_RSA_SHA256, "PS256", true),
    ];
    for (kind, alg, pss) in kinds {
        let pair = KeyPair::generate_for(kind).unwrap();
        let key = PrivateKey::from_pem(&pair.serialize_pem())
            .unwrap()
            .named("k");
        let key = if pss { key.with_pss() } else { key };
        assert_eq!(key.alg(), alg);
        let public = json!({ "keys": [key.public_jwk()] });
        let keys = KeySet::parse(public.to_string().as_bytes()).unwrap();
        let signed = key.sign("x+jwt", &json!({"iss": "me", "exp": 1})).unwrap();
        let jws = Jws::parse(&signed).unwrap();
        assert_eq!(jws.typ(), Some("x+jwt"));
        jws.verify(&keys, Algorithm::ALL).unwrap();
        // Another key of the same kind and name verifies nothing of it.
        let other = KeyPair::generate_for(kind).unwrap();
        let other = PrivateKey::from_pem(&other.serialize_pem())
            .unwrap()
            .named("k");
        let other = json!({ "keys": [other.public_jwk()] });
        let other = KeySet::parse(other.to_string().as_bytes()).unwrap();
        assert!(jws.verify(&other, Algorithm::ALL).is_err(), "{alg}");
        let text = format!("{key:?}");
        let secret = pair.serialize_pem();
        assert!(!text.contains(secret.lines().nth(1).unwrap()), "{text}");
    }
}

/// What is no key says so, and says nothing of itself.
#[test]
fn what_is_no_key_is_refused() {
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let good = KeyPair::generate().unwrap().serialize_pem();
    let der = base64::engine::general_purpose::STANDARD.encode([48, 3, 2, 1, 1]);
    for bad in [
        String::new(),
        "secret".to_owned(),
        good.replace("PRIVATE KEY", "PUBLIC KEY"),
        good.replace("END PRIVATE", "EN PRIVATE"),
        good.replacen("M", "N", 1),
        format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----"),
        p384.serialize_pem(),
    ] {
        let error = PrivateKey::from_pem(&bad).unwrap_err().to_string();
        assert!(error.starts_with("not a PKCS#8"), "{error}");
    }
}
