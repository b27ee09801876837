//! A person's own pages: who may act for them, ending that, and signing out.
//!
//! The pages are somebody else's ([`AccountPages`]); what they ask for is checked and done here, and
//! every POST ends in a redirect to a page that shows what is now the case.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, request};
use oauth_core::account::{AccountFormError, AccountPageError};
use oauth_core::connected::ConnectedGrant;
use oauth_core::session::{Authentication, SignInError};
use oauth_core::storage::StorageError;
use oauth_core::types::Issuer;
use oauth_core::types::env::EntropyError;
use oauth_core::{AuthorizationServer, BrowserBinding, Session, Source};

use crate::document::method_not_allowed;
use crate::server::authorize::see_other;
use crate::server::decode::{self, Form};
use crate::server::encode::without_cors;
use crate::server::interaction::{InteractionError, Page};
use crate::server::service::{OAuthService, is_for_this_host};

/// Shows people what they granted and lets them end it. `oauth_ui::Pages` does; whoever has pages or
/// sign-ins of their own writes another and names it in
/// [`Interaction::account_pages`](crate::server::Interaction::account_pages).
#[async_trait]
pub trait AccountPages: Send + Sync {
    /// Shows [`AccountVisit::view`]; for [`AccountView::SignIn`] it may say instead who is signed
    /// in. A form that signs somebody in is posted to [`AccountVisit::action`], and comes back as
    /// another visit, with the same view and what was posted.
    ///
    /// # Errors
    /// [`InteractionError`]; the person can send the same form again.
    async fn visit(&self, visit: AccountVisit<'_>) -> Result<AccountOutcome, InteractionError>;
}

/// One page to show. Every form on it is a POST and carries [`AccountVisit::handle`] in a field
/// named `transaction`.
#[non_exhaustive]
pub struct AccountVisit<'a> {
    /// The server, for its configuration, clock and limits.
    pub server: &'a AuthorizationServer,
    /// What to show.
    pub view: AccountView<'a>,
    /// What makes a form good in this browser and for this sign-in, to be sent back in a field
    /// named `transaction`.
    pub handle: &'a str,
    /// Where the forms of this page are posted to.
    pub action: &'a str,
    /// Where the pages are.
    pub paths: &'a AccountPaths,
    /// What was posted to sign in; empty otherwise.
    pub form: &'a Form,
    /// Where the person's request came from.
    pub source: Source,
    /// The headers of the person's request: for sign-ins of one's own, whose cookie is here.
    pub headers: &'a HeaderMap,
}

/// What a page of the account shows.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum AccountView<'a> {
    /// Nobody is signed in: ask who it is, or answer [`AccountOutcome::SignedIn`].
    SignIn,
    /// What clients may do for the person. A button `decision` with the value `close` and a field
    /// `grant` ends that grant; with `withdraw`, everything of the client that holds the grant.
    Grants {
        /// Who is signed in.
        session: &'a Session,
        /// What they granted, in no order.
        grants: &'a [ConnectedGrant],
        /// Where more of it is.
        next: Option<&'a str>,
        /// Whether this is the first page.
        is_first: bool,
    },
    /// Whether to sign out in this browser; `None` when nobody is signed in, or is any more. Any
    /// form posted to [`AccountPaths::sign_out`] does.
    SignOut {
        /// Who is signed in.
        session: Option<&'a Session>,
    },
    /// Whether to end everything: all grants, all sign-ins, all that is remembered. Any form posted
    /// to [`AccountPaths::sign_out_everywhere`] does.
    SignOutEverywhere {
        /// Who is signed in.
        session: &'a Session,
    },
}

/// What [`AccountPages`] want.
#[derive(Debug)]
#[non_exhaustive]
pub enum AccountOutcome {
    /// Show this.
    Respond(Page),
    /// The person has proved who they are.
    SignedIn(Authentication),
}

/// Where the account pages are: paths on the issuer's host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AccountPaths {
    /// Who may act for the person.
    pub account: String,
    /// Signing out in this browser.
    pub sign_out: String,
    /// Signing out everywhere.
    pub sign_out_everywhere: String,
}

impl AccountPaths {
    pub(crate) fn new(issuer: &Issuer) -> Self {
        Self {
            account: issuer.endpoint_path("/account"),
            sign_out: issuer.endpoint_path("/signout"),
            sign_out_everywhere: issuer.endpoint_path("/signout/everywhere"),
        }
    }

