//! The authorization server as one value: configuration, keys and ports, no state of its own but a
//! cache of what clients publish, and a note of the request that it works for.

use std::ops::Deref;
use std::sync::{Arc, RwLock};

use oauth_jose::{MacKey, PublicJwk};
use oauth_storage::{Attempt, ClientRecord, Epochs, Hit, Storage, StorageError};
use oauth_types::env::{Clock, Entropy};
use oauth_types::metadata::AuthorizationServerMetadata;
use oauth_types::{Subject, Timestamp};

use crate::client_auth::KeyCache;
use crate::client_metadata::Documents;
use crate::context::{Context, RequestId};
use crate::event::{self, Event, EventSink, NoEvents, Noted};
use crate::grant::lifecycle::Standing;
use crate::keys::{KeyRing, KeyRingError, RootSecret};
use crate::limit::{InProcessLimiter, Limit, Limited, RateLimiter, Source, bounded};
use crate::metadata;
use crate::observed::Observed;
use crate::policy::{ServerConfig, ServerPolicy};
use crate::registration::{EveryRegistration, RegistrationPolicy};
use crate::trace;
use oauth_types::outbound::{NoOutbound, Outbound};

/// What the server asks of the world.
#[derive(Clone)]
#[non_exhaustive]
pub struct Ports {
    /// Tells the time; read once per request.
    pub clock: Arc<dyn Clock>,
    /// Gives secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Takes note of what happens.
    pub events: Arc<dyn EventSink>,
    /// Counts attempts.
    pub limiter: Arc<dyn RateLimiter>,
    /// Fetches documents from elsewhere.
    pub outbound: Arc<dyn Outbound>,
    /// Judges registrations.
    pub registrations: Arc<dyn RegistrationPolicy>,
}

impl Ports {
    /// This clock and this randomness; events are dropped, attempts counted in process, and
    /// nothing is fetched.
    pub fn new(clock: impl Clock + 'static, entropy: impl Entropy + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            entropy: Arc::new(entropy),
            events: Arc::new(NoEvents),
            limiter: Arc::new(InProcessLimiter::default()),
            outbound: Arc::new(NoOutbound),
            registrations: Arc::new(EveryRegistration),
        }
    }

    /// Sends events here.
    #[must_use]
    pub fn events(mut self, events: impl EventSink + 'static) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// Counts attempts here.
    #[must_use]
    pub fn limiter(mut self, limiter: impl RateLimiter + 'static) -> Self {
        self.limiter = Arc::new(limiter);
        self
    }

    /// Fetches documents through this.
    #[must_use]
    pub fn outbound(mut self, outbound: impl Outbound + 'static) -> Self {
        self.outbound = Arc::new(outbound);
        self
    }
}

impl Ports {
    /// Lets this judge registrations.
    #[must_use]
    pub fn registrations(mut self, policy: impl RegistrationPolicy + 'static) -> Self {
        self.registrations = Arc::new(policy);
        self
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No resource, or one without a default scope: nothing could ever be granted.
    #[error("every resource needs at least one default scope, and there must be a resource")]
    NothingToGrant,
    /// The key ring could not be opened.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
}

/// An authorization server. A handle: clones share everything but the request they work for.
#[derive(Clone)]
pub struct AuthorizationServer {
    shared: Arc<Shared>,
    context: Context,
}

/// What all handles of one server have in common.
pub struct Shared {
    pub(crate) config: ServerConfig,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) ring: RwLock<Arc<KeyRing>>,
    pub(crate) root: RootSecret,
    pub(crate) documents: Documents,
    pub(crate) client_keys: KeyCache,
    /// Makes the pseudonyms of people in events.
    names: MacKey,
    /// What is counted while the limiter fails.
    own_counts: InProcessLimiter,
    ports: Ports,
}

#[doc(hidden)]
impl Deref for AuthorizationServer {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl AuthorizationServer {
    /// Opens the server on a store, making its keys there if it is new.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(
        config: ServerConfig,
        storage: Arc<dyn Storage>,
        root: &RootSecret,
        ports: Ports,
    ) -> Result<Self, OpenError> {
        if config.resources.is_empty()
            || config
                .resources
                .iter()
                .any(|resource| resource.defaults().is_empty())
        {
            return Err(OpenError::NothingToGrant);
        }
        let storage: Arc<dyn Storage> = Arc::new(Observed::new(&storage));
        let now = ports.clock.now();
        let ring = KeyRing::open(&*storage, &config.issuer, root, &*ports.entropy, now).await?;
        let names = root.names(&config.issuer);
        let shared = Arc::new(Shared {
            config,
            storage,
            ring: RwLock::new(Arc::new(ring)),
            root: root.clone(),
            documents: Documents::default(),
            own_counts: InProcessLimiter::default(),
            client_keys: KeyCache::default(),
            names,
            ports,
        });
        let context = Context::default();
        Ok(Self { shared, context })
    }

