//! A person signs in.

use std::fmt;
use std::sync::Arc;

use oauth_types::{Lifetime, Scope};

use super::identity::client_is_unknown;
use super::issue::Target;
use super::reject::Wider;
use super::{AccessToken, Client, Shared};
use crate::agent::{DeviceAgent, UserAgentError};
use crate::authentication::{ClientIdentity, Provenance};
use crate::authorization::{Ask, PendingAuthorization, authorize};
use crate::challenge::BearerChallenge;
use crate::config::Grant;
use crate::device::{self, Poll};
use crate::discovery::{Discovered, discover};
use crate::error::{AuthorizationError, ClientError};
use crate::hop::{Got, Hop, HopError};
use crate::metadata::ServerMetadata;
use crate::observer::Step;
use crate::scope::{self, ScopeSources};
use crate::token::{self, Caller};

/// A sign-in that a program carries out itself: where the person is to be sent, and what their
/// answer will be held against.
#[derive(Clone)]
#[non_exhaustive]
pub struct Begun {
    /// Where the person is to be sent. Not for logs.
    pub url: String,
    /// What [`Client::finish`] needs, to be kept under this person's own login.
    pub pending: PendingAuthorization,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun")
            .field("url", &crate::hop::Address::of(&self.url))
            .field("pending", &self.pending)
            .finish()
    }
}

