//! Endpoints that answer, do not, or answer something else.

use futures_util::FutureExt;
use futures_util::future::join_all;
use oauth_testkit::{Documents, FixedClock, block_on};
use oauth_types::{ClientId, Issuer, SecretText};
use serde_json::{Value, json};

use super::*;
use crate::cache::VerificationCache;
use crate::issuer::IssuerMetadata;

const ISSUER: &str = "https://idp.example";
const METADATA: &str = "https://idp.example/.well-known/oauth-authorization-server";
const ENDPOINT: &str = "https://idp.example/introspect";

struct World {
    web: Documents,
    clock: FixedClock,
    introspection: Arc<Introspection>,
}

fn world() -> World {
    let (web, clock) = (Documents::default(), FixedClock::at(1_000_000));
    let metadata = IssuerMetadata::of(Issuer::parse(ISSUER).unwrap());
    let metadata = metadata.with_introspection_endpoint(ENDPOINT).unwrap();
    let introspection = introspecting(&web, &clock, DiscoveredIssuer::given(metadata));
    World {
        web,
        clock,
        introspection: Arc::new(introspection),
    }
}

fn introspecting(web: &Documents, clock: &FixedClock, issuer: DiscoveredIssuer) -> Introspection {
    let secret = SecretText::new("s3cret");
    Introspection::new(
        Arc::new(issuer),
        ClientCredentials::basic(&ClientId::new("rs"), &secret),
        Arc::new(web.clone()),
        Arc::new(clock.clone()),
    )
}

fn active() -> Value {
    json!({
        "active": true, "sub": "alice", "client_id": "app", "scope": "mcp:tools",
        "aud": "https://mcp.example/mcp", "iss": ISSUER, "exp": 1_005_000,
    })
}

/// What somebody is told.
#[derive(Debug, PartialEq)]
enum Told {
    Good,
    Refused(TokenRefused),
    Unavailable { cause: String, retry_after: u64 },
}

impl World {
    fn verify(&self, token: &str) -> Told {
        tell(block_on(self.introspection.verify(token)))
    }

    fn answers(&self, status: u16, body: impl Into<Vec<u8>>) {
        let body = body.into();
        let answer = Fetched {
            status,
            body,
            ..Fetched::default()
        };
        self.web.answer(ENDPOINT, answer);
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Lifetime::seconds(seconds));
    }
}

fn tell(outcome: Result<AccessClaims, VerificationError>) -> Told {
    match outcome {
        Ok(_) => Told::Good,
        Err(VerificationError::Refused(why)) => Told::Refused(why),
        Err(VerificationError::Unavailable(outage)) => Told::Unavailable {
            cause: outage.source().unwrap().to_string(),
            retry_after: outage.retry_after().as_seconds(),
        },
    }
}

fn is_away(told: &Told) -> bool {
    matches!(told, Told::Unavailable { cause, .. } if cause.contains("is asked again in"))
}

/// RS-TOK-10: an opaque token is asked about, with this server's credentials, and its claims are
/// the issuer's words.
#[test]
fn an_active_token_is_good() {
    let world = world();
    world.answers(200, active().to_string());
    let claims = block_on(world.introspection.verify("to.ken+/==")).unwrap();
    assert_eq!(claims.subject.as_str(), "alice");
    assert_eq!(claims.scope.as_str(), "mcp:tools");
    assert_eq!(claims.expires_at.as_unix(), 1_005_000);
    let heard = world.web.take_heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        heard[0].authorization.as_deref(),
        Some("Basic cnM6czNjcmV0")
    );
    let form = "token=to.ken%2B%2F%3D%3D&token_type_hint=access_token";
    assert_eq!(heard[0].form.as_deref(), Some(form));
    world.answers(200, r#"{"active":false}"#);
    assert_eq!(world.verify("t"), Told::Refused(TokenRefused::Inactive));
}

/// RS-TOK-15: what cannot be a token is sent to nobody.
#[test]
fn what_is_no_token_is_never_sent() {
    let world = world();
    world.answers(200, active().to_string());
    let long = "x".repeat(8 * 1024 + 1);
    for text in [
        "",
        "=",
        "a b",
        "a\"b",
        "a\r\nb",
        "a&token=b",
        "tökén",
        "a=b",
        &long,
    ] {
        assert_eq!(world.verify(text), Told::Refused(TokenRefused::Malformed));
    }
    assert_eq!(world.web.take_asked(), 0);
    assert_eq!(world.verify(&long[1..]), Told::Good);
}

