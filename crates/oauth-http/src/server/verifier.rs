//! A resource server in the same process asks the authorization server directly.

use async_trait::async_trait;
use oauth_core::AuthorizationServer;
use oauth_resource::{AccessTokenVerifier, TokenRefused, VerificationError, VerifierUnavailable};
use oauth_types::AccessClaims;

use crate::server::service::OAuthService;

#[async_trait]
impl AccessTokenVerifier for OAuthService {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        let server: &AuthorizationServer = self.authorization_server();
        let checked = server.check_access_token(token).await;
        let claims = checked.map_err(VerifierUnavailable::new)?;
        Ok(claims.ok_or(TokenRefused::Inactive)?)
    }
}