    pub(crate) fn routes(&self) -> [(&str, AccountRoute); 3] {
        [
            (&self.account, AccountRoute::Grants),
            (&self.sign_out, AccountRoute::SignOut),
            (&self.sign_out_everywhere, AccountRoute::SignOutEverywhere),
        ]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccountRoute {
    Grants,
    SignOut,
    SignOutEverywhere,
}

/// One request for one of these pages.
#[derive(Clone, Copy)]
struct Call<'a> {
    pages: &'a dyn AccountPages,
    route: AccountRoute,
    /// The page's own address, with the part of the list that it shows.
    target: &'a str,
    /// That part.
    part: Option<&'a str>,
    headers: &'a HeaderMap,
    source: Source,
}

/// Why there is no page of the account.
enum Failure {
    /// The form counts for nothing.
    Form(AccountFormError),
    /// The person may not sign in.
    Disabled,
    Storage(StorageError),
    /// The pages failed.
    Pages,
    /// There is no randomness, or pages answered what nobody asked.
    Internal,
}

impl OAuthService {
    pub(crate) async fn account(
        &self,
        route: AccountRoute,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        if !is_for_this_host(self, request) {
            return self.misdirected();
        }
        // Routed here only when there are pages.
        let Some(pages) = self.interaction.account_pages() else {
            return self.failure_page(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let query = request.uri.query().unwrap_or_default();
        let part = query
            .strip_prefix("page=")
            .filter(|name| is_base64url(name));
        let target = match part {
            Some(part) => format!("{}?page={part}", request.uri.path()),
            None => request.uri.path().to_owned(),
        };
        let call = Call {
            pages,
            route,
            target: &target,
            part,
            headers: &request.headers,
            source,
        };
        let answer = match request.method {
            Method::GET | Method::HEAD => self.show_account(call).await,
            Method::POST => {
                if !self.is_from_our_page(&request.headers) {
                    let message = "the form was sent from another site";
                    return self.error_page(StatusCode::FORBIDDEN, message);
                }
                match Form::parse(body) {
                    Ok(form) if decode::is_form(&request.headers) => {
                        self.do_account(call, &form).await
                    }
                    _ => {
                        let message = "the form cannot be read";
                        return self.error_page(StatusCode::BAD_REQUEST, message);
                    }
                }
            }
            _ => return without_cors(method_not_allowed("GET, HEAD, POST")),
        };
        answer.unwrap_or_else(|failure| self.account_failure(&failure))
    }

    /// Shows a page and changes nothing.
    async fn show_account(&self, call: Call<'_>) -> Result<Response<Bytes>, Failure> {
        let known = self
            .cookies
            .binding(call.headers)
            .and_then(BrowserBinding::parse);
        let (browser, is_new) = match known {
            Some(browser) => (browser, false),
            None => (self.server.bind_browser()?, true),
        };
        let session = self.current_session(call.headers, &browser).await?;
        let mut response = match (session, call.route) {
            (None, AccountRoute::Grants | AccountRoute::SignOutEverywhere) => {
                match self.ask_who(call, &Form::default(), &browser).await? {
                    AccountOutcome::Respond(page) => self.page(page),
                    // Known by a cookie of the embedder's own.
                    AccountOutcome::SignedIn(authentication) => {
                        let (session, cookie) = self.begin(&authentication, &browser).await?;
                        let mut response = self.render(call, Some(&session), &browser).await?;
                        self.keep_session(&mut response, &cookie);
                        response
                    }
                }
            }
            (session, _) => self.render(call, session.as_ref(), &browser).await?,
        };
        if is_new {
            self.cookies
                .set_binding(response.headers_mut(), browser.expose());
        }
        Ok(response)
    }

    /// Does what a form asks for, and leads to the page that shows what is now the case.
    async fn do_account(&self, call: Call<'_>, form: &Form) -> Result<Response<Bytes>, Failure> {
        let browser = self
            .cookies
            .binding(call.headers)
            .and_then(BrowserBinding::parse);
        let handle = form.first("transaction").unwrap_or_default();
        let bound = self
            .server
            .open_account_form(handle, browser.as_ref())
            .map_err(Failure::Form)?;
        let other_browser = Failure::Form(AccountFormError::OtherBrowser);
        let browser = browser.ok_or(other_browser)?;
        if call.route == AccountRoute::SignOut {
            // Whoever it was that is signed in here: out is out.
            let mut response = see_other(&self.account_paths.sign_out);
            self.cookies.clear_session(response.headers_mut());
            return Ok(response);
        }
        let session = self.current_session(call.headers, &browser).await?;
        let Some(session) = session.filter(|_| !bound.is_for_signing_in()) else {
            return match self.ask_who(call, form, &browser).await? {
                AccountOutcome::Respond(page) => Ok(self.page(page)),
                AccountOutcome::SignedIn(authentication) => {
                    let (_, cookie) = self.begin(&authentication, &browser).await?;
                    let mut response = see_other(call.target);
                    self.keep_session(&mut response, &cookie);
                    Ok(response)
                }
            };
        };
        if !bound.is_for(&session) {
            return Err(Failure::Form(AccountFormError::OtherSession));
        }
        let subject = session.subject();
        if call.route == AccountRoute::SignOutEverywhere {
            self.server.sign_out_everywhere(subject).await?;
            let mut response = see_other(&self.account_paths.sign_out);
            self.cookies.clear_session(response.headers_mut());
            return Ok(response);
        }
        let grant = form.first("grant").and_then(|grant| grant.parse().ok());
        match (form.first("decision"), grant) {
            (Some("close"), Some(grant)) => self.server.close_own_grant(subject, &grant).await?,
            (Some("withdraw"), Some(grant)) => {
                self.server.withdraw_by_grant(subject, &grant).await?
            }
            _ => false,
        };
        Ok(see_other(call.target))
    }

    /// The page for whoever is signed in, or for nobody where that is enough.
    async fn render(
        &self,
        call: Call<'_>,
        session: Option<&Session>,
        browser: &BrowserBinding,
    ) -> Result<Response<Bytes>, Failure> {
        let (grants, next);
        let view = match (call.route, session) {
            (AccountRoute::SignOut, session) => AccountView::SignOut { session },
            (AccountRoute::SignOutEverywhere, Some(session)) => {
                AccountView::SignOutEverywhere { session }
            }
            (AccountRoute::Grants, Some(session)) => {
                let subject = session.subject();
                let (listed, name) = self.server.account_page(subject, call.part).await?;
                grants = listed;
                next = name.map(|name| format!("{}?page={name}", self.account_paths.account));
                AccountView::Grants {
                    session,
                    grants: &grants,
                    next: next.as_deref(),
                    is_first: call.part.is_none(),
                }
            }
            (_, None) => AccountView::SignIn,
        };
        let handle = self.server.seal_account_form(session, browser)?;
        let nothing = Form::default();
        let visit = self.account_visit(call, view, &handle, &nothing);
        match call.pages.visit(visit).await? {
            AccountOutcome::Respond(page) => Ok(self.page(page)),
            // Only who was asked may say so.
            AccountOutcome::SignedIn(_) => Err(Failure::Internal),
        }
    }

    async fn ask_who(
        &self,
        call: Call<'_>,
        form: &Form,
        browser: &BrowserBinding,
    ) -> Result<AccountOutcome, Failure> {
        let handle = self.server.seal_account_form(None, browser)?;
        let visit = self.account_visit(call, AccountView::SignIn, &handle, form);
        Ok(call.pages.visit(visit).await?)
    }

    fn account_visit<'a>(
        &'a self,
        call: Call<'a>,
        view: AccountView<'a>,
        handle: &'a str,
        form: &'a Form,
    ) -> AccountVisit<'a> {
        AccountVisit {
            server: &self.server,
            view,
            handle,
            action: call.target,
            paths: &self.account_paths,
            form,
            source: call.source,
            headers: call.headers,
        }
    }

