//! Keys that are fetched: how often, how long they are good, and what happens while nobody answers.

mod many;

use std::error::Error;

use async_trait::async_trait;
use oauth_jose::{
    Algorithm, FetchError, JwksLocation, Jws, Patience, RemoteError, RemoteKeySet, VerifyError,
};
use oauth_testkit::block_on;
use oauth_testkit::documents::Documents;
use oauth_testkit::signer::Signer;
use oauth_types::Timestamp;
use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError};
use proptest::prelude::*;
use serde_json::json;

const URI: &str = "https://auth.example/jwks";
const START: u64 = 1_000_000;

/// One party, its address, and what was fetched of it.
struct Scene {
    keys: RemoteKeySet,
    documents: Documents,
}

impl Scene {
    fn new(patience: Patience) -> Self {
        let (keys, documents) = (RemoteKeySet::new(patience), Documents::default());
        Self { keys, documents }
    }

    fn publish(&self, signers: &[&Signer], cache_control: Option<&str>) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        let document = json!({ "keys": keys }).to_string();
        self.documents.put(URI, document, cache_control);
    }

    fn present(&self, token: &str, after: u64) -> Result<(), RemoteError> {
        present(&self.keys, &self.documents, token, after)
    }
}

fn present(
    keys: &RemoteKeySet,
    outbound: &dyn Outbound,
    token: &str,
    after: u64,
) -> Result<(), RemoteError> {
    let (jws, uri) = (Jws::parse(token).unwrap(), URI.to_owned());
    let now = Timestamp::from_unix(START + after);
    block_on(keys.verify(&jws, Algorithm::ALL, &uri, outbound, now))
}

fn signer(kid: &str) -> Signer {
    Signer::new("EdDSA", kid)
}

fn token(signer: &Signer) -> String {
    signer.sign(&json!({}))
}

fn refused(outcome: Result<(), RemoteError>) -> Option<VerifyError> {
    match outcome {
        Err(RemoteError::Refused(why)) => Some(why),
        _ => None,
    }
}

/// Seconds to wait, of an outage.
fn outage(outcome: Result<(), RemoteError>) -> Option<u64> {
    match outcome {
        Err(RemoteError::Unavailable { retry_after, .. }) => Some(retry_after.as_seconds()),
        _ => None,
    }
}

