//! The authorization code grant. Spec: OAuth 2.1 §4.1.3.

use std::sync::Arc;

use oauth_storage::{ClientRecord, ClosedReason, GrantRecord, GrantType, Versioned};
use oauth_types::{CodeVerifier, Secret, Timestamp, TokenRequest, TokenResponse};

use crate::event::Event;
use crate::grant::lifecycle::{self, FreshTokens, Issued, Redeem, Redemption};
use crate::grant::step::{ROUNDS, Step, step};
use crate::grant::target::RequestedTarget;
use crate::limit::Limit;
use crate::server::AuthorizationServer;
use crate::token::TokenError;
use crate::token_text::{self, TokenKind};

impl AuthorizationServer {
    pub(crate) async fn exchange(
        &self,
        client: Arc<ClientRecord>,
        request: &TokenRequest<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        if !client.grant_types.contains(&GrantType::AuthorizationCode) {
            return Err(TokenError::Unauthorized);
        }
        let code = request
            .code
            .as_deref()
            .ok_or(TokenError::Request("code is required"))?;
        let verifier = request
            .code_verifier
            .as_deref()
            .ok_or(TokenError::Request("code_verifier is required"))?;
        let verifier = CodeVerifier::parse(verifier)
            .map_err(|_| TokenError::Request("code_verifier is 43 to 128 unreserved characters"))?;
        let target = RequestedTarget::parse(&request.resource, request.scope.as_deref())?;
        let code = token_text::read(&self.ring(), code)
            .filter(|code| code.kind == TokenKind::Code)
            .ok_or(TokenError::CodeRejected)?;
        let wants_refresh = client.grant_types.contains(&GrantType::RefreshToken);
        let fresh = self.draw_tokens()?;
        let redirect_uri = request.redirect_uri.as_deref();

        let (client, code, fresh, target) = (&*client, &code, &fresh, &target);
        let decide = move |found: Option<Versioned<GrantRecord>>| async move {
            let Some(found) = found else {
                return Ok(Step::Keep(Err(TokenError::CodeRejected)));
            };
            let redemption = Redemption {
                client_id: &client.id,
                code: &code.hash,
                verifier,
                redirect_uri,
                target,
                wants_refresh,
                standing: self.standing(&found.record.subject, client).await?,
            };
            let config = &self.config;
            Ok(
                match lifecycle::redeem(&found.record, &redemption, fresh, config, now) {
                    Redeem::Issue { next, issued } => {
                        Step::Replace(next, Ok(Some(self.response(&issued))))
                    }
                    Redeem::AlreadyDone => Step::Done(Err(TokenError::CodeRejected)),
                    Redeem::Replay { closed } => Step::Replace(closed, Ok(None)),
                    Redeem::Refuse(error) => Step::Keep(Err(error)),
                },
            )
        };
        match step(self.storage.grants(), &code.grant, ROUNDS, decide).await {
            Ok(Some(response)) => {
                self.record(Event::CodeRedeemed { grant: code.grant });
                Ok(response)
            }
            Ok(None) => {
                let reason = ClosedReason::CodeReplayed;
                self.record(Event::GrantClosed {
                    grant: code.grant,
                    reason,
                });
                Err(TokenError::CodeRejected)
            }
            Err(TokenError::VerifierMismatch) => {
                self.record(Event::VerifierMismatch { grant: code.grant });
                let key = format!("{}|{}", code.grant, self.source().key());
                self.count(&Limit::VERIFIER, &key, now).await?;
                Err(TokenError::VerifierMismatch)
            }
            Err(error) => Err(error),
        }
    }

    fn draw_tokens(&self) -> Result<FreshTokens, TokenError> {
        let mut drawn = [0u8; 64];
        self.entropy().fill(&mut drawn)?;
        let (access, refresh) = drawn.split_at(32);
        let mut bytes = [0u8; 32];
        bytes.copy_from_slice(access);
        let access = Secret::from_bytes(bytes);
        bytes.copy_from_slice(refresh);
        let refresh = Secret::from_bytes(bytes);
        let (access_hash, refresh_hash) = (access.hash(), refresh.hash());
        Ok(FreshTokens {
            access,
            access_hash,
            refresh,
            refresh_hash,
        })
    }

    /// Writes tokens as the answer that carries them.
    pub(crate) fn response(&self, issued: &Issued) -> TokenResponse {
        let Issued {
            grant,
            generation,
            access,
            access_hash,
            ..
        } = issued;
        let (grant, generation) = (grant, *generation);
        let access = token_text::write(
            &self.ring(),
            TokenKind::Access,
            grant,
            generation,
            access,
            access_hash,
        );
        let refresh = issued.refresh.as_ref().map(|secret| {
            let hash = secret.hash();
            token_text::write(
                &self.ring(),
                TokenKind::Refresh,
                grant,
                generation,
                secret,
                &hash,
            )
        });
        TokenResponse::bearer(access, issued.expires_in, refresh, issued.scope.clone())
    }
}
