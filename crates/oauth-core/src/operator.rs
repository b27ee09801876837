//! Who may speak for the operator.

use oauth_types::SecretHash;

use crate::event::Event;
use crate::limit::{Limit, Limited, Source};
use crate::server::AuthorizationServer;

/// Somebody is not the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// Nothing was presented.
    #[error("an operator credential is required")]
    Required,
    /// What was presented is none of the configured ones.
    #[error("the operator credential is not accepted")]
    Rejected,
    /// Too many of these from one address.
    #[error(transparent)]
    Limited(#[from] Limited),
}

impl AuthorizationServer {
    /// Whether `credential` is one of [`ServerConfig::operator_credentials`]. Every one is
    /// compared. A failure is noted, and counted by address; whoever brings a good one never is.
    ///
    /// # Errors
    /// See [`OperatorError`].
    ///
    /// [`ServerConfig::operator_credentials`]: crate::ServerConfig::operator_credentials
    pub async fn authenticate_operator(
        &self,
        credential: Option<&str>,
        source: Source,
    ) -> Result<(), OperatorError> {
        let credential = credential.ok_or(OperatorError::Required)?;
        let hash = SecretHash::of(credential.as_bytes());
        let known = self
            .config
            .operator_credentials
            .iter()
            .fold(false, |known, held| known | held.matches(&hash));
        if known {
            return Ok(());
        }
        self.record(Event::OperatorRejected);
        let key = source.key();
        self.count(&Limit::OPERATOR_CREDENTIAL, &key, self.now())
            .await?;
        Err(OperatorError::Rejected)
    }
}
