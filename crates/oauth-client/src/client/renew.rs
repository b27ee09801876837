//! New tokens for old ones.

use std::sync::Arc;

use async_lock::MutexGuard;

use super::identity::{client_is_unknown, refused_as};
use super::issue::Target;
use super::{AccessToken, Client, Shared};
use crate::error::ClientError;
use crate::metadata::ServerMetadata;
use crate::observer::Step;
use crate::store::{Binding, Credentials};
use crate::token::{self, Caller};

/// How long a server that could not renew a token is left alone while the token is good.
const PAUSE: oauth_types::Lifetime = oauth_types::Lifetime::seconds(10);

/// How a renewal went.
pub(super) enum Renewed {
    /// There is a token now.
    Yes(AccessToken),
    /// Nothing that is held can be renewed; somebody has to sign in.
    Spent,
}

impl Client {
    /// Renews what is held where that can be done without a person. While it cannot be done now,
    /// what is held is given as long as it is good.
    pub(super) async fn renew_if(
        &self,
        held: Arc<Credentials>,
    ) -> Result<Option<AccessToken>, ClientError> {
        let shared = &self.shared;
        let good = || held.is_current(shared.now(), oauth_types::Lifetime::ZERO);
        let renewable = held.refresh_token.is_some() || shared.asks_for_itself();
        let pauses = || shared.state().pause.is_some_and(|end| shared.now() < end);
        if !renewable || (good() && pauses()) {
            let credentials = Arc::clone(&held);
            return Ok(good().then_some(AccessToken { credentials }));
        }
        // A token that is good meanwhile waits for nobody: a person may be signing in for more scope.
        let flight = match (good(), self.shared.flight.try_lock()) {
            (true, None) => {
                let credentials = Arc::clone(&held);
                return Ok(Some(AccessToken { credentials }));
            }
            (_, Some(flight)) => flight,
            (false, None) => self.shared.flight.lock().await,
        };
        match self.renew_in(flight, &held).await {
            Ok(Renewed::Yes(token)) => Ok(Some(token)),
            Ok(Renewed::Spent) => Ok(None),
            // CL-TOK-12: whatever keeps it from being renewed takes nothing away.
            Err(_) if good() => {
                // Renewed, and not to be saved: then the newer one is held.
                let mut state = shared.state();
                state.pause = Some(shared.now().plus(PAUSE));
                let newest = state.credentials.clone();
                let credentials = newest.unwrap_or_else(|| Arc::clone(&held));
                Ok(Some(AccessToken { credentials }))
            }
            Err(error) => Err(error),
        }
    }

    /// Renews what is held, once among all who share it: whoever comes second takes what the first
    /// one got (CL-TOK-7).
    pub(super) async fn renew(&self, held: &Arc<Credentials>) -> Result<Renewed, ClientError> {
        let flight = self.shared.flight.lock().await;
        self.renew_in(flight, held).await
    }

    async fn renew_in(
        &self,
        _flight: MutexGuard<'_, ()>,
        held: &Arc<Credentials>,
    ) -> Result<Renewed, ClientError> {
        let now_held = self.shared.held();
        if let Some(credentials) = now_held.filter(|now_held| !same(now_held, held)) {
            return Ok(Renewed::Yes(AccessToken { credentials }));
        }
        let Some(binding) = self.shared.state().binding.clone() else {
            return Ok(Renewed::Spent);
        };
        let server = self.server(&binding).await?;
        if self.shared.asks_for_itself() {
            let target = Target {
                server: &server,
                resource: &binding.resource,
                scope: held.requested.as_ref(),
            };
            let token = self.ask_for_itself(target, Some(&binding)).await?;
            return Ok(Renewed::Yes(token));
        }
        let key = self.credentials_key(&binding.issuer, &binding.resource);
        let _lock = self.shared.ports.store.lock(&key).await?;
        self.refresh(held, &binding, &server).await
    }

