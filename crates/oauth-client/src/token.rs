//! The token endpoint: one request for each grant, and the one answer.
//!
//! Each function gives a [`Prepared`] request; [`Prepared::tokens`] reads what is answered to it.

use bytes::Bytes;
use http::{Request, Response};
use oauth_types::env::Entropy;
use oauth_types::{Lifetime, Reach, ResourceUri, Scope, SecretText, Timestamp};
use serde_json::Value;

use crate::authentication::ClientIdentity;
use crate::authorization::PendingAuthorization;
use crate::challenge::lenient_scope;
use crate::error::ClientError;
use crate::hop::{Got, Hop, HopError};
use crate::message::{self, Form, Secrets};
use crate::metadata::{ServerMetadata, usable};
use crate::transport::Bounds;

/// Who asks whom, when.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Caller<'a> {
    /// The client.
    pub identity: &'a ClientIdentity,
    /// The authorization server.
    pub server: &'a ServerMetadata,
    /// The present moment.
    pub now: Timestamp,
    /// For assertions.
    pub entropy: &'a dyn Entropy,
}

impl<'a> Caller<'a> {
    /// `identity` asks `server` at `now`.
    pub fn new(
        identity: &'a ClientIdentity,
        server: &'a ServerMetadata,
        now: Timestamp,
        entropy: &'a dyn Entropy,
    ) -> Self {
        Self {
            identity,
            server,
            now,
            entropy,
        }
    }

    /// A form for the token endpoint, once the client has proved itself in it.
    fn ask(self, hop: Hop, mut form: Form) -> Result<Prepared, ClientError> {
        let endpoint = self.server.token_endpoint.as_ref();
        let url = self.server.endpoint(hop, endpoint)?;
        let issuer = &self.server.issuer;
        self.identity
            .authenticate(&mut form, issuer, self.now, self.entropy)?;
        Prepared::new(hop, url, self.server.within, form)
    }
}

impl std::fmt::Debug for Caller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("client_id", &self.identity.client_id)
            .field("issuer", &self.server.issuer)
            .finish_non_exhaustive()
    }
}

/// A request that is ready to be sent, and what is needed to read its answer.
pub struct Prepared {
    request: Request<Bytes>,
    pub(crate) hop: Hop,
    pub(crate) url: String,
    within: Reach,
    pub(crate) secrets: Secrets,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("hop", &self.hop)
            .field("url", &crate::hop::Address::of(&self.url))
            .finish_non_exhaustive()
    }
}

impl Prepared {
    pub(crate) fn new(hop: Hop, url: &str, within: Reach, form: Form) -> Result<Self, ClientError> {
        let (request, secrets) = form.post(hop, url)?;
        Ok(Self::of(request, hop, url, within, secrets))
    }

    pub(crate) fn of(
        request: Request<Bytes>,
        hop: Hop,
        url: &str,
        within: Reach,
        secrets: Secrets,
    ) -> Self {
        Self {
            request,
            hop,
            url: url.to_owned(),
            within,
            secrets,
        }
    }

    /// The request. It holds secrets.
    pub fn request(&self) -> Request<Bytes> {
        self.request.clone()
    }

    /// The bounds to send it in.
    pub fn bounds(&self) -> Bounds {
        Bounds::within(self.within)
    }

    /// Reads an answer of the token endpoint.
    ///
    /// # Errors
    /// [`HopError`] for a refusal, for what is no answer of a token endpoint, and for tokens that are
    /// no bearer tokens.
    pub fn tokens(&self, response: &Response<Bytes>) -> Result<Tokens, HopError> {
        let expected = "a bearer token";
        let fail = |got: &str| {
            let got = Got::Unusable(got.to_owned());
            Err(HopError::new(self.hop, &self.url, expected, got))
        };
        let answer = message::answer(self.hop, &self.url, expected, response, &self.secrets)?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let token = |name: &str| text(name).filter(|text| !text.is_empty());
        let Some(access_token) = token("access_token") else {
            return fail("no access_token");
        };
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible(access_token) {
            return fail("an access_token that fits in no header");
        }
        // RFC 8693 §2.2.1: an assertion is no token that is presented to a resource.
        let exchanged = self.hop == Hop::TokenExchange;
        let bearer = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
        if !bearer && !exchanged {
            return fail("a token_type that is not Bearer");
        }
        let seconds = match answer.get("expires_in") {
            Some(Value::Number(seconds)) => seconds.as_u64().or_else(|| whole(seconds.as_f64())),
            Some(Value::String(seconds)) => seconds.parse().ok(),
            _ => None,
        };
        Ok(Tokens {
            access_token: SecretText::new(access_token),
            expires_in: seconds.map(Lifetime::seconds),
            refresh_token: token("refresh_token").map(SecretText::new),
            scope: text("scope").and_then(lenient_scope),
            issued_token_type: text("issued_token_type").map(str::to_owned),
        })
    }

    pub(crate) fn fail(&self, expected: &'static str, got: Got) -> HopError {
        HopError::new(self.hop, &self.url, expected, got)
    }
}

fn whole(seconds: Option<f64>) -> Option<u64> {
    let seconds = seconds.filter(|seconds| (0.0..=1e12).contains(seconds))?;
    Some(seconds as u64)
}

