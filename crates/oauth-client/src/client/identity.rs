//! As which client, with what is kept of it.

use oauth_types::ClientId;

use super::{Client, Shared};
use crate::authentication::{AuthMethod, ClientIdentity, Provenance};
use crate::error::{ClientError, RegistrationError};
use crate::hop::{HopError, OAuthError};
use crate::metadata::ServerMetadata;
use crate::observer::Step;
use crate::registration::{self, Choice, metadata, register};
use crate::store::{Binding, Registration, StoreKey};

impl Client {
    /// As which client to go on at this server; it is registered where that is the way.
    /// `redirect_uri` is where an answer will come, if one will.
    pub(super) async fn identity(
        &self,
        server: &ServerMetadata,
        bound: Option<&Binding>,
        redirect_uri: Option<&str>,
    ) -> Result<ClientIdentity, ClientError> {
        let config = &self.shared.config;
        let identity = match registration::choose(config, server, bound)? {
            Choice::Preregistered(client) => ClientIdentity::new(
                client.client_id.clone(),
                Provenance::Preregistered,
                (client.client_secret.clone(), config.key.clone()),
                client.method,
                server,
            )?,
            Choice::MetadataDocument(url) => ClientIdentity::new(
                ClientId::new(url),
                Provenance::MetadataDocument,
                (None, config.key.clone()),
                None,
                server,
            )?,
            Choice::Register => {
                let registered = self.registered(server, redirect_uri).await?;
                ClientIdentity::new(
                    registered.client_id,
                    Provenance::Registered,
                    (registered.client_secret, config.key.clone()),
                    Some(registered.method),
                    server,
                )?
            }
        };
        self.shared.tell(&Step::Client {
            client_id: &identity.client_id,
            provenance: identity.provenance,
            method: identity.method,
        });
        Ok(identity)
    }

    /// As which client the tokens that are held were issued. `None` when that client is not known
    /// any more: nobody else may present its refresh token.
    pub(super) async fn identity_of(
        &self,
        client_id: &ClientId,
        server: &ServerMetadata,
    ) -> Result<Option<ClientIdentity>, ClientError> {
        let config = &self.shared.config;
        let mut configured = config.preregistered.iter();
        let (provenance, secret, wanted) = if let Some(client) = configured.find(|client| {
            let theirs = client.issuer.as_ref().is_none_or(|of| *of == server.issuer);
            client.client_id == *client_id && theirs
        }) {
            let secret = client.client_secret.clone();
            (Provenance::Preregistered, secret, client.method)
        } else if config.client_metadata_url.as_deref() == Some(client_id.as_str()) {
            (Provenance::MetadataDocument, None, None)
        } else {
            let key = self.registration_key(server);
            match self.read::<Registration>(&key).await? {
                Some(held) if held.client_id == *client_id => (
                    Provenance::Registered,
                    held.client_secret,
                    Some(held.method),
                ),
                _ => return Ok(None),
            }
        };
        let with = (secret, config.key.clone());
        let identity = ClientIdentity::new(client_id.clone(), provenance, with, wanted, server)?;
        Ok(Some(identity))
    }

    fn registration_key(&self, server: &ServerMetadata) -> StoreKey {
        StoreKey::registration(&server.issuer, &self.shared.config.owner)
    }

    /// The registration that is kept, if it serves, or a new one.
    async fn registered(
        &self,
        server: &ServerMetadata,
        redirect_uri: Option<&str>,
    ) -> Result<Registration, ClientError> {
        let Shared { config, ports, .. } = &*self.shared;
        let key = self.registration_key(server);
        // Of several processes one registers.
        let _lock = ports.store.lock(&key).await?;
        if let Some(held) = self.read::<Registration>(&key).await?
            && held.serves(redirect_uri, self.shared.now())
        {
            return Ok(held);
        }
        let mut asked = metadata(config, server, redirect_uri);
        let registered = match self.register_once(server, &asked).await {
            // CL-REG-5: a server that names no methods may not take public clients.
            Err(error)
                if refused_as(&error, "invalid_client_metadata")
                    && server.token_endpoint_auth_methods_supported.is_none()
                    && config.metadata.token_endpoint_auth_method.is_none()
                    && asked.token_endpoint_auth_method.as_deref()
                        == Some(AuthMethod::None.as_str()) =>
            {
                let secret = AuthMethod::ClientSecretBasic.as_str().to_owned();
                asked.token_endpoint_auth_method = Some(secret);
                self.register_once(server, &asked).await
            }
            other => other,
        };
        let registered = registered.map_err(RegistrationError::Refused)?;
        self.write(&key, &registered).await?;
        Ok(registered)
    }

    async fn register_once(
        &self,
        server: &ServerMetadata,
        asked: &oauth_types::registration::ClientMetadata,
    ) -> Result<Registration, HopError> {
        let prepared = register(server, asked)?;
        let response = self.send(&prepared, "a registered client").await?;
        registration::read(&prepared, asked, server, &response)
    }

    /// The server does not know the client any more (CL-TOK-12): what it had registered is dropped.
    ///
    /// # Errors
    /// [`RegistrationError::NotAccepted`] for a client that cannot be registered anew.
    pub(super) async fn drop_registration(
        &self,
        server: &ServerMetadata,
        identity: &ClientIdentity,
        error: &OAuthError,
    ) -> Result<(), ClientError> {
        if identity.provenance != Provenance::Registered {
            return Err(RegistrationError::NotAccepted {
                issuer: server.issuer.clone(),
                client_id: identity.client_id.clone(),
                error: error.clone(),
            }
            .into());
        }
        let key = self.registration_key(server);
        let _lock = self.shared.ports.store.lock(&key).await?;
        // Another process may have registered again already.
        let held = self.read::<Registration>(&key).await?;
        if held.is_some_and(|held| held.client_id == identity.client_id) {
            self.shared.ports.store.remove(&key).await?;
            self.shared.tell(&Step::RegistrationDropped(&server.issuer));
        }
        Ok(())
    }
}

/// Whether a server refused with this error, and was in order when it did (CL-TOK-12).
pub(super) fn refused_as(error: &HopError, code: &str) -> bool {
    error.refusal().is_some_and(|refusal| refusal.is(code)) && !error.is_temporary()
}

/// Whether a server says that it does not know the client, or not for this.
pub(super) fn client_is_unknown(error: &HopError) -> bool {
    refused_as(error, "invalid_client") || refused_as(error, "unauthorized_client")
}
