//! `private_key_jwt`: what a signed assertion has to say, and what forgers try.

mod common;

use common::signing::{
    ISSUER, JWKS_URI, JWT_BEARER, NOW, Signing, accepted, invalid_request, preregister, present,
    rejected,
};
use common::{basic, error, json};
use oauth_core::types::Lifetime;
use oauth_testkit::faults::Fault;
use oauth_testkit::signer::{assertion, message, sign_with_secret};
use oauth_testkit::{Signer, block_on};
use serde_json::{Value, json};

/// AS-CAUTH-8, AS-CAUTH-9, AS-CAUTH-10, AS-CAUTH-13: a sound assertion is accepted under every
/// algorithm, with and without what is optional.
#[test]
fn a_sound_assertion_proves_the_client() {
    let signing = Signing::new();
    let answer = present(
        &signing.server,
        &signing.signer.sign(&signing.claims("1", json!({}))),
        &[],
    );
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(json(&answer)["scope"], "mcp:tools mcp:write");

    let named = present(
        &signing.server,
        &signing.signer.sign(&signing.claims("2", json!({}))),
        &[("client_id", "service")],
    );
    assert_eq!(named.status(), 200);
    for (count, changes) in [
        json!({ "aud": [ISSUER] }),
        json!({ "iat": null }),
        json!({ "nbf": NOW }),
        json!({ "nbf": NOW + 30, "iat": NOW + 30 }),
        json!({ "exp": NOW + 630 }),
        json!({ "exp": NOW + 60, "other": { "a": [1] } }),
        json!({ "exp": NOW as f64 + 60.5 }),
    ]
    .into_iter()
    .enumerate()
    {
        let claims = signing.claims(&format!("sound {count}"), changes.clone());
        assert_eq!(
            signing.present(&signing.signer.sign(&claims)),
            accepted(),
            "{changes}"
        );
    }
    for typ in [
        "JWT",
        "jwt",
        "client-authentication+jwt",
        "application/client-authentication+jwt",
    ] {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": "service-1" }).to_string();
        let claims = signing.claims(typ, json!({})).to_string();
        assert_eq!(
            signing.present(&signing.signer.sign_text(&header, &claims)),
            accepted(),
            "{typ}"
        );
    }
    for alg in ["EdDSA", "Ed25519", "RS256", "PS256"] {
        let signer = Signer::new(alg, "other");
        preregister(&signing.server, alg, |client| {
            client.jwks = Some(signer.jwks())
        });
        let token = signer.sign(&Value::Object(assertion(alg, ISSUER, "1", NOW)));
        assert_eq!(signing.present(&token), accepted(), "{alg}");
    }
}

