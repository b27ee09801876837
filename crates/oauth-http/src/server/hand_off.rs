//! The addresses of a consent page hosted elsewhere: two for its back end, one for the browser
//! that comes back. None of them is there unless an operator credential is configured.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode, request};
use oauth_core::types::redirect_uri::RedirectKind;
use oauth_core::types::{AuthenticationContext, Scope, Subject, Timestamp};
use oauth_core::{
    Approval, ApprovalError, Authentication, BrowserBinding, CarryOutError, ConsentPage, Decided,
    Decision, DecisionError, HandOffError, OperatorError, PendingAuthorization, Source,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::document::{error, method_not_allowed};
use crate::server::authorize::see_other;
use crate::server::decode;
use crate::server::encode::{self, without_cors};
use crate::server::service::{OAuthService, is_for_this_host};

/// Where a back end asks what a request is about, below the issuer.
pub(crate) const TRANSACTION: &str = "/authorize/transaction";
/// Where it says what the person decided.
pub(crate) const DECISION: &str = "/authorize/decision";

/// Members that nobody has heard of are refused: a misspelt one would not restrict what it was
/// meant to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransactionRequest {
    transaction: String,
}

#[derive(Deserialize)]
#[serde(tag = "decision", rename_all = "lowercase", deny_unknown_fields)]
enum DecisionRequest {
    Approve {
        transaction: String,
        subject: String,
        scope: String,
        auth_time: Option<u64>,
        acr: Option<String>,
        #[serde(default)]
        amr: Vec<String>,
    },
    Deny {
        transaction: String,
    },
}

