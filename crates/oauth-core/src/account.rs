//! What a person does on pages of their own: see who may act for them, and end it.
//!
//! Everything here begins with who is signed in, and touches nothing that somebody else gave. A
//! form is bound to the browser and the sign-in that it was made for, so that no other site and no
//! other person's page can post it.

use oauth_storage::{Page, StorageError};
use oauth_types::env::EntropyError;
use oauth_types::{GrantId, SecretHash, Subject};
use serde::{Deserialize, Serialize};

use crate::connected::ConnectedGrant;
use crate::event::Event;
use crate::sealed::{self, Purpose};
use crate::server::AuthorizationServer;
use crate::session::{BrowserBinding, Session};

/// Records listed at once; a page is full when it holds half as many.
const BATCH: usize = 50;
/// Listings for one page. Whoever has thousands of ended grants finds the open ones behind them on
/// later pages.
const MOST_BATCHES: usize = 20;

/// A form of the account pages that came back from the browser it was made for.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccountForm {
    browser: SecretHash,
    session: Option<String>,
}

impl AccountForm {
    /// Whether it was made for somebody to sign in, and so for no sign-in yet.
    pub const fn is_for_signing_in(&self) -> bool {
        self.session.is_none()
    }

    /// Whether it was made for this sign-in.
    pub fn is_for(&self, session: &Session) -> bool {
        self.session.as_ref() == Some(&session.id)
    }
}

/// A posted form of the account pages counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountFormError {
    /// Not ours, altered, or its time is over.
    #[error("this page is too old; nothing was changed; open it again")]
    Expired,
    /// It was made for another browser.
    #[error("this page was made for another browser, or cookies are blocked; nothing was changed")]
    OtherBrowser,
    /// Somebody signed in anew since it was made.
    #[error("somebody signed in since this page was made; nothing was changed; open it again")]
    OtherSession,
}

/// A page of a person's grants cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountPageError {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to seal with.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl AuthorizationServer {
    /// Seals what makes a form of the account pages good in this browser and for this sign-in only,
    /// or without one for signing in: unpadded base64url. It lasts as long as what it is for.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn seal_account_form(
        &self,
        session: Option<&Session>,
        browser: &BrowserBinding,
    ) -> Result<String, EntropyError> {
        let policy = self.policy();
        let lifetime = match session {
            Some(_) => policy.session_lifetime,
            None => policy.transaction_lifetime,
        };
        let form = AccountForm {
            browser: browser.hash,
            session: session.map(|session| session.id.clone()),
        };
        sealed::seal(
            &self.ring(),
            &self.config.issuer,
            Purpose::AccountForm,
            self.now().plus(lifetime),
            &form,
            self.entropy(),
        )
    }

    /// Opens what [`Self::seal_account_form`] made for this browser. Whether it is for the
    /// sign-in of now is for the caller to ask.
    ///
    /// # Errors
    /// [`AccountFormError::Expired`] and [`AccountFormError::OtherBrowser`].
    pub fn open_account_form(
        &self,
        sealed: &str,
        browser: Option<&BrowserBinding>,
    ) -> Result<AccountForm, AccountFormError> {
        let (issuer, now) = (&self.config.issuer, self.now());
        let opened = sealed::open(&self.ring(), issuer, Purpose::AccountForm, now, sealed);
        let form: AccountForm = opened.map_err(|_| AccountFormError::Expired)?;
        if browser.is_some_and(|browser| form.browser.matches(&browser.hash)) {
            return Ok(form);
        }
        self.record(Event::BrowserMismatch);
        Err(AccountFormError::OtherBrowser)
    }

    /// A page of what clients may do for a person, and the name of the next one. `page` is such a
    /// name; `None`, or one that is not ours or too old, is the first page.
    ///
    /// # Errors
    /// See [`AccountPageError`].
    pub async fn account_page(
        &self,
        subject: &Subject,
        page: Option<&str>,
    ) -> Result<(Vec<ConnectedGrant>, Option<String>), AccountPageError> {
        let (issuer, now) = (&self.config.issuer, self.now());
        let open = |name| sealed::open(&self.ring(), issuer, Purpose::AccountPage, now, name);
        let mut next = Page {
            after: page.and_then(|name| open(name).ok()),
            limit: BATCH,
        };
        let mut grants = Vec::new();
        for _ in 0..MOST_BATCHES {
            let (some, after) = self.connected_grants(subject, &next).await?;
            grants.extend(some);
            next.after = after;
            if next.after.is_none() || grants.len() >= BATCH / 2 {
                break;
            }
        }
        let seal = |after: &String| {
            sealed::seal(
                &self.ring(),
                issuer,
                Purpose::AccountPage,
                now.plus(self.policy().session_lifetime),
                after,
                self.entropy(),
            )
        };
        let name = next.after.as_ref().map(seal).transpose()?;
        Ok((grants, name))
    }

    /// A person takes everything back from the client that holds this grant of theirs, as
    /// [`withdraw`](Self::withdraw) does. A grant that somebody else gave, or none, changes nothing.
    ///
    /// `true` when the grant was the person's own.
    ///
    /// # Errors
    /// The store's; asking again goes on where it stopped.
    pub async fn withdraw_by_grant(
        &self,
        subject: &Subject,
        grant: &GrantId,
    ) -> Result<bool, StorageError> {
        let found = self.storage.grants().find(grant).await?;
        let Some(own) = found.filter(|found| found.record.subject == *subject) else {
            return Ok(false);
        };
        self.withdraw(subject, &own.record.client_id).await?;
        Ok(true)
    }
}