/// AS-CAUTH-8, AS-CAUTH-10: what the npm library `jose` has signed, and published as its keys.
#[test]
fn assertions_of_another_library_are_understood() {
    let made: Value = serde_json::from_str(include_str!("vectors/npm-jose.json")).unwrap();
    let signing = Signing::new();
    preregister(&signing.server, "service", |client| {
        client.jwks = Some(made["jwks"].clone());
    });
    let tokens = made["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 5);
    for made in tokens {
        let token = made["token"].as_str().unwrap();
        assert_eq!(signing.present(token), accepted(), "{}", made["alg"]);
        assert_eq!(signing.present(token), rejected(), "{}", made["alg"]);
    }
}

/// AS-CAUTH-9, AS-CAUTH-10, AS-CAUTH-11, AS-CAUTH-12, AS-CAUTH-13: each claim, changed alone.
#[test]
fn an_assertion_that_is_wrong_in_one_thing_is_refused() {
    let signing = Signing::new();
    for changes in [
        json!({ "iss": "another" }),
        json!({ "iss": null }),
        json!({ "sub": "another" }),
        json!({ "sub": null }),
        json!({ "sub": "", "iss": "" }),
        json!({ "aud": null }),
        json!({ "aud": "https://mcp.example/token" }),
        json!({ "aud": "https://mcp.example/" }),
        json!({ "aud": "https://MCP.example" }),
        json!({ "aud": "https://other.example" }),
        json!({ "aud": [ISSUER, "https://other.example"] }),
        json!({ "aud": [ISSUER, ISSUER] }),
        json!({ "aud": [] }),
        json!({ "exp": null }),
        json!({ "exp": NOW - 30 }),
        json!({ "exp": NOW - 3600, "iat": NOW - 3660 }),
        json!({ "exp": NOW + 631 }),
        json!({ "exp": "1800000060" }),
        json!({ "nbf": NOW + 31 }),
        json!({ "iat": NOW + 31 }),
        json!({ "iat": NOW - 631 }),
        json!({ "jti": null }),
        json!({ "jti": "" }),
        json!({ "jti": 7 }),
        json!({ "jti": "x".repeat(257) }),
    ] {
        let token = signing.signer.sign(&signing.claims("id", changes.clone()));
        assert_eq!(signing.present(&token), rejected(), "{changes}");
    }
    let claims = signing.claims("id", json!({})).to_string();
    for typ in [
        "at+jwt",
        "dpop+jwt",
        "oauth-id-jag+jwt",
        "logout+jwt",
        "application/at+jwt",
        "",
    ] {
        let header = json!({ "alg": "ES256", "typ": typ }).to_string();
        assert_eq!(
            signing.present(&signing.signer.sign_text(&header, &claims)),
            rejected(),
            "{typ}"
        );
    }
    for text in ["x", "x.y.z", "", "..", "é"] {
        let expected = if text.is_empty() {
            invalid_request()
        } else {
            rejected()
        };
        assert_eq!(signing.present(text), expected, "{text}");
    }
    // Where the request names the client, the assertion still has to be by it and about it.
    for changes in [
        json!({ "sub": "another" }),
        json!({ "sub": null }),
        json!({ "iss": "another" }),
        json!({ "iss": null }),
    ] {
        let token = signing.signer.sign(&signing.claims("id", changes.clone()));
        let answer = present(&signing.server, &token, &[("client_id", "service")]);
        assert_eq!(error(&answer), rejected(), "{changes}");
    }
    // None of these used the assertion's name up.
    assert_eq!(
        signing.present(&signing.signer.sign(&signing.claims("id", json!({})))),
        accepted()
    );
}

/// AS-CAUTH-10, AS-SEC-11: who has no key of the client has no way in.
#[test]
fn forged_assertions_are_refused() {
    let signing = Signing::new();
    let signer = &signing.signer;
    let claims = signing.claims("forged", json!({})).to_string();
    let header = |alg: &str| json!({ "alg": alg, "kid": "service-1" }).to_string();

    for alg in ["none", "None", "NONE", ""] {
        let unsigned = message(&header(alg), &claims);
        let signed = signer.sign_text(&header(alg), &claims);
        for token in [
            unsigned.clone(),
            format!("{unsigned}."),
            format!("{unsigned}.AAAA"),
            signed,
        ] {
            assert_eq!(signing.present(&token), rejected(), "{alg}");
        }
    }
    // The public key, in each of its texts, as a shared secret.
    let rsa = Signer::new("RS256", "service-1");
    preregister(&signing.server, "service", |client| {
        client.jwks = Some(rsa.jwks())
    });
    for secret in [
        rsa.jwks().to_string(),
        rsa.jwk().to_string(),
        rsa.jwk()["n"].as_str().unwrap().to_owned(),
    ] {
        for alg in ["HS256", "RS256"] {
            let token = sign_with_secret(secret.as_bytes(), &header(alg), &claims);
            assert_eq!(signing.present(&token), rejected(), "{alg}");
        }
    }
    preregister(&signing.server, "service", |client| {
        client.jwks = Some(signer.jwks())
    });
    // A foreign key under the client's name for its own, and without a name.
    let foreign = Signer::new("ES256", "service-1");
    for header in [header("ES256"), r#"{"alg":"ES256"}"#.to_owned()] {
        assert_eq!(
            signing.present(&foreign.sign_text(&header, &claims)),
            rejected()
        );
    }
    // One that the token brings along.
    let brought = json!({ "alg": "ES256", "jwk": foreign.jwk(), "jku": JWKS_URI }).to_string();
    signing
        .documents
        .put(JWKS_URI, foreign.jwks().to_string(), None);
    assert_eq!(
        signing.present(&foreign.sign_text(&brought, &claims)),
        rejected()
    );
    assert_eq!(signing.documents.take_asked(), 0);
    // Another client's, named as that client names it.
    let other = Signer::new("ES256", "other-1");
    preregister(&signing.server, "other", |client| {
        client.jwks = Some(other.jwks())
    });
    let named = json!({ "alg": "ES256", "kid": "other-1" }).to_string();
    assert_eq!(
        signing.present(&other.sign_text(&named, &claims)),
        rejected()
    );
    // A header or claims that two readers read differently.
    for header in [
        r#"{"alg":"ES256","alg":"ES256","kid":"service-1"}"#,
        r#"{"alg":"none","alg":"ES256","kid":"service-1"}"#,
        r#"{"alg":"ES256","kid":"service-1","crit":["exp"]}"#,
    ] {
        assert_eq!(
            signing.present(&signer.sign_text(header, &claims)),
            rejected(),
            "{header}"
        );
    }
    let twice = format!(r#"{{"sub":"service",{}"#, &claims[1..]);
    assert_eq!(
        signing.present(&signer.sign_text(&header("ES256"), &twice)),
        rejected()
    );
    assert_eq!(
        signing.present(&signer.sign_text(&header("ES256"), &claims)),
        accepted()
    );
}

/// AS-CAUTH-12: an assertion is good once; its name may be another client's as well, and another
/// time's.
#[test]
fn an_assertion_is_good_once() {
    let signing = Signing::new();
    let token = signing.signer.sign(&signing.claims("once", json!({})));
    assert_eq!(signing.present(&token), accepted());
    assert_eq!(signing.present(&token), rejected());
    // The same name signed again is the same assertion.
    let again = signing
        .signer
        .sign(&signing.claims("once", json!({ "exp": NOW + 300 })));
    assert_eq!(signing.present(&again), rejected());
    // Also at another endpoint.
    for path in ["/introspect", "/revoke"] {
        let form = [
            ("token", "x"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", token.as_str()),
        ];
        assert_eq!(
            error(&signing.server.post(path, &form)),
            rejected(),
            "{path}"
        );
    }
    let other = Signer::new("EdDSA", "other-1");
    preregister(&signing.server, "other", |client| {
        client.jwks = Some(other.jwks())
    });
    let claims = Value::Object(assertion("other", ISSUER, "once", NOW));
    assert_eq!(signing.present(&other.sign(&claims)), accepted());

    // The claim outlives the assertion, and is forgotten after it.
    let sweep = || block_on(signing.server.service.authorization_server().sweep(100)).replays;
    signing.server.clock.advance(Lifetime::seconds(89));
    sweep();
    assert_eq!(signing.present(&token), rejected());
    signing.server.clock.advance(Lifetime::seconds(7));
    assert!(sweep() >= 2);
    assert_eq!(signing.present(&token), rejected(), "expired");
}

/// AS-CAUTH-12: whether it was claimed must be known; a store that cannot say is no permission.
#[test]
fn an_outage_uses_an_assertion_up_at_the_most() {
    for fault in [Fault::ReplyLost, Fault::RequestLost, Fault::Refused] {
        let signing = Signing::new();
        let token = signing.signer.sign(&signing.claims("outage", json!({})));
        signing.server.storage.line_up([fault]);
        let (status, word) = signing.present(&token);
        assert_eq!(
            (status, word.as_str()),
            (503, "temporarily_unavailable"),
            "{fault:?}"
        );
        signing.server.storage.clear_faults();
        let expected = if matches!(fault, Fault::ReplyLost) {
            rejected()
        } else {
            accepted()
        };
        assert_eq!(signing.present(&token), expected, "{fault:?}");
        let next = signing.signer.sign(&signing.claims("a new one", json!({})));
        assert_eq!(signing.present(&next), accepted());
    }
}

/// AS-CAUTH-12: sixty-four presentations at once, of which exactly one is the first.
#[test]
fn of_many_presentations_at_once_one_is_accepted() {
    let signing = Signing::new();
    let token = signing.signer.sign(&signing.claims("race", json!({})));
    let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| signing.present(&token)))
            .collect();
        racers
            .into_iter()
            .map(|racer| racer.join().unwrap())
            .collect()
    });
    assert_eq!(
        answers
            .iter()
            .filter(|answer| **answer == accepted())
            .count(),
        1
    );
    assert_eq!(
        answers
            .iter()
            .filter(|answer| **answer == rejected())
            .count(),
        63
    );
}

