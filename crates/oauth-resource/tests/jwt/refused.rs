//! Each token here is sound but for one thing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_resource::TokenRefused::{self, *};
use oauth_testkit::signer::{Signer, message, sign_with_secret};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{MCP, NOW, PLAIN, STRICT, Scene, but, claims, typed, why};

/// RS-TOK-5, RS-TOK-6, RS-TOK-8, RS-DPOP-3: what a token must say, one thing at a time.
#[test]
fn one_wrong_claim_is_enough() {
    let scene = Scene::new();
    for (changed, reason) in [
        // Who issued it.
        (json!({"iss": null}), Issuer),
        (json!({"iss": ""}), Issuer),
        (json!({"iss": "https://strict.example/"}), Issuer),
        (json!({"iss": "https://STRICT.example"}), Issuer),
        (json!({"iss": "http://strict.example"}), Issuer),
        (
            json!({"iss": "https://strict.example.evil.example"}),
            Issuer,
        ),
        (json!({"iss": "https://other.example"}), Issuer),
        (json!({"iss": ["https://strict.example"]}), Malformed),
        // For whom it is.
        (json!({"aud": null}), Audience),
        (json!({"aud": []}), Audience),
        (json!({"aud": ""}), Audience),
        (json!({"aud": "app"}), Audience),
        (json!({"aud": "https://mcp.example"}), Audience),
        (json!({"aud": "https://mcp.example/mcp/"}), Audience),
        (json!({"aud": "https://mcp.example/mcp/below"}), Audience),
        (json!({"aud": "https://mcp.example/MCP"}), Audience),
        (json!({"aud": "http://mcp.example/mcp"}), Audience),
        (json!({"aud": "https://mcp.example:8443/mcp"}), Audience),
        (
            json!({"aud": ["https://other.example", "https://third.example"]}),
            Audience,
        ),
        (json!({"aud": [MCP, 1]}), Malformed),
        (json!({"aud": {"0": MCP}}), Malformed),
        (json!({"aud": null, "resource": MCP}), Audience),
        // When it holds.
        (json!({"exp": null}), Endless),
        (json!({"exp": NOW - 5}), Expired),
        (json!({"exp": 0}), Expired),
        (json!({"exp": "9999999999"}), Malformed),
        (json!({"exp": -1}), Malformed),
        (json!({"exp": 1e300}), Malformed),
        (json!({"nbf": NOW + 6}), NotYetValid),
        (json!({"nbf": "0"}), Malformed),
        (json!({"iat": NOW + 6}), NotYetValid),
        (json!({"iat": NOW * 1_000}), NotYetValid),
        (json!({"iat": true}), Malformed),
        // For whom it speaks, by whom and for what.
        (json!({"sub": null}), Subject),
        (json!({"sub": ""}), Subject),
        (json!({"sub": 7}), Malformed),
        (json!({"client_id": ["app"]}), Malformed),
        (json!({"scope": {"mcp:tools": true}}), Malformed),
        (json!({"scope": ["mcp:tools", 1]}), Malformed),
        // That it is held by one who can prove it.
        (
            json!({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
            Bound,
        ),
        (
            json!({"cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}),
            Bound,
        ),
    ] {
        let token = typed(
            &scene.strict,
            "at+jwt",
            &but(claims(STRICT), changed.clone()),
        );
        assert_eq!(why(scene.admit(&token)), Some(reason), "{changed}");
    }
}

/// RS-TOK-5: clocks may differ by five seconds, and no more.
#[test]
fn times_have_a_little_leeway() {
    let scene = Scene::new();
    for changed in [
        json!({"exp": NOW - 4}),
        json!({"nbf": NOW + 5}),
        json!({"iat": NOW + 5}),
        json!({"iat": null, "nbf": NOW}),
        json!({"exp": NOW as f64 + 0.5}),
    ] {
        let token = typed(
            &scene.strict,
            "at+jwt",
            &but(claims(STRICT), changed.clone()),
        );
        assert_eq!(why(scene.admit(&token)), None, "{changed}");
    }
}

/// RS-TOK-8, RS-TOK-9: tokens of other kinds are signed by the same keys for the same people, and
/// are not access tokens. RFC 8725 §2.8, §3.11.
#[test]
fn tokens_of_other_kinds_are_not_access_tokens() {
    let scene = Scene::new();
    for typ in [
        "JWT",
        "jwt",
        "application/jwt",
        "id+jwt",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "oauth-id-jag+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "token-introspection+jwt",
        "rt+jwt",
        "at",
        "at+jwt ",
        "x-at+jwt",
        "application/x/at+jwt",
        "",
    ] {
        let token = typed(&scene.strict, typ, &claims(STRICT));
        assert_eq!(why(scene.admit(&token)), Some(Type), "{typ}");
        let plain = typed(&scene.plain, typ, &claims(PLAIN));
        let tolerated = ["JWT", "jwt", "application/jwt"].contains(&typ);
        let expected = (!tolerated).then_some(Type);
        assert_eq!(why(scene.admit(&plain)), expected, "{typ}");
    }
    let untyped = |signer: &Signer, issuer| signer.sign(&claims(issuer));
    let strict = scene.admit(&untyped(&scene.strict, STRICT));
    assert_eq!(why(strict), Some(Type));
    assert!(scene.admit(&untyped(&scene.plain, PLAIN)).is_ok());
}

/// RS-TOK-9: where types are not said, appearance decides, and doubt is a no.
#[test]
fn what_looks_like_another_kind_is_none() {
    let scene = Scene::new();
    for changed in [
        json!({"nonce": "n"}),
        json!({"at_hash": "h"}),
        json!({"c_hash": "h"}),
        json!({"s_hash": "h"}),
        json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        json!({"htm": "POST"}),
        json!({"htu": MCP}),
        json!({"token_introspection": {"active": true}}),
        json!({"token_use": "id"}),
        json!({"token_use": 1}),
        json!({"typ": "ID"}),
        json!({"typ": "Refresh"}),
        json!({"typ": "Offline"}),
        json!({"typ": 1}),
        // An ID token without any of these: it says nothing of scopes.
        json!({"scope": null, "client_id": null, "azp": "app", "email": "alice@example"}),
    ] {
        let token = typed(&scene.plain, "JWT", &but(claims(PLAIN), changed.clone()));
        assert_eq!(why(scene.admit(&token)), Some(Type), "{changed}");
    }
    for changed in [
        json!({"token_use": "access"}),
        json!({"typ": "Bearer"}),
        json!({"scope": ""}),
        json!({"scope": null, "scp": ["a"]}),
    ] {
        let token = typed(&scene.plain, "JWT", &but(claims(PLAIN), changed.clone()));
        assert_eq!(why(scene.admit(&token)), None, "{changed}");
    }
}

/// RS-TOK-8: the attacks of RFC 8725 §2 on the header and the signature.
#[test]
fn no_header_talks_us_into_anything() {
    let scene = Scene::new();
    let sound = &claims(STRICT).to_string();
    let (key, stranger) = (&scene.strict, Signer::new("ES256", "1"));
    let public = key.jwk().to_string();
    let head = |more: Value| {
        let header = json!({"alg": "ES256", "kid": "1", "typ": "at+jwt"});
        but(header, more).to_string()
    };
    let ours = |more| key.sign_text(&head(more), sound);
    let theirs = |more| stranger.sign_text(&head(more), sound);
    let good = ours(json!({}));
    assert_eq!(why(scene.admit(&good)), None);
    let unsigned = message(&head(json!({})), sound);
    let (_, signature) = good.rsplit_once('.').unwrap();
    let with = |signature: &str| format!("{unsigned}.{signature}");
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let decoded = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let none = message(&head(json!({"alg": "none"})), sound);
    let hmac = |alg| sign_with_secret(public.as_bytes(), &head(json!({"alg": alg})), sound);
    let point = {
        let jwk = key.jwk();
        [jwk["x"].as_str(), jwk["y"].as_str()]
            .map(|half| URL_SAFE_NO_PAD.decode(half.unwrap()).unwrap())
    };
    let rsa = Signer::new("RS256", "1");
    let ed = Signer::new("EdDSA", "1");
    let mut der = vec![0x30, 70, 0x02, 33, 0];
    der.extend_from_slice(&decoded[..32]);
    der.extend_from_slice(&[0x02, 33, 0]);
    der.extend_from_slice(&decoded[32..]);
    let long = but(claims(STRICT), json!({"more": "x".repeat(16 * 1024)}));
    let twice = |member: &str| format!("{},{member}}}", sound.trim_end_matches('}'));
    let cases: Vec<(&str, String, TokenRefused)> = vec![
        ("no algorithm at all", ours(json!({"alg": null})), Malformed),
        ("none, without a signature", format!("{none}."), Algorithm),
        (
            "none, with the signature of a good one",
            format!("{none}.{signature}"),
            Algorithm,
        ),
        ("None", ours(json!({"alg": "None"})), Algorithm),
        ("NONE", ours(json!({"alg": "NONE"})), Algorithm),
        (
            "an algorithm in lower case",
            ours(json!({"alg": "es256"})),
            Algorithm,
        ),
        (
            "an algorithm that is no text",
            ours(json!({"alg": 256})),
            Malformed,
        ),
        ("HS256 with the public key", hmac("HS256"), Algorithm),
        ("HS384 with the public key", hmac("HS384"), Algorithm),
        ("HS512 with the public key", hmac("HS512"), Algorithm),
        (
            "the public key as a secret, called ES256",
            hmac("ES256"),
            Signature,
        ),
        (
            "the point as a secret",
            sign_with_secret(&point.concat(), &head(json!({"alg": "HS256"})), sound),
            Algorithm,
        ),
        (
            "RS256 by a key of that name",
            rsa.sign_text(&head(json!({"alg": "RS256"})), sound),
            Signature,
        ),
        (
            "EdDSA by a key of that name",
            ed.sign_text(&head(json!({"alg": "EdDSA"})), sound),
            Signature,
        ),
        (
            "a good signature under another algorithm",
            ours(json!({"alg": "RS256"})),
            Signature,
        ),
        (
            "an algorithm for encryption",
            ours(json!({"alg": "RSA-OAEP", "enc": "A256GCM"})),
            Algorithm,
        ),
        (
            "somebody else's key under the name",
            theirs(json!({})),
            Signature,
        ),
        (
            "somebody else's key under another name",
            theirs(json!({"kid": "2"})),
            UnknownKey,
        ),
        (
            "somebody else's key without a name",
            theirs(json!({"kid": null})),
            UnknownKey,
        ),
        (
            "a name that is a path",
            theirs(json!({"kid": "../../dev/null"})),
            UnknownKey,
        ),
        (
            "a name that is a statement",
            theirs(json!({"kid": "1' OR '1'='1"})),
            UnknownKey,
        ),
        (
            "a name that is no text",
            theirs(json!({"kid": 1})),
            Malformed,
        ),
        (
            "its own key with it",
            theirs(json!({"jwk": stranger.jwk()})),
            Signature,
        ),
        (
            "its own key and no name",
            theirs(json!({"kid": null, "jwk": stranger.jwk()})),
            UnknownKey,
        ),
        (
            "its own key elsewhere",
            theirs(json!({"jku": "https://evil.example/jwks"})),
            Signature,
        ),
        (
            "its own certificate",
            theirs(json!({"x5c": ["MIIB"]})),
            Signature,
        ),
        (
            "its own certificate elsewhere",
            theirs(json!({"x5u": "https://evil.example/crt"})),
            Signature,
        ),
        (
            "something critical",
            ours(json!({"crit": ["exp"]})),
            Critical,
        ),
        (
            "something critical that is nothing",
            ours(json!({"crit": []})),
            Critical,
        ),
        (
            "an unencoded payload",
            ours(json!({"b64": false, "crit": ["b64"]})),
            Critical,
        ),
        ("no signature", format!("{unsigned}."), Malformed),
        ("nor its dot", unsigned.clone(), Malformed),
        ("a signature of zeros", with(&encode(&[0; 64])), Signature),
        (
            "a signature that is too short",
            with(&encode(&decoded[..63])),
            Signature,
        ),
        (
            "a signature that is too long",
            with(&encode(&[&decoded[..], &[0]].concat())),
            Signature,
        ),
        ("a signature in DER", with(&encode(&der)), Signature),
        ("a signature with padding", format!("{good}=="), Malformed),
        ("a signature in the other alphabet", with("ab+/"), Malformed),
        ("a fourth part", format!("{good}.{signature}"), Malformed),
        (
            "five parts",
            format!("{unsigned}.{signature}.a.b"),
            Malformed,
        ),
        (
            "a header that is no object",
            key.sign_text("[]", sound),
            Malformed,
        ),
        (
            "a header with two algorithms",
            key.sign_text(
                r#"{"alg":"none","alg":"ES256","kid":"1","typ":"at+jwt"}"#,
                sound,
            ),
            Malformed,
        ),
        (
            "claims that are no object",
            key.sign_text(&head(json!({})), "\"x\""),
            Malformed,
        ),
        (
            "claims in another encoding",
            key.sign_text(&head(json!({})), "\u{feff}{}"),
            Malformed,
        ),
        (
            "two issuers in one token",
            key.sign_text(&head(json!({})), &twice(r#""iss":"https://evil.example""#)),
            Malformed,
        ),
        (
            "two audiences, one of them ours",
            key.sign_text(&head(json!({})), &twice(r#""aud":"https://other.example""#)),
            Malformed,
        ),
        (
            "two ends, one of them later",
            key.sign_text(&head(json!({})), &twice(r#""exp":9999999999"#)),
            Malformed,
        ),
        (
            "an escaped second end",
            key.sign_text(&head(json!({})), &twice(r#""\u0065xp":9999999999"#)),
            Malformed,
        ),
        (
            "too long",
            key.sign_text(&head(json!({})), &long.to_string()),
            Malformed,
        ),
        (
            "JSON instead of dots",
            json!({"payload": "e30", "signature": "AA"}).to_string(),
            Malformed,
        ),
        ("nothing", String::new(), Malformed),
        (
            "an opaque token",
            "at_0000000000000000000000000000000000000000".to_owned(),
            Malformed,
        ),
    ];
    assert!(cases.len() >= 40);
    for (what, token, reason) in cases {
        assert_eq!(why(scene.admit(&token)), Some(reason), "{what}");
    }
}

/// RFC 8725 §2.9: a token of one trusted issuer is not another's, whatever it says, and though the
/// keys have the same name or are the same.
#[test]
fn issuers_do_not_speak_for_each_other() {
    let scene = Scene::new();
    let forged = typed(&scene.plain, "at+jwt", &claims(STRICT));
    assert_eq!(why(scene.admit(&forged)), Some(Signature));
    let forged = typed(&scene.strict, "at+jwt", &claims(PLAIN));
    assert_eq!(why(scene.admit(&forged)), Some(Signature));
    // The rules are those of the issuer that signed it, not the laxest that there are.
    let lax = typed(&scene.strict, "JWT", &claims(STRICT));
    assert_eq!(why(scene.admit(&lax)), Some(Type));
}

proptest! {
    /// RS-TOK-8: nothing of a signed token can be changed, and no text whatever is a fault.
    #[test]
    fn a_changed_character_anywhere_is_noticed(at in 0usize..10_000, to in "[A-Za-z0-9_.-]") {
        let scene = Scene::new();
        let good = typed(&scene.strict, "at+jwt", &claims(STRICT));
        let at = at % good.len();
        let changed = format!("{}{to}{}", &good[..at], &good[at + 1..]);
        prop_assume!(changed != good);
        let why = why(scene.admit(&changed));
        prop_assert!(why.is_some());
    }

    #[test]
    fn any_text_is_refused_without_panic(text: String, header: String, payload: String) {
        let scene = Scene::new();
        prop_assert!(why(scene.admit(&text)).is_some());
        let signed = scene.strict.sign_text(&header, &payload);
        prop_assert!(why(scene.admit(&signed)).is_some());
    }

    /// RS-TOK-5: whatever else is said, a token is accepted exactly while it holds.
    #[test]
    fn a_token_holds_from_its_beginning_to_its_end(
        exp in NOW - 400..NOW + 400,
        nbf in proptest::option::of(NOW - 400..NOW + 400),
        iat in proptest::option::of(NOW - 400..NOW + 400),
    ) {
        let scene = Scene::new();
        let times = json!({"exp": exp, "nbf": nbf, "iat": iat});
        let token = typed(&scene.strict, "at+jwt", &but(claims(STRICT), times));
        let begun = |at: Option<u64>| at.is_none_or(|at| at <= NOW + 5);
        let holds = NOW < exp + 5 && begun(nbf) && begun(iat);
        prop_assert_eq!(why(scene.admit(&token)).is_none(), holds);
    }
}
