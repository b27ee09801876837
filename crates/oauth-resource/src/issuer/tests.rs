//! Issuers that publish their metadata in all the ways that are met.

use futures_util::FutureExt;
use futures_util::future::join_all;
use oauth_testkit::{Documents, FixedClock, block_on};
use oauth_types::outbound::{Fetched, Validators};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://idp.example/tenant";
const INSERTED: &str = "https://idp.example/.well-known/oauth-authorization-server/tenant";
const INSERTED_OPENID: &str = "https://idp.example/.well-known/openid-configuration/tenant";
const APPENDED_OPENID: &str = "https://idp.example/tenant/.well-known/openid-configuration";
const APPENDED: &str = "https://idp.example/tenant/.well-known/oauth-authorization-server";
const ROOT: &str = "https://idp.example/.well-known/oauth-authorization-server";
const ROOT_OPENID: &str = "https://idp.example/.well-known/openid-configuration";

struct World {
    web: Documents,
    clock: FixedClock,
    issuer: DiscoveredIssuer,
}

fn world(issuer: &str) -> World {
    let (web, clock) = (Documents::default(), FixedClock::at(1_000_000));
    let issuer = Issuer::parse(issuer).unwrap();
    World {
        issuer: DiscoveredIssuer::new(issuer, Arc::new(web.clone()), Arc::new(clock.clone())),
        web,
        clock,
    }
}

impl World {
    fn metadata(&self) -> Result<Arc<IssuerMetadata>, NoMetadata> {
        block_on(self.issuer.metadata())
    }

    fn report(&self) -> Arc<Report> {
        block_on(self.issuer.examine())
    }

    fn put(&self, url: &str, document: &Value) {
        self.web.put(url, document.to_string(), Some("max-age=600"));
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Lifetime::seconds(seconds));
    }
}

fn sound(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": "https://idp.example/authorize",
        "token_endpoint": "https://idp.example/token",
        "registration_endpoint": "https://idp.example/register",
        "jwks_uri": "https://idp.example/jwks",
        "introspection_endpoint": "https://idp.example/introspect",
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
    })
}

fn with(member: &str, value: Value) -> Value {
    let mut document = sound(ISSUER);
    document[member] = value;
    document
}

fn without(member: &str) -> Value {
    let mut document = sound(ISSUER);
    document.as_object_mut().unwrap().remove(member);
    document
}

/// RS-TOK-5: wherever an issuer publishes its document, it is found, and whatever it answers at
/// the addresses before that ends nothing.
#[test]
fn a_document_is_found_at_every_well_known_address() {
    let places = [
        INSERTED,
        INSERTED_OPENID,
        APPENDED_OPENID,
        APPENDED,
        ROOT,
        ROOT_OPENID,
    ];
    for (before, place) in places.iter().enumerate() {
        for status in [200, 302, 400, 401, 403, 404, 405, 500] {
            let world = world(ISSUER);
            world.web.otherwise(status);
            world.put(place, &sound(ISSUER));
            let metadata = world.metadata().unwrap();
            assert_eq!(metadata.jwks_uri(), Some("https://idp.example/jwks"));
            let asked = metadata.introspection_endpoint();
            assert_eq!(asked, Some("https://idp.example/introspect"));
            assert_eq!(world.web.take_asked(), before + 1, "{place} {status}");
            assert_eq!(world.report().worst(), None);
        }
    }
    // At the root there is only the root; with a final slash, too.
    for text in ["https://idp.example", "https://idp.example/"] {
        let world = world(text);
        world.web.otherwise(404);
        world.put(ROOT_OPENID, &sound(text));
        assert!(world.metadata().is_ok());
        assert_eq!(world.web.take_asked(), 2);
    }
}

