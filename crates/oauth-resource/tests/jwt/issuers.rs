//! Issuers as they are: where their keys are, and how they write.

use std::error::Error;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oauth_jose::{Algorithm, JwksLocation};
use oauth_resource::{
    ClaimMapping, JwtVerifier, Refusal, TokenRefused, TrustedIssuer, VerifierUnavailable,
};
use oauth_testkit::documents::Documents;
use oauth_testkit::signer::Signer;
use oauth_testkit::{FixedClock, block_on};
use oauth_types::{Lifetime, ResourceUri, Scope};
use serde_json::{Value, json};

use super::{MCP, NOW, PLAIN, STRICT, admit, but, claims, issuer, keys, typed, why};

const JWKS: &str = "https://strict.example/jwks";

fn mcp() -> ResourceUri {
    ResourceUri::parse(MCP).unwrap()
}

/// RS-TOK-8: keys come from the issuer's address, rotate, and are fetched for no token that would
/// be refused anyway.
#[test]
fn keys_are_fetched_for_tokens_that_could_be_good() {
    let (web, clock) = (Documents::default(), FixedClock::at(NOW));
    let (old, new) = (Signer::new("RS256", "old"), Signer::new("ES256", "new"));
    web.put(JWKS, old.jwks().to_string(), None);
    let verifier = JwtVerifier::new(clock.clone())
        .fetching(web.clone())
        .trusting(TrustedIssuer::with_jwks_uri(issuer(STRICT), JWKS));
    for changed in [
        json!({"iss": "https://evil.example"}),
        json!({"exp": NOW - 100}),
        json!({"nbf": NOW + 100}),
    ] {
        let token = typed(&new, "at+jwt", &but(claims(STRICT), changed));
        assert!(why(admit(&verifier, &token)).is_some());
    }
    assert!(why(admit(&verifier, &typed(&new, "JWT", &claims(STRICT)))).is_some());
    assert_eq!(web.take_asked(), 0);

    assert!(admit(&verifier, &typed(&old, "at+jwt", &claims(STRICT))).is_ok());
    web.put(JWKS, new.jwks().to_string(), None);
    let rotated = typed(&new, "at+jwt", &claims(STRICT));
    assert_eq!(
        why(admit(&verifier, &rotated)),
        Some(TokenRefused::UnknownKey)
    );
    clock.advance(Lifetime::minutes(1));
    assert!(admit(&verifier, &rotated).is_ok());
    assert_eq!(web.take_asked(), 2);
}

/// RS-TOK-10: where the issuer cannot be reached the fault is not the token's; its operator reads
/// whose keys are missing and why.
#[test]
fn an_issuer_out_of_reach_is_an_outage() {
    let web = Documents::default();
    let verifier = JwtVerifier::new(FixedClock::at(NOW))
        .fetching(web.clone())
        .trusting(TrustedIssuer::with_jwks_uri(issuer(STRICT), JWKS));
    let token = typed(&Signer::new("ES256", "1"), "at+jwt", &claims(STRICT));
    let outage: VerifierUnavailable = match admit(&verifier, &token) {
        Err(Refusal::Unavailable(outage)) => outage,
        other => panic!("{other:?}"),
    };
    assert_eq!(outage.retry_after(), Lifetime::seconds(10));
    let mut causes = Vec::new();
    let mut cause = Error::source(&outage);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    assert!(causes[0].contains(STRICT), "{causes:?}");
    assert!(
        causes.iter().any(|cause| cause == "nobody answers"),
        "{causes:?}"
    );
    // Nobody fetches unless it was given a way to.
    let alone = JwtVerifier::new(FixedClock::at(NOW))
        .trusting(TrustedIssuer::with_jwks_uri(issuer(STRICT), JWKS));
    assert!(matches!(
        admit(&alone, &token),
        Err(Refusal::Unavailable(_))
    ));
}

/// Finds out anew each time it is asked.
struct Discovered(Mutex<Option<String>>);

#[async_trait]
impl JwksLocation for Discovered {
    async fn jwks_uri(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let found = self.0.lock().unwrap().clone();
        found.ok_or_else(|| "no metadata".into())
    }
}

#[test]
fn an_address_is_found_out_when_it_is_needed() {
    let (web, clock) = (Documents::default(), FixedClock::at(NOW));
    let signer = Signer::new("EdDSA", "1");
    web.put(JWKS, signer.jwks().to_string(), None);
    let discovered = Arc::new(Discovered(Mutex::new(None)));
    let verifier = JwtVerifier::new(clock.clone())
        .fetching(web.clone())
        .trusting(TrustedIssuer::with_keys_at(
            issuer(STRICT),
            discovered.clone(),
        ));
    let token = typed(&signer, "at+jwt", &claims(STRICT));
    assert!(matches!(
        admit(&verifier, &token),
        Err(Refusal::Unavailable(_))
    ));
    *discovered.0.lock().unwrap() = Some(JWKS.to_owned());
    clock.advance(Lifetime::seconds(10));
    assert!(admit(&verifier, &token).is_ok());
    assert_eq!(web.take_asked(), 1);
}

/// RS-TOK-8: an issuer's tokens are signed as the operator says, or not believed.
#[test]
fn algorithms_are_those_that_are_allowed() {
    let signer = Signer::new("RS256", "1");
    let trusted = || TrustedIssuer::with_keys(issuer(STRICT), keys(&[&signer]));
    let token = typed(&signer, "at+jwt", &claims(STRICT));
    let with = |trusted| JwtVerifier::new(FixedClock::at(NOW)).trusting(trusted);
    assert!(admit(&with(trusted()), &token).is_ok());
    let others = [Algorithm::Ps256, Algorithm::Es256];
    let outcome = admit(&with(trusted().algorithms(others)), &token);
    assert_eq!(why(outcome), Some(TokenRefused::Algorithm));
    assert_eq!(
        why(admit(&with(trusted().algorithms([])), &token)),
        Some(TokenRefused::Algorithm)
    );
}

