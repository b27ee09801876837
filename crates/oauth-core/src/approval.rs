//! The authorization endpoint's second half: a person decides, and a grant begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_storage::{
    ClientRecord, ClientRegistration, Epochs, GrantRecord, Insert, Replace, StorageError, Versioned,
};
use oauth_types::env::EntropyError;
use oauth_types::{ClientId, GrantId, Lifetime, Scope};

use crate::authorize::{AuthorizationError, ValidAuthorization};
use crate::client_metadata::{ClientIdUrl, ClientLookupError};
use crate::event::Event;
use crate::grant::lifecycle::{self, Approved};
use crate::pending::PendingAuthorization;
use crate::redirect::Redirect;
use crate::sealed::{self, Purpose, Unsealable};
use crate::server::AuthorizationServer;
use crate::session::{BrowserBinding, Session};
use crate::token_text::{self, TokenKind};

/// A person's yes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Approval {
    /// What of the requested scope is allowed.
    pub scope: Scope,
    /// Whether it was said before, and not asked again.
    remembered: bool,
}

impl Approval {
    /// Allows this much.
    pub const fn of(scope: Scope) -> Self {
        Self {
            scope,
            remembered: false,
        }
    }

    /// Allows this much because [the person has said so before](AuthorizationServer::has_consented).
    pub const fn remembered(scope: Scope) -> Self {
        Self {
            scope,
            remembered: true,
        }
    }
}

/// A sealed request cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// Not ours, altered, or its time is over.
    #[error("this sign-in has expired; go back to the application and start again")]
    Expired,
    /// It was begun in another browser.
    #[error("this sign-in was begun in another browser, or cookies are blocked; start again")]
    OtherBrowser,
}

impl From<Unsealable> for ResumeError {
    fn from(error: Unsealable) -> Self {
        match error {
            Unsealable::Foreign | Unsealable::Expired => Self::Expired,
        }
    }
}

