//! One resource, tokens of several issuers: signed and opaque, all by their discovery documents.

use std::sync::Arc;

use oauth_resource::{
    ClientCredentials, DiscoveredIssuer, Introspection, JwtVerifier, Needs, ProtectedResource,
    Refusal, SeveralIssuers, TrustedIssuer, VerificationCache,
};
use oauth_testkit::{Documents, FixedClock, Signer, block_on};
use oauth_types::{ClientId, Issuer, Lifetime, ResourceUri, Scope, SecretText};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const MCP: &str = "https://mcp.example/mcp";
/// Signs its tokens, and publishes an OpenID document alone.
const SIGNING: &str = "https://login.example/tenant/v2.0";
/// Issues opaque ones.
const OPAQUE: &str = "https://idp.example/";

struct World {
    web: Documents,
    clock: FixedClock,
    signer: Signer,
    resource: ProtectedResource,
    verifier: VerificationCache<SeveralIssuers>,
}

impl World {
    fn new() -> Self {
        let (web, clock) = (Documents::default(), FixedClock::at(NOW));
        web.otherwise(404);
        let signer = Signer::new("ES256", "1");
        let found = |issuer: &str| {
            let issuer = Issuer::parse(issuer).unwrap();
            let outbound = Arc::new(web.clone());
            Arc::new(DiscoveredIssuer::new(
                issuer,
                outbound,
                Arc::new(clock.clone()),
            ))
        };
        let signing = found(SIGNING);
        let keys = TrustedIssuer::with_keys_at(signing.issuer().clone(), signing.clone());
        let signed = JwtVerifier::new(clock.clone())
            .fetching(web.clone())
            .trusting(keys);
        let secret = SecretText::new("secret");
        let own = ClientCredentials::basic(&ClientId::new("mcp"), &secret);
        let (outbound, time) = (Arc::new(web.clone()), Arc::new(clock.clone()));
        let opaque = Introspection::new(found(OPAQUE), own, outbound, time);
        let several = SeveralIssuers::new()
            .signed(signing.issuer().clone(), Arc::new(signed))
            .opaque(Arc::new(opaque));
        let uri = ResourceUri::parse(MCP).unwrap();
        let resource = ProtectedResource::new(uri, SIGNING, Scope::empty()).trusting(OPAQUE);
        let verifier = VerificationCache::new(several, Arc::new(clock.clone()));
        Self {
            web,
            clock,
            signer,
            resource,
            verifier,
        }
    }

    fn publish(&self) {
        let document = json!({ "issuer": SIGNING, "jwks_uri": "https://login.example/keys" });
        let place = format!("{SIGNING}/.well-known/openid-configuration");
        self.web.put(&place, document.to_string(), None);
        let keys = self.signer.jwks().to_string();
        self.web.put("https://login.example/keys", keys, None);
        let endpoint = "https://idp.example/introspect";
        let document = json!({ "issuer": OPAQUE, "introspection_endpoint": endpoint });
        let place = "https://idp.example/.well-known/openid-configuration";
        self.web.put(place, document.to_string(), None);
        let mut answer = says(OPAQUE);
        answer["active"] = json!(true);
        self.web.put(endpoint, answer.to_string(), None);
    }

    fn signed(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "kid": "1", "typ": "at+jwt" });
        self.signer
            .sign_text(&header.to_string(), &claims.to_string())
    }

    /// Whose token it is, or the status of the answer.
    fn admit(&self, token: &str) -> Result<String, u16> {
        let nothing = Needs::nothing();
        let admitted = self.resource.admit(&self.verifier, token, &nothing);
        match block_on(admitted) {
            Ok(claims) => Ok(claims.issuer.to_string()),
            Err(Refusal::InvalidToken(_)) => Err(401),
            Err(Refusal::Unavailable(_)) => Err(503),
            Err(other) => panic!("{other:?}"),
        }
    }
}

fn says(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "alice", "aud": MCP, "client_id": "app", "scope": "mcp:tools",
        "iat": NOW - 10, "exp": NOW + 900,
    })
}

/// RS-TOK-5, RS-TOK-14: each token is verified by its own issuer's means, whatever else is trusted;
/// none of an issuer that is not trusted is shown to anybody.
#[test]
fn signed_and_opaque_tokens_are_verified_side_by_side() {
    let world = World::new();
    world.publish();
    assert_eq!(world.admit(&world.signed(&says(SIGNING))).unwrap(), SIGNING);
    assert_eq!(world.admit("opaque").unwrap(), OPAQUE);
    world.web.take_asked();
    assert_eq!(world.admit(&world.signed(&says(OPAQUE))), Err(401));
    assert_eq!(
        world.admit(&world.signed(&says("https://evil.example"))),
        Err(401)
    );
    assert_eq!(world.web.take_asked(), 0);
}

/// RS-TOK-10: an issuer that is away takes nobody along: its own tokens are 503, those that are known
/// and those of others are as before, and when it is back they are good again.
#[test]
fn an_issuer_that_is_away_takes_nobody_along() {
    let world = World::new();
    let signed = world.signed(&says(SIGNING));
    // Neither publishes anything yet.
    assert_eq!(world.admit(&signed), Err(503));
    assert_eq!(world.admit("opaque"), Err(503));
    world.publish();
    world.clock.advance(Lifetime::seconds(10));
    assert!(world.admit(&signed).is_ok());
    assert!(world.admit("opaque").is_ok());
    world.web.remove("https://idp.example/introspect");
    world.web.remove("https://login.example/keys");
    assert!(world.admit("opaque").is_ok(), "known");
    world.clock.advance(Lifetime::seconds(30));
    assert_eq!(world.admit("opaque"), Err(503));
    assert!(world.admit(&signed).is_ok(), "by a key that is known");
    world.publish();
    assert!(world.admit("opaque").is_ok());
}
