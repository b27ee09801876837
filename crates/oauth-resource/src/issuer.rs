//! Issuers that are trusted, and what they say of themselves.
//!
//! An issuer is named by its identifier; where its keys are and whom to ask about opaque tokens
//! stands in the metadata that it publishes. That is asked for when it is first needed, kept for as
//! long as HTTP allows, and judged: what is wrong with it is told in words that help whoever
//! configured the one or the other ([`Report`]).

mod ask;
mod judge;
mod metadata;
mod report;

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use oauth_jose::JwksLocation;
use oauth_types::env::Clock;
use oauth_types::outbound::Outbound;
use oauth_types::{Issuer, Lifetime, Timestamp};

use ask::{Answer, Found};

pub use metadata::{InvalidEndpoint, IssuerMetadata};
pub use report::{Attempt, Finding, Report, Severity};

/// How long metadata is good that does not say, at the least and at the most.
const FRESH: Lifetime = Lifetime::minutes(60);
const FRESH_AT_LEAST: Lifetime = Lifetime::minutes(5);
const FRESH_AT_MOST: Lifetime = Lifetime::days(1);
/// How long it is used beyond that while the issuer does not answer: endpoints seldom move.
const GRACE: Lifetime = Lifetime::days(1);
/// How long a failure counts before the issuer is asked again.
const BETWEEN_FAILURES: Lifetime = Lifetime::seconds(10);

/// One issuer whose tokens are accepted, and its metadata.
///
/// Of any number of requests that need the metadata at once, one asks for it. Metadata that is no
/// longer fresh is asked for by one of the requests that use it, and the others go on with what is
/// known; while the issuer cannot be asked, that serves for a day. A failure is remembered for
/// ten seconds. Dropping a request that asks loses nothing: another takes its turn.
pub struct DiscoveredIssuer {
    issuer: Issuer,
    source: Source,
}

enum Source {
    Given(Arc<IssuerMetadata>, Arc<Report>),
    Discovered(Box<Discovered>),
}

struct Discovered {
    outbound: Arc<dyn Outbound>,
    clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    turn: async_lock::Mutex<()>,
}

/// What became of asking.
#[derive(Default)]
struct Known {
    found: Option<Kept>,
    failed: Option<(Arc<Report>, Timestamp)>,
}

#[derive(Clone)]
struct Kept {
    found: Arc<Found>,
    fresh_until: Timestamp,
}

/// An issuer says nothing of itself that can be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no usable metadata of {}", .0.issuer())]
pub struct NoMetadata(Arc<Report>);

impl NoMetadata {
    /// What was asked, what was answered, and what to do.
    pub fn report(&self) -> &Report {
        &self.0
    }
}

impl DiscoveredIssuer {
    /// An issuer whose metadata is asked for at its well-known addresses, by RFC 8414 and by OpenID
    /// Connect Discovery, when it is first needed.
    ///
    /// `issuer` is what the issuer calls itself, to the letter: the document has to say the same,
    /// and so have its tokens. Not even a final slash is forgiven, since tokens are compared byte
    /// for byte (RFC 8414 §3.3, RFC 9068 §4); the report says how the issuer spells itself.
    pub fn new(issuer: Issuer, outbound: Arc<dyn Outbound>, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer,
            source: Source::Discovered(Box::new(Discovered {
                outbound,
                clock,
                known: Mutex::default(),
                turn: async_lock::Mutex::new(()),
            })),
        }
    }

    /// An issuer whose metadata is given by hand: nobody is asked, and nothing is refreshed.
    pub fn given(metadata: IssuerMetadata) -> Self {
        let findings = judge::offers(&metadata);
        let report = Report::new(metadata.issuer().clone(), Vec::new(), findings, true);
        Self {
            issuer: metadata.issuer().clone(),
            source: Source::Given(Arc::new(metadata), Arc::new(report)),
        }
    }

    /// Its identifier.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Its metadata, as it was last answered.
    ///
    /// # Errors
    /// [`NoMetadata`] when none is known that may still be used and none can be had: a resource
    /// server that needs it answers 503.
    pub async fn metadata(&self) -> Result<Arc<IssuerMetadata>, NoMetadata> {
        let found = match &self.source {
            Source::Given(metadata, _) => return Ok(Arc::clone(metadata)),
            Source::Discovered(discovered) => discovered.found(&self.issuer).await?,
        };
        Ok(Arc::clone(&found.metadata))
    }

    /// What there is to say about its metadata, for an operator; asks for it if it is not known.
    pub async fn examine(&self) -> Arc<Report> {
        match &self.source {
            Source::Given(_, report) => Arc::clone(report),
            Source::Discovered(discovered) => match discovered.found(&self.issuer).await {
                Ok(found) => Arc::clone(&found.report),
                Err(NoMetadata(report)) => report,
            },
        }
    }
}

