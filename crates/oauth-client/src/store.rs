//! The port behind which secrets rest.

mod memory;
mod record;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use oauth_types::{Issuer, ResourceUri, SecretText};

pub use memory::MemoryStore;
pub use record::{Binding, Credentials, InvalidRecord, Record, Registration};
pub(crate) use record::{read, write};

/// Keeps what has to outlive a request: registrations and tokens, each under the issuer it came
/// from (CL-REG-6). A port: a file, the system's keyring, a database.
///
/// Values are texts of at most some KiB with secrets in them ([`Record`] writes and reads them). An
/// implementation
/// - keeps them where only their owner can read them, and never logs them (CL-TOK-3);
/// - replaces a value whole: after a crash there is the old one or the new one;
/// - answers with what was saved last, also by another process;
/// - may forget a value that it cannot read any more, and says so by an error otherwise.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// What was saved last under `key`, if it was not removed since.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be known.
    async fn load(&self, key: &StoreKey) -> Result<Option<SecretText>, StoreError>;

    /// Puts `value` in the place of whatever is there.
    ///
    /// # Errors
    /// [`StoreError`] when it may not be there afterwards.
    async fn save(&self, key: &StoreKey, value: &SecretText) -> Result<(), StoreError>;

    /// Forgets what is there, if anything is.
    ///
    /// # Errors
    /// [`StoreError`] when it may still be there.
    async fn remove(&self, key: &StoreKey) -> Result<(), StoreError>;

    /// Waits until nobody else holds this lock, in this process or in any other that shares the
    /// store, and holds it until the guard is dropped, or its process ends.
    ///
    /// Under it a refresh token is presented, so that of many processes one refreshes (CL-TOK-7).
    /// Different keys do not wait for one another. Loading and saving ask for no lock.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be had, which ends what was to be done under it.
    async fn lock(&self, key: &StoreKey) -> Result<StoreLock, StoreError>;
}

/// Holds a lock of a [`CredentialStore`] until it is dropped.
#[must_use = "the lock ends when this is dropped"]
pub struct StoreLock(#[expect(dead_code, reason = "held for its drop alone")] Box<dyn Send + Sync>);

impl StoreLock {
    /// A lock that ends when `guard` is dropped.
    pub fn held_by(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for StoreLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreLock")
    }
}

/// Names one value: a text without spaces but in the owner, at its end. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey(Arc<str>);

impl StoreKey {
    /// Which authorization server a protected server was last found to have.
    pub fn binding(server: &ResourceUri, owner: &str) -> Self {
        Self::of("binding", &[server.as_str()], owner)
    }

    /// The client that an authorization server registered.
    pub fn registration(issuer: &Issuer, owner: &str) -> Self {
        Self::of("registration", &[issuer.as_str()], owner)
    }

    /// Tokens of an authorization server for a resource.
    pub fn credentials(issuer: &Issuer, resource: &ResourceUri, owner: &str) -> Self {
        Self::of("credentials", &[issuer.as_str(), resource.as_str()], owner)
    }

    fn of(kind: &str, identifiers: &[&str], owner: &str) -> Self {
        let mut text = kind.to_owned();
        for identifier in identifiers {
            text.push(' ');
            text.push_str(&identifier.replace(' ', "%20"));
        }
        if !owner.is_empty() {
            text.push(' ');
            text.push_str(owner);
        }
        Self(text.into())
    }

    /// The key as one text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is kept cannot be had, or cannot be changed.
#[derive(Debug, thiserror::Error)]
#[error("the credential store {what}")]
pub struct StoreError {
    what: &'static str,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// A failure: `what` completes "the credential store …"; `cause` names no secret.
    pub fn new(
        what: &'static str,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            what,
            cause: cause.into(),
        }
    }
}