    /// The same server, working for this request: its events name the request, and attempts are
    /// counted by where it came from. Costs a count of references.
    #[must_use]
    pub fn within(&self, context: Context) -> Self {
        let shared = Arc::clone(&self.shared);
        Self { shared, context }
    }

    /// The request that this handle works for.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Draws a name for a request; `None` when the randomness fails, which whatever needs it will
    /// say better.
    pub fn name_request(&self) -> Option<RequestId> {
        RequestId::draw(self.entropy()).ok()
    }

    /// Under which name a person appears in [`Personal::Pseudonyms`](crate::event::Personal): the
    /// same for as long as the root secret is.
    pub fn pseudonym(&self, subject: &Subject) -> String {
        event::pseudonym(&self.names, subject)
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// The store it works on, with a span around every verb.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The randomness it draws from.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.ports.entropy
    }

    /// Counts one attempt of something under `key`, unless policy has it off, and notes it when
    /// that was one too many. While the limiter fails, this process counts for itself.
    ///
    /// # Errors
    /// [`Limited`] with the time after which to try again.
    pub async fn count(&self, limit: &Limit, key: &str, now: Timestamp) -> Result<(), Limited> {
        let Some(limit) = &self.policy().limits.of(limit) else {
            return Ok(());
        };
        let attempt = Attempt {
            what: limit.name,
            by: &bounded(key),
            allowed: limit.attempts,
            per: limit.per,
        };
        let hit = match self.ports.limiter.hit(attempt, now).await {
            Ok(hit) => hit,
            // Neither may everybody guess freely because a counter is gone, nor nobody sign in.
            Err(_) => {
                self.record(Event::NotCounted { limit: limit.name });
                self.own_counts.count(attempt, now)
            }
        };
        match hit {
            Hit::Allowed => Ok(()),
            Hit::TooMany { retry_after } => {
                self.record(Event::Limited { limit: limit.name });
                Err(Limited { retry_after })
            }
        }
    }

    /// Where documents from elsewhere come from.
    pub fn outbound(&self) -> &dyn Outbound {
        &*self.ports.outbound
    }

    /// The present moment. Read once per request.
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// The discovery document; the same for OAuth and OpenID clients. Spec: RFC 8414 §2.
    pub fn metadata(&self) -> AuthorizationServerMetadata {
        metadata::authorization_server(&self.config, &self.ring())
    }

    /// The public signing keys. Spec: RFC 7517 §5.
    pub fn public_jwks(&self) -> Vec<PublicJwk> {
        self.ring().public_jwks()
    }

    pub(crate) fn policy(&self) -> &ServerPolicy {
        &self.config.policy
    }

    pub(crate) fn registration_policy(&self) -> &dyn RegistrationPolicy {
        &*self.ports.registrations
    }

    /// Where the request came from.
    pub(crate) const fn source(&self) -> Source {
        self.context.source
    }

    /// Takes note of an event of this request. For parts of a sign-in that only the pages see;
    /// whatever else happens is noted by whoever does it.
    pub fn record(&self, event: Event<'_>) {
        let noted = Noted::new(self.now(), self.context, event, &self.names);
        self.ports.events.record(&noted);
        trace::event(&event);
    }

    /// The barriers as they stand for this person and client.
    pub(crate) async fn standing(
        &self,
        subject: &Subject,
        client: &ClientRecord,
    ) -> Result<Standing, StorageError> {
        let found = self.storage.subjects().find(subject).await?;
        let person = found.as_ref().map(|found| &*found.record);
        Ok(Standing {
            current: Epochs {
                client: client.epoch,
                subject: person.map_or(0, |person| person.epoch),
                subject_client: person
                    .and_then(|person| person.clients.get(&client.id).copied())
                    .unwrap_or(0),
                ring: self.ring().epoch,
            },
            disabled: person.is_some_and(|person| person.disabled),
            lifetimes: client.lifetimes,
        })
    }
}

impl std::fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.config.issuer)
            .field("request", &self.context.request)
            .finish_non_exhaustive()
    }
}
