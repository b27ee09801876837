//! One program's way to one protected server, over the ports.

mod identity;
mod issue;
mod reject;
mod renew;
mod sign_in;
mod sign_out;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use oauth_types::{Issuer, Lifetime, ResourceUri, Scope, SecretText, Timestamp};

use crate::config::{ClientConfig, Grant, Ports};
use crate::discovery::discover_server;
use crate::error::ClientError;
use crate::hop::{Got, HopError};
use crate::metadata::ServerMetadata;
use crate::observer::Step;
use crate::step_up::StepUps;
use crate::store::{Binding, Credentials, Record, StoreKey};
use crate::token::Prepared;

pub use reject::Rejection;
pub use sign_in::Begun;
pub use sign_out::SignedOut;

/// Gets, keeps, renews and gives up the right to use one protected server.
///
/// Cheap to clone; clones share everything. Several processes that share a
/// [`CredentialStore`](crate::CredentialStore) refresh once between them.
///
/// Dropping a future of one of its methods leaves either the old credentials in the store or the new ones; an
/// answer that was on its way is lost, as it is when a process ends.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    ports: Ports,
    state: Mutex<State>,
    /// One at a time renews, signs in or signs out (CL-TOK-7).
    flight: async_lock::Mutex<()>,
}

/// What is known in this process.
#[derive(Default)]
struct State {
    binding: Option<Binding>,
    server: Option<Arc<ServerMetadata>>,
    credentials: Option<Arc<Credentials>>,
    /// Whether these could not be saved (yet), so that what the store holds is older.
    unsaved: bool,
    /// Until when a token that is good is not renewed, since that has just failed.
    pause: Option<Timestamp>,
    /// Whether a person signed in for these and the protected server has not taken them yet.
    unproven: bool,
    step_ups: StepUps,
}

/// A token to show to the protected server, and to nobody else.
#[derive(Debug, Clone)]
pub struct AccessToken {
    credentials: Arc<Credentials>,
}

impl AccessToken {
    /// The token itself: opaque, and a secret.
    pub fn secret(&self) -> &SecretText {
        &self.credentials.access_token
    }

    /// The `Authorization` header that shows it, marked sensitive so that whoever logs headers leaves
    /// it out. Never put it anywhere else, least of all in an address (CL-TOK-1).
    pub fn header(&self) -> HeaderValue {
        let text = format!("Bearer {}", self.secret().expose());
        // proved: tokens that are no visible ASCII are refused where they come in, and what a
        // store gave that is none makes an empty header, which shows nothing.
        let mut value =
            HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    /// What it is for.
    pub fn resource(&self) -> &ResourceUri {
        &self.credentials.resource
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Issuer {
        &self.credentials.issuer
    }

    /// What it may be used for, if that is known.
    pub fn scope(&self) -> Option<&Scope> {
        self.credentials.scope.as_ref()
    }

    /// When it ends, if that is known.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.credentials.expires_at
    }

    /// Whether it is the same token.
    pub fn is(&self, other: &Self) -> bool {
        let (one, other) = (self.secret().hash(), other.secret().hash());
        one.matches(&other)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for one protected server. Nothing is asked yet.
    pub fn new(config: ClientConfig, ports: Ports) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                ports,
                state: Mutex::default(),
                flight: async_lock::Mutex::new(()),
            }),
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// A token that is good now, if one can be had without a person: the one that is held, renewed
    /// if it ends soon, or a new one where the client asks for itself. `None` when somebody has to
    /// sign in, and when nothing is known yet.
    ///
    /// # Errors
    /// [`ClientError`] when there could be one, and it cannot be had now. A token that is still
    /// good is given all the same.
    pub async fn access_token(&self) -> Result<Option<AccessToken>, ClientError> {
        self.load().await?;
        match self.shared.held() {
            Some(held) if self.shared.is_fresh(&held) => {
                Ok(Some(AccessToken { credentials: held }))
            }
            Some(held) => self.renew_if(held).await,
            None => Ok(None),
        }
    }

    /// Whether a token may be shown to whoever answers at `url`: an address of the resource's origin,
    /// at or below it (CL-TOK-2).
    pub fn may_show_to(&self, url: &str) -> bool {
        let config = &self.shared.config.server;
        let at_or_below = |resource: &ResourceUri| {
            let bare = url.split(['?', '#']).next().unwrap_or(url);
            ResourceUri::parse(bare).is_ok_and(|asked| {
                resource.is_named_by(bare)
                    || asked.is_below(resource.as_str())
                    || (resource.path_and_query().contains('?') && resource.is_named_by(url))
            })
        };
        at_or_below(config)
    }