/// AS-CAUTH-3, AS-CAUTH-9: an assertion is the only proof in its request, whole, and about the
/// client that the request names.
#[test]
fn an_assertion_stands_alone() {
    let signing = Signing::new();
    let server = &signing.server;
    let token = signing.signer.sign(&signing.claims("alone", json!({})));
    let ask = |form: &[(&str, &str)]| {
        let mut all = vec![("grant_type", "client_credentials")];
        all.extend_from_slice(form);
        error(&server.post("/token", &all))
    };
    let (kind, held) = (
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &*token),
    );
    assert_eq!(
        ask(&[kind, held, ("client_secret", "x")]),
        invalid_request()
    );
    assert_eq!(ask(&[kind, held, held]), invalid_request());
    assert_eq!(ask(&[kind, kind, held]), invalid_request());
    assert_eq!(ask(&[held]), invalid_request());
    assert_eq!(ask(&[kind]), invalid_request());
    assert_eq!(ask(&[kind, ("client_id", "service")]), invalid_request());
    assert_eq!(ask(&[kind, held, ("client_id", "another")]), rejected());
    assert_eq!(
        ask(&[kind, held, ("client_id", &server.public.client_id)]),
        rejected()
    );
    for other in [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "URN:IETF:PARAMS:OAUTH:CLIENT-ASSERTION-TYPE:JWT-BEARER",
    ] {
        assert_eq!(
            ask(&[("client_assertion_type", other), held]),
            rejected(),
            "{other}"
        );
    }
    let header = [("grant_type", "client_credentials"), kind, held];
    assert_eq!(
        error(&basic(server, "service:x", &header)),
        invalid_request()
    );
    assert_eq!(ask(&[kind, held]), accepted());
}

/// AS-CAUTH-11: old clients name the token endpoint; a server may let them, and then exactly that.
#[test]
fn the_token_endpoint_is_an_audience_only_where_the_operator_says_so() {
    let signing = Signing::build(|builder| {
        builder.configure(|config| config.policy.danger_accept_token_endpoint_audience = true)
    });
    for (jti, audience, expected) in [
        ("1", json!("https://mcp.example/token"), accepted()),
        ("2", json!(["https://mcp.example/token"]), accepted()),
        ("3", json!(ISSUER), accepted()),
        (
            "4",
            json!([ISSUER, "https://mcp.example/token"]),
            rejected(),
        ),
        ("5", json!("https://mcp.example/introspect"), rejected()),
    ] {
        let token = signing
            .signer
            .sign(&signing.claims(jti, json!({ "aud": audience })));
        assert_eq!(signing.present(&token), expected, "{audience}");
    }
}
