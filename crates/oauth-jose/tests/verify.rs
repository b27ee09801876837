//! The one verifier of signed tokens: the standards' vectors, and what must not pass.

use oauth_jose::{
    Algorithm, InvalidJws, InvalidKey, InvalidKeySet, Jws, KeySet, VerifyError, VerifyingKey,
};
use oauth_testkit::Signer;
use oauth_testkit::signer::{message, sign_with_secret};
use proptest::prelude::*;
use serde_json::{Value, json};

const ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];

fn keys(signers: &[&Signer]) -> KeySet {
    let listed: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    KeySet::from_value(&json!({ "keys": listed })).unwrap()
}

fn verify(token: &str, keys: &KeySet) -> Result<(), VerifyError> {
    Jws::parse(token)
        .unwrap()
        .verify(keys, Algorithm::ALL)
        .map(|_| ())
}

/// RFC 7515 A.2 and A.3: RS256 and ES256 over the same claims.
#[test]
fn the_vectors_of_rfc_7515_hold() {
    let rsa = json!({ "keys": [{
        "kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    }]});
    let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{payload}.{signature}");
    let jws = Jws::parse(&token).unwrap();
    let claims = jws
        .verify(&KeySet::from_value(&rsa).unwrap(), Algorithm::ALL)
        .unwrap();
    assert_eq!(claims.issuer(), Some("joe"));
    assert_eq!(claims.expires_at.unwrap().as_unix(), 1_300_819_380);
    assert_eq!(claims.all["http://example.com/is_root"], true);

    let p256 = json!({ "keys": [{
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }]});
    let signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let token = format!("eyJhbGciOiJFUzI1NiJ9.{payload}.{signature}");
    let jws = Jws::parse(&token).unwrap();
    assert!(
        jws.verify(&KeySet::from_value(&p256).unwrap(), Algorithm::ALL)
            .is_ok()
    );
    assert_eq!(
        jws.verify(&KeySet::from_value(&rsa).unwrap(), Algorithm::ALL)
            .err(),
        Some(VerifyError::UnknownKey)
    );
}

/// RFC 8037 A.4: the key and signature hold; its payload is no set of claims, and so no JWT.
#[test]
fn the_vector_of_rfc_8037_is_signed_but_no_jwt() {
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(Jws::parse(token).err(), Some(InvalidJws::Malformed));
}

/// AS-SEC-11: each algorithm verifies with its own type of key only, and with the one named.
#[test]
fn a_key_is_pinned_to_its_algorithms() {
    let signers: Vec<Signer> = ALGORITHMS.iter().map(|alg| Signer::new(alg, alg)).collect();
    let all = keys(&signers.iter().collect::<Vec<_>>());
    for signer in &signers {
        let token = signer.sign(&json!({ "sub": "x" }));
        assert_eq!(verify(&token, &all), Ok(()), "{signer:?}");
        let without_kid = signer.sign_text(&json!({ "alg": signer.alg }).to_string(), "{}");
        assert_eq!(verify(&without_kid, &all), Ok(()), "{signer:?}");
        let jws = Jws::parse(&token).unwrap();
        assert_eq!(jws.verify(&all, &[]).err(), Some(VerifyError::Algorithm));
        for other in &signers {
            // Another key under the name that the token gives, and another name for the key.
            let mut jwk = other.jwk();
            jwk["kid"] = signer.kid.clone().into();
            let set = KeySet::from_value(&json!({ "keys": [jwk] })).unwrap();
            let same = signer.kid == other.kid;
            let expected = if same {
                Ok(())
            } else {
                Err(VerifyError::Signature)
            };
            assert_eq!(verify(&token, &set), expected, "{signer:?} {other:?}");
            let named = json!({ "alg": signer.alg, "kid": other.kid }).to_string();
            let expected = if same {
                Ok(())
            } else {
                Err(VerifyError::Signature)
            };
            assert_eq!(verify(&signer.sign_text(&named, "{}"), &all), expected);
            // The same key, told to be another algorithm's.
            let told = json!({ "alg": other.alg, "kid": signer.kid }).to_string();
            let family = |alg: &str| alg.replace("EdDSA", "Ed25519");
            let passes = family(signer.alg) == family(other.alg);
            assert_eq!(verify(&signer.sign_text(&told, "{}"), &all).is_ok(), passes);
        }
        let mut only = signer.jwk();
        only["alg"] = if signer.alg == "RS256" {
            "PS256"
        } else {
            "RS256"
        }
        .into();
        let set = KeySet::from_value(&json!({ "keys": [only] }));
        assert!(set.map_or(true, |set| verify(&token, &set).is_err()));
        let unknown = signer.sign_text(
            &json!({ "alg": signer.alg, "kid": "new" }).to_string(),
            "{}",
        );
        assert_eq!(verify(&unknown, &all), Err(VerifyError::UnknownKey));
    }
}

/// AS-SEC-11: `none` and shared secrets cannot be said, whatever the public key is used for.
#[test]
fn what_is_not_asymmetric_is_not_parsed() {
    let signer = Signer::new("RS256", "k");
    let claims = r#"{"sub":"x"}"#;
    let secrets = [
        signer.jwk()["n"].as_str().unwrap().to_owned(),
        signer.jwks().to_string(),
    ];
    for secret in secrets {
        let token = sign_with_secret(secret.as_bytes(), r#"{"alg":"HS256"}"#, claims);
        assert_eq!(Jws::parse(&token).err(), Some(InvalidJws::Algorithm));
    }
    for alg in [
        "none", "None", "NONE", "nOnE", "HS256", "HS512", "es256", "ES256K", "RS1", "RSA1_5", "",
    ] {
        let token = signer.sign_text(&json!({ "alg": alg }).to_string(), claims);
        assert_eq!(
            Jws::parse(&token).err(),
            Some(InvalidJws::Algorithm),
            "{alg}"
        );
    }
    let unsigned = message(r#"{"alg":"none"}"#, claims);
    for token in [format!("{unsigned}."), unsigned.clone()] {
        assert!(Jws::parse(&token).is_err());
    }
    let stripped = format!("{}.", message(r#"{"alg":"RS256"}"#, claims));
    assert_eq!(Jws::parse(&stripped).err(), Some(InvalidJws::Malformed));
}

#[test]
fn headers_are_read_strictly() {
    let signer = Signer::new("EdDSA", "k");
    for (header, error) in [
        (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, InvalidJws::Malformed),
        (
            r#"{"alg":"EdDSA","\u0061lg":"none"}"#,
            InvalidJws::Malformed,
        ),
        (
            r#"{"alg":"EdDSA","crit":["b64"],"b64":false}"#,
            InvalidJws::Critical,
        ),
        (r#"{"alg":"EdDSA","crit":[]}"#, InvalidJws::Critical),
        (r#"{"alg":["EdDSA"]}"#, InvalidJws::Malformed),
        (r#"{"alg":"EdDSA","kid":7}"#, InvalidJws::Malformed),
        (r#"{"alg":"EdDSA","typ":null}"#, InvalidJws::Malformed),
        (r#"{"typ":"JWT"}"#, InvalidJws::Malformed),
        (r#"["EdDSA"]"#, InvalidJws::Malformed),
        ("", InvalidJws::Malformed),
    ] {
        assert_eq!(
            Jws::parse(&signer.sign_text(header, "{}")).err(),
            Some(error),
            "{header}"
        );
    }
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(16 * 1024));
    let token = signer.sign_text(r#"{"alg":"EdDSA"}"#, &long);
    assert_eq!(Jws::parse(&token).err(), Some(InvalidJws::Malformed));
    for (typ, read) in [
        ("JWT", "jwt"),
        ("Application/AT+jwt", "at+jwt"),
        ("application/a/b", "application/a/b"),
    ] {
        let token = signer.sign_text(&json!({ "alg": "EdDSA", "typ": typ }).to_string(), "{}");
        assert_eq!(Jws::parse(&token).unwrap().typ(), Some(read));
    }
    // A key that the token brings along means nothing.
    let stranger = Signer::new("EdDSA", "k");
    let header = json!({ "alg": "EdDSA", "jwk": stranger.jwk(), "jku": "https://evil.example" });
    let token = stranger.sign_text(&header.to_string(), "{}");
    assert_eq!(
        verify(&token, &keys(&[&signer])),
        Err(VerifyError::UnknownKey)
    );
}

#[test]
fn a_token_that_names_no_key_tries_a_few() {
    let signers: Vec<Signer> = (0..9)
        .map(|i| Signer::new("EdDSA", &i.to_string()))
        .collect();
    let all = keys(&signers.iter().collect::<Vec<_>>());
    let outcomes = signers
        .iter()
        .map(|signer| verify(&signer.sign_text(r#"{"alg":"EdDSA"}"#, "{}"), &all).is_ok());
    assert_eq!(outcomes.filter(|passed| *passed).count(), 8);
    assert_eq!(verify(&signers[8].sign(&json!({})), &all), Ok(()));
}

#[test]
fn private_weak_and_broken_keys_are_refused() {
    let read = |jwk: &Value| VerifyingKey::from_jwk(jwk.as_object().unwrap()).map(|_| ());
    let with = |jwk: &Value, name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        jwk
    };
    let (rsa, ec, okp) = (
        Signer::new("RS256", "r").jwk(),
        Signer::new("ES256", "e").jwk(),
        Signer::new("EdDSA", "o").jwk(),
    );
    for jwk in [&rsa, &ec, &okp] {
        assert_eq!(read(jwk), Ok(()));
        assert_eq!(read(&with(jwk, "use", "sig".into())), Ok(()));
        assert_eq!(read(&with(jwk, "key_ops", json!(["verify"]))), Ok(()));
        for (name, value, error) in [
            ("d", json!("AQ"), InvalidKey::Secret),
            ("k", json!(null), InvalidKey::Secret),
            ("kty", json!("oct"), InvalidKey::Secret),
            ("kty", json!("XYZ"), InvalidKey::Unsupported),
            ("kty", json!(1), InvalidKey::Malformed),
            ("use", json!("enc"), InvalidKey::Unsupported),
            ("key_ops", json!(["sign"]), InvalidKey::Unsupported),
            ("key_ops", json!("verify"), InvalidKey::Malformed),
            ("alg", json!("HS256"), InvalidKey::Unsupported),
            ("kid", json!(3), InvalidKey::Malformed),
        ] {
            assert_eq!(read(&with(jwk, name, value)), Err(error), "{name} of {jwk}");
        }
    }
    let malformed = Err(InvalidKey::Malformed);
    assert_eq!(read(&with(&rsa, "p", json!("AQ"))), Err(InvalidKey::Secret));
    assert_eq!(read(&with(&rsa, "alg", json!("ES256"))), malformed);
    assert_eq!(read(&with(&rsa, "e", json!("Aw"))), malformed, "3");
    assert_eq!(read(&with(&rsa, "e", json!("AQAA"))), malformed, "even");
    assert_eq!(read(&with(&rsa, "e", json!("AQAAAAAB"))), malformed, "long");
    let n = rsa["n"].as_str().unwrap();
    assert_eq!(read(&with(&rsa, "n", json!(&n[..170]))), malformed, "short");
    assert_eq!(
        read(&with(&rsa, "n", json!(format!("AAAA{n}")))),
        malformed,
        "leading zeros"
    );
    assert_eq!(
        read(&with(&rsa, "n", json!(format!("{n}=")))),
        malformed,
        "padding"
    );
    assert_eq!(
        read(&with(&rsa, "n", json!("_".repeat(1366)))),
        malformed,
        "8196 bits"
    );
    assert_eq!(
        read(&with(&ec, "x", ec["y"].clone())),
        malformed,
        "not on the curve"
    );
    assert_eq!(read(&with(&ec, "x", json!("AQ"))), malformed);
    assert_eq!(
        read(&with(&ec, "crv", json!("P-521"))),
        Err(InvalidKey::Unsupported)
    );
    assert_eq!(read(&with(&okp, "x", json!("AQ"))), malformed);
    assert_eq!(
        read(&with(&okp, "crv", json!("X25519"))),
        Err(InvalidKey::Unsupported)
    );
    assert_eq!(read(&json!({})), malformed);

    let set =
        |keys: Value| KeySet::from_value(&json!({ "keys": keys })).map(|set| set.iter().count());
    let private = with(&ec, "d", json!("AQ"));
    let exotic = with(&ec, "kty", json!("XYZ"));
    assert_eq!(set(json!([ec, exotic, rsa])), Ok(2));
    assert_eq!(set(json!([ec, private])), Err(InvalidKeySet::Secret));
    assert_eq!(set(json!([exotic])), Err(InvalidKeySet::Empty));
    assert_eq!(set(json!([])), Err(InvalidKeySet::Empty));
    assert_eq!(set(json!({})), Err(InvalidKeySet::Malformed));
    assert_eq!(set(json!([1])), Err(InvalidKeySet::Malformed));
    assert_eq!(set(json!(vec![okp.clone(); 32])), Ok(32));
    assert_eq!(
        set(json!(vec![okp.clone(); 33])),
        Err(InvalidKeySet::TooLarge)
    );
    let document = json!({ "keys": [okp] }).to_string();
    assert!(KeySet::parse(document.as_bytes()).is_ok());
    let padded = document + &" ".repeat(64 * 1024);
    assert_eq!(
        KeySet::parse(padded.as_bytes()).err(),
        Some(InvalidKeySet::TooLarge)
    );
    let twice = r#"{"keys":[],"keys":[]}"#;
    assert_eq!(
        KeySet::parse(twice.as_bytes()).err(),
        Some(InvalidKeySet::Malformed)
    );
}

/// Every single changed, missing or added character spoils a token.
#[test]
fn every_mutation_of_a_good_token_is_refused() {
    for alg in ["EdDSA", "ES256", "RS256", "PS256"] {
        let signer = Signer::new(alg, "k");
        let keys = keys(&[&signer]);
        let token = signer.sign(&json!({ "sub": "client", "aud": ["x"], "exp": 12 }));
        let passes = |text: &str| {
            Jws::parse(text).is_ok_and(|jws| jws.verify(&keys, Algorithm::ALL).is_ok())
        };
        assert!(passes(&token));
        for at in 0..token.len() {
            for other in ["A", "B", "_", ".", "=", " ", ""] {
                let mutated = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                assert!(mutated == token || !passes(&mutated), "{mutated}");
            }
            let longer = format!("{}A{}", &token[..at], &token[at..]);
            assert!(!passes(&longer), "{longer}");
        }
        for longer in [
            format!("{token}A"),
            format!("{token}="),
            format!("{token}\n"),
            format!("{token}."),
        ] {
            assert!(!passes(&longer), "{longer}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", header in ".{0,60}", payload in ".{0,60}") {
        let _ = Jws::parse(&text);
        let _ = KeySet::parse(text.as_bytes());
        let token = format!("{}.AAAA", message(&header, &payload));
        let refused = Jws::parse(&token).is_err();
        prop_assert!(refused);
    }

    #[test]
    fn no_bytes_as_a_key_make_it_panic(x in ".{0,90}", y in "[A-Za-z0-9_-]{43}", n in "[A-Za-z0-9_-]{0,500}") {
        for jwk in [
            json!({ "kty": "EC", "crv": "P-256", "x": y, "y": x }),
            json!({ "kty": "EC", "crv": "P-256", "x": y, "y": y }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": y }),
            json!({ "kty": "RSA", "n": n, "e": "AQAB" }),
        ] {
            if let Ok(keys) = KeySet::from_value(&json!({ "keys": [jwk] })) {
                for alg in ALGORITHMS {
                    let token = format!("{}.{}", message(&json!({ "alg": alg }).to_string(), "{}"), "A".repeat(86));
                    let passed = Jws::parse(&token).unwrap().verify(&keys, Algorithm::ALL).is_ok();
                    // A point of small order signs everything with nothing: whoever publishes one
                    // as its own key has given itself away, but a random one is none.
                    prop_assert!(!passed);
                }
            }
        }
    }
}