    /// Reads what the store holds, until there is something: another process may have got it.
    async fn load(&self) -> Result<(), ClientError> {
        if self.shared.held().is_some() {
            return Ok(());
        }
        let (binding, credentials) = self.stored().await?;
        let mut state = self.shared.state();
        if state.credentials.is_none() {
            state.binding = binding.or(state.binding.take());
            state.credentials = credentials.map(Arc::new);
        }
        Ok(())
    }

    /// What the store holds now. Values that nobody can read count as missing.
    async fn stored(&self) -> Result<(Option<Binding>, Option<Credentials>), ClientError> {
        let Some(binding) = self.read::<Binding>(&self.binding_key()).await? else {
            return Ok((None, None));
        };
        let key = self.credentials_key(&binding.issuer, &binding.resource);
        let credentials = self.read::<Credentials>(&key).await?;
        let credentials = credentials.filter(|stored| self.shared.counts(stored, &binding));
        Ok((Some(binding), credentials))
    }

    async fn read<R: Record>(&self, key: &StoreKey) -> Result<Option<R>, ClientError> {
        let text = self.shared.ports.store.load(key).await?;
        Ok(text.and_then(|text| R::from_text(&text).ok()))
    }

    async fn write(&self, key: &StoreKey, record: &impl Record) -> Result<(), ClientError> {
        let text = record.to_text();
        Ok(self.shared.ports.store.save(key, &text).await?)
    }

    fn binding_key(&self) -> StoreKey {
        StoreKey::binding(&self.shared.config.server, &self.shared.config.owner)
    }

    fn credentials_key(&self, issuer: &Issuer, resource: &ResourceUri) -> StoreKey {
        StoreKey::credentials(issuer, resource, &self.shared.config.owner)
    }

    /// The metadata of the server that is bound, asked for again if this process has none.
    async fn server(&self, binding: &Binding) -> Result<Arc<ServerMetadata>, ClientError> {
        let held = self.shared.state().server.clone();
        if let Some(server) = held.filter(|server| server.issuer == binding.issuer) {
            return Ok(server);
        }
        let Shared { config, ports, .. } = &*self.shared;
        let server = discover_server(config, ports, &binding.issuer, binding.within).await?;
        let server = Arc::new(server);
        self.shared.state().server = Some(Arc::clone(&server));
        Ok(server)
    }

    async fn send(
        &self,
        prepared: &Prepared,
        expected: &'static str,
    ) -> Result<http::Response<bytes::Bytes>, HopError> {
        let http = &self.shared.ports.http;
        let sent = http.send(prepared.request(), prepared.bounds()).await;
        sent.map_err(|error| prepared.fail(expected, Got::Nothing(error)))
    }
}

impl Shared {
    /// Nothing panics while it is held.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Option<Arc<Credentials>> {
        self.state().credentials.clone()
    }

    /// Whether what lies under a key is what belongs there (CL-REG-6), and not what was replaced by
    /// something that could not be saved: whoever presents a refresh token twice ends the grant.
    fn counts(&self, stored: &Credentials, binding: &Binding) -> bool {
        let state = self.state();
        let held = state.credentials.as_ref().filter(|_| state.unsaved);
        stored.issuer == binding.issuer
            && stored.resource == binding.resource
            && held.is_none_or(|held| held.received_at < stored.received_at)
    }

    /// Holds what the store holds, or nothing.
    fn hold(&self, credentials: Option<Arc<Credentials>>) {
        let mut state = self.state();
        state.credentials = credentials;
        state.unsaved = false;
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    fn tell(&self, step: &Step<'_>) {
        self.ports.observer.observe(step);
    }

    /// Whether a token is good for some time yet. The margin is a tenth of its lifetime at the most,
    /// so that a short one is not renewed at each request.
    fn is_fresh(&self, held: &Credentials) -> bool {
        let lifetime = held.expires_at.map(|end| end.since(held.received_at));
        let tenth = lifetime.map_or(0, |lifetime| lifetime.as_seconds() / 10);
        let margin = Lifetime::seconds(tenth).min(self.config.refresh_early);
        held.is_current(self.now(), margin)
    }

    /// Whether new tokens can be had without a person.
    fn asks_for_itself(&self) -> bool {
        matches!(
            self.config.grant,
            Grant::ClientCredentials | Grant::JwtBearer(_)
        )
    }
}