/// RS-TOK-10: whatever an endpoint answers but what the standard says is an outage, not a refusal;
/// and that it does not accept this server is told in words that say what to do.
#[test]
fn whatever_else_an_endpoint_answers_is_never_the_callers_fault() {
    let huge = format!("{{\"active\":true,\"x\":\"{}\"}}", "x".repeat(100_000));
    for (status, body, words) in [
        (200, "<html>Sign in</html>", "not understood"),
        (200, "", "not understood"),
        (
            200,
            r#"{"active":"true"}"#,
            "active is neither true nor false",
        ),
        (200, r#"{"active":false,"active":true}"#, "not understood"),
        (200, &huge, "too large"),
        (204, "", "answered 204"),
        (302, "", "the endpoint's address"),
        (400, "{\"error\":\"invalid_request\"}", "answered 400"),
        (
            400,
            "{\"error\":\"invalid_client\"}",
            "check this server's client id",
        ),
        (401, "{\"active\":false}", "check this server's client id"),
        (403, "", "check this server's client id"),
        (404, "<html>", "the endpoint's address"),
        (429, "", "answered 429"),
        (500, "{\"active\":true}", "answered 500"),
        (503, "", "answered 503"),
    ] {
        let world = world();
        world.answers(status, body);
        match world.verify("token") {
            Told::Unavailable { cause, .. } => assert!(cause.contains(words), "{cause}"),
            told => panic!("{status} {body}: {told:?}"),
        }
    }
    match world().verify("token") {
        Told::Unavailable { cause, .. } => assert!(cause.ends_with("nobody answers"), "{cause}"),
        told => panic!("{told:?}"),
    }
}

/// RS-TOK-9: a kind of token that the endpoint does not speak of (the issuer's own ID tokens, at
/// some) is not good here, and whoever presents it shuts nobody out.
#[test]
fn a_token_of_another_kind_is_the_callers_fault() {
    let world = world();
    world.answers(400, r#"{"error":"unsupported_token_type"}"#);
    for _ in 0..5 {
        let refused = Told::Refused(TokenRefused::Inactive);
        assert_eq!(world.verify("token"), refused);
    }
    world.answers(200, active().to_string());
    assert_eq!(world.verify("token"), Told::Good);
}

/// RS-TOK-10: three failures in a row, and requests fail at once without asking, but for one in
/// three seconds; the first answer ends that.
#[test]
fn an_endpoint_that_is_away_is_asked_once_in_three_seconds() {
    for status in [None, Some(401), Some(404), Some(429), Some(502), Some(503)] {
        let world = world();
        if let Some(status) = status {
            world.answers(status, "");
        }
        for _ in 0..3 {
            assert!(!is_away(&world.verify("token")));
        }
        assert_eq!(world.web.take_asked(), 3);
        for _ in 0..1000 {
            assert!(is_away(&world.verify("token")));
        }
        assert_eq!(world.web.take_asked(), 0, "{status:?}");
        world.wait(1);
        match world.verify("token") {
            Told::Unavailable { retry_after, .. } => assert_eq!(retry_after, 2),
            told => panic!("{told:?}"),
        }
        world.wait(2);
        for _ in 0..1000 {
            assert_ne!(world.verify("token"), Told::Good);
        }
        assert_eq!(world.web.take_asked(), 1, "one finds out");
        world.wait(3);
        world.answers(200, active().to_string());
        for _ in 0..10 {
            assert_eq!(world.verify("token"), Told::Good);
        }
    }
}

/// What a token alone can provoke shuts nobody else out.
#[test]
fn answers_to_hostile_tokens_do_not_count_as_an_outage() {
    let huge = "x".repeat(100_000);
    for (status, body) in [
        (400, ""),
        (500, ""),
        (200, "nonsense"),
        (200, "{}"),
        (200, &huge),
    ] {
        let world = world();
        world.answers(status, body);
        for _ in 0..100 {
            assert!(!is_away(&world.verify("hostile")));
        }
        assert_eq!(world.web.take_asked(), 100, "{status}");
        world.answers(200, active().to_string());
        assert_eq!(world.verify("honest"), Told::Good);
    }
}

/// A transport that has too much to do has asked nobody, and says nothing of the endpoint.
#[test]
fn what_was_not_asked_is_no_outage() {
    struct Busy;
    #[async_trait]
    impl Outbound for Busy {
        async fn fetch(&self, _: &Fetch<'_>) -> Result<Fetched, OutboundError> {
            Err(OutboundError::Busy)
        }
    }
    let World { web, clock, .. } = world();
    let metadata = IssuerMetadata::of(Issuer::parse(ISSUER).unwrap());
    let metadata = metadata.with_introspection_endpoint(ENDPOINT).unwrap();
    let mut introspection = introspecting(&web, &clock, DiscoveredIssuer::given(metadata));
    introspection.outbound = Arc::new(Busy);
    for _ in 0..10 {
        match tell(block_on(introspection.verify("token"))) {
            Told::Unavailable { cause, .. } => assert!(cause.contains("allow more"), "{cause}"),
            told => panic!("{told:?}"),
        }
    }
}

/// RS-TOK-10: one thousand requests with tokens of their own, while nobody answers: few of them
/// ask, none waits for more than one of those, and all are 503.
#[test]
fn an_outage_costs_a_thousand_requests_one_wait() {
    let world = world();
    world.web.pause(5);
    let tokens: Vec<String> = (0..1000).map(|number| format!("token{number}")).collect();
    let all = tokens.iter().map(|token| world.introspection.verify(token));
    let told: Vec<Told> = block_on(join_all(all)).into_iter().map(tell).collect();
    let asked = world.web.take_asked();
    assert_eq!(asked, 3, "as many as are sent at once");
    assert_eq!(
        told.iter().filter(|told| is_away(told)).count(),
        1000 - asked
    );
}

/// Of many tokens a few are asked about at once, all of them in the end.
#[test]
fn a_crowd_is_asked_about_a_few_at_a_time() {
    let world = world();
    world.answers(200, active().to_string());
    world.web.pause(5);
    let tokens: Vec<String> = (0..100).map(|number| format!("token{number}")).collect();
    let all = tokens.iter().map(|token| world.introspection.verify(token));
    assert!(block_on(join_all(all)).iter().all(Result::is_ok));
    assert_eq!(world.web.take_asked(), 100);
}

/// Whoever has waited for five seconds is turned away when their turn comes: nobody is there any more
/// who waits for that answer, and others have waited for less.
#[test]
fn a_slow_endpoint_makes_nobody_wait_for_ever() {
    let world = world();
    world.answers(200, active().to_string());
    world.web.pause(5);
    let introspection = introspecting_at_once(&world, 1);
    let mut slow = Box::pin(introspection.verify("slow"));
    let mut late = Box::pin(introspection.verify("late"));
    assert!((&mut slow).now_or_never().is_none());
    assert!((&mut late).now_or_never().is_none());
    world.wait(6);
    assert!(block_on(slow).is_ok());
    match tell(block_on(late)) {
        Told::Unavailable { cause, .. } => assert!(cause.contains("too many"), "{cause}"),
        told => panic!("{told:?}"),
    }
    assert_eq!(world.web.take_asked(), 1);
}

fn introspecting_at_once(world: &World, requests: usize) -> Introspection {
    let metadata = IssuerMetadata::of(Issuer::parse(ISSUER).unwrap());
    let metadata = metadata.with_introspection_endpoint(ENDPOINT).unwrap();
    let issuer = DiscoveredIssuer::given(metadata);
    introspecting(&world.web, &world.clock, issuer).at_once(requests)
}

/// RS-TOK-10: with a cache in front, one thousand requests with one token are one question.
#[test]
fn a_cache_in_front_saves_all_questions_but_one() {
    let world = world();
    world.answers(200, active().to_string());
    world.web.pause(5);
    let introspection = Arc::clone(&world.introspection);
    let cache = VerificationCache::new(introspection, Arc::new(world.clock.clone()));
    let all = || block_on(join_all((0..1000).map(|_| cache.verify("token"))));
    assert!(all().iter().all(Result::is_ok));
    assert_eq!(world.web.take_asked(), 1);
    world.web.remove(ENDPOINT);
    world.wait(29);
    assert!(all().iter().all(Result::is_ok), "hits need nobody");
    assert_eq!(world.web.take_asked(), 0);
    world.wait(1);
    let told: Vec<Told> = all().into_iter().map(tell).collect();
    assert!(
        told.iter()
            .all(|told| matches!(told, Told::Unavailable { .. }))
    );
    assert_eq!(world.web.take_asked(), 1);
}

/// The endpoint is the issuer's own word; without that, or without an issuer, tokens cannot be
/// verified, and the cause says why.
#[test]
fn the_endpoint_is_discovered() {
    let (web, clock) = (Documents::default(), FixedClock::at(1_000_000));
    let issuer = Issuer::parse(ISSUER).unwrap();
    let issuer = DiscoveredIssuer::new(issuer, Arc::new(web.clone()), Arc::new(clock.clone()));
    let introspection = introspecting(&web, &clock, issuer);
    let verify = || tell(block_on(introspection.verify("token")));
    let cause = |told| match told {
        Told::Unavailable { cause, .. } => cause,
        told => panic!("{told:?}"),
    };
    assert!(cause(verify()).contains("no usable metadata"));
    assert_eq!(web.take_asked(), 1);
    web.put(METADATA, json!({"issuer": ISSUER}).to_string(), None);
    clock.advance(Lifetime::seconds(10));
    assert!(cause(verify()).contains("no usable introspection_endpoint"));
    let document = json!({"issuer": ISSUER, "introspection_endpoint": ENDPOINT});
    web.put(METADATA, document.to_string(), None);
    web.put(ENDPOINT, active().to_string(), None);
    clock.advance(Lifetime::minutes(60));
    assert_eq!(verify(), Told::Good);
}

/// RS-TOK-15: neither the token nor a credential is in what is told or printed.
#[test]
fn no_secret_is_in_an_error() {
    let world = world();
    world.answers(401, "");
    let error = block_on(world.introspection.verify("t0ken")).unwrap_err();
    let text = format!("{error:?} {error} {:?}", world.introspection);
    for secret in ["t0ken", "s3cret", "cnM6czNjcmV0"] {
        assert!(!text.contains(secret), "{text}");
    }
}
