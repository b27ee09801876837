//! The authorization server as one value: configuration, keys and ports, and no state of its own
//! but a cache of what clients publish.

use std::sync::{Arc, RwLock};

use oauth_jose::PublicJwk;
use oauth_storage::{ClientRecord, Epochs, Storage, StorageError};
use oauth_types::env::{Clock, Entropy};
use oauth_types::metadata::AuthorizationServerMetadata;
use oauth_types::{Subject, Timestamp};

use crate::client_auth::KeyCache;
use crate::client_metadata::Documents;
use crate::event::{Event, EventSink, NoEvents};
use crate::grant::lifecycle::Standing;
use crate::keys::{KeyRing, KeyRingError, RootSecret};
use crate::limit::{InProcessLimiter, Limit, Limited, RateLimiter};
use crate::metadata;
use crate::outbound::{NoOutbound, Outbound};
use crate::policy::{ServerConfig, ServerPolicy};
use crate::registration::{EveryRegistration, RegistrationPolicy};

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

/// An authorization server.
pub struct AuthorizationServer {
    pub(crate) config: ServerConfig,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) ring: RwLock<Arc<KeyRing>>,
    pub(crate) root: RootSecret,
    pub(crate) documents: Documents,
    pub(crate) client_keys: KeyCache,
    ports: Ports,
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
        let now = ports.clock.now();
        let ring = KeyRing::open(&*storage, &config.issuer, root, &*ports.entropy, now).await?;
        Ok(Self {
            config,
            storage,
            ring: RwLock::new(Arc::new(ring)),
            root: root.clone(),
            documents: Documents::default(),
            client_keys: KeyCache::default(),
            ports,
        })
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// The store it works on.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The randomness it draws from.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.ports.entropy
    }

    /// Counts one attempt of something under `key`, and notes it when that was one too many.
    ///
    /// # Errors
    /// [`Limited`] with the time after which to try again.
    pub async fn count(&self, limit: &Limit, key: &str, now: Timestamp) -> Result<(), Limited> {
        let counted = self.ports.limiter.hit(limit, key, now).await;
        if counted.is_err() {
            self.record(Event::Limited { limit: limit.name });
        }
        counted
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

    pub(crate) fn record(&self, event: Event<'_>) {
        self.ports.events.record(&event);
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
            .finish_non_exhaustive()
    }
}
