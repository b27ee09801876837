//! What a resource answers by the word of somebody else's verifier, and what its operator reads.

use std::collections::HashSet;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Response, header};
use oauth_http::resource::{
    AccessClaims, AccessTokenVerifier, Audience, BearerLayer, ProtectedResource, TokenRefused,
    VerificationError, VerifierUnavailable,
};
use oauth_resource::{JwtVerifier, TrustedIssuer};
use oauth_testkit::documents::Documents;
use oauth_testkit::signer::Signer;
use oauth_testkit::{FixedClock, block_on};
use oauth_types::{Issuer, Lifetime, ResourceUri, Scope, Subject, Timestamp};

/// Says the same of every token.
struct Always(Result<AccessClaims, VerificationError>);

#[async_trait]
impl AccessTokenVerifier for Always {
    async fn verify(&self, _: &str) -> Result<AccessClaims, VerificationError> {
        self.0.clone()
    }
}

fn uri(path: &str) -> ResourceUri {
    ResourceUri::parse(&format!("https://mcp.example/{path}")).unwrap()
}

const TOKEN: &str = "a-token-that-nobody-else-may-see";

fn ask(
    said: Result<AccessClaims, impl Into<VerificationError>>,
) -> Result<Option<AccessClaims>, Box<Response<Bytes>>> {
    check(Arc::new(Always(said.map_err(Into::into))), TOKEN)
}

fn check(
    verifier: Arc<dyn AccessTokenVerifier>,
    token: &str,
) -> Result<Option<AccessClaims>, Box<Response<Bytes>>> {
    let resource = ProtectedResource::new(uri("mcp"), "https://auth.example", Scope::empty());
    let layer = BearerLayer::new(resource, verifier);
    let mut headers = HeaderMap::new();
    let value = format!("Bearer {token}").parse().unwrap();
    headers.insert(header::AUTHORIZATION, value);
    block_on(layer.check(&headers)).map_err(Box::new)
}

fn claims(audience: impl Into<Audience>) -> AccessClaims {
    let issuer = Issuer::parse("https://auth.example").unwrap();
    let times = (None, Timestamp::from_unix(1_000));
    AccessClaims::new(
        issuer,
        Subject::new("alice"),
        None,
        Scope::empty(),
        audience,
        times,
    )
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether an event is watched is remembered for the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn log_of(story: impl FnOnce()) -> String {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, story);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// RS-ERR-2, RS-TOK-15: whoever presents a bad token learns that it is bad, in one sentence; why it
/// is, the operator reads, and neither reads the token.
#[test]
fn every_refusal_is_one_answer_and_its_own_line_of_the_log() {
    let mut answers = HashSet::new();
    for why in [
        TokenRefused::Malformed,
        TokenRefused::Critical,
        TokenRefused::Algorithm,
        TokenRefused::Issuer,
        TokenRefused::Type,
        TokenRefused::UnknownKey,
        TokenRefused::Signature,
        TokenRefused::Expired,
        TokenRefused::Endless,
        TokenRefused::NotYetValid,
        TokenRefused::Audience,
        TokenRefused::Subject,
        TokenRefused::Bound,
        TokenRefused::Inactive,
        TokenRefused::Other("the account is closed"),
    ] {
        let log = log_of(|| {
            let answer = ask(Err(why)).unwrap_err();
            assert_eq!(answer.status(), 401);
            let challenge = answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""));
            answers.insert((challenge.to_owned(), answer.body().clone()));
        });
        assert!(log.contains(&why.to_string()), "{why}: {log}");
        assert!(!log.contains(TOKEN), "{log}");
    }
    assert_eq!(answers.len(), 1);
}

/// RS-TOK-10: an outage is never the token's fault, and says when to come again.
#[test]
fn an_outage_is_503_with_the_time_to_wait_and_its_cause_is_for_the_operator() {
    let outage = VerifierUnavailable::new("the issuer is on fire").until(Lifetime::seconds(30));
    let log = log_of(|| {
        let answer = ask(Err(outage)).unwrap_err();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "30");
        assert!(!answer.headers().contains_key(header::WWW_AUTHENTICATE));
        assert!(!String::from_utf8_lossy(answer.body()).contains("fire"));
    });
    assert!(
        log.contains("WARN") && log.contains("the issuer is on fire"),
        "{log}"
    );
}

/// RS-TOK-10, RS-TOK-15: an issuer that cannot be reached is an outage on the wire too, and the log
/// says which one and why.
#[test]
fn an_issuer_out_of_reach_is_named_in_the_log() {
    let uri_of_keys = "https://auth.example/jwks?secret=1";
    let issuer = Issuer::parse("https://auth.example").unwrap();
    let verifier = JwtVerifier::new(FixedClock::at(1_000))
        .fetching(Documents::default())
        .trusting(TrustedIssuer::with_jwks_uri(issuer, uri_of_keys));
    let token = Signer::new("EdDSA", "1").sign_text(
        r#"{"alg":"EdDSA","kid":"1","typ":"at+jwt"}"#,
        r#"{"iss":"https://auth.example","exp":2000}"#,
    );
    let log = log_of(|| {
        let answer = check(Arc::new(verifier), &token).unwrap_err();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "10");
    });
    assert!(log.contains("keys are not to be had"), "{log}");
    assert!(log.contains("the keys of https://auth.example"), "{log}");
    assert!(log.contains("nobody answers"), "{log}");
    assert!(!log.contains("secret") && !log.contains(&token), "{log}");
}

/// RS-TOK-6: a token for several resources is good for each of them, and one for others only is not.
#[test]
fn this_resource_is_among_those_the_token_is_for() {
    let ok = |audience| ask(Ok::<_, TokenRefused>(claims(audience)));
    assert!(ok(uri("mcp").into()).unwrap().is_some());
    let several = Audience::of([uri("other"), uri("mcp")]).unwrap();
    assert!(ok(several).unwrap().is_some());
    let log = log_of(|| {
        let others = Audience::of([uri("other"), uri("mcp/below")]).unwrap();
        assert_eq!(ok(others).unwrap_err().status(), 401);
    });
    assert!(log.contains(&TokenRefused::Audience.to_string()), "{log}");
}
