//! What the authorization server ends, a cache beside it must not remember.

use oauth_core::event::Event;
use oauth_core::{EventSink, Noted};
use oauth_resource::KnownTokens;

/// Lets a [`VerificationCache`](oauth_resource::VerificationCache) in the same process forget each
/// token that the authorization server ends, at once, and hands every event on.
///
/// A grant that is closed, or of which a token is revoked or retired, is forgotten alone; what ends
/// many grants at once makes everything be asked about anew. Other processes are not told: there, a
/// token is believed for as long as their caches say.
///
/// ```
/// use std::sync::Arc;
/// use oauth_core::{EventSink, Ports};
/// use oauth_http::resource::{KnownTokens, VerificationCache};
/// use oauth_http::server::{Forgetting, OAuthService};
/// use oauth_types::env::{Clock, Entropy};
///
/// /// Where the ports are made, before there is a server.
/// fn ports(
///     clock: impl Clock + 'static,
///     entropy: impl Entropy + 'static,
///     known: &KnownTokens,
///     audit: impl EventSink + 'static,
/// ) -> Ports {
///     Ports::new(clock, entropy).events(Forgetting::new(known.clone(), audit))
/// }
///
/// /// Where the resource is guarded, by the same `known`.
/// fn verifier(
///     service: Arc<OAuthService>,
///     clock: Arc<dyn Clock>,
///     known: KnownTokens,
/// ) -> VerificationCache<Arc<OAuthService>> {
///     VerificationCache::new(service, clock).remembering_in(known)
/// }
/// ```
#[derive(Debug)]
pub struct Forgetting<S> {
    known: KnownTokens,
    then: S,
}

impl<S: EventSink> Forgetting<S> {
    /// Lets `known` forget, then tells `then`.
    pub const fn new(known: KnownTokens, then: S) -> Self {
        Self { known, then }
    }
}

impl<S: EventSink> EventSink for Forgetting<S> {
    fn record(&self, noted: &Noted<'_>) {
        match noted.event() {
            Event::GrantClosed { grant, .. }
            | Event::AccessTokenRevoked { grant }
            | Event::AccessTokenRetired { grant } => self.known.forget_grant(grant),
            Event::ClientRemoved { .. }
            | Event::ClientRevoked { .. }
            | Event::ClientWithdrawn { .. }
            | Event::SubjectSignedOut { .. }
            | Event::SubjectDisabled { .. }
            | Event::SubjectErased
            | Event::Fenced => self.known.forget_all(),
            _ => {}
        }
        self.then.record(noted);
    }
}