/// A yes that led to no grant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// This request already has its answer.
    #[error("this request was already answered")]
    AlreadyAnswered,
    /// What was asked is no longer on offer: the client, its address or the resource changed.
    #[error("the application or its permissions changed meanwhile; start again from there")]
    Changed,
    /// The session is not the one that signed in for this request, or has ended.
    #[error("sign in again")]
    SignInAgain,
    /// Nothing of the requested scope was allowed, or more than requested.
    #[error("the decision does not fit the request")]
    Decision,
    /// The store failed; deciding again gives the same answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl AuthorizationServer {
    /// Begins the conversation with the person: nothing is stored.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn begin(
        &self,
        valid: ValidAuthorization,
        browser: &BrowserBinding,
    ) -> Result<PendingAuthorization, EntropyError> {
        let mut drawn = [0u8; 48];
        self.entropy().fill(&mut drawn)?;
        let mut grant = [0u8; 16];
        grant.copy_from_slice(&drawn[..16]);
        let now = self.now();
        Ok(PendingAuthorization {
            grant: GrantId::from_bytes(grant),
            seed: URL_SAFE_NO_PAD.encode(&drawn[16..]),
            browser: browser.hash,
            expires_at: now.plus(self.policy().transaction_lifetime),
            client_id: valid.client.id.clone(),
            client_name: valid.client.metadata.client_name.clone(),
            client_uri: valid.client.metadata.client_uri.clone(),
            client_vouched_for: valid.client.registration == ClientRegistration::Preregistered,
            redirect_uri: valid.redirect_uri,
            state: valid.state,
            challenge: valid.challenge,
            scope: valid.scope,
            resources: valid.resources,
            login: valid.prompt.login,
            select_account: valid.prompt.select_account,
            consent: valid.prompt.consent,
            login_hint: valid.login_hint,
            acr_values: valid.acr_values,
            ui_locales: valid.ui_locales,
            signed_in_since: match valid.prompt.login {
                true => Some(now.minus(self.policy().clock_skew)),
                false => valid.signed_in_since,
            },
            session: None,
        })
    }

    /// Seals a request for its way through the browser: unpadded base64url, at most 16 KiB.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn seal(&self, pending: &PendingAuthorization) -> Result<String, EntropyError> {
        let issuer = &self.config.issuer;
        let purpose = Purpose::Transaction;
        sealed::seal(
            &self.ring(),
            issuer,
            purpose,
            pending.expires_at,
            pending,
            self.entropy(),
        )
    }

    /// Opens a sealed request that comes back from the browser it was made for.
    ///
    /// # Errors
    /// See [`ResumeError`].
    pub fn resume(
        &self,
        sealed: &str,
        browser: Option<&BrowserBinding>,
    ) -> Result<PendingAuthorization, ResumeError> {
        let pending = self.open_pending(sealed)?;
        self.require_browser(&pending, browser)?;
        Ok(pending)
    }

    pub(crate) fn open_pending(&self, sealed: &str) -> Result<PendingAuthorization, ResumeError> {
        let (issuer, now) = (&self.config.issuer, self.now());
        let opened = sealed::open(&self.ring(), issuer, Purpose::Transaction, now, sealed);
        Ok(opened?)
    }

    /// Whether this is the browser that began.
    pub(crate) fn require_browser(
        &self,
        pending: &PendingAuthorization,
        browser: Option<&BrowserBinding>,
    ) -> Result<(), ResumeError> {
        match browser {
            Some(browser) if pending.browser.matches(&browser.hash) => Ok(()),
            _ => {
                self.record(Event::BrowserMismatch);
                Err(ResumeError::OtherBrowser)
            }
        }
    }

    /// The person said yes: the grant begins, and the browser takes its code to the client.
    ///
    /// The same person saying the same in the same session gets the same answer again (a double
    /// click, a form sent twice, a retry after a failure), while the code is unused.
    ///
    /// # Errors
    /// See [`ApprovalError`].
    pub async fn approve(
        &self,
        pending: &PendingAuthorization,
        session: &Session,
        approval: Approval,
    ) -> Result<Redirect, ApprovalError> {
        self.approve_under(pending, session, approval, None).await
    }

    /// As [`Self::approve`], for a yes that was said `under` these barriers, and stands only while
    /// they do.
    pub(crate) async fn approve_under(
        &self,
        pending: &PendingAuthorization,
        session: &Session,
        approval: Approval,
        under: Option<Epochs>,
    ) -> Result<Redirect, ApprovalError> {
        let now = self.now();
        if !pending.admits(session) || !session.browser.matches(&pending.browser) {
            return Err(ApprovalError::SignInAgain);
        }
        if approval.scope.is_empty() || !approval.scope.is_subset(&pending.scope) {
            return Err(ApprovalError::Decision);
        }
        let client = self.still_on_offer(pending).await?;
        let standing = self.standing(&session.subject, &client.record).await?;
        if standing.disabled || standing.current.subject != session.epoch {
            return Err(ApprovalError::SignInAgain);
        }
        if under.is_some_and(|under| under != standing.current) {
            return Err(ApprovalError::Changed);
        }
        if ClientId::could_be(session.subject.as_str()) {
            return Err(ApprovalError::Decision);
        }
        let code = pending.code(&session.subject, &session.id, &approval.scope);
        let code = code.ok_or(ApprovalError::Changed)?;
        let hash = code.hash();
        let grant = lifecycle::approve(
            Approved {
                id: pending.grant,
                client_id: pending.client_id.clone(),
                subject: session.subject.clone(),
                scope: approval.scope,
                resources: pending.resources.clone(),
                epochs: standing.current,
                auth_time: session.auth_time,
                authentication: session.authentication.clone(),
                lifetimes: standing.lifetimes,
                code: hash,
                challenge: pending.challenge,
                redirect_uri: pending.redirect_uri.clone(),
                transaction_expires_at: pending.expires_at,
            },
            &self.config,
            now,
        );
        self.keep_client(&client, &grant).await?;
        let allowed = grant.scope.clone();
        match self.storage.grants().insert(grant).await? {
            Insert::Inserted => {
                self.record(Event::GrantApproved {
                    grant: pending.grant,
                    client: &pending.client_id,
                    subject: &session.subject,
                    scope: &allowed,
                });
                if approval.remembered {
                    self.record(Event::ConsentUsed {
                        grant: pending.grant,
                        client: &pending.client_id,
                        subject: &session.subject,
                    });
                }
                let asked = (&pending.scope, &*pending.resources);
                let (client, to) = (&client.record, &pending.redirect_uri);
                // What could not be remembered is asked again.
                let _ = self
                    .remember(client, to, session, &standing, asked, &allowed)
                    .await;
                // What could not be ended now is ended by another approval.
                let _ = self
                    .end_longest_unused(&pending.grant, &session.subject, &client.id, &standing)
                    .await;
            }
            Insert::Exists => {
                let found = self.storage.grants().find(&pending.grant).await?;
                let same = found.is_some_and(|found| {
                    let live = found.record.code.as_ref().filter(|code| {
                        code.hash.matches(&hash)
                            && code.redeemed_as.is_none()
                            && now < code.expires_at
                    });
                    live.is_some() && standing.covers(&found.record)
                });
                if !same {
                    return Err(ApprovalError::AlreadyAnswered);
                }
            }
        }
        let text = token_text::write(
            &self.ring(),
            TokenKind::Code,
            &pending.grant,
            0,
            &code,
            &hash,
        );
        let state = pending.state.as_deref();
        let issuer = &self.config.issuer;
        Ok(Redirect::new(
            issuer,
            &pending.redirect_uri,
            state,
            &[("code", &text)],
        ))
    }

    /// The person said no: the client is told so.
    pub fn deny(&self, pending: &PendingAuthorization) -> Redirect {
        self.record(Event::GrantDenied {
            client: &pending.client_id,
        });
        let state = pending.state.as_deref();
        let error = AuthorizationError::Denied;
        Redirect::error(&self.config.issuer, &pending.redirect_uri, state, error)
    }

    /// Everything that may have changed while the person was thinking is looked at again.
    async fn still_on_offer(
        &self,
        pending: &PendingAuthorization,
    ) -> Result<Versioned<ClientRecord>, ApprovalError> {
        let id = &pending.client_id;
        let now = match ClientIdUrl::looks_like(id.as_str()) {
            true => self.client_now(id).await,
            false => Ok(None),
        };
        let client = match now {
            Ok(Some(now)) if now.registration == ClientRegistration::MetadataDocument => {
                self.keep_document(&now).await?
            }
            Ok(_) => {
                let found = self.storage.clients().find(id).await?;
                found.ok_or(ApprovalError::Changed)?
            }
            Err(ClientLookupError::Document) => return Err(ApprovalError::Changed),
            Err(ClientLookupError::Storage(error)) => return Err(error.into()),
        };
        let to = pending.redirect_uri.as_str();
        let known = client.record.redirect_uris.iter().any(|uri| uri.admits(to));
        let offered = pending.resources.iter().all(|uri| {
            self.config
                .resources
                .iter()
                .any(|resource| resource.uri == *uri)
        });
        if known && offered {
            Ok(client)
        } else {
            Err(ApprovalError::Changed)
        }
    }

    /// A client that registered itself must not be forgotten before its grants, nor make room
    /// for another once it has one. Written seldom: an extension reaches a month further than
    /// needed. The date of its last use is kept to the day, as well as can be: a client that many
    /// share is no hot record, and no approval fails for it.
    async fn keep_client(
        &self,
        client: &Versioned<ClientRecord>,
        grant: &GrantRecord,
    ) -> Result<(), StorageError> {
        let needed = grant.expires_at.plus(self.policy().clock_skew);
        let mut client = client.clone();
        loop {
            let (until, used) = (client.record.retain_until, client.record.last_used_at);
            let must = until.is_some_and(|until| until < needed || used.is_none());
            let day = Lifetime::days(1);
            if !must && used.is_some_and(|used| grant.created_at.since(used) < day) {
                break;
            }
            let mut next = ClientRecord::clone(&client.record);
            if must {
                let further = needed.plus(self.policy().unused_client_lifetime);
                next.retain_until = until.max(Some(further));
            }
            next.last_used_at = Some(grant.created_at);
            let written = self.storage.clients().replace(client.revision, next).await;
            if !must {
                break;
            }
            match written? {
                Replace::Replaced(_) => break,
                // Somebody else extended it, or it is gone and redemption will say so.
                Replace::Conflict | Replace::Missing => {
                    match self.storage.clients().find(&client.record.id).await? {
                        Some(found) => client = found,
                        None => break,
                    }
                }
            }
        }
        Ok(())
    }
}