/// RS-TOK-5: the document is the issuer's own word for word, or it is passed over; and the report
/// says how the issuer spells itself.
#[test]
fn a_document_about_another_issuer_is_not_used() {
    for (said, hint) in [
        (
            json!("https://idp.example/tenant/"),
            "Only the final slash differs",
        ),
        (
            json!("https://IDP.example/tenant"),
            "exactly as it calls itself",
        ),
        (json!("https://evil.example"), "https://evil.example"),
        (json!(null), "there is no issuer in it"),
        (
            json!(["https://idp.example/tenant"]),
            "there is no issuer in it",
        ),
    ] {
        let world = world(ISSUER);
        world.web.otherwise(404);
        world.put(APPENDED_OPENID, &with("issuer", said.clone()));
        let failed = world.metadata().unwrap_err();
        let text = failed.report().to_string();
        assert!(text.contains(hint), "{said}: {text}");
        assert_eq!(failed.report().worst(), Some(Severity::Error));
        assert!(!failed.report().is_usable());
    }
    // Another tenant's document at the root does not hide this one's.
    let world = world(ISSUER);
    world.put(INSERTED, &sound("https://idp.example/other"));
    world.put(INSERTED_OPENID, &sound(ISSUER));
    assert!(world.metadata().is_ok());
    assert_eq!(
        world.report().worst(),
        None,
        "what was passed over is no fault"
    );
}

/// Garbage, HTML, repeated members, wrong types and bombs are told apart and end nothing.
#[test]
fn hostile_documents_are_passed_over() {
    let good = sound(ISSUER).to_string();
    let repeated = good.replacen('{', "{\"jwks_uri\":\"https://evil.example/jwks\",", 1);
    let huge = format!("{}{}", good, " ".repeat(200 * 1024));
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for hostile in [
        "<html>Sign in</html>",
        "",
        "null",
        "[]",
        "\"issuer\"",
        &repeated,
        &huge,
        &deep,
        "{\"issuer\":",
    ] {
        let world = world(ISSUER);
        world.web.put(INSERTED, hostile, None);
        world.put(INSERTED_OPENID, &sound(ISSUER));
        let metadata = world.metadata().unwrap();
        assert_eq!(metadata.jwks_uri(), Some("https://idp.example/jwks"));
        assert_eq!(world.web.take_asked(), 2);
    }
}

/// How bad each thing is that can be wrong, and whether the endpoint is used all the same.
#[test]
fn each_fault_has_its_severity() {
    use Severity::{Error, Note, Warning};
    let elsewhere = "https://keys.example/x";
    for (document, severity, words) in [
        (sound(ISSUER), None, ""),
        (without("jwks_uri"), Some(Warning), "no usable jwks_uri"),
        (
            without("introspection_endpoint"),
            Some(Note),
            "opaque tokens",
        ),
        (
            with("jwks_uri", json!("http://idp.example/k")),
            Some(Error),
            "not https",
        ),
        (with("jwks_uri", json!(7)), Some(Error), "not a text"),
        (
            with("jwks_uri", json!("keys")),
            Some(Error),
            "not an address",
        ),
        (
            with("jwks_uri", json!(elsewhere)),
            Some(Note),
            "https://keys.example",
        ),
        (
            with("introspection_endpoint", json!(elsewhere)),
            Some(Warning),
            "another origin",
        ),
        (
            with("introspection_endpoint", json!("http://idp.example/i")),
            Some(Error),
            "not https",
        ),
        (
            without("code_challenge_methods_supported"),
            Some(Warning),
            "PKCE",
        ),
        (
            with("code_challenge_methods_supported", json!(["plain"])),
            Some(Warning),
            "S256",
        ),
        (
            with("response_types_supported", json!(["token"])),
            Some(Warning),
            "have code",
        ),
        (without("token_endpoint"), Some(Warning), "token_endpoint"),
        (
            with("token_endpoint", json!("http://idp.example/t")),
            Some(Warning),
            "not https",
        ),
        (without("registration_endpoint"), Some(Note), "by hand"),
    ] {
        let world = world(ISSUER);
        world.put(INSERTED, &document);
        let report = world.report();
        assert!(report.is_usable());
        assert_eq!(report.worst(), severity, "{report}");
        assert!(report.to_string().contains(words), "{words}: {report}");
    }
    let world = world(ISSUER);
    world.put(INSERTED, &with("jwks_uri", json!("http://idp.example/k")));
    assert_eq!(world.metadata().unwrap().jwks_uri(), None, "not used");
}

