//! A deployment's own word on who may register.

use async_trait::async_trait;
use oauth_types::registration::ClientMetadata;

use crate::limit::Source;

/// Judges registrations and changes of registrations before the server does. A port: a deployment
/// can insist on known redirect hosts, or correct names.
#[async_trait]
pub trait RegistrationPolicy: Send + Sync {
    /// Lets a registration pass, amends its metadata, or refuses it. What the server itself
    /// demands is demanded of the amended metadata, so nothing can be allowed here that is not
    /// allowed otherwise.
    ///
    /// # Errors
    /// [`Refused`], answered as `invalid_client_metadata`.
    async fn judge(
        &self,
        metadata: &mut ClientMetadata,
        circumstances: &Circumstances,
    ) -> Result<(), Refused>;
}

/// Under which circumstances a client registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Circumstances {
    /// Where the request came from.
    pub source: Source,
    /// Whether it brought an initial access token, or the token of its earlier registration.
    pub authorized: bool,
}

impl Circumstances {
    pub(crate) const fn new(source: Source, authorized: bool) -> Self {
        Self { source, authorized }
    }
}

/// The deployment does not want this client. The sentence is public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub &'static str);

/// Lets every registration pass as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct EveryRegistration;

#[async_trait]
impl RegistrationPolicy for EveryRegistration {
    async fn judge(&self, _: &mut ClientMetadata, _: &Circumstances) -> Result<(), Refused> {
        Ok(())
    }
}