    async fn begin(
        &self,
        authentication: &Authentication,
        browser: &BrowserBinding,
    ) -> Result<(Session, String), Failure> {
        let signed_in = self.server.sign_in(authentication, browser).await?;
        signed_in.ok_or(Failure::Disabled)
    }

    fn keep_session(&self, response: &mut Response<Bytes>, cookie: &str) {
        let lifetime = self.server.config().policy.session_lifetime;
        let headers = response.headers_mut();
        self.cookies.set_session(headers, cookie, lifetime);
    }

    fn account_failure(&self, failure: &Failure) -> Response<Bytes> {
        match failure {
            Failure::Form(error) => self.error_page(StatusCode::BAD_REQUEST, &error.to_string()),
            Failure::Disabled => {
                let message = "nobody can sign in with this account at present";
                self.error_page(StatusCode::FORBIDDEN, message)
            }
            Failure::Storage(error) => self.storage_page(error),
            Failure::Pages => self.failure_page(StatusCode::SERVICE_UNAVAILABLE),
            Failure::Internal => self.failure_page(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

fn is_base64url(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(fits)
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<InteractionError> for Failure {
    fn from(_: InteractionError) -> Self {
        Self::Pages
    }
}

impl From<EntropyError> for Failure {
    fn from(_: EntropyError) -> Self {
        Self::Internal
    }
}

impl From<AccountPageError> for Failure {
    fn from(error: AccountPageError) -> Self {
        match error {
            AccountPageError::Storage(error) => error.into(),
            _ => Self::Internal,
        }
    }
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Storage(error) => error.into(),
            _ => Self::Internal,
        }
    }
}