    /// Presents the refresh token that the store holds. The caller holds its lock.
    async fn refresh(
        &self,
        held: &Arc<Credentials>,
        binding: &Binding,
        server: &ServerMetadata,
    ) -> Result<Renewed, ClientError> {
        let stored = match self.adoptable(binding).await? {
            Some(stored) => stored,
            None if self.shared.state().unsaved => Arc::clone(held),
            None => {
                // Somebody who shares the store signed out.
                self.shared.hold(None);
                return Ok(Renewed::Spent);
            }
        };
        if !same(&stored, held) && self.shared.is_fresh(&stored) {
            return Ok(Renewed::Yes(self.adopt(stored)));
        }
        let Some(refresh_token) = stored.refresh_token.clone() else {
            return Ok(Renewed::Spent);
        };
        let Some(identity) = self.identity_of(&stored.client_id, server).await? else {
            return self.spent(binding).await;
        };
        let Shared { ports, .. } = &*self.shared;
        let caller = Caller::new(&identity, server, self.shared.now(), &*ports.entropy);
        let prepared = token::refresh(caller, &refresh_token, &stored.resource)?;
        match self.ask_for_tokens(&prepared).await {
            Ok(tokens) => {
                let target = Target {
                    server,
                    resource: &stored.resource,
                    scope: stored.scope.as_ref(),
                };
                let client_id = stored.client_id.clone();
                let mut renewed = self.credentials(tokens, target, client_id);
                // CL-TOK-6: the one that was presented stays where none came.
                renewed.refresh_token = renewed.refresh_token.or(Some(refresh_token));
                renewed.requested = stored.requested.clone();
                Ok(Renewed::Yes(self.keep_renewed(binding, renewed).await?))
            }
            Err(error) => {
                self.shared.tell(&Step::RefreshFailed(&error));
                if refused_as(&error, "invalid_grant") {
                    // Somebody who does not know our lock may have been faster.
                    let now_stored = self.adoptable(binding).await?;
                    if let Some(other) = now_stored.filter(|other| !same(other, &stored)) {
                        return Ok(Renewed::Yes(self.adopt(other)));
                    }
                    return self.spent(binding).await;
                }
                if client_is_unknown(&error)
                    && let Some(refusal) = error.refusal()
                {
                    self.drop_registration(server, &identity, refusal).await?;
                    return self.spent(binding).await;
                }
                Err(error.into())
            }
        }
    }

    /// What the store holds of this server and resource.
    async fn adoptable(&self, binding: &Binding) -> Result<Option<Arc<Credentials>>, ClientError> {
        let key = self.credentials_key(&binding.issuer, &binding.resource);
        let stored = self.read::<Credentials>(&key).await?;
        Ok(stored
            .filter(|stored| self.shared.counts(stored, binding))
            .map(Arc::new))
    }

    /// Uses what somebody else got.
    pub(super) fn adopt(&self, credentials: Arc<Credentials>) -> AccessToken {
        self.shared.hold(Some(Arc::clone(&credentials)));
        self.shared.tell(&Step::Adopted);
        AccessToken { credentials }
    }

    /// The refresh token is worth nothing any more. The caller holds the store's lock.
    async fn spent(&self, binding: &Binding) -> Result<Renewed, ClientError> {
        self.shared.hold(None);
        let key = self.credentials_key(&binding.issuer, &binding.resource);
        self.shared.ports.store.remove(&key).await?;
        Ok(Renewed::Spent)
    }

    /// Saves renewed tokens. The caller holds the store's lock.
    async fn keep_renewed(
        &self,
        binding: &Binding,
        renewed: Credentials,
    ) -> Result<AccessToken, ClientError> {
        let credentials = Arc::new(renewed);
        let key = self.credentials_key(&binding.issuer, &binding.resource);
        {
            // They are good whether or not they can be saved, and what they replace is not: also for
            // whoever comes after one that was dropped meanwhile.
            let mut state = self.shared.state();
            state.credentials = Some(Arc::clone(&credentials));
            state.unsaved = true;
        }
        self.write(&key, &*credentials).await?;
        self.shared.state().unsaved = false;
        let end = credentials.expires_at;
        self.shared.tell(&Step::Refreshed {
            expires_in: end.map(|end| end.since(credentials.received_at)),
        });
        Ok(AccessToken { credentials })
    }
}

/// Whether two hold the same access token.
fn same(one: &Credentials, other: &Credentials) -> bool {
    let (one, other) = (one.access_token.hash(), other.access_token.hash());
    one.matches(&other)
}
