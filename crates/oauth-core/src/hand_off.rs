//! A consent page hosted elsewhere: the request goes there sealed, and the decision comes back
//! sealed, in the browser of the person who made it.
//!
//! Nothing is stored on the way, so nothing can be looked up: a decision counts only where it and
//! the cookie of the browser that began meet. Who begins a request and lets somebody else decide
//! it is never given the code, and neither is the other.

use oauth_storage::{Epochs, StorageError};
use oauth_types::env::EntropyError;
use oauth_types::redirect_uri::{InvalidRedirectUri, RedirectKind};
use oauth_types::{ClientId, Issuer, Lifetime, RedirectUri, Scope};
use serde::{Deserialize, Serialize};

use crate::approval::{Approval, ApprovalError, ResumeError};
use crate::authorize::{AuthorizationError, AuthorizeFailure};
use crate::client_metadata::ClientLookupError;
use crate::pending::PendingAuthorization;
use crate::redirect::Redirect;
use crate::sealed::{self, Purpose};
use crate::server::AuthorizationServer;
use crate::session::{Authentication, BrowserBinding, Session, SignInError};

/// Where the browser brings a decision, below the issuer, in a query parameter `decision`.
pub const RESUME: &str = "/authorize/resume";
/// Bytes of an address that carries a sealed value. What lies between here and there cuts off
/// longer ones.
pub const LONGEST_ADDRESS: usize = 6 * 1024;
/// How long a decision is good for: a browser brings it at once.
pub const DECISION_LIFETIME: Lifetime = Lifetime::seconds(60);
/// Bytes that a decision adds to the request, beside its scope: the person, when and how they
/// signed in, the barriers.
const ROOM_FOR_A_DECISION: usize = 1024;
/// Bytes of a person's name.
const LONGEST_SUBJECT: usize = 255;
/// In place of a session: the same person deciding the same twice gives the same code.
const BY_DECISION: &str = "decision";

/// The address of a consent page hosted elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentPage(RedirectUri);

/// The text cannot be the address of a consent page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConsentPage {
    /// Not an absolute address, or one with odd parts.
    #[error(transparent)]
    Address(#[from] InvalidRedirectUri),
    /// Neither https, nor loopback for an issuer that is loopback itself.
    #[error("a consent page is at an https address; loopback is for an issuer on loopback only")]
    Scheme,
}

impl ConsentPage {
    /// Reads the address of the consent page of `issuer`: https, or while developing, when the
    /// issuer is on loopback too, http on loopback. A query is kept; there is no fragment.
    ///
    /// # Errors
    /// See [`InvalidConsentPage`].
    pub fn parse(text: &str, issuer: &Issuer) -> Result<Self, InvalidConsentPage> {
        let page = RedirectUri::parse(text)?;
        match page.kind() {
            RedirectKind::Https => Ok(Self(page)),
            RedirectKind::Loopback if issuer.is_loopback_http() => Ok(Self(page)),
            _ => Err(InvalidConsentPage::Scheme),
        }
    }
}

/// What came of asking the person.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Decision {
    /// This person, who signed in there, allows this.
    Approve(Authentication, Approval),
    /// They refuse.
    Deny,
}

/// A decision on its way back.
#[derive(Clone)]
#[non_exhaustive]
pub struct Decided {
    /// Where to send the browser of the person who decided, and no other. It is a secret until
    /// it has been opened.
    pub resume_uri: String,
    /// How long that is good for.
    pub expires_in: Lifetime,
}

impl std::fmt::Debug for Decided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decided")
    }
}

/// A request cannot go to another page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandOffError {
    /// The address would be too long: the client is told, as the failure says.
    #[error("the request is too long to be handed to a consent page elsewhere")]
    TooLong(Box<AuthorizeFailure>),
    /// Nothing random to seal with.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// A decision that was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecisionError {
    /// No scope, or more than was asked for.
    #[error("the scope is not part of what was asked for")]
    Scope,
    /// The name is empty, too long, or could be a client's.
    #[error(
        "the subject has 1 to 255 bytes and begins neither like a client's identifier nor with https://"
    )]
    Subject,
    /// The sign-in lies in the future.
    #[error("auth_time lies in the future; it is in whole seconds")]
    AuthTime,
    /// The sign-in is older than the request allows.
    #[error("the request asks for a more recent sign-in")]
    SignInAgain,
    /// The person is shut out.
    #[error("nobody can sign in with this account at present")]
    Disabled,
    /// The client is gone.
    #[error("the application changed meanwhile; start again from there")]
    Changed,
    /// The address would be longer than [`LONGEST_ADDRESS`].
    #[error("the decision does not fit an address of 6144 bytes")]
    TooLong,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to seal with.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// A decision that had no effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarryOutError {
    /// It is not ours, too old, or came in another browser.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// It no longer stands.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
}

/// A decision as it travels: with all of the request it decides.
#[derive(Serialize, Deserialize)]
struct Sealed {
    pending: PendingAuthorization,
    /// `None` is a no.
    yes: Option<Yes>,
}

#[derive(Serialize, Deserialize)]
struct Yes {
    session: Session,
    scope: Scope,
    /// The barriers when the person decided: what was taken back since is not given again.
    epochs: Epochs,
}

