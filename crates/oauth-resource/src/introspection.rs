//! Asking an issuer what a token means.

mod answer;
mod breaker;
mod credentials;

use std::error::Error;
use std::sync::Arc;

use async_lock::Semaphore;
use async_trait::async_trait;
use oauth_types::env::Clock;
use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError};
use oauth_types::{AccessClaims, Issuer, Lifetime, json};

use crate::issuer::{DiscoveredIssuer, NoMetadata};
use crate::mapping::ClaimMapping;
use crate::verify::{AccessTokenVerifier, TokenRefused, VerificationError, VerifierUnavailable};
use breaker::Breaker;

pub use credentials::ClientCredentials;

/// Bytes of a token that is asked about.
const LONGEST_TOKEN: usize = 8 * 1024;
/// Bytes of an answer.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Requests at once, unless [`Introspection::at_once`] says otherwise: one less than a guarded
/// transport sends to one host, which keeps a turn for metadata and keys.
const AT_ONCE: usize = 3;
/// How long a request waits for its turn.
const PATIENCE: Lifetime = Lifetime::seconds(5);

/// Verifies tokens by asking their issuer about each of them: opaque ones, or signed ones whose
/// revocation has to be seen at once. Behind a
/// [`VerificationCache`](crate::VerificationCache) most questions need not be asked.
///
/// A token is sent only if it is one by its characters and at most 8 KiB long. The answer is
/// believed about a token that is active, unexpired, of this issuer, for a resource, and a bearer
/// token; everything else is a refusal. An endpoint that does not answer, answers something else or
/// does not accept our credentials is an outage of ours and never the caller's 401. After three in
/// a row the endpoint counts as away: requests fail at once, but for one in three seconds, which
/// finds out. Answers that a token alone could provoke (a 400, a 500, nonsense) do not count for
/// that, so nobody can shut others out.
///
/// Spec: RFC 7662.
///
/// ```
/// use std::sync::Arc;
/// use oauth_resource::{ClientCredentials, Introspection, DiscoveredIssuer, VerificationCache};
/// use oauth_types::{ClientId, Issuer, SecretText, env::Clock, outbound::Outbound};
///
/// # fn verifier(outbound: Arc<dyn Outbound>, clock: Arc<dyn Clock>, secret: &SecretText)
/// #     -> Result<VerificationCache<Introspection>, Box<dyn std::error::Error>> {
/// let issuer = Issuer::parse("https://idp.example")?;
/// let issuer = DiscoveredIssuer::new(issuer, Arc::clone(&outbound), Arc::clone(&clock));
/// let own = ClientCredentials::basic(&ClientId::new("mcp-server"), secret);
/// let asking = Introspection::new(Arc::new(issuer), own, outbound, Arc::clone(&clock));
/// Ok(VerificationCache::new(asking, clock))
/// # }
/// ```
pub struct Introspection {
    issuer: Arc<DiscoveredIssuer>,
    credentials: ClientCredentials,
    outbound: Arc<dyn Outbound>,
    clock: Arc<dyn Clock>,
    mapping: ClaimMapping,
    breaker: Breaker,
    turns: Semaphore,
}

/// Why there is no answer about a token.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    // The report is in the log already, once and not for each request.
    #[error("{0}, which says where tokens are introspected")]
    NoMetadata(NoMetadata),
    #[error("the metadata of {0} has no usable introspection_endpoint")]
    NoEndpoint(Issuer),
    #[error("the introspection endpoint did not answer and is asked again in {} s", .0.as_seconds())]
    Away(Lifetime),
    #[error("too many tokens are being introspected")]
    Crowded,
    #[error(
        "the introspection endpoint answered {status}{said}: check this server's client id, secret and authentication method at the issuer, and the endpoint's address"
    )]
    Misconfigured { status: u16, said: &'static str },
    #[error("the introspection endpoint answered {0}")]
    Status(u16),
    #[error("the introspection endpoint does not speak of such tokens")]
    UnsupportedToken,
    #[error("the introspection endpoint cannot be asked: {0}")]
    Silent(String),
    #[error(
        "too much is being fetched from the introspection endpoint's host: allow more in the transport"
    )]
    NotAsked,
    #[error("the introspection endpoint's answer is too large")]
    TooLarge,
    #[error(transparent)]
    Answer(#[from] answer::NoAnswer),
}