/// What a token endpoint gave. Spec: OAuth 2.1 §3.2.3.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tokens {
    /// The access token: opaque.
    pub access_token: SecretText,
    /// How long it is good, if that was said.
    pub expires_in: Option<Lifetime>,
    /// What renews it.
    pub refresh_token: Option<SecretText>,
    /// What it may be used for, if that was said; else what was asked for.
    pub scope: Option<Scope>,
    /// Of a token exchange: what it is (RFC 8693 §2.2.1).
    pub issued_token_type: Option<String>,
}

/// Exchanges a code, at the token endpoint of the server that it came from (CL-AUTHZ-10).
///
/// # Errors
/// [`ClientError`] when nothing can be asked.
pub fn exchange_code(
    caller: Caller<'_>,
    pending: &PendingAuthorization,
    code: &SecretText,
) -> Result<Prepared, ClientError> {
    let mut form = Form::grant("authorization_code");
    form.push_secret("code", code);
    form.push("redirect_uri", &pending.redirect_uri);
    form.push_secret("code_verifier", &pending.verifier);
    form.push("resource", pending.resource.as_str());
    caller.ask(Hop::CodeExchange, form)
}

/// Renews an access token, with all the scope it had.
///
/// # Errors
/// [`ClientError`] when nothing can be asked.
pub fn refresh(
    caller: Caller<'_>,
    refresh_token: &SecretText,
    resource: &ResourceUri,
) -> Result<Prepared, ClientError> {
    let mut form = Form::grant("refresh_token");
    form.push_secret("refresh_token", refresh_token);
    form.push("resource", resource.as_str());
    caller.ask(Hop::Refresh, form)
}

/// Asks for a token for the client itself (CL-EXT-2).
///
/// # Errors
/// [`ClientError`] when nothing can be asked.
pub fn client_credentials(
    caller: Caller<'_>,
    resource: &ResourceUri,
    scope: Option<&Scope>,
) -> Result<Prepared, ClientError> {
    let mut form = Form::grant("client_credentials");
    target(&mut form, resource, scope);
    caller.ask(Hop::ClientCredentials, form)
}

/// Presents somebody else's assertion. Spec: RFC 7523 §2.1.
///
/// # Errors
/// [`ClientError`] when nothing can be asked.
pub fn jwt_bearer(
    caller: Caller<'_>,
    assertion: &SecretText,
    resource: &ResourceUri,
    scope: Option<&Scope>,
) -> Result<Prepared, ClientError> {
    let mut form = Form::grant("urn:ietf:params:oauth:grant-type:jwt-bearer");
    form.push_secret("assertion", assertion);
    target(&mut form, resource, scope);
    caller.ask(Hop::JwtBearer, form)
}

/// Asks whether the person has signed in elsewhere. Spec: RFC 8628 §3.4.
///
/// # Errors
/// [`ClientError`] when nothing can be asked.
pub fn device_token(
    caller: Caller<'_>,
    device_code: &SecretText,
    resource: &ResourceUri,
) -> Result<Prepared, ClientError> {
    let mut form = Form::grant("urn:ietf:params:oauth:grant-type:device_code");
    form.push_secret("device_code", device_code);
    form.push("resource", resource.as_str());
    caller.ask(Hop::DeviceToken, form)
}

/// Begins a sign-in elsewhere. Spec: RFC 8628 §3.1.
///
/// # Errors
/// [`ClientError`] when nothing can be asked.
pub fn device_authorization(
    caller: Caller<'_>,
    resource: &ResourceUri,
    scope: Option<&Scope>,
) -> Result<Prepared, ClientError> {
    let hop = Hop::DeviceAuthorization;
    let server = caller.server;
    let url = server.endpoint(hop, server.device_authorization_endpoint.as_ref())?;
    let mut form = Form::default();
    target(&mut form, resource, scope);
    caller
        .identity
        .authenticate(&mut form, &server.issuer, caller.now, caller.entropy)?;
    Prepared::new(hop, url, server.within, form)
}

/// Revokes a token. Any 200 means that it is of no use any more. Spec: RFC 7009 §2.1.
///
/// # Errors
/// [`ClientError`] when nothing can be asked.
pub fn revoke(
    caller: Caller<'_>,
    token: &SecretText,
    hint: &'static str,
) -> Result<Prepared, ClientError> {
    let hop = Hop::Revocation;
    let server = caller.server;
    let url = server.endpoint(hop, server.revocation_endpoint.as_ref())?;
    let mut form = Form::default();
    form.push_secret("token", token);
    form.push("token_type_hint", hint);
    caller
        .identity
        .authenticate(&mut form, &server.issuer, caller.now, caller.entropy)?;
    Prepared::new(hop, url, server.within, form)
}

pub(crate) fn target(form: &mut Form, resource: &ResourceUri, scope: Option<&Scope>) {
    form.push("resource", resource.as_str());
    if let Some(scope) = scope.filter(|scope| !scope.is_empty()) {
        form.push("scope", scope.as_str());
    }
}

/// A token endpoint that is configured, not discovered.
pub(crate) fn at_address(hop: Hop, url: &str, form: Form) -> Result<Prepared, ClientError> {
    usable(hop, url, Reach::Local)?;
    Prepared::new(hop, url, Reach::Local, form)
}
