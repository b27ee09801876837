//! Which browser this is, and who is signed in there.

use std::sync::Arc;

use oauth_types::base62;
use oauth_types::env::EntropyError;
use oauth_types::{AuthenticationContext, Secret, SecretHash, Subject, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::sealed::{self, Purpose};
use crate::server::AuthorizationServer;
use oauth_storage::StorageError;

/// One random value per browser and issuer. Whatever is sealed for a browser holds its digest, so
/// that it works in no other. By itself it signs nobody in.
#[derive(Clone)]
pub struct BrowserBinding {
    text: String,
    pub(crate) hash: SecretHash,
}

impl BrowserBinding {
    /// Reads the cookie's value; `None` unless it has the shape of one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        base62::read_bytes::<32>(text.as_bytes())?;
        Some(Self {
            text: text.to_owned(),
            hash: SecretHash::of(text.as_bytes()),
        })
    }

    /// The cookie's value: 44 characters of `[0-9A-Za-z]`.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for BrowserBinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BrowserBinding")
    }
}

/// That a person proved who they are, when, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Authentication {
    /// Who.
    pub subject: Subject,
    /// When they did so; `None` is just now.
    pub auth_time: Option<Timestamp>,
    /// How, if somebody is to know.
    pub context: Option<AuthenticationContext>,
}

impl Authentication {
    /// This person proved who they are just now.
    pub const fn of(subject: Subject) -> Self {
        Self {
            subject,
            auth_time: None,
            context: None,
        }
    }

    /// They did so at that moment: what a request demands of a sign-in is judged by it.
    #[must_use]
    pub const fn at(mut self, auth_time: Timestamp) -> Self {
        self.auth_time = Some(auth_time);
        self
    }

    /// They did so by these means. Resource servers are told.
    #[must_use]
    pub fn by(mut self, context: AuthenticationContext) -> Self {
        self.context = Some(context);
        self
    }
}

/// A sign-in, good while the person's epoch is what it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    pub(crate) id: String,
    pub(crate) subject: Subject,
    pub(crate) epoch: u64,
    pub(crate) auth_time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authentication: Option<Arc<AuthenticationContext>>,
    pub(crate) browser: SecretHash,
}

impl Session {
    /// Who is signed in.
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// When they signed in.
    pub const fn auth_time(&self) -> Timestamp {
        self.auth_time
    }

    /// By which class of proof, if that is known.
    pub fn acr(&self) -> Option<&str> {
        self.authentication.as_ref()?.acr()
    }
}

impl AuthorizationServer {
    /// Draws a binding for a browser that has none.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn bind_browser(&self) -> Result<BrowserBinding, EntropyError> {
        let secret = Secret::draw(self.entropy())?;
        let mut text = String::with_capacity(44);
        base62::push_bytes(&mut text, secret.expose());
        let hash = SecretHash::of(text.as_bytes());
        Ok(BrowserBinding { text, hash })
    }

    /// Signs a person in, under a session that never existed before (against fixation). `None`
    /// when the person is disabled.
    ///
    /// # Errors
    /// [`SignInError::Future`] for a sign-in that has not happened yet; the store's or the
    /// randomness's.
    pub async fn sign_in(
        &self,
        authentication: &Authentication,
        browser: &BrowserBinding,
    ) -> Result<Option<(Session, String)>, SignInError> {
        let now = self.now();
        let auth_time = self.auth_time(authentication, now)?;
        let found = self
            .storage
            .subjects()
            .find(&authentication.subject)
            .await?;
        let person = found.as_ref().map(|found| &*found.record);
        if person.is_some_and(|person| person.disabled) {
            return Ok(None);
        }
        let mut id = [0u8; 16];
        self.entropy().fill(&mut id)?;
        let mut text = String::with_capacity(22);
        base62::push_bytes(&mut text, &id);
        let session = Session {
            id: text,
            subject: authentication.subject.clone(),
            epoch: person.map_or(0, |person| person.epoch),
            auth_time,
            authentication: authentication.context.clone().map(Arc::new),
            browser: browser.hash,
        };
        let cookie = sealed::seal(
            &self.ring(),
            &self.config.issuer,
            Purpose::Session,
            now.plus(self.policy().session_lifetime),
            &session,
            self.entropy(),
        )?;
        self.record(Event::SignedIn {
            subject: &session.subject,
        });
        Ok(Some((session, cookie)))
    }

    /// When a sign-in was, by somebody's clock that may differ a little from ours. A moment further
    /// ahead is not one in seconds, perhaps, and would count as fresh for ever.
    pub(crate) fn auth_time(
        &self,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<Timestamp, SignInError> {
        match authentication.auth_time {
            Some(at) if at > now.plus(self.policy().clock_skew) => Err(SignInError::Future),
            at => Ok(at.map_or(now, |at| at.min(now))),
        }
    }

    /// The sign-in that a cookie carries; `None` when it is not ours, has ended, belongs to
    /// another browser, or the person was signed out everywhere or disabled since.
    ///
    /// # Errors
    /// The store's.
    pub async fn session(
        &self,
        cookie: &str,
        browser: &BrowserBinding,
    ) -> Result<Option<Session>, StorageError> {
        let (ring, issuer, now) = (&self.ring(), &self.config.issuer, self.now());
        let opened = sealed::open::<Session>(ring, issuer, Purpose::Session, now, cookie);
        let Ok(session) = opened else { return Ok(None) };
        if !session.browser.matches(&browser.hash) {
            self.record(Event::BrowserMismatch);
            return Ok(None);
        }
        let found = self.storage.subjects().find(&session.subject).await?;
        let current = found
            .as_ref()
            .map_or((0, false), |p| (p.record.epoch, p.record.disabled));
        Ok((current == (session.epoch, false)).then_some(session))
    }
}

/// Nobody was signed in because the server failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// It lies in the future.
    #[error("auth_time lies in the future; it is in whole seconds")]
    Future,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to make a session of.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}
