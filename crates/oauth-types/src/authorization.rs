//! The authorization endpoint's messages.

use std::borrow::Cow;

/// The parameters of an authorization request as they arrived, before any of them was judged.
///
/// A parameter with an empty value counts as absent and an unknown one is ignored
/// (OAuth 2.1 §3.1). A known one given twice is remembered in [`Self::repeated`], because
/// what that means depends on which one it is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AuthorizationRequest<'a> {
    /// `client_id`.
    pub client_id: Option<Cow<'a, str>>,
    /// `redirect_uri`.
    pub redirect_uri: Option<Cow<'a, str>>,
    /// `response_type`; only `code` is offered.
    pub response_type: Option<Cow<'a, str>>,
    /// `scope`.
    pub scope: Option<Cow<'a, str>>,
    /// `state`, returned unchanged.
    pub state: Option<Cow<'a, str>>,
    /// `code_challenge`.
    pub code_challenge: Option<Cow<'a, str>>,
    /// `code_challenge_method`; only `S256` is offered.
    pub code_challenge_method: Option<Cow<'a, str>>,
    /// `resource`, any number of times (RFC 8707 §2).
    pub resource: Vec<Cow<'a, str>>,
    /// `prompt` (OpenID Connect Core §3.1.2.1).
    pub prompt: Option<Cow<'a, str>>,
    /// `response_mode`; only `query` is offered.
    pub response_mode: Option<Cow<'a, str>>,
    /// `max_age`: how long ago the person may have signed in, in seconds.
    pub max_age: Option<Cow<'a, str>>,
    /// `login_hint`: a name to fill in for the person.
    pub login_hint: Option<Cow<'a, str>>,
    /// `acr_values`: the classes of proof that would do, the best first (RFC 9470 §4).
    pub acr_values: Option<Cow<'a, str>>,
    /// `ui_locales`: the languages of the person, the best first.
    pub ui_locales: Option<Cow<'a, str>>,
    /// `request`, which is not supported and must not be ignored (RFC 9101 §6).
    pub request: Option<Cow<'a, str>>,
    /// `request_uri`, likewise.
    pub request_uri: Option<Cow<'a, str>>,
    /// The first known parameter that came more than once.
    pub repeated: Option<&'static str>,
}

impl<'a> AuthorizationRequest<'a> {
    /// Gathers the pairs of a query string or form, already percent-decoded.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Self {
        let mut request = Self::default();
        for (name, value) in pairs {
            if value.is_empty() {
                continue;
            }
            let (name, slot) = match &*name {
                "client_id" => ("client_id", &mut request.client_id),
                "redirect_uri" => ("redirect_uri", &mut request.redirect_uri),
                "response_type" => ("response_type", &mut request.response_type),
                "scope" => ("scope", &mut request.scope),
                "state" => ("state", &mut request.state),
                "code_challenge" => ("code_challenge", &mut request.code_challenge),
                "code_challenge_method" => {
                    ("code_challenge_method", &mut request.code_challenge_method)
                }
                "prompt" => ("prompt", &mut request.prompt),
                "response_mode" => ("response_mode", &mut request.response_mode),
                "max_age" => ("max_age", &mut request.max_age),
                "login_hint" => ("login_hint", &mut request.login_hint),
                "acr_values" => ("acr_values", &mut request.acr_values),
                "ui_locales" => ("ui_locales", &mut request.ui_locales),
                "request" => ("request", &mut request.request),
                "request_uri" => ("request_uri", &mut request.request_uri),
                "resource" => {
                    request.resource.push(value);
                    continue;
                }
                _ => continue,
            };
            if slot.is_some() {
                request.repeated.get_or_insert(name);
            } else {
                *slot = Some(value);
            }
        }
        request
    }
}

/// The `error` of an authorization response.
///
/// Spec: OAuth 2.1 §4.1.2.1, RFC 8707 §2, OpenID Connect Core §3.1.2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthorizationErrorCode {
    /// Something is missing, repeated or malformed.
    InvalidRequest,
    /// This client may not use this grant.
    UnauthorizedClient,
    /// The person, or the server for them, said no.
    AccessDenied,
    /// Only `code` is offered.
    UnsupportedResponseType,
    /// The scope is malformed, unknown or too wide.
    InvalidScope,
    /// The resource is malformed, unknown or not allowed.
    InvalidTarget,
    /// `prompt=none`, and nobody is signed in.
    LoginRequired,
    /// `prompt=none`, and the person has to be asked.
    ConsentRequired,
    /// Request objects are not supported.
    RequestNotSupported,
    /// Request objects by reference are not supported.
    RequestUriNotSupported,
}

impl AuthorizationErrorCode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
        }
    }
}