/// RS-TOK-8: a key that is not known is looked for, but no more than once in a minute.
#[test]
fn ten_thousand_unknown_keys_make_nobody_ask_twice() {
    let scene = Scene::new(Patience::TRUSTED);
    let (good, stranger) = (signer("good"), signer("stranger"));
    scene.publish(&[&good], None);
    assert!(scene.present(&token(&good), 0).is_ok());
    assert_eq!(scene.documents.take_asked(), 1);
    for count in 0..10_000 {
        let kid = format!(r#"{{"alg":"EdDSA","kid":"{count}"}}"#);
        let unknown = stranger.sign_text(&kid, "{}");
        let outcome = scene.present(&unknown, count * 60 / 10_000);
        assert_eq!(refused(outcome), Some(VerifyError::UnknownKey));
    }
    assert_eq!(scene.documents.take_asked(), 0);
    for after in [60, 61, 90, 119] {
        let outcome = scene.present(&token(&stranger), after);
        assert_eq!(refused(outcome), Some(VerifyError::UnknownKey));
    }
    assert_eq!(scene.documents.take_asked(), 1);
}

/// RS-TOK-8: a new key is found by the token that names it, and one that was withdrawn ends with the
/// freshness of the set that held it.
#[test]
fn keys_rotate() {
    let scene = Scene::new(Patience::TRUSTED);
    let (old, new) = (signer("old"), signer("new"));
    scene.publish(&[&old], Some("max-age=600"));
    assert!(scene.present(&token(&old), 0).is_ok());
    scene.publish(&[&new], Some("max-age=600"));
    assert!(scene.present(&token(&old), 59).is_ok());
    assert!(scene.present(&token(&new), 60).is_ok());
    assert_eq!(scene.documents.take_asked(), 2);
    assert_eq!(
        refused(scene.present(&token(&old), 61)),
        Some(VerifyError::UnknownKey)
    );

    scene.publish(&[&old], None);
    assert!(scene.present(&token(&new), 659).is_ok());
    assert_eq!(
        refused(scene.present(&token(&new), 660)),
        Some(VerifyError::UnknownKey)
    );
    assert_eq!(scene.documents.take_asked(), 1);
}

#[test]
fn an_answer_is_good_for_as_long_as_it_says_within_bounds() {
    for (header, seconds) in [
        (None, 600),
        (Some("max-age=300"), 300),
        (Some("max-age=0"), 60),
        (Some("no-store"), 60),
        (Some("max-age=1000000"), 3_600),
    ] {
        let scene = Scene::new(Patience::STRANGER);
        let good = signer("good");
        scene.publish(&[&good], header);
        for (after, asked) in [(0, 1), (seconds - 1, 0), (seconds, 1)] {
            assert!(scene.present(&token(&good), after).is_ok());
            assert_eq!(scene.documents.take_asked(), asked, "{header:?} {after}");
        }
    }
}

/// RS-TOK-10: while the address does not answer, keys go on being good for an hour, and then the
/// fault is ours, not the token's.
#[test]
fn an_outage_is_bridged_for_an_hour_and_is_never_the_tokens_fault() {
    let scene = Scene::new(Patience::TRUSTED);
    let (good, new) = (signer("good"), signer("new"));
    assert_eq!(outage(scene.present(&token(&good), 0)), Some(10));
    assert_eq!(outage(scene.present(&token(&good), 7)), Some(3));
    assert_eq!(scene.documents.take_asked(), 1);
    scene.publish(&[&good], Some("max-age=300"));
    assert!(scene.present(&token(&good), 10).is_ok());

    scene.documents.remove(URI);
    for after in [309, 310, 340, 3_909] {
        assert!(scene.present(&token(&good), after).is_ok(), "{after}");
    }
    // Asked when the keys were stale, and not more than once in a minute.
    assert_eq!(scene.documents.take_asked(), 3);
    // A token of ours that was changed is refused; the one with a new name may be a good one.
    let mut forged = token(&good);
    forged.truncate(forged.len() - 3);
    forged.push_str("AAA");
    assert_eq!(
        refused(scene.present(&forged, 3_909)),
        Some(VerifyError::Signature)
    );
    assert_eq!(outage(scene.present(&token(&new), 3_909)), Some(60));

    // An hour is over, ten seconds are between two questions now.
    assert_eq!(outage(scene.present(&token(&good), 3_919)), Some(10));
    assert_eq!(outage(scene.present(&forged, 3_920)), Some(9));
    scene.publish(&[&good, &new], None);
    assert!(scene.present(&token(&new), 3_929).is_ok());
    assert!(scene.present(&token(&good), 3_929).is_ok());
}

/// AS-CAUTH-14: nobody who could be anybody has the benefit of that hour.
#[test]
fn the_keys_of_strangers_end_when_they_are_no_longer_fresh() {
    let scene = Scene::new(Patience::STRANGER);
    let good = signer("good");
    scene.publish(&[&good], Some("max-age=300"));
    assert!(scene.present(&token(&good), 0).is_ok());
    scene.documents.remove(URI);
    assert!(scene.present(&token(&good), 299).is_ok());
    assert_eq!(outage(scene.present(&token(&good), 300)), Some(60));
    assert_eq!(outage(scene.present(&token(&good), 359)), Some(1));
    assert_eq!(scene.documents.take_asked(), 2);
}

/// Answers with a status and a body, whatever is asked.
struct Answers(u16, Vec<u8>);

#[async_trait]
impl Outbound for Answers {
    async fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, OutboundError> {
        if self.1.len() > fetch.most_bytes {
            return Err(OutboundError::TooLarge);
        }
        Ok(Fetched {
            status: self.0,
            body: self.1.clone(),
            ..Fetched::default()
        })
    }
}

#[test]
fn hostile_answers_change_nothing() {
    let good = signer("good");
    let keys = good.jwks().to_string();
    let many: Vec<_> = (0..33).map(|_| good.jwk()).collect();
    for (status, body) in [
        (500, keys.clone()),
        (404, keys.clone()),
        (302, keys.clone()),
        (204, String::new()),
        (200, String::new()),
        (200, "<html>".to_owned()),
        (200, "[]".to_owned()),
        (200, r#"{"keys":[]}"#.to_owned()),
        (
            200,
            r#"{"keys":[{"kty":"oct","k":"AA","kid":"good"}]}"#.to_owned(),
        ),
        (200, r#"{"keys":[],"keys":[]}"#.to_owned()),
        (200, json!({ "keys": many }).to_string()),
        (200, " ".repeat(64 * 1024 + 1)),
        (200, format!("{keys}{}", " ".repeat(64 * 1024))),
        (200, "[".repeat(60_000)),
    ] {
        let held = RemoteKeySet::new(Patience::TRUSTED);
        let hostile = Answers(status, body.into_bytes());
        let outcome = present(&held, &hostile, &token(&good), 0);
        assert_eq!(outage(outcome), Some(10), "{status}");
        let sound = Answers(200, keys.clone().into_bytes());
        assert!(present(&held, &sound, &token(&good), 10).is_ok());
        assert!(present(&held, &hostile, &token(&good), 2_000).is_ok());
    }
}

struct Lost;

#[async_trait]
impl JwksLocation for Lost {
    async fn jwks_uri(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        Err("no such issuer".into())
    }
}

#[test]
fn an_address_that_nobody_knows_is_an_outage_with_its_cause() {
    let scene = Scene::new(Patience::TRUSTED);
    let text = token(&signer("good"));
    let (jws, now) = (Jws::parse(&text).unwrap(), Timestamp::from_unix(START));
    let verified = scene
        .keys
        .verify(&jws, Algorithm::ALL, &Lost, &scene.documents, now);
    let Err(RemoteError::Unavailable { cause, .. }) = block_on(verified) else {
        panic!("an outage");
    };
    let cause = cause.unwrap();
    assert!(matches!(*cause, FetchError::Location(_)));
    assert_eq!(cause.source().unwrap().to_string(), "no such issuer");
    assert_eq!(scene.documents.take_asked(), 0);
}

/// A clock that goes back leaves nothing good for longer, and nobody unasked for longer.
#[test]
fn a_clock_that_went_back_means_asking_anew() {
    for patience in [Patience::TRUSTED, Patience::STRANGER] {
        let scene = Scene::new(patience);
        let (old, new) = (signer("old"), signer("new"));
        scene.publish(&[&old], None);
        assert!(scene.present(&token(&old), 100_000).is_ok());
        scene.publish(&[&new], None);
        // A second or two between two who read the clock is nothing.
        assert!(scene.present(&token(&old), 99_998).is_ok());
        assert_eq!(scene.documents.take_asked(), 1);
        let outcome = scene.present(&token(&old), 0);
        assert_eq!(refused(outcome), Some(VerifyError::UnknownKey));
        assert_eq!(scene.documents.take_asked(), 1);
    }
}

/// What may happen next.
#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Rotate,
    Fail,
    Good,
    Forged,
    Unknown,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u64..1_500).prop_map(Step::Pass),
        (1u64..30).prop_map(Step::Pass),
        Just(Step::Rotate),
        Just(Step::Fail),
        Just(Step::Good),
        Just(Step::Forged),
        Just(Step::Unknown),
    ]
}

