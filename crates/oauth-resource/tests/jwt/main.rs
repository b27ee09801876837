//! Signed access tokens: what is accepted, and every single thing that makes one refused.

mod issuers;
mod refused;

use std::sync::Arc;

use oauth_jose::KeySet;
use oauth_resource::{
    AccessClaims, AccessTokenVerifier, JwtVerifier, Needs, ProtectedResource, Refusal,
    TokenRefused, TrustedIssuer,
};
use oauth_testkit::signer::Signer;
use oauth_testkit::{FixedClock, block_on};
use oauth_types::{Issuer, ResourceUri, Scope};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
/// Keeps to RFC 9068.
const STRICT: &str = "https://strict.example";
/// Types its tokens `JWT`, or not at all.
const PLAIN: &str = "https://plain.example/tenant";
const MCP: &str = "https://mcp.example/mcp";

fn issuer(text: &str) -> Issuer {
    Issuer::parse(text).unwrap()
}

fn keys(signers: &[&Signer]) -> KeySet {
    let listed: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    KeySet::from_value(&json!({ "keys": listed })).unwrap()
}

/// Two issuers that a resource trusts, each with a key of the same name.
struct Scene {
    strict: Signer,
    plain: Signer,
    verifier: Arc<dyn AccessTokenVerifier>,
}

impl Scene {
    fn new() -> Self {
        let (strict, plain) = (Signer::new("ES256", "1"), Signer::new("ES256", "1"));
        let at = |text, key| TrustedIssuer::with_keys(issuer(text), keys(&[key]));
        let verifier = JwtVerifier::new(FixedClock::at(NOW))
            .trusting(at(STRICT, &strict))
            .trusting(at(PLAIN, &plain).danger_plain_jwt());
        Self {
            strict,
            plain,
            verifier: Arc::new(verifier),
        }
    }

    fn admit(&self, token: &str) -> Result<AccessClaims, Refusal> {
        admit(&*self.verifier, token)
    }
}

fn admit(verifier: &dyn AccessTokenVerifier, token: &str) -> Result<AccessClaims, Refusal> {
    let uri = ResourceUri::parse(MCP).unwrap();
    let resource = ProtectedResource::new(uri, STRICT, Scope::empty());
    block_on(resource.admit(verifier, token, &Needs::nothing()))
}

/// Why a token is refused; `None` if it is not.
fn why(outcome: Result<AccessClaims, Refusal>) -> Option<TokenRefused> {
    match outcome {
        Ok(_) => None,
        Err(Refusal::InvalidToken(why)) => Some(why),
        Err(other) => panic!("{other:?}"),
    }
}

/// What a sound token of an issuer says.
fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "alice", "aud": MCP, "client_id": "app", "scope": "mcp:tools",
        "iat": NOW - 10, "exp": NOW + 300, "jti": "1",
    })
}

/// A token of this type, signed whatever its claims are.
fn typed(signer: &Signer, typ: &str, claims: &Value) -> String {
    let header = json!({ "alg": signer.alg, "kid": signer.kid, "typ": typ });
    signer.sign_text(&header.to_string(), &claims.to_string())
}

/// `claims` with some of them changed; null takes one away.
fn but(mut claims: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else {
        panic!("an object");
    };
    let held = claims.as_object_mut().unwrap();
    for (name, value) in changes {
        held.remove(&name);
        if !value.is_null() {
            held.insert(name, value);
        }
    }
    claims
}

/// RS-TOK-5, RS-TOK-14: what is right is accepted, and is somebody of this very issuer.
#[test]
fn a_sound_token_is_accepted_and_says_whose_it_is() {
    let scene = Scene::new();
    for typ in ["at+jwt", "application/at+jwt", "AT+JWT"] {
        let claims = scene
            .admit(&typed(&scene.strict, typ, &claims(STRICT)))
            .unwrap();
        assert_eq!(claims.issuer, issuer(STRICT));
        assert_eq!(claims.subject.as_str(), "alice");
        assert_eq!(claims.client_id.unwrap().as_str(), "app");
        assert_eq!(claims.scope, Scope::parse("mcp:tools").unwrap());
        assert_eq!(claims.expires_at.as_unix(), NOW + 300);
        assert_eq!(claims.said.unwrap()["jti"], "1");
    }
    let same_name = scene.admit(&typed(&scene.plain, "at+jwt", &claims(PLAIN)));
    assert_eq!(same_name.unwrap().issuer, issuer(PLAIN));
}

/// RS-TOK-8: each kind of signature that is understood, by a key of its kind.
#[test]
fn every_algorithm_is_verified() {
    for alg in ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"] {
        let signer = Signer::new(alg, "1");
        let trusted = TrustedIssuer::with_keys(issuer(STRICT), keys(&[&signer]));
        let verifier = JwtVerifier::new(FixedClock::at(NOW)).trusting(trusted);
        let token = typed(&signer, "at+jwt", &claims(STRICT));
        assert!(admit(&verifier, &token).is_ok(), "{alg}");
    }
}
