//! Whether an access token is good: for a resource server that shares the store, and for those
//! that ask (RFC 7662).

use oauth_storage::StorageError;
use oauth_types::{AccessClaims, TokenRequest};

use crate::client_auth::{ClientAuthError, PresentedClient};
use crate::grant::lifecycle;
use crate::limit::Limit;
use crate::server::AuthorizationServer;
use crate::token::TokenError;
use crate::token_text::{self, TokenKind};

impl AuthorizationServer {
    /// What an access token says; `None` unless it is ours, live and not revoked. One read. Whose
    /// audience it has is for the resource server to compare.
    ///
    /// # Errors
    /// The store's. A resource server answers that with 503, never with 401.
    pub async fn check_access_token(
        &self,
        token: &str,
    ) -> Result<Option<AccessClaims>, StorageError> {
        let Some(token) =
            token_text::read(&self.ring(), token).filter(|token| token.kind == TokenKind::Access)
        else {
            return Ok(None);
        };
        let Some(found) = self.storage.grants().find(&token.grant).await? else {
            return Ok(None);
        };
        let (grant, epoch) = (&*found.record, self.ring().epoch);
        let live = lifecycle::live_access(grant, &token.hash, epoch, self.now());
        Ok(live.map(|live| {
            let mut claims = AccessClaims::new(
                self.config.issuer.clone(),
                grant.subject.clone(),
                grant.client_id.clone(),
                live.scope.clone(),
                live.audience.clone(),
                (live.issued_at, live.expires_at),
            );
            claims.grant = Some(token.grant);
            claims.auth_time = grant.auth_time;
            claims.authentication.clone_from(&grant.authentication);
            claims
        }))
    }

    /// Answers a resource server that asks about a token: `None` for everything that is not
    /// active for this caller. Spec: RFC 7662 §2.2.
    ///
    /// # Errors
    /// [`TokenError::Request`] without `token`, [`TokenError::Client`] unless a confidential
    /// client proves itself, [`TokenError::Storage`] when the store failed.
    pub async fn introspect(
        &self,
        presented: PresentedClient<'_>,
        request: &TokenRequest<'_>,
    ) -> Result<Option<AccessClaims>, TokenError> {
        if request.repeated.is_some() {
            return Err(TokenError::Request("a parameter is repeated"));
        }
        let caller = self.authenticate(presented, self.now()).await?;
        if !caller.is_confidential() {
            return Err(ClientAuthError::Rejected.into());
        }
        let token = request
            .token
            .as_deref()
            .ok_or(TokenError::Request("token is required"))?;
        let claims = self.check_access_token(token).await?;
        // A resource server learns only about tokens meant for it (RFC 7662 §4).
        let claims = claims.filter(|claims| {
            let mut introspects = caller.introspects.iter();
            introspects.any(|resource| claims.audience.includes(resource))
        });
        if claims.is_none() {
            let now = self.now();
            let key = caller.id.as_str();
            self.count(&Limit::INACTIVE_TOKENS, key, now).await?;
        }
        Ok(claims)
    }
}
