//! The authorization endpoint and the pages behind it.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, request};
use oauth_core::authorize::RedirectWhen;
use oauth_core::session::SignInError;
use oauth_core::storage::{StorageError, StorageErrorKind};
use oauth_core::types::AuthorizationRequest;
use oauth_core::{
    Approval, ApprovalError, Authentication, AuthorizeFailure, BrowserBinding,
    PendingAuthorization, Redirect, Session, Source,
};

use crate::document::{method_not_allowed, no_store};
use crate::server::decode::{self, Form};
use crate::server::encode::without_cors;
use crate::server::interaction::{InteractionError, Notice, Outcome, Page, Visit};
use crate::server::service::{INTERACT, OAuthService, is_for_this_host};

/// Who sent a request, as far as the pages need it.
#[derive(Clone, Copy)]
struct Caller<'a> {
    source: Source,
    headers: &'a HeaderMap,
}

impl OAuthService {
    pub(crate) async fn authorize(
        &self,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        if !is_for_this_host(self, request) {
            return self.misdirected();
        }
        let query = match request.method {
            Method::GET | Method::HEAD => request.uri.query().unwrap_or_default(),
            // A form posted from another site carries no cookie of ours. Asking for the same by
            // GET lets the browser send it.
            Method::POST => return self.as_get(request, body),
            _ => return without_cors(method_not_allowed("GET, HEAD, POST")),
        };
        let pairs = match decode::pairs(query.as_bytes()) {
            Ok(pairs) => pairs,
            Err(message) => return self.error_page(StatusCode::BAD_REQUEST, message),
        };
        let valid = match self
            .server
            .authorize(&AuthorizationRequest::from_pairs(pairs))
            .await
        {
            Ok(valid) => valid,
            Err(failure) => return self.refuse(&failure),
        };
        let known = self
            .cookies
            .binding(&request.headers)
            .and_then(BrowserBinding::parse);
        let (browser, is_new) = match known {
            Some(browser) => (browser, false),
            None => match self.server.bind_browser() {
                Ok(browser) => (browser, true),
                Err(_) => return self.failure_page(StatusCode::INTERNAL_SERVER_ERROR),
            },
        };
        let session = match self.current_session(&request.headers, &browser).await {
            Ok(session) => session,
            Err(error) => return self.storage_page(&error),
        };
        let silent = valid
            .is_silent()
            .then(|| [false, true].map(|signed_in| valid.silent_failure(&self.server, signed_in)));
        let Ok(pending) = self.server.begin(valid, &browser) else {
            return self.failure_page(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let session = session.filter(|session| pending.admits(session));
        let headers = &request.headers;
        let caller = Caller { source, headers };
        // Asking for the headers alone grants nothing.
        if let Some(session) = session.as_ref().filter(|_| request.method != Method::HEAD) {
            let pending = pending.clone().for_session(session);
            match self.as_remembered(&pending, session).await {
                Ok(Some(redirect)) => return see_other(redirect.location()),
                Ok(None) => {}
                Err(error) => return self.storage_page(&error),
            }
        }
        if let Some(failures) = silent {
            return self.refuse(&failures[usize::from(session.is_some())]);
        }
        // Whoever is shown the request is the one who decides it.
        let pending = match &session {
            Some(session) => pending.for_session(session),
            None => pending,
        };
        let mut response = self
            .converse(pending, session, &Form::default(), &browser, caller)
            .await;
        if is_new {
            self.cookies
                .set_binding(response.headers_mut(), browser.expose());
        }
        response
    }

    /// The person said yes to all of this before, and need not be asked. `None` when they did not,
    /// or when something stands in the way, which is for them to see.
    async fn as_remembered(
        &self,
        pending: &PendingAuthorization,
        session: &Session,
    ) -> Result<Option<Redirect>, StorageError> {
        if !self.server.has_consented(pending, session).await? {
            return Ok(None);
        }
        let approval = Approval::of(pending.scope().clone());
        match self.server.approve(pending, session, approval).await {
            Ok(redirect) => Ok(Some(redirect)),
            Err(ApprovalError::Storage(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    pub(crate) async fn interact(
        &self,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        if !is_for_this_host(self, request) {
            return self.misdirected();
        }
        if request.method != Method::POST {
            return without_cors(method_not_allowed("POST"));
        }
        if !self.is_from_our_page(&request.headers) {
            return self.error_page(StatusCode::FORBIDDEN, "the form was sent from another site");
        }
        let form = match Form::parse(body) {
            Ok(form) if decode::is_form(&request.headers) => form,
            _ => return self.error_page(StatusCode::BAD_REQUEST, "the form cannot be read"),
        };
        let browser = self
            .cookies
            .binding(&request.headers)
            .and_then(BrowserBinding::parse);
        let sealed = form.first("transaction").unwrap_or_default();
        let pending = match self.server.resume(sealed, browser.as_ref()) {
            Ok(pending) => pending,
            Err(error) => return self.error_page(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        // `resume` has just matched it.
        let Some(browser) = browser else {
            return self.misdirected();
        };
        let headers = &request.headers;
        let caller = Caller { source, headers };
        match self.current_session(headers, &browser).await {
            Ok(session) => {
                let session = session.filter(|session| pending.admits(session));
                self.converse(pending, session, &form, &browser, caller)
                    .await
            }
            Err(error) => self.storage_page(&error),
        }
    }

    /// Asks the pages what to do and does it.
    async fn converse(
        &self,
        pending: PendingAuthorization,
        session: Option<Session>,
        form: &Form,
        browser: &BrowserBinding,
        caller: Caller<'_>,
    ) -> Response<Bytes> {
        match self.ask(&pending, session.as_ref(), form, caller).await {
            Ok(Outcome::SignedIn(authentication)) => {
                self.sign_in(pending, &authentication, browser, caller)
                    .await
            }
            Ok(outcome) => {
                self.settle(&pending, session.as_ref(), outcome, caller)
                    .await
            }
            Err(_) => self.failure_page(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// Does what the pages want, short of a sign-in.
    async fn settle(
        &self,
        pending: &PendingAuthorization,
        session: Option<&Session>,
        outcome: Outcome,
        caller: Caller<'_>,
    ) -> Response<Bytes> {
        match outcome {
            Outcome::Respond(page) => self.page(page),
            Outcome::HandOff(page) => self.hand_off(pending, &page),
            Outcome::Deny => {
                if let Some(session) = session
                    && let Err(error) = self.server.forget_refused(pending, session).await
                {
                    return self.storage_page(&error);
                }
                see_other(self.server.deny(pending).location())
            }
            Outcome::Approve(approval) => {
                let Some(session) = session else {
                    return self.start_over(pending, caller).await;
                };
                match self.server.approve(pending, session, approval).await {
                    Ok(redirect) => see_other(redirect.location()),
                    Err(ApprovalError::SignInAgain) => self.start_over(pending, caller).await,
                    Err(ApprovalError::Storage(error)) => self.storage_page(&error),
                    Err(error) => self.error_page(StatusCode::BAD_REQUEST, &error.to_string()),
                }
            }
            // Twice in a row: the pages go in a circle.
            Outcome::SignedIn(_) => self.failure_page(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// Somebody has proved who they are: a session begins, and the conversation goes on in it.
    async fn sign_in(
        &self,
        pending: PendingAuthorization,
        authentication: &Authentication,
        browser: &BrowserBinding,
        caller: Caller<'_>,
    ) -> Response<Bytes> {
        let stale = |at| !pending.is_fresh(at);
        if authentication.auth_time.is_some_and(stale) {
            let message = "the application asks for a sign-in more recent than yours";
            return self.error_page(StatusCode::FORBIDDEN, message);
        }
        let (session, cookie) = match self.server.sign_in(authentication, browser).await {
            Ok(Some(signed_in)) => signed_in,
            Ok(None) => {
                let message = "nobody can sign in with this account at present";
                return self.error_page(StatusCode::FORBIDDEN, message);
            }
            Err(SignInError::Storage(error)) => return self.storage_page(&error),
            Err(_) => return self.failure_page(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let pending = pending.for_session(&session);
        let mut response = match self.as_remembered(&pending, &session).await {
            Ok(Some(redirect)) => see_other(redirect.location()),
            Err(error) => self.storage_page(&error),
            // Pages that need no consent of their own may decide at once.
            Ok(None) => {
                let (empty, session) = (Form::default(), Some(&session));
                match self.ask(&pending, session, &empty, caller).await {
                    Ok(outcome) => self.settle(&pending, session, outcome, caller).await,
                    Err(_) => self.failure_page(StatusCode::SERVICE_UNAVAILABLE),
                }
            }
        };
        let lifetime = self.server.config().policy.session_lifetime;
        self.cookies
            .set_session(response.headers_mut(), &cookie, lifetime);
        response
    }

    /// The session that decided is not the one that signed in: back to the beginning, with the
    /// request kept.
    async fn start_over(
        &self,
        pending: &PendingAuthorization,
        caller: Caller<'_>,
    ) -> Response<Bytes> {
        match self.ask(pending, None, &Form::default(), caller).await {
            Ok(Outcome::Respond(page)) => self.page(page),
            Ok(Outcome::HandOff(page)) => self.hand_off(pending, &page),
            _ => self.failure_page(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    async fn ask(
        &self,
        pending: &PendingAuthorization,
        session: Option<&Session>,
        form: &Form,
        caller: Caller<'_>,
    ) -> Result<Outcome, InteractionError> {
        let handle = self.server.seal(pending)?;
        let action = self.server.config().issuer.endpoint_path(INTERACT);
        let server = &*self.server;
        let visit = Visit {
            server,
            pending,
            handle: &handle,
            action: &action,
            form,
            session,
            source: caller.source,
            headers: caller.headers,
        };
        self.interaction.visit(visit).await
    }

    pub(super) async fn current_session(
        &self,
        headers: &HeaderMap,
        browser: &BrowserBinding,
    ) -> Result<Option<Session>, StorageError> {
        match self.cookies.session(headers) {
            Some(cookie) => self.server.session(cookie, browser).await,
            None => Ok(None),
        }
    }

    /// Browsers say where a form was posted from. Those that do not are held by the cookie, which
    /// is not sent along from another site, and by the sealed transaction, which only we make.
    pub(super) fn is_from_our_page(&self, headers: &HeaderMap) -> bool {
        match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => return true,
            Some(_) => return false,
            None => {}
        }
        // A page without referrer posts with the origin `null`.
        headers.get(header::ORIGIN).is_none_or(|origin| {
            let origin = origin.as_bytes();
            origin == b"null" || origin == self.server.config().issuer.origin().as_bytes()
        })
    }

    fn as_get(&self, request: &request::Parts, body: &Bytes) -> Response<Bytes> {
        let query = std::str::from_utf8(body).unwrap_or_default();
        let path = request.uri.path();
        let target = format!("{path}?{query}");
        let sound = decode::is_form(&request.headers) && target.parse::<http::Uri>().is_ok();
        if sound {
            see_other(&target)
        } else {
            self.error_page(StatusCode::BAD_REQUEST, "the form cannot be read")
        }
    }

    pub(super) fn refuse(&self, failure: &AuthorizeFailure) -> Response<Bytes> {
        match failure {
            AuthorizeFailure::ShowPage(error) => {
                self.error_page(StatusCode::BAD_REQUEST, &error.to_string())
            }
            AuthorizeFailure::Redirect {
                to,
                when: RedirectWhen::AtOnce,
                ..
            } => see_other(to.location()),
            AuthorizeFailure::Redirect { to, error, .. } => {
                let message = error.to_string();
                let notice = Notice::ConfirmRedirect {
                    host: to.host(),
                    location: to.location(),
                    message: &message,
                };
                let page = self.interaction.notice(&notice);
                self.page(page.with_status(StatusCode::BAD_REQUEST))
            }
            AuthorizeFailure::Unavailable(error) => self.storage_page(error),
            _ => self.failure_page(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    pub(super) fn misdirected(&self) -> Response<Bytes> {
        let message = "this address is not the one this server answers to";
        self.error_page(StatusCode::MISDIRECTED_REQUEST, message)
    }

    pub(super) fn error_page(&self, status: StatusCode, message: &str) -> Response<Bytes> {
        self.page(
            self.interaction
                .notice(&Notice::Error { message })
                .with_status(status),
        )
    }

    /// The person keeps the transaction: going back and sending the form again continues it.
    pub(super) fn storage_page(&self, error: &StorageError) -> Response<Bytes> {
        self.failure_page(match error.kind() {
            StorageErrorKind::Corrupt => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        })
    }

    pub(super) fn failure_page(&self, status: StatusCode) -> Response<Bytes> {
        let mut response = self.page(
            self.interaction
                .notice(&Notice::TryAgain)
                .with_status(status),
        );
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    pub(super) fn page(&self, page: Page) -> Response<Bytes> {
        let form_action = if page.leads_to_client {
            ""
        } else {
            "; form-action 'self'"
        };
        let images = if page.shows_data_images {
            "; img-src data:"
        } else {
            ""
        };
        let style = match page.style_hash.as_str() {
            "" => "none",
            hash => hash,
        };
        let policy = format!(
            "default-src 'none'; style-src '{style}'{images}; base-uri 'none'; frame-ancestors 'none'{form_action}"
        );
        let mut response = Response::new(Bytes::from(page.html));
        *response.status_mut() = page.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        if let Ok(policy) = HeaderValue::try_from(policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if !self.server.config().issuer.is_loopback_http() {
            const YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");
            headers.insert(header::STRICT_TRANSPORT_SECURITY, YEAR);
        }
        private(headers);
        response
    }
}

/// 303 turns a POST into a GET, so no form data ever leaves with the redirect (OAuth 2.1 §7.5.4).
pub(super) fn see_other(location: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    private(response.headers_mut());
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn private(headers: &mut HeaderMap) {
    no_store(headers);
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
}