/// A minute is the most that clocks may differ, whatever is asked for.
#[test]
fn leeway_is_bounded() {
    let signer = Signer::new("EdDSA", "1");
    let with = |leeway| {
        let trusted = TrustedIssuer::with_keys(issuer(STRICT), keys(&[&signer]));
        JwtVerifier::new(FixedClock::at(NOW)).trusting(trusted.leeway(leeway))
    };
    let ended = |ago| {
        typed(
            &signer,
            "at+jwt",
            &but(claims(STRICT), json!({"exp": NOW - ago})),
        )
    };
    for (leeway, ago, accepted) in [
        (Lifetime::ZERO, 0, false),
        (Lifetime::seconds(30), 29, true),
        (Lifetime::seconds(30), 30, false),
        (Lifetime::days(1), 59, true),
        (Lifetime::days(1), 60, false),
    ] {
        let outcome = admit(&with(leeway), &ended(ago));
        assert_eq!(outcome.is_ok(), accepted, "{leeway:?} {ago}");
    }
}

/// RS-TOK-7: tokens as well-known products write them, with the settings each of them needs.
#[test]
fn well_known_products_are_understood() {
    let plain = |mapping: ClaimMapping| {
        move |key: &Signer| {
            let trusted = TrustedIssuer::with_keys(issuer(PLAIN), keys(&[key]));
            trusted.danger_plain_jwt().mapping(mapping)
        }
    };
    let api = "api://6e74172b-be56-4843-9ff4-e66a39bb12e3";
    let base = json!({"iss": PLAIN, "iat": NOW, "nbf": NOW, "exp": NOW + 3_600, "sub": "s"});
    let cases: [(&str, ClaimMapping, Value, &str, Option<&str>); 6] = [
        (
            "Entra",
            ClaimMapping::default()
                .audience(api, mcp())
                .scopes_in("roles"),
            json!({"aud": api, "scp": "mcp:tools user.read", "azp": "a", "ver": "2.0", "tid": "t"}),
            "mcp:tools user.read",
            Some("a"),
        ),
        (
            "Auth0",
            ClaimMapping::default().scopes_in("permissions"),
            json!({"aud": [MCP, "https://plain.example/userinfo"], "azp": "a", "scope": "openid",
                "permissions": ["mcp:tools"], "gty": "password"}),
            "mcp:tools openid",
            Some("a"),
        ),
        (
            "Okta",
            ClaimMapping::default(),
            json!({"aud": MCP, "cid": "a", "uid": "u", "scp": ["mcp:tools"], "ver": 1, "jti": "AT.1"}),
            "mcp:tools",
            Some("a"),
        ),
        (
            "Keycloak",
            ClaimMapping::default().audience("mcp-server", mcp()),
            json!({"aud": ["mcp-server", "account"], "typ": "Bearer", "azp": "a", "acr": "1",
                "scope": "mcp:tools profile", "realm_access": {"roles": ["admin"]}}),
            "mcp:tools profile",
            Some("a"),
        ),
        (
            "Cognito",
            ClaimMapping::default(),
            json!({"aud": MCP, "client_id": "a", "token_use": "access", "scope": "mcp/tools",
                "cognito:groups": ["admin"]}),
            "mcp/tools",
            Some("a"),
        ),
        (
            "Logto",
            ClaimMapping::default(),
            json!({"aud": MCP, "scope": ""}),
            "",
            None,
        ),
    ];
    for (product, mapping, said, scope, client) in cases {
        let signer = Signer::new("RS256", "k");
        let verifier = JwtVerifier::new(FixedClock::at(NOW)).trusting(plain(mapping)(&signer));
        let token = typed(&signer, "JWT", &but(base.clone(), said));
        let claims = admit(&verifier, &token);
        let claims = claims.unwrap_or_else(|refusal| panic!("{product}: {refusal:?}"));
        let expected: Scope = scope.split(' ').filter(|word| !word.is_empty()).collect();
        assert_eq!(claims.scope, expected, "{product}");
        let holder = claims.client_id.as_ref().map(oauth_types::ClientId::as_str);
        assert_eq!(holder, client, "{product}");
    }
}

/// What was named last is what counts.
#[test]
fn naming_an_issuer_again_replaces_it() {
    let (first, second) = (Signer::new("EdDSA", "1"), Signer::new("EdDSA", "1"));
    let at = |key| TrustedIssuer::with_keys(issuer(STRICT), keys(&[key]));
    let verifier = JwtVerifier::new(FixedClock::at(NOW))
        .trusting(at(&first))
        .trusting(at(&second));
    let token = |key| typed(key, "at+jwt", &claims(STRICT));
    assert_eq!(
        why(admit(&verifier, &token(&first))),
        Some(TokenRefused::Signature)
    );
    assert!(admit(&verifier, &token(&second)).is_ok());
    let shown = format!("{verifier:?}");
    assert!(shown.contains(STRICT) && !shown.contains("\"x\""));
    let nobody = JwtVerifier::new(FixedClock::at(NOW));
    let outcome = block_on(oauth_resource::AccessTokenVerifier::verify(
        &nobody,
        &token(&second),
    ));
    assert!(outcome.is_err());
}
