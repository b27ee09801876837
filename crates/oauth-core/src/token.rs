//! The token endpoint: which grant a request is for, and how it fails.

use oauth_storage::StorageError;
use oauth_types::env::EntropyError;
use oauth_types::{TokenErrorCode, TokenRequest, TokenResponse};

use crate::client_auth::{ClientAuthError, PresentedClient};
use crate::limit::{Limit, Limited};
use crate::server::AuthorizationServer;

impl AuthorizationServer {
    /// Answers a token request. Nothing is consumed before everything about it was checked; per
    /// exchange and per refresh the grant is read once and written once.
    ///
    /// # Errors
    /// See [`TokenError`]. Spec: OAuth 2.1 §3.2.
    pub async fn token(
        &self,
        presented: PresentedClient<'_>,
        request: &TokenRequest<'_>,
    ) -> Result<TokenResponse, TokenError> {
        if request.repeated.is_some() {
            return Err(TokenError::Request("a parameter is repeated"));
        }
        let grant_type = request
            .grant_type
            .as_deref()
            .ok_or(TokenError::Request("grant_type is required"))?;
        let now = self.now();
        let client = self.authenticate(presented, now).await?;
        let here = format!("{}|{}", client.id.as_str(), self.source().key());
        self.count(&Limit::TOKENS, &here, now).await?;
        let answer = match grant_type {
            "authorization_code" => self.exchange(client, request, now).await,
            "refresh_token" => self.refresh(client, request, now).await,
            "client_credentials" => self.client_credentials(client, request, now).await,
            _ => Err(TokenError::UnsupportedGrant),
        };
        // Counted far more closely than what is good.
        if let Err(TokenError::CodeRejected | TokenError::RefreshRejected) = &answer {
            self.count(&Limit::REFUSED_GRANTS, &here, now).await?;
        }
        answer
    }
}

/// Why no token was issued.
///
/// [`Self::code`] is the standard's word for it; `None` means that the server failed, or that the
/// client should wait, for which the standard has no word here. The text of an error is fixed and
/// public; causes stay in [`std::error::Error::source`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Something is missing, repeated or malformed.
    #[error("{0}")]
    Request(&'static str),
    /// The client is unknown or did not authenticate as registered.
    #[error(transparent)]
    Client(#[from] ClientAuthError),
    /// Unknown, expired, used or somebody else's: all the same from outside.
    #[error("the authorization code is not accepted")]
    CodeRejected,
    /// As [`Self::CodeRejected`] on the wire; told apart for events and limits only.
    #[error("the authorization code is not accepted")]
    VerifierMismatch,
    /// Unknown, expired, replaced or somebody else's: all the same from outside.
    #[error("the refresh token is not accepted")]
    RefreshRejected,
    /// The client may not use this grant.
    #[error("this client may not use this grant type")]
    Unauthorized,
    /// No such grant here.
    #[error("the grant type is not supported")]
    UnsupportedGrant,
    /// Malformed, wider than granted, or nothing left of it at this resource.
    #[error("the scope is not available")]
    Scope,
    /// Not a resource of this grant, or several.
    #[error("the resource is not available")]
    Target,
    /// Too many attempts.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to make tokens of.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl TokenError {
    /// The standard's word.
    pub const fn code(&self) -> Option<TokenErrorCode> {
        match self {
            Self::Request(_) => Some(TokenErrorCode::InvalidRequest),
            Self::Client(error) => error.code(),
            Self::CodeRejected | Self::VerifierMismatch | Self::RefreshRejected => {
                Some(TokenErrorCode::InvalidGrant)
            }
            Self::Unauthorized => Some(TokenErrorCode::UnauthorizedClient),
            Self::UnsupportedGrant => Some(TokenErrorCode::UnsupportedGrantType),
            Self::Scope => Some(TokenErrorCode::InvalidScope),
            Self::Target => Some(TokenErrorCode::InvalidTarget),
            Self::Limited(_) | Self::Storage(_) | Self::Entropy(_) => None,
        }
    }
}