impl Client {
    /// Finds out who authorizes for the server, is known there, and gets tokens: by sending a
    /// person, or by asking for itself. `challenge` is what the server said when it refused, empty
    /// if it has not been asked.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sign_in(&self, challenge: &BearerChallenge) -> Result<AccessToken, ClientError> {
        self.load().await?;
        let before = self.shared.held();
        self.authorize(challenge, None, before).await
    }

    /// As [`Self::sign_in`], unless somebody else got another token than `before` meanwhile.
    /// `wider` is what is asked for in place of what discovery would choose.
    pub(super) async fn authorize(
        &self,
        challenge: &BearerChallenge,
        wider: Option<Wider<'_>>,
        before: Option<Arc<crate::store::Credentials>>,
    ) -> Result<AccessToken, ClientError> {
        let scope = wider.map(|wider| wider.scope);
        let _flight = self.shared.flight.lock().await;
        if let Some(token) = self.got_meanwhile(&before, scope).await? {
            return Ok(token);
        }
        // Of several processes one bothers the person.
        let _lock = self.shared.ports.store.lock(&self.binding_key()).await?;
        if let Some(token) = self.got_meanwhile(&before, scope).await? {
            return Ok(token);
        }
        // Whoever waited for others has not tried anything.
        if let Some(wider) = wider {
            self.step_up_once(wider)?;
        }
        let discovered = self.discover(challenge).await?;
        self.found(&discovered).await?;
        let chosen = match scope {
            Some(scope) => Some(scope.clone()),
            None => self.scope(&discovered, challenge),
        };
        let target = Target {
            server: &discovered.server,
            resource: &discovered.resource,
            scope: chosen.as_ref(),
        };
        if self.shared.asks_for_itself() {
            let bound = self.shared.state().binding.clone();
            self.ask_for_itself(target, bound.as_ref()).await
        } else {
            self.by_a_person(target).await
        }
    }

    /// A token that others, in this process or another, got since `before`, if it allows `scope`.
    async fn got_meanwhile(
        &self,
        before: &Option<Arc<crate::store::Credentials>>,
        scope: Option<&Scope>,
    ) -> Result<Option<AccessToken>, ClientError> {
        let new = |held: &crate::store::Credentials| {
            let other = before.as_ref().is_none_or(|before| {
                !held
                    .access_token
                    .hash()
                    .matches(&before.access_token.hash())
            });
            let allows = scope.is_none_or(|scope| {
                let held = held.scope.as_ref();
                held.is_some_and(|held| scope.is_subset(held))
            });
            other && allows && held.is_current(self.shared.now(), Lifetime::ZERO)
        };
        if let Some(credentials) = self.shared.held().filter(|held| new(held)) {
            return Ok(Some(AccessToken { credentials }));
        }
        let (binding, stored) = self.stored().await?;
        let Some(stored) = stored.filter(|stored| new(stored)) else {
            return Ok(None);
        };
        self.shared.state().binding = binding;
        Ok(Some(self.adopt(Arc::new(stored))))
    }

    /// Finds out who authorizes for the server, with what it said when it refused.
    ///
    /// # Errors
    /// [`ClientError::Discovery`], with all that was tried.
    pub async fn discover(&self, challenge: &BearerChallenge) -> Result<Discovered, ClientError> {
        let Shared { config, ports, .. } = &*self.shared;
        let bound = self.shared.state().binding.clone();
        let preferred = bound.as_ref().map(|bound| &bound.issuer);
        Ok(discover(config, ports, challenge, preferred).await?)
    }

    /// What a sign-in asks for that is no step-up.
    fn scope(&self, discovered: &Discovered, challenge: &BearerChallenge) -> Option<Scope> {
        let offline = self.shared.config.offline_access && !self.shared.asks_for_itself();
        let sources = self.scope_sources(discovered, challenge);
        scope::choose(sources, &discovered.server, offline)
    }

    pub(super) fn scope_sources<'a>(
        &'a self,
        discovered: &'a Discovered,
        challenge: &'a BearerChallenge,
    ) -> ScopeSources<'a> {
        let metadata = discovered.resource_metadata.as_ref();
        ScopeSources {
            challenge: challenge.scope.as_ref(),
            resource: metadata.and_then(|metadata| metadata.scopes_supported.as_ref()),
            configured: self.shared.config.scope.as_ref(),
        }
    }

    /// A person signs in. A registration that the server has lost is made anew, once (CL-TOK-12).
    async fn by_a_person(&self, target: Target<'_>) -> Result<AccessToken, ClientError> {
        match self.by_a_person_once(target).await {
            Err((Some(identity), error)) => {
                if !self.forget_lost(target.server, &identity, &error).await? {
                    return Err(error);
                }
                let again = self.by_a_person_once(target).await;
                again.map_err(|(_, error)| error)
            }
            other => other.map_err(|(_, error)| error),
        }
    }

    async fn by_a_person_once(&self, target: Target<'_>) -> Result<AccessToken, Failed> {
        match self.shared.config.grant {
            Grant::Device => self.by_device(target).await,
            _ => self.by_code(target).await,
        }
    }

    /// Whether `error` says that the client's registration is lost, which is dropped then.
    ///
    /// # Errors
    /// [`crate::RegistrationError::NotAccepted`] for a client that cannot be registered anew.
    pub(super) async fn forget_lost(
        &self,
        server: &ServerMetadata,
        identity: &ClientIdentity,
        error: &ClientError,
    ) -> Result<bool, ClientError> {
        let registered = identity.provenance == Provenance::Registered;
        match lost_registration(error) {
            Some(refusal) if registered || matches!(error, ClientError::Hop(_)) => {
                self.drop_registration(server, identity, &refusal).await?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// With a browser that comes back here.
    async fn by_code(&self, target: Target<'_>) -> Result<AccessToken, Failed> {
        let Shared { config, ports, .. } = &*self.shared;
        let before = |error| (None, error);
        let Some(agent) = &ports.user_agent else {
            let issuer = target.server.issuer.clone();
            return Err((None, ClientError::SignInNeeded { issuer }));
        };
        let visit = agent.begin().await.map_err(|error| before(error.into()))?;
        let redirect_uri = visit.redirect_uri().to_owned();
        let bound = self.shared.state().binding.clone();
        let identity = self
            .identity(target.server, bound.as_ref(), Some(&redirect_uri))
            .await
            .map_err(before)?;
        let failed = |error| (Some(identity.clone()), error);
        let ask = Ask::new(&redirect_uri, target.resource, target.scope);
        let (url, pending) =
            authorize(target.server, &identity, ask, &*ports.entropy).map_err(failed)?;
        self.shared.tell(&Step::Authorizing {
            grant: &config.grant,
            scope: target.scope,
        });
        let query = visit
            .visit(&url)
            .await
            .map_err(|error| failed(error.into()))?;
        let code = pending
            .read(query.expose())
            .map_err(|error| failed(error.into()))?;
        self.redeem(target, &identity, &pending, &code)
            .await
            .map_err(failed)
    }

    async fn redeem(
        &self,
        target: Target<'_>,
        identity: &ClientIdentity,
        pending: &PendingAuthorization,
        code: &oauth_types::SecretText,
    ) -> Result<AccessToken, ClientError> {
        let entropy = &*self.shared.ports.entropy;
        let caller = Caller::new(identity, target.server, self.shared.now(), entropy);
        let prepared = token::exchange_code(caller, pending, code)?;
        let tokens = self.ask_for_tokens(&prepared).await?;
        let client_id = identity.client_id.clone();
        let credentials = self.credentials(tokens, target, client_id);
        self.keep(credentials, target).await
    }

    /// The first half of a sign-in for a program that sends people off in one request and receives
    /// them in another. Where there are several processes, any of them can go on with it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn begin(
        &self,
        challenge: &BearerChallenge,
        redirect_uri: &str,
    ) -> Result<Begun, ClientError> {
        self.load().await?;
        let _flight = self.shared.flight.lock().await;
        let discovered = self.discover(challenge).await?;
        self.found(&discovered).await?;
        let bound = self.shared.state().binding.clone();
        let server = &discovered.server;
        let identity = self
            .identity(server, bound.as_ref(), Some(redirect_uri))
            .await?;
        // More scope than before is asked for together with what was asked for before.
        let held = self.shared.held();
        let chosen = match (self.scope(&discovered, challenge), &held) {
            (Some(now), Some(held)) if challenge.is_insufficient_scope() => {
                let before = [held.requested.as_ref(), held.scope.as_ref()];
                Some(scope::step_up(before, &now))
            }
            (now, _) => now,
        };
        let ask = Ask::new(redirect_uri, &discovered.resource, chosen.as_ref());
        let entropy = &*self.shared.ports.entropy;
        let (url, mut pending) = authorize(server, &identity, ask, entropy)?;
        pending.connection = Some(self.binding_key().as_str().to_owned());
        Ok(Begun { url, pending })
    }

    /// The second half: `query` is what the person came back with. This client has to be for the same
    /// server and owner as the one of the first half, and the authorization server and its endpoints
    /// have to be the very ones that it was bound to (CL-AUTHZ-16).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn finish(
        &self,
        pending: PendingAuthorization,
        query: &str,
    ) -> Result<AccessToken, ClientError> {
        if pending.connection.as_deref() != Some(self.binding_key().as_str()) {
            let url = crate::hop::Address::of(&pending.authorization_endpoint);
            return Err(AuthorizationError::Elsewhere { url }.into());
        }
        let code = pending.read(query)?;
        self.load().await?;
        let _flight = self.shared.flight.lock().await;
        let held = self.shared.state().server.clone();
        let server = match held.filter(|server| server.issuer == pending.issuer) {
            Some(server) => server,
            None => {
                let discovered = self.discover(&BearerChallenge::default()).await?;
                self.found(&discovered).await?;
                Arc::new(discovered.server)
            }
        };
        let same = server.issuer == pending.issuer
            && server.token_endpoint.as_deref() == Some(pending.token_endpoint.as_str())
            && server.authorization_endpoint.as_deref()
                == Some(pending.authorization_endpoint.as_str());
        if !same {
            let expected = "the authorization server with which this sign-in began";
            let got = Got::Unusable("another one, or other endpoints".to_owned());
            let url = &pending.token_endpoint;
            return Err(HopError::new(Hop::CodeExchange, url, expected, got).into());
        }
        let Some(identity) = self.identity_of(&pending.client_id, &server).await? else {
            let url = crate::hop::Address::of(&pending.authorization_endpoint);
            return Err(AuthorizationError::State { url }.into());
        };
        let target = Target {
            server: &server,
            resource: &pending.resource,
            scope: pending.scope.as_ref(),
        };
        let signed_in = self.redeem(target, &identity, &pending, &code).await;
        if let Err(error) = &signed_in {
            // Whoever begins anew is another client.
            self.forget_lost(&server, &identity, error).await?;
        }
        signed_in
    }

    /// With a browser elsewhere. Spec: RFC 8628 §3.
    async fn by_device(&self, target: Target<'_>) -> Result<AccessToken, Failed> {
        let Some(agent) = &self.shared.ports.device else {
            let issuer = target.server.issuer.clone();
            return Err((None, ClientError::SignInNeeded { issuer }));
        };
        let bound = self.shared.state().binding.clone();
        let identity = self.identity(target.server, bound.as_ref(), None).await;
        let identity = identity.map_err(|error| (None, error))?;
        let signed_in = self.by_device_as(&identity, target, &**agent).await;
        signed_in.map_err(|error| (Some(identity), error))
    }

    async fn by_device_as(
        &self,
        identity: &ClientIdentity,
        target: Target<'_>,
        agent: &dyn DeviceAgent,
    ) -> Result<AccessToken, ClientError> {
        let Shared { config, ports, .. } = &*self.shared;
        let caller = |now| Caller::new(identity, target.server, now, &*ports.entropy);
        let begun = self.shared.now();
        let prepared = token::device_authorization(caller(begun), target.resource, target.scope)?;
        let response = self.send(&prepared, device::EXPECTED).await?;
        let device = device::read(&prepared, &response)?;
        self.shared.tell(&Step::Authorizing {
            grant: &config.grant,
            scope: target.scope,
        });
        agent.show(&device.prompt).await?;
        let ends = begun.plus(device.prompt.expires_in);
        let mut interval = device.interval;
        loop {
            agent.pause(interval).await?;
            if self.shared.now() >= ends {
                return Err(ClientError::DeviceCodeExpired);
            }
            let caller = caller(self.shared.now());
            let prepared = token::device_token(caller, &device.device_code, target.resource)?;
            match device::poll(self.ask_for_tokens(&prepared).await) {
                Poll::Done(tokens) => {
                    let client_id = identity.client_id.clone();
                    let credentials = self.credentials(*tokens, target, client_id);
                    return self.keep(credentials, target).await;
                }
                Poll::Again { slower } => interval = device::slow_down(interval, slower),
                Poll::Expired => return Err(ClientError::DeviceCodeExpired),
                Poll::Failed(error) => return Err(error.into()),
            }
        }
    }
}

/// Why a person did not sign in, and as which client, if that was settled.
type Failed = (Option<ClientIdentity>, ClientError);

/// What says that a server has lost a client that it had registered.
fn lost_registration(error: &ClientError) -> Option<crate::hop::OAuthError> {
    match error {
        ClientError::Hop(error) if client_is_unknown(error) => error.refusal().cloned(),
        ClientError::Authorization(AuthorizationError::Refused { error, .. })
            if error.is("unauthorized_client") || error.is("invalid_client") =>
        {
            Some(error.clone())
        }
        ClientError::UserAgent(UserAgentError::ErrorPage { status }) => {
            Some(crate::hop::OAuthError {
                status: *status,
                code: "invalid_client".to_owned(),
                description: None,
            })
        }
        _ => None,
    }
}
