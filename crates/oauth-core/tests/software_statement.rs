//! Statements about software: whose count, and when.

use oauth_core::StatementError::{Invalid, Unapproved};
use oauth_core::software_statement::{SoftwareStatementIssuer, verify};
use oauth_core::types::{Issuer, Lifetime, Timestamp};
use oauth_jose::KeySet;
use oauth_testkit::Signer;
use oauth_testkit::signer::{message, sign_with_secret};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;

/// AS-DCR-16: signature and issuer are verified, and all claims come out as they were signed.
#[test]
fn a_statement_counts_when_somebody_trusted_signed_it() {
    let (vendor, stranger) = (Signer::new("ES256", "v"), Signer::new("ES256", "v"));
    let trusted = [
        SoftwareStatementIssuer::new(
            "https://other.example".to_owned(),
            KeySet::from_value(&stranger.jwks()).unwrap(),
        ),
        SoftwareStatementIssuer::new(
            "https://vendor.example".to_owned(),
            KeySet::from_value(&vendor.jwks()).unwrap(),
        ),
    ];
    let here = Issuer::parse("https://mcp.example").unwrap();
    let at = (Timestamp::from_unix(NOW), Lifetime::seconds(30));
    let judge = |statement: &str| verify(statement, &trusted, &here, at);
    let with = |changes: Value| {
        let mut claims = json!({
            "iss": "https://vendor.example",
            "software_id": "4NRB1-0XZABZI9E6-5SM3R",
            "redirect_uris": ["https://app.example/cb"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let plain = with(json!({}));
    assert_eq!(
        judge(&vendor.sign(&plain)),
        Ok(plain.as_object().unwrap().clone())
    );
    for (changes, expected) in [
        (json!({ "exp": NOW - 29 }), None),
        (json!({ "exp": NOW - 30 }), Some(Invalid)),
        (json!({ "nbf": NOW + 30 }), None),
        (json!({ "nbf": NOW + 31 }), Some(Invalid)),
        (json!({ "aud": "https://mcp.example" }), None),
        (
            json!({ "aud": ["https://x.example", "https://mcp.example"] }),
            None,
        ),
        (json!({ "aud": "https://x.example" }), Some(Invalid)),
        (json!({ "aud": [] }), Some(Invalid)),
        (
            json!({ "iss": "https://vendor.example/" }),
            Some(Unapproved),
        ),
        (json!({ "iss": "https://other.example" }), Some(Invalid)),
        (json!({ "iss": null }), Some(Invalid)),
    ] {
        let answer = judge(&vendor.sign(&with(changes.clone())));
        assert_eq!(answer.err(), expected, "{changes}");
    }
    let claims = plain.to_string();
    let header = |alg: &str, typ: &str| json!({ "alg": alg, "typ": typ }).to_string();
    for (typ, expected) in [("JWT", None), ("at+jwt", Some(Invalid))] {
        let answer = judge(&vendor.sign_text(&header("ES256", typ), &claims));
        assert_eq!(answer.err(), expected, "{typ}");
    }
    let secret = vendor.jwk().to_string();
    for forged in [
        stranger.sign(&plain),
        format!("{}.", message(&header("none", "JWT"), &claims)),
        sign_with_secret(secret.as_bytes(), &header("HS256", "JWT"), &claims),
        "x.y.z".to_owned(),
    ] {
        assert_eq!(judge(&forged), Err(Invalid), "{forged}");
    }
    let nobody = verify(&vendor.sign(&plain), &[], &here, at);
    assert_eq!(nobody, Err(Unapproved));
}