impl AuthorizationServer {
    /// Sends the browser to a consent page elsewhere, with the sealed request in a query parameter
    /// `transaction`. Whoever is signed in here plays no part in what is decided there.
    ///
    /// # Errors
    /// [`HandOffError::TooLong`] when the request, or a decision about it, would not fit an
    /// address of 6 KiB, which a `state` of some 2.5 KiB does. `Entropy`.
    pub fn hand_off(
        &self,
        pending: &PendingAuthorization,
        page: &ConsentPage,
    ) -> Result<Redirect, HandOffError> {
        let mut pending = pending.clone();
        pending.session = None;
        let handle = self.seal(&pending)?;
        let redirect = Redirect::hand_off(&page.0, &handle);
        let more = pending.scope.as_str().len() + ROOM_FOR_A_DECISION;
        let decided = self.resume_uri("").len() + handle.len() + more.div_ceil(3) * 4;
        if redirect.location().len().max(decided) > LONGEST_ADDRESS {
            let error = AuthorizationError::TooLongToHandOff;
            let failure = self.pending_refusal(&pending, error);
            return Err(HandOffError::TooLong(Box::new(failure)));
        }
        Ok(redirect)
    }

    /// What a handle asks for, whatever browser began it. For whoever decides in a person's name:
    /// an operator's back end ([`Self::authenticate_operator`]) or code in this process.
    ///
    /// # Errors
    /// [`ResumeError::Expired`].
    pub fn handed_off(&self, handle: &str) -> Result<PendingAuthorization, ResumeError> {
        self.open_pending(handle)
    }

    /// Seals a decision for the browser that began. Nothing is stored and nothing happens before
    /// that browser brings it to [`Self::carry_out`].
    ///
    /// # Errors
    /// See [`DecisionError`]. Reads client and person.
    pub async fn decide(
        &self,
        pending: &PendingAuthorization,
        decision: Decision,
    ) -> Result<Decided, DecisionError> {
        let now = self.now();
        let yes = match decision {
            Decision::Deny => None,
            Decision::Approve(authentication, approval) => {
                Some(self.yes(pending, &authentication, approval).await?)
            }
        };
        // Nothing outlives the request that names the grant, or it could make it anew (ADR 10).
        let expires_at = now.plus(DECISION_LIFETIME).min(pending.expires_at);
        let sealed = Sealed {
            pending: pending.clone(),
            yes,
        };
        let (ring, issuer) = (&self.ring(), &self.config.issuer);
        let purpose = Purpose::Decision;
        let text = sealed::seal(ring, issuer, purpose, expires_at, &sealed, self.entropy())?;
        let resume_uri = self.resume_uri(&text);
        if resume_uri.len() > LONGEST_ADDRESS {
            return Err(DecisionError::TooLong);
        }
        Ok(Decided {
            resume_uri,
            expires_in: expires_at.since(now),
        })
    }

    async fn yes(
        &self,
        pending: &PendingAuthorization,
        authentication: &Authentication,
        approval: Approval,
    ) -> Result<Yes, DecisionError> {
        let subject = &authentication.subject;
        let name = subject.as_str();
        if !(1..=LONGEST_SUBJECT).contains(&name.len()) || ClientId::could_be(name) {
            return Err(DecisionError::Subject);
        }
        if approval.scope.is_empty() || !approval.scope.is_subset(&pending.scope) {
            return Err(DecisionError::Scope);
        }
        let auth_time = self.auth_time(authentication, self.now());
        let auth_time = auth_time.map_err(|_: SignInError| DecisionError::AuthTime)?;
        if !pending.is_fresh(auth_time) {
            return Err(DecisionError::SignInAgain);
        }
        let client = match self.client_now(&pending.client_id).await {
            Ok(Some(client)) => client,
            Ok(None) | Err(ClientLookupError::Document) => return Err(DecisionError::Changed),
            Err(ClientLookupError::Storage(error)) => return Err(error.into()),
        };
        let standing = self.standing(subject, &client).await?;
        if standing.disabled {
            return Err(DecisionError::Disabled);
        }
        Ok(Yes {
            session: Session {
                id: BY_DECISION.to_owned(),
                subject: subject.clone(),
                epoch: standing.current.subject,
                auth_time,
                authentication: authentication.context.clone().map(std::sync::Arc::new),
                browser: pending.browser,
            },
            scope: approval.scope,
            epochs: standing.current,
        })
    }

    /// The browser brings a decision: the grant begins, or the client is told no. Everything is
    /// looked at again, and a barrier raised since the decision ends it.
    ///
    /// The same decision brought again gives the same answer while its code is unused.
    ///
    /// # Errors
    /// [`ResumeError::OtherBrowser`] unless this is the browser that began, with an event;
    /// [`ResumeError::Expired`]; otherwise as [`Self::approve`].
    pub async fn carry_out(
        &self,
        decision: &str,
        browser: Option<&BrowserBinding>,
    ) -> Result<Redirect, CarryOutError> {
        let (ring, issuer, now) = (&self.ring(), &self.config.issuer, self.now());
        let opened = sealed::open::<Sealed>(ring, issuer, Purpose::Decision, now, decision);
        let Sealed { pending, yes } = opened.map_err(ResumeError::from)?;
        self.require_browser(&pending, browser)?;
        let Some(Yes {
            session,
            scope,
            epochs,
        }) = yes
        else {
            return Ok(self.deny(&pending));
        };
        let pending = pending.for_session(&session);
        let approval = Approval::of(scope);
        Ok(self
            .approve_under(&pending, &session, approval, Some(epochs))
            .await?)
    }

    fn resume_uri(&self, decision: &str) -> String {
        let resume = self.config.issuer.endpoint(RESUME);
        format!("{resume}?decision={decision}")
    }
}