/// Signed tokens are verified by the keys that the issuer says are its own.
#[async_trait]
impl JwksLocation for DiscoveredIssuer {
    async fn jwks_uri(&self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let metadata = self.metadata().await?;
        let address = metadata.jwks_uri().ok_or_else(|| {
            let issuer = &self.issuer;
            format!("the metadata of {issuer} has no usable jwks_uri")
        })?;
        Ok(address.to_owned())
    }
}

impl std::fmt::Debug for DiscoveredIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DiscoveredIssuer")
            .field(&self.issuer)
            .finish()
    }
}

/// What can be said without asking.
enum Standing {
    Good(Arc<Found>),
    /// Usable, but it should be asked for again.
    Stale(Arc<Found>),
    Failed(NoMetadata),
    Unknown,
}

impl Discovered {
    async fn found(&self, issuer: &Issuer) -> Result<Arc<Found>, NoMetadata> {
        let stale = match self.standing() {
            Standing::Good(found) => return Ok(found),
            Standing::Failed(failed) => return Err(failed),
            Standing::Stale(found) => Some(found),
            Standing::Unknown => None,
        };
        let _turn = match stale {
            Some(found) => match self.turn.try_lock() {
                Some(turn) => turn,
                None => return Ok(found),
            },
            None => self.turn.lock().await,
        };
        // Somebody may have asked while this one waited.
        match self.standing() {
            Standing::Good(found) => return Ok(found),
            Standing::Failed(failed) => return Err(failed),
            Standing::Stale(_) | Standing::Unknown => {}
        }
        let before = self.lock().found.as_ref().map(|kept| kept.found.clone());
        let now = self.clock.now();
        let asked = ask::ask(&*self.outbound, issuer, before, now).await;
        self.note(asked)
    }

    fn standing(&self) -> Standing {
        let now = self.clock.now();
        let known = self.lock();
        // A moment further ahead than ever is set is from before the clock went back.
        let ahead = |moment: Timestamp, most| now < moment && moment.since(now) <= most;
        let failed = known.failed.as_ref();
        let failed = failed.filter(|(_, again)| ahead(*again, BETWEEN_FAILURES));
        match &known.found {
            Some(kept) if ahead(kept.fresh_until, FRESH_AT_MOST) => {
                Standing::Good(Arc::clone(&kept.found))
            }
            Some(kept) if now < kept.fresh_until.plus(GRACE) => match failed {
                Some(_) => Standing::Good(Arc::clone(&kept.found)),
                None => Standing::Stale(Arc::clone(&kept.found)),
            },
            _ => failed.map_or(Standing::Unknown, |(report, _)| {
                Standing::Failed(NoMetadata(Arc::clone(report)))
            }),
        }
    }

    /// Keeps what came of asking, and tells what to use now.
    fn note(&self, asked: Result<Answer, Report>) -> Result<Arc<Found>, NoMetadata> {
        let now = self.clock.now();
        let mut known = self.lock();
        match asked {
            Ok(Answer { found, fresh }) => {
                let fresh = fresh.unwrap_or(FRESH).clamp(FRESH_AT_LEAST, FRESH_AT_MOST);
                known.failed = None;
                known.found = Some(Kept {
                    found: Arc::clone(&found),
                    fresh_until: now.plus(fresh),
                });
                Ok(found)
            }
            Err(report) => {
                tracing::warn!("{report}");
                let report = Arc::new(report);
                known.failed = Some((Arc::clone(&report), now.plus(BETWEEN_FAILURES)));
                let kept = known.found.as_ref();
                let usable = kept.filter(|kept| now < kept.fresh_until.plus(GRACE));
                usable.map_or(Err(NoMetadata(report)), |kept| Ok(Arc::clone(&kept.found)))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
