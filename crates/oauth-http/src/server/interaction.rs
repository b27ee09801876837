//! The port for people: signing in, deciding, and being told what went wrong.

use async_trait::async_trait;
use http::{HeaderMap, StatusCode};
use oauth_core::session::Authentication;
use oauth_core::storage::StorageError;
use oauth_core::types::env::EntropyError;
use oauth_core::{
    Approval, AuthorizationServer, ConsentPage, PendingAuthorization, Session, Source,
};

use crate::server::account::AccountPages;
use crate::server::decode::Form;

/// Talks to the person. `oauth_ui::Pages` is one; an embedder with pages or sign-ins of its own
/// writes another.
#[async_trait]
pub trait Interaction: Send + Sync {
    /// Decides what to do next about a pending authorization: show something, take note of a
    /// sign-in, or pass on the person's decision.
    ///
    /// Called with an empty form when the conversation begins and after a sign-in, and with the
    /// posted form afterwards. Forms go to [`Visit::action`] by POST and carry [`Visit::handle`]
    /// in a field named `transaction`.
    ///
    /// # Errors
    /// [`InteractionError`]; the person can send the same form again.
    async fn visit(&self, visit: Visit<'_>) -> Result<Outcome, InteractionError>;

    /// A page that tells a person something about a request that goes no further.
    fn notice(&self, notice: &Notice<'_>) -> Page;

    /// The pages on which people see what they granted and sign out. `None`, the default, is not to
    /// offer any: then nothing is served at their paths, which are free for pages of your own over
    /// the functions of [`AuthorizationServer`]. Whether there are any is settled when the service is
    /// made.
    fn account_pages(&self) -> Option<&dyn AccountPages> {
        None
    }
}

/// One step of the conversation.
#[non_exhaustive]
pub struct Visit<'a> {
    /// The server, for its configuration, clock and limits.
    pub server: &'a AuthorizationServer,
    /// What is asked.
    pub pending: &'a PendingAuthorization,
    /// The request in sealed form, to be sent back in a field named `transaction`.
    pub handle: &'a str,
    /// Where forms are posted to.
    pub action: &'a str,
    /// What was posted; empty at the beginning.
    pub form: &'a Form,
    /// Who is signed in, if that session may decide this request.
    pub session: Option<&'a Session>,
    /// Where the person's request came from.
    pub source: Source,
    /// The headers of the person's request: for sign-ins of one's own, whose cookie is here.
    /// Answer [`Outcome::SignedIn`] for whoever it belongs to.
    pub headers: &'a HeaderMap,
}

/// What an [`Interaction`] wants.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Show this.
    Respond(Page),
    /// The person has proved who they are; ask again with the new session.
    SignedIn(Authentication),
    /// The browser goes to a consent page elsewhere, whose back end signs the person in and passes
    /// on the decision: see `docs/guides/consent-elsewhere.md`. Whoever is signed in here plays
    /// no part in it. Needs [`ServerConfig::operator_credentials`].
    ///
    /// [`ServerConfig::operator_credentials`]: oauth_core::ServerConfig::operator_credentials
    HandOff(ConsentPage),
    /// The signed-in person allows this.
    Approve(Approval),
    /// The person refuses.
    Deny,
}

/// A page.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// The whole document. It must not fetch anything from anywhere.
    pub html: String,
    /// Digest of its one style element, as `sha256-…`; no other style and no script will run. Empty
    /// for a page without style.
    pub style_hash: String,
    /// Whether submitting its form ends at the client. Browsers apply `form-action` to the
    /// redirect as well, so such a page cannot restrict it.
    pub leads_to_client: bool,
    /// Whether it shows images that lie in the document itself, as `data:` addresses.
    pub shows_data_images: bool,
}

impl Page {
    /// A page with status 200 whose forms stay here.
    pub const fn new(html: String, style_hash: String) -> Self {
        Self {
            status: StatusCode::OK,
            html,
            style_hash,
            leads_to_client: false,
            shows_data_images: false,
        }
    }

    /// With this status.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Whose form ends at the client.
    #[must_use]
    pub const fn leading_to_client(mut self) -> Self {
        self.leads_to_client = true;
        self
    }

    /// Which shows images of its own.
    #[must_use]
    pub const fn showing_data_images(mut self) -> Self {
        self.shows_data_images = true;
        self
    }
}

/// What a person is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// The request cannot go on.
    Error {
        /// In words, without secrets.
        message: &'a str,
    },
    /// The server is in trouble; the same request may work in a moment.
    TryAgain,
    /// The client's request was wrong, and going back to it leaves for a host that nobody vouches
    /// for: the person decides.
    ConfirmRedirect {
        /// The host it leads to.
        host: &'a str,
        /// The whole address.
        location: &'a str,
        /// What was wrong with the request.
        message: &'a str,
    },
}

/// The conversation failed through no fault of the person.
#[derive(Debug)]
pub struct InteractionError(Box<dyn std::error::Error + Send + Sync>);

impl InteractionError {
    /// A failure with its cause, which stays out of every page.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl std::fmt::Display for InteractionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the sign-in pages failed")
    }
}

impl std::error::Error for InteractionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl From<StorageError> for InteractionError {
    fn from(error: StorageError) -> Self {
        Self::new(error)
    }
}

impl From<EntropyError> for InteractionError {
    fn from(error: EntropyError) -> Self {
        Self::new(error)
    }
}
