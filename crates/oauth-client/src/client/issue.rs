//! New tokens, by whichever grant.

use std::sync::Arc;

use oauth_types::{Issuer, ResourceUri, Scope};

use super::{AccessToken, Client, Shared};
use crate::authentication::ClientIdentity;
use crate::config::{AssertionTarget, Grant};
use crate::discovery::Discovered;
use crate::error::ClientError;
use crate::hop::HopError;
use crate::metadata::ServerMetadata;
use crate::observer::Step;
use crate::store::{Binding, Credentials};
use crate::token::{self, Caller, Prepared, Tokens};

/// For what new tokens are asked.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) server: &'a ServerMetadata,
    pub(super) resource: &'a ResourceUri,
    pub(super) scope: Option<&'a Scope>,
}

impl Client {
    /// Asks for tokens with what the client itself has: its own credentials, or an assertion. A
    /// registration that the server has lost is made anew, once (CL-TOK-12).
    pub(super) async fn ask_for_itself(
        &self,
        target: Target<'_>,
        bound: Option<&Binding>,
    ) -> Result<AccessToken, ClientError> {
        let identity = self.identity(target.server, bound, None).await?;
        let error = match self.ask_as(&identity, target).await {
            Err(error) => error,
            issued => return issued,
        };
        // What is refused of an assertion is told, not tried again or otherwise (CL-EXT-7).
        let again = matches!(self.shared.config.grant, Grant::ClientCredentials)
            && self.forget_lost(target.server, &identity, &error).await?;
        if !again {
            return Err(error);
        }
        let identity = self.identity(target.server, bound, None).await?;
        self.ask_as(&identity, target).await
    }

    async fn ask_as(
        &self,
        identity: &ClientIdentity,
        target: Target<'_>,
    ) -> Result<AccessToken, ClientError> {
        let Shared { config, ports, .. } = &*self.shared;
        let Target {
            server,
            resource,
            scope,
        } = target;
        let caller = Caller::new(identity, server, self.shared.now(), &*ports.entropy);
        let grant = &config.grant;
        self.shared.tell(&Step::Authorizing { grant, scope });
        let prepared = match grant {
            Grant::JwtBearer(source) => {
                let issuer = &server.issuer;
                let target = AssertionTarget {
                    issuer,
                    resource,
                    scope,
                };
                let assertion = source.assertion(&target, ports).await?;
                token::jwt_bearer(caller, &assertion, resource, scope)?
            }
            _ => token::client_credentials(caller, resource, scope)?,
        };
        let tokens = self.ask_for_tokens(&prepared).await?;
        let credentials = self.credentials(tokens, target, identity.client_id.clone());
        self.keep(credentials, target).await
    }

    pub(super) async fn ask_for_tokens(&self, prepared: &Prepared) -> Result<Tokens, HopError> {
        let answered = self.send(prepared, "a bearer token").await;
        let tokens = answered.and_then(|response| prepared.tokens(&response));
        if tokens
            .as_ref()
            .is_err_and(|error| error.refusal().is_none())
        {
            // No word of OAuth: the endpoint may have moved, so its metadata are read again.
            self.shared.state().server = None;
        }
        tokens
    }

    /// What new tokens mean. A scope that is not told is the one that was asked for (OAuth 2.1
    /// §3.2.3).
    pub(super) fn credentials(
        &self,
        tokens: Tokens,
        target: Target<'_>,
        client_id: oauth_types::ClientId,
    ) -> Credentials {
        let now = self.shared.now();
        Credentials {
            issuer: target.server.issuer.clone(),
            resource: target.resource.clone(),
            client_id,
            access_token: tokens.access_token,
            received_at: now,
            expires_at: tokens.expires_in.map(|lifetime| now.plus(lifetime)),
            refresh_token: tokens.refresh_token,
            scope: tokens.scope.or_else(|| target.scope.cloned()),
            requested: target.scope.cloned(),
        }
    }

    /// Saves new tokens, then uses them; and which server they came from.
    pub(super) async fn keep(
        &self,
        credentials: Credentials,
        target: Target<'_>,
    ) -> Result<AccessToken, ClientError> {
        let configured = &self.shared.config.preregistered;
        let preregistered = configured
            .iter()
            .any(|client| client.client_id == credentials.client_id);
        let binding = Binding {
            issuer: credentials.issuer.clone(),
            resource: credentials.resource.clone(),
            within: target.server.within,
            preregistered: preregistered.then(|| credentials.client_id.clone()),
        };
        let key = self.credentials_key(&credentials.issuer, &credentials.resource);
        let credentials = Arc::new(credentials);
        {
            // They are good whether or not they can be saved.
            let mut state = self.shared.state();
            state.credentials = Some(Arc::clone(&credentials));
            state.unsaved = true;
            state.unproven = !self.shared.asks_for_itself();
            state.binding = Some(binding.clone());
        }
        {
            let _lock = self.shared.ports.store.lock(&key).await?;
            self.write(&key, &*credentials).await?;
        }
        self.write(&self.binding_key(), &binding).await?;
        self.shared.state().unsaved = false;
        self.shared.tell(&Step::Issued {
            scope: credentials.scope.as_ref(),
            expires_in: credentials
                .expires_at
                .map(|end| end.since(credentials.received_at)),
            refreshable: credentials.refresh_token.is_some(),
        });
        Ok(AccessToken { credentials })
    }

    /// Takes note of what was discovered. A server that has another authorization server than
    /// before leaves the tokens of the old one behind (CL-REG-6); its registration stays under its
    /// name.
    pub(super) async fn found(&self, discovered: &Discovered) -> Result<(), ClientError> {
        let issuer = &discovered.server.issuer;
        self.shared.tell(&Step::Discovered {
            resource: &discovered.resource,
            issuer,
        });
        let bound = {
            let mut state = self.shared.state();
            state.server = Some(Arc::new(discovered.server.clone()));
            state.binding.clone()
        };
        let Some(bound) = bound else { return Ok(()) };
        if bound.issuer != *issuer || bound.resource.as_str() != discovered.resource.as_str() {
            if bound.issuer != *issuer {
                let from = &bound.issuer;
                self.shared.tell(&Step::IssuerChanged { from, to: issuer });
            }
            self.forget(&bound.issuer, &bound.resource).await?;
        }
        Ok(())
    }

    /// Forgets tokens; of the binding, only which configured client was used where stays.
    pub(super) async fn forget(
        &self,
        issuer: &Issuer,
        resource: &ResourceUri,
    ) -> Result<(), ClientError> {
        self.shared.hold(None);
        let key = self.credentials_key(issuer, resource);
        let _lock = self.shared.ports.store.lock(&key).await?;
        Ok(self.shared.ports.store.remove(&key).await?)
    }
}