/// The whole report, as an operator reads it.
#[test]
fn a_report_says_what_was_asked_and_what_to_do() {
    let world = world("https://idp.example");
    world.web.answer(
        ROOT,
        Fetched {
            status: 404,
            ..Fetched::default()
        },
    );
    world.put(ROOT_OPENID, &sound("https://idp.example/"));
    assert_eq!(
        world.report().to_string(),
        "issuer https://idp.example: no usable metadata\n  \
         https://idp.example/.well-known/oauth-authorization-server\n    \
         answered 404\n  \
         https://idp.example/.well-known/openid-configuration\n    \
         answered 200, \"application/json\"\n    \
         error: the document is about the issuer \"https://idp.example/\". Only the final slash \
         differs: configure the issuer exactly as it calls itself, since its tokens say the same.\n  \
         error: none of these addresses has metadata of https://idp.example. Check that the issuer \
         is spelled as the provider spells it, and that it can be reached from here; or give its \
         metadata by hand."
    );
}

/// One thousand requests that need the metadata at once ask for it once, whether it comes or not.
#[test]
fn one_request_asks_for_all() {
    let world = world(ISSUER);
    world.web.pause(3);
    world.put(INSERTED, &sound(ISSUER));
    let all = || block_on(join_all((0..1000).map(|_| world.issuer.metadata())));
    assert!(all().iter().all(Result::is_ok));
    assert_eq!(world.web.take_asked(), 1);
    world.wait(600);
    assert!(all().iter().all(Result::is_ok));
    assert_eq!(
        world.web.take_asked(),
        1,
        "no longer fresh: asked once again"
    );
    let silent = self::world(ISSUER);
    silent.web.pause(3);
    let none = block_on(join_all((0..1000).map(|_| silent.issuer.metadata())));
    assert!(none.iter().all(Result::is_err));
    assert_eq!(
        silent.web.take_asked(),
        1,
        "a host that does not answer is asked once"
    );
}

/// A request that is given up while it asks leaves the turn to the next.
#[test]
fn a_request_that_is_given_up_loses_nothing() {
    let world = world(ISSUER);
    world.web.pause(2);
    world.put(INSERTED, &sound(ISSUER));
    let mut given_up = Box::pin(world.issuer.metadata());
    assert!((&mut given_up).now_or_never().is_none());
    drop(given_up);
    assert!(world.metadata().is_ok());
    assert_eq!(world.web.take_asked(), 2);
}

/// Where the keys are is the issuer's own word, or nobody's.
#[test]
fn keys_are_where_the_issuer_says() {
    let world = world(ISSUER);
    let told = || block_on(world.issuer.jwks_uri()).map_err(|error| error.to_string());
    assert!(
        told()
            .unwrap_err()
            .contains("no usable metadata of https://idp.example/tenant")
    );
    world.wait(10);
    world.put(INSERTED, &without("jwks_uri"));
    assert!(told().unwrap_err().contains("no usable jwks_uri"));
    world.wait(600);
    world.put(INSERTED, &sound(ISSUER));
    assert_eq!(told().unwrap(), "https://idp.example/jwks");
}

/// While one request asks again, the others go on with what is known.
#[test]
fn nobody_else_waits_for_what_is_only_stale() {
    let world = world(ISSUER);
    world.put(INSERTED, &sound(ISSUER));
    world.metadata().unwrap();
    world.wait(600);
    world.web.pause(2);
    world.web.take_asked();
    let mut asking = Box::pin(world.issuer.metadata());
    assert!((&mut asking).now_or_never().is_none());
    let other = world.issuer.metadata().now_or_never();
    assert!(other.is_some_and(|metadata| metadata.is_ok()));
    assert!(block_on(asking).is_ok());
    assert_eq!(world.web.take_asked(), 1);
}

