//! The authorization endpoint and the pages behind it.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode, request};
use oauth_core::authorize::RedirectWhen;
use oauth_core::storage::{StorageError, StorageErrorKind};
use oauth_core::types::AuthorizationRequest;
use oauth_core::{
    Approval, ApprovalError, AuthorizeFailure, BrowserBinding, PendingAuthorization, Session,
    Source,
};

use crate::document::{method_not_allowed, no_store, trace_error};
use crate::server::decode::{self, Form};
use crate::server::encode::{self, without_cors};
use crate::server::interaction::{InteractionError, Notice, Outcome, Page, Visit};
use crate::server::service::{Call, INTERACT, is_for_this_host};

/// Who sent a request, as far as the pages need it.
#[derive(Clone, Copy)]
struct Caller<'a> {
    source: Source,
    headers: &'a HeaderMap,
}

impl Call<'_> {
    pub(crate) async fn authorize(
        &self,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        if !is_for_this_host(self.server, request) {
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
        let consented = match &session {
            // Asking for the headers alone grants nothing.
            Some(session) if request.method != Method::HEAD => {
                self.server.has_consented(&valid, session).await
            }
            _ => Ok(false),
        };
        let consented = match consented {
            Ok(consented) => consented,
            Err(error) => return self.storage_page(&error),
        };
        let silent = valid
            .is_silent()
            .then(|| [false, true].map(|signed_in| valid.silent_failure(self.server, signed_in)));
        let Ok(pending) = self.server.begin(valid, &browser) else {
            return self.failure_page(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let session = session.filter(|session| pending.admits(session));
        let headers = &request.headers;
        let caller = Caller { source, headers };
        if let (Some(session), true) = (&session, consented) {
            let pending = pending.clone().for_session(session);
            let approval = Approval::remembered(pending.scope().clone());
            match self.server.approve(&pending, session, approval).await {
                Ok(redirect) => return see_other(redirect.location()),
                Err(ApprovalError::Storage(error)) => return self.storage_page(&error),
                // Whatever else stands in the way is for the person to see.
                Err(_) => {}
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

    pub(crate) async fn interact(
        &self,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        if !is_for_this_host(self.server, request) {
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
        let outcome = self.ask(&pending, session.as_ref(), form, caller).await;
        match outcome {
            Ok(Outcome::Respond(page)) => self.page(page),
            Ok(Outcome::Deny) => see_other(self.server.deny(&pending).location()),
            Ok(Outcome::Approve(approval)) => {
                let Some(session) = session else {
                    return self.start_over(&pending, caller).await;
                };
                match self.server.approve(&pending, &session, approval).await {
                    Ok(redirect) => see_other(redirect.location()),
                    Err(ApprovalError::SignInAgain) => self.start_over(&pending, caller).await,
                    Err(ApprovalError::Storage(error)) => self.storage_page(&error),
                    Err(error) => self.error_page(StatusCode::BAD_REQUEST, &error.to_string()),
                }
            }
            Ok(Outcome::SignedIn(authentication)) => {
                let signed_in = self.server.sign_in(&authentication, browser).await;
                let (session, cookie) = match signed_in {
                    Ok(Some(signed_in)) => signed_in,
                    Ok(None) => {
                        let message = "nobody can sign in with this account at present";
                        return self.error_page(StatusCode::FORBIDDEN, message);
                    }
                    Err(_) => return self.failure_page(StatusCode::SERVICE_UNAVAILABLE),
                };
                let pending = pending.for_session(&session);
                let next = self
                    .ask(&pending, Some(&session), &Form::default(), caller)
                    .await;
                let mut response = match next {
                    Ok(Outcome::Respond(page)) => self.page(page),
                    // Pages that need no consent of their own, such as an auto-approving test
                    // server's, may decide at once.
                    Ok(Outcome::Approve(approval)) => {
                        match self.server.approve(&pending, &session, approval).await {
                            Ok(redirect) => see_other(redirect.location()),
                            Err(_) => self.failure_page(StatusCode::SERVICE_UNAVAILABLE),
                        }
                    }
                    _ => self.failure_page(StatusCode::INTERNAL_SERVER_ERROR),
                };
                let lifetime = self.server.config().policy.session_lifetime;
                self.cookies
                    .set_session(response.headers_mut(), &cookie, lifetime);
                response
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(tracing::field::display);
                tracing::warn!(cause, "{error}");
                self.failure_page(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
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
        let server = self.server;
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

    async fn current_session(
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
    fn is_from_our_page(&self, headers: &HeaderMap) -> bool {
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

    fn refuse(&self, failure: &AuthorizeFailure) -> Response<Bytes> {
        match failure {
            AuthorizeFailure::ShowPage(error) => {
                self.error_page(StatusCode::BAD_REQUEST, &error.to_string())
            }
            AuthorizeFailure::Redirect {
                to,
                when: RedirectWhen::AtOnce,
                error,
            } => {
                trace_error(error.code().as_str());
                see_other(to.location())
            }
            AuthorizeFailure::Redirect { to, error, .. } => {
                trace_error(error.code().as_str());
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
            AuthorizeFailure::Limited(limited) => {
                let seconds = limited.retry_after.as_seconds();
                let message = format!(
                    "too many sign-ins were begun from here; try again in {seconds} seconds"
                );
                let mut response = self.error_page(StatusCode::TOO_MANY_REQUESTS, &message);
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            _ => self.failure_page(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn misdirected(&self) -> Response<Bytes> {
        let message = "this address is not the one this server answers to";
        self.error_page(StatusCode::MISDIRECTED_REQUEST, message)
    }

    fn error_page(&self, status: StatusCode, message: &str) -> Response<Bytes> {
        let request = self.server.context().request;
        let notice = Notice::Error { message, request };
        self.page(self.interaction.notice(&notice).with_status(status))
    }

    /// The person keeps the transaction: going back and sending the form again continues it.
    fn storage_page(&self, error: &StorageError) -> Response<Bytes> {
        encode::report(error);
        self.failure_page(match error.kind() {
            StorageErrorKind::Corrupt => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        })
    }

    fn failure_page(&self, status: StatusCode) -> Response<Bytes> {
        let request = self.server.context().request;
        let notice = Notice::TryAgain { request };
        let mut response = self.page(self.interaction.notice(&notice).with_status(status));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    fn page(&self, page: Page) -> Response<Bytes> {
        let form_action = if page.leads_to_client {
            ""
        } else {
            "; form-action 'self'"
        };
        let style = match page.style_hash.as_str() {
            "" => "none",
            hash => hash,
        };
        let policy = format!(
            "default-src 'none'; style-src '{style}'; base-uri 'none'; frame-ancestors 'none'{form_action}"
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
fn see_other(location: &str) -> Response<Bytes> {
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