impl Introspection {
    /// Asks `issuer`, which knows this server by `credentials`.
    pub fn new(
        issuer: Arc<DiscoveredIssuer>,
        credentials: ClientCredentials,
        outbound: Arc<dyn Outbound>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            issuer,
            credentials,
            outbound,
            clock,
            mapping: ClaimMapping::default(),
            breaker: Breaker::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// Reads the issuer's words in this way.
    #[must_use]
    pub fn mapping(mut self, mapping: ClaimMapping) -> Self {
        self.mapping = mapping;
        self
    }

    /// Sends so many requests at once, at least one; others wait for up to five seconds. Default 3.
    /// The transport has to allow as many to one host.
    #[must_use]
    pub fn at_once(mut self, requests: usize) -> Self {
        self.turns = Semaphore::new(requests.max(1));
        self
    }

    async fn ask(&self, token: &str) -> Result<Result<AccessClaims, TokenRefused>, Unanswered> {
        let metadata = self.issuer.metadata().await;
        let metadata = metadata.map_err(Unanswered::NoMetadata)?;
        let Some(endpoint) = metadata.introspection_endpoint() else {
            return Err(Unanswered::NoEndpoint(self.issuer.issuer().clone()));
        };
        let _turn = self.turn().await?;
        let form = self.credentials.form(token);
        let mut fetch = Fetch::of(endpoint, LONGEST_ANSWER);
        fetch.form = Some(form.expose());
        fetch.authorization = self.credentials.header();
        let fetched = self.outbound.fetch(&fetch).await;
        let now = self.clock.now();
        let answered = match fetched {
            Ok(fetched) => judge_status(&fetched).map(|()| fetched),
            Err(OutboundError::Busy) => Err(Unanswered::NotAsked),
            Err(OutboundError::TooLarge) => Err(Unanswered::TooLarge),
            Err(error) => Err(Unanswered::Silent(with_causes(&error))),
        };
        match &answered {
            Err(error @ Unanswered::Misconfigured { .. }) => {
                self.breaker.failed(now);
                tracing::error!(issuer = %self.issuer.issuer(), "{error}");
            }
            Err(Unanswered::Silent(_) | Unanswered::Status(429 | 502..=504)) => {
                self.breaker.failed(now);
            }
            // Nobody was asked, so nobody knows.
            Err(Unanswered::NotAsked) => {}
            _ => self.breaker.answered(),
        }
        let issuer = self.issuer.issuer();
        match answered {
            // A kind of token that it does not introspect, such as its own ID tokens.
            Err(Unanswered::UnsupportedToken) => Ok(Err(TokenRefused::Inactive)),
            answered => Ok(answer::read(&answered?.body, issuer, &self.mapping, now)?),
        }
    }

    /// Waits for one of the turns, for a while.
    async fn turn(&self) -> Result<async_lock::SemaphoreGuard<'_>, Unanswered> {
        let since = self.clock.now();
        if let Some(wait) = self.breaker.away(since) {
            return Err(Unanswered::Away(wait));
        }
        let turn = self.turns.acquire().await;
        let now = self.clock.now();
        if now.since(since) > PATIENCE {
            return Err(Unanswered::Crowded);
        }
        self.breaker.ask(now).map_err(Unanswered::Away)?;
        Ok(turn)
    }
}

#[async_trait]
impl AccessTokenVerifier for Introspection {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        if !may_be_sent(token) {
            return Err(TokenRefused::Malformed.into());
        }
        match self.ask(token).await {
            Ok(outcome) => Ok(outcome?),
            Err(error) => {
                let wait = match error {
                    Unanswered::Away(wait) => wait,
                    _ => Lifetime::seconds(1),
                };
                Err(VerifierUnavailable::new(error).until(wait).into())
            }
        }
    }
}

impl std::fmt::Debug for Introspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspection")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Whether it is a bearer token by its characters, and not too long to be one.
fn may_be_sent(token: &str) -> bool {
    token.len() <= LONGEST_TOKEN && crate::bearer::is_token68(token.as_bytes())
}

/// What a status means: 200 is an answer; what says that we or our address are not accepted is our
/// own fault.
fn judge_status(fetched: &Fetched) -> Result<(), Unanswered> {
    let status = fetched.status;
    let said = || json::object(&fetched.body).ok()?.remove("error");
    match status {
        200 => Ok(()),
        // Some say it with 400, as the token endpoint may (RFC 6749 §5.2).
        400 if said()
            .is_some_and(|code| code == "invalid_client" || code == "unauthorized_client") =>
        {
            let said = " (invalid_client)";
            Err(Unanswered::Misconfigured { status, said })
        }
        // A word of RFC 7009 §2.2.1, which some have for tokens that they do not introspect: it is
        // about the token, and nobody else's fault.
        400 if said().is_some_and(|code| code == "unsupported_token_type") => {
            Err(Unanswered::UnsupportedToken)
        }
        300..=399 | 401 | 403 | 404 | 405 | 410 => {
            let said = "";
            Err(Unanswered::Misconfigured { status, said })
        }
        status => Err(Unanswered::Status(status)),
    }
}

/// An error and its causes in one line.
fn with_causes(error: &OutboundError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