/// A clock that goes back makes neither a failure nor a document last longer.
#[test]
fn a_clock_that_goes_back_is_not_believed() {
    let world = world(ISSUER);
    assert!(world.metadata().is_err());
    world.clock.step_back(Lifetime::minutes(60));
    world.put(INSERTED, &sound(ISSUER));
    assert!(world.metadata().is_ok());
    world.web.take_asked();
    world.clock.step_back(Lifetime::days(3));
    assert!(world.metadata().is_ok());
    assert_eq!(world.web.take_asked(), 1);
}

/// HTTP says how long metadata is good; an outage after that costs nothing for a day.
#[test]
fn an_outage_is_bridged_for_a_day() {
    let world = world(ISSUER);
    world.put(INSERTED, &sound(ISSUER));
    assert!(world.metadata().is_ok());
    world.wait(599);
    assert!(world.metadata().is_ok());
    assert_eq!(
        world.web.take_asked(),
        1,
        "fresh for the ten minutes it says"
    );
    world.web.remove(INSERTED);
    world.wait(1);
    assert!(world.metadata().is_ok());
    assert!(world.metadata().is_ok());
    assert_eq!(world.web.take_asked(), 1, "a failure is remembered");
    world.wait(10);
    assert!(world.metadata().is_ok());
    assert_eq!(world.web.take_asked(), 1, "for ten seconds");
    world.wait(86_400);
    assert!(world.metadata().is_err());
    world.put(
        INSERTED,
        &with("jwks_uri", json!("https://idp.example/new")),
    );
    assert!(world.metadata().is_err(), "a failure is remembered");
    world.wait(10);
    let metadata = world.metadata().unwrap();
    assert_eq!(metadata.jwks_uri(), Some("https://idp.example/new"));
}

/// What is said to be good for a moment is kept for five minutes, what for a year for a day.
#[test]
fn freshness_has_bounds() {
    for (said, kept) in [
        (Some("no-store"), 300),
        (Some("max-age=1"), 300),
        (None, 3600),
        (Some("max-age=31536000"), 86_400),
    ] {
        let world = world(ISSUER);
        world.web.put(INSERTED, sound(ISSUER).to_string(), said);
        world.metadata().unwrap();
        world.wait(kept - 1);
        world.metadata().unwrap();
        assert_eq!(world.web.take_asked(), 1, "{said:?}");
        world.wait(1);
        world.metadata().unwrap();
        assert_eq!(world.web.take_asked(), 1, "{said:?}");
    }
}

/// The issuer is asked first where it answered before, and may say that nothing changed.
#[test]
fn an_unchanged_document_is_not_sent_again() {
    let world = world(ISSUER);
    world.web.otherwise(404);
    let validators = Validators {
        etag: Some("\"one\"".to_owned()),
        last_modified: None,
    };
    world.web.answer(
        APPENDED_OPENID,
        Fetched {
            status: 200,
            body: sound(ISSUER).to_string().into_bytes(),
            validators,
            cache_control: Some("max-age=600".to_owned()),
            ..Fetched::default()
        },
    );
    world.metadata().unwrap();
    assert_eq!(world.web.take_asked(), 3);
    world.web.answer(
        APPENDED_OPENID,
        Fetched {
            status: 304,
            ..Fetched::default()
        },
    );
    for _ in 0..2 {
        world.wait(600);
        world.metadata().unwrap();
        let heard = world.web.take_heard();
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].url, APPENDED_OPENID);
        assert_eq!(heard[0].etag.as_deref(), Some("\"one\""));
    }
}

/// Metadata that is given by hand asks nobody, and its report says what it does not offer.
#[test]
fn given_metadata_asks_nobody() {
    let issuer = Issuer::parse(ISSUER).unwrap();
    let metadata = IssuerMetadata::of(issuer)
        .with_introspection_endpoint("https://idp.example/introspect")
        .unwrap();
    let issuer = DiscoveredIssuer::given(metadata.clone());
    assert_eq!(*block_on(issuer.metadata()).unwrap(), metadata);
    let report = block_on(issuer.examine());
    assert!(report.is_usable());
    assert_eq!(report.worst(), Some(Severity::Warning));
}