proptest! {
    /// Whatever happens in whatever order: a forged token never passes; a sound one is refused only
    /// within the minute after its key was published; and questions are never closer than ten
    /// seconds.
    #[test]
    fn no_order_of_events_lets_a_forgery_in_or_makes_us_ask_too_often(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let scene = Scene::new(Patience::TRUSTED);
        let (mut current, stranger) = (signer("0"), signer("stranger"));
        scene.publish(&[&current], None);
        let (mut now, mut up, mut rotated) = (0, true, 0);
        let mut asked_at: Option<u64> = None;
        for (count, step) in steps.into_iter().enumerate() {
            match step {
                Step::Pass(seconds) => { now += seconds; continue }
                Step::Rotate => {
                    current = signer(&format!("{}", count + 1));
                    scene.publish(&[&current], None);
                    (up, rotated) = (true, now);
                    continue
                }
                Step::Fail => { scene.documents.remove(URI); up = false; continue }
                Step::Good => {
                    let outcome = scene.present(&token(&current), now);
                    if refused(outcome.clone()).is_some() {
                        prop_assert!(now < rotated + 60);
                    }
                    if up && now >= rotated + 60 {
                        prop_assert!(outcome.is_ok());
                    }
                }
                Step::Forged => {
                    let kid = format!(r#"{{"alg":"EdDSA","kid":"{}"}}"#, current.kid);
                    let outcome = scene.present(&stranger.sign_text(&kid, "{}"), now);
                    prop_assert!(outcome.is_err());
                }
                Step::Unknown => {
                    let outcome = scene.present(&token(&stranger), now);
                    prop_assert!(outcome.is_err());
                }
            }
            let asked = scene.documents.take_asked();
            prop_assert!(asked <= 1);
            if asked == 1 {
                prop_assert!(asked_at.is_none_or(|at| now >= at + 10));
                asked_at = Some(now);
            }
        }
    }
}