impl OAuthService {
    /// Sends the browser to a consent page elsewhere.
    pub(super) fn hand_off(
        &self,
        pending: &PendingAuthorization,
        page: &ConsentPage,
    ) -> Response<Bytes> {
        // No decision could ever come back.
        if self.server.config().operator_credentials.is_empty() {
            return self.failure_page(StatusCode::INTERNAL_SERVER_ERROR);
        }
        match self.server.hand_off(pending, page) {
            Ok(redirect) => see_other(redirect.location()),
            Err(HandOffError::TooLong(failure)) => self.refuse(&failure),
            Err(_) => self.failure_page(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// `POST /authorize/transaction`: what a person is to be asked.
    pub(super) async fn transaction(
        &self,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        let asked: TransactionRequest = match self.posted_by_operator(request, body, source).await {
            Ok(asked) => asked,
            Err(refusal) => return refusal,
        };
        match self.server.handed_off(&asked.transaction) {
            Ok(pending) => answer(&self.description(&pending)),
            Err(gone) => refuse(StatusCode::GONE, "expired_transaction", &gone.to_string()),
        }
    }

    /// `POST /authorize/decision`: what they decided.
    pub(super) async fn decision(
        &self,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Response<Bytes> {
        let decided: DecisionRequest = match self.posted_by_operator(request, body, source).await {
            Ok(decided) => decided,
            Err(refusal) => return refusal,
        };
        let (DecisionRequest::Approve { transaction, .. } | DecisionRequest::Deny { transaction }) =
            &decided;
        let pending = match self.server.handed_off(transaction) {
            Ok(pending) => pending,
            Err(gone) => {
                return refuse(StatusCode::GONE, "expired_transaction", &gone.to_string());
            }
        };
        let decision = match read(decided) {
            Ok(decision) => decision,
            Err((word, message)) => return refuse(StatusCode::BAD_REQUEST, word, &message),
        };
        match self.server.decide(&pending, decision).await {
            Ok(Decided {
                resume_uri,
                expires_in,
                ..
            }) => answer(&json!({ "resume_uri": resume_uri, "expires_in": expires_in })),
            Err(failure) => refuse_decision(&failure),
        }
    }

    /// `GET /authorize/resume`: the browser brings a decision.
    pub(super) async fn carry_out(&self, request: &request::Parts) -> Response<Bytes> {
        if !is_for_this_host(self, request) {
            return self.misdirected();
        }
        // A decision is carried out here, which no HEAD may do.
        if request.method != Method::GET {
            return without_cors(method_not_allowed("GET"));
        }
        let query = request.uri.query().unwrap_or_default();
        let decision = decode::Form::parse(query.as_bytes()).ok().and_then(|form| {
            let mut all = form.all("decision");
            let one = all.next().map(str::to_owned);
            one.filter(|_| all.next().is_none())
        });
        let browser = self
            .cookies
            .binding(&request.headers)
            .and_then(BrowserBinding::parse);
        let decision = decision.unwrap_or_default();
        match self.server.carry_out(&decision, browser.as_ref()).await {
            Ok(redirect) => see_other(redirect.location()),
            Err(CarryOutError::Approval(ApprovalError::Storage(cause))) => {
                self.storage_page(&cause)
            }
            Err(failure) => self.error_page(StatusCode::BAD_REQUEST, &failure.to_string()),
        }
    }

    /// What an operator's back end posted, or the answer to somebody who is none.
    async fn posted_by_operator<T: DeserializeOwned>(
        &self,
        request: &request::Parts,
        body: &Bytes,
        source: Source,
    ) -> Result<T, Response<Bytes>> {
        if request.method != Method::POST {
            return Err(without_cors(method_not_allowed("POST")));
        }
        let credential = match decode::bearer(&request.headers) {
            Ok(credential) => credential,
            Err(decode::MalformedBearer) => Some(""),
        };
        let proven = self.server.authenticate_operator(credential, source).await;
        proven.map_err(|failure| refuse_operator(&failure))?;
        decode::json_object(&request.headers, body)
            .map_err(|message| refuse(StatusCode::BAD_REQUEST, "invalid_request", message))
    }

    fn description(&self, pending: &PendingAuthorization) -> Value {
        let config = self.server.config();
        let scopes: Vec<Value> = config
            .scopes_of(pending.resources(), pending.scope())
            .map(|(scope, description)| json!({ "scope": scope, "description": description }))
            .collect();
        let resources: Vec<Value> = config
            .resources_of(pending.resources())
            .map(|resource| json!({ "resource": resource.uri, "name": resource.name }))
            .collect();
        json!({
            "client_id": pending.client_id(),
            "client_name": pending.client_name(),
            "client_uri": pending.client_uri(),
            "client_uri_elsewhere": pending.is_client_uri_elsewhere(),
            "client_host": pending.client_host(),
            "client_vouched_for": pending.is_client_vouched_for(),
            "redirect_host": pending.redirect_host(),
            "redirect_kind": match pending.redirect_kind() {
                RedirectKind::Https => "https",
                RedirectKind::Loopback => "loopback",
                RedirectKind::PrivateUse => "private_use",
            },
            "scopes": scopes,
            "resources": resources,
            "login_hint": pending.login_hint(),
            "signed_in_since": pending.signed_in_since(),
            "select_account": pending.selects_account(),
            "ask_consent": pending.asks_consent(),
            "acr_values": pending.acr_values().collect::<Vec<_>>(),
            "ui_locales": pending.ui_locales().collect::<Vec<_>>(),
            "expires_at": pending.expires_at(),
        })
    }
}

/// From the words of a back end to a decision, or the error and its explanation.
fn read(request: DecisionRequest) -> Result<Decision, (&'static str, String)> {
    let DecisionRequest::Approve {
        subject,
        scope,
        auth_time,
        acr,
        amr,
        ..
    } = request
    else {
        return Ok(Decision::Deny);
    };
    let scope = Scope::parse(&scope).map_err(|error| ("invalid_scope", error.to_string()))?;
    let context = AuthenticationContext::new(acr.as_deref(), amr.iter().map(String::as_str))
        .map_err(|error| ("invalid_request", error.to_string()))?;
    let mut authentication = Authentication::of(Subject::new(subject));
    if context != AuthenticationContext::default() {
        authentication = authentication.by(context);
    }
    if let Some(at) = auth_time {
        authentication = authentication.at(Timestamp::from_unix(at));
    }
    Ok(Decision::Approve(authentication, Approval::of(scope)))
}

fn answer(value: &Value) -> Response<Bytes> {
    without_cors(encode::json(StatusCode::OK, value, 1024))
}

fn refuse(status: StatusCode, word: &str, message: &str) -> Response<Bytes> {
    without_cors(error(status, word, message))
}

fn refuse_decision(failure: &DecisionError) -> Response<Bytes> {
    let (status, word) = match failure {
        DecisionError::Scope => (StatusCode::BAD_REQUEST, "invalid_scope"),
        DecisionError::SignInAgain => (StatusCode::BAD_REQUEST, "login_required"),
        DecisionError::Disabled => (StatusCode::BAD_REQUEST, "access_denied"),
        DecisionError::Changed => (StatusCode::GONE, "expired_transaction"),
        DecisionError::Subject | DecisionError::AuthTime | DecisionError::TooLong => {
            (StatusCode::BAD_REQUEST, "invalid_request")
        }
        DecisionError::Storage(cause) => return without_cors(encode::storage_failure(cause)),
        _ => return without_cors(encode::internal()),
    };
    refuse(status, word, &failure.to_string())
}

/// RFC 6750 §3.1: whoever sent no credential is not told of an error.
fn refuse_operator(failure: &OperatorError) -> Response<Bytes> {
    let challenge = match failure {
        OperatorError::Limited(limited) => {
            return without_cors(encode::too_many(limited.retry_after));
        }
        OperatorError::Required => "Bearer realm=\"operator\"",
        _ => "Bearer realm=\"operator\", error=\"invalid_token\"",
    };
    let mut response = refuse(
        StatusCode::UNAUTHORIZED,
        "invalid_token",
        &failure.to_string(),
    );
    response.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(challenge),
    );
    response
}
