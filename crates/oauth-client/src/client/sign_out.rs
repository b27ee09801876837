//! Giving tokens back.

use super::Client;
use crate::authentication::{AuthMethod, ClientIdentity, Provenance};
use crate::error::ClientError;
use crate::hop::Got;
use crate::metadata::ServerMetadata;
use crate::observer::Step;
use crate::store::Credentials;
use crate::token::{self, Caller};

/// How a sign-out went. Here everything is forgotten in any case.
#[derive(Debug)]
#[non_exhaustive]
pub enum SignedOut {
    /// The server has revoked all that was held.
    Revoked,
    /// The server offers no revocation: tokens end by themselves.
    NotOffered,
    /// Nothing was held.
    Nothing,
    /// The server could not be told. Tokens end by themselves.
    Failed(Box<ClientError>),
}

impl Client {
    /// Forgets the tokens, here and in the store, and has the authorization server revoke them
    /// (CL-TOK-14): the refresh token first, with which the rest goes. The registration is kept.
    ///
    /// # Errors
    /// [`ClientError::Store`] when tokens may still be in the store. They are revoked all the same.
    pub async fn sign_out(&self) -> Result<SignedOut, ClientError> {
        self.load().await?;
        let _flight = self.shared.flight.lock().await;
        let (binding, stored) = self.stored().await?;
        let (held, bound) = {
            let state = self.shared.state();
            (state.credentials.clone(), state.binding.clone())
        };
        // What could not be saved is given back, too.
        let binding = binding.or(bound);
        let held = stored.or_else(|| held.map(|held| (*held).clone()));
        let (Some(binding), Some(held)) = (binding, held) else {
            self.shared.hold(None);
            return Ok(SignedOut::Nothing);
        };
        let forgotten = self.forget(&binding.issuer, &binding.resource).await;
        let told = match self.server(&binding).await {
            Ok(server) if server.revocation_endpoint.is_none() => SignedOut::NotOffered,
            Ok(server) => match self.revoke(&held, &server).await {
                Ok(()) => SignedOut::Revoked,
                Err(error) => SignedOut::Failed(Box::new(error)),
            },
            Err(error) => SignedOut::Failed(Box::new(error)),
        };
        let revoked = matches!(told, SignedOut::Revoked);
        self.shared.tell(&Step::SignedOut { revoked });
        forgotten?;
        Ok(told)
    }

    async fn revoke(&self, held: &Credentials, server: &ServerMetadata) -> Result<(), ClientError> {
        let identity = match self.identity_of(&held.client_id, server).await? {
            Some(identity) => identity,
            // What it proved itself with is lost. Perhaps nothing needs to be proved.
            None => ClientIdentity::new(
                held.client_id.clone(),
                Provenance::Registered,
                (None, None),
                Some(AuthMethod::None),
                server,
            )?,
        };
        let refresh = held.refresh_token.as_ref();
        let tokens = refresh
            .map(|token| (token, "refresh_token"))
            .into_iter()
            .chain([(&held.access_token, "access_token")]);
        for (secret, hint) in tokens {
            let entropy = &*self.shared.ports.entropy;
            let caller = Caller::new(&identity, server, self.shared.now(), entropy);
            let prepared = token::revoke(caller, secret, hint)?;
            let expected = "200";
            let response = self.send(&prepared, expected).await?;
            if !response.status().is_success() {
                let answered = crate::message::answer(
                    prepared.hop,
                    &prepared.url,
                    expected,
                    &response,
                    &prepared.secrets,
                );
                let status = Got::Status(response.status().as_u16());
                return Err(match answered {
                    Err(error) => error.into(),
                    Ok(_) => prepared.fail(expected, status).into(),
                });
            }
        }
        Ok(())
    }
}
