//! The token endpoint's messages, and what an access token says.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    Audience, AuthenticationContext, ClientId, GrantId, Issuer, Scope, Subject, Timestamp,
};

/// The parameters of a token, revocation or introspection request as they arrived.
///
/// A parameter with an empty value counts as absent and an unknown one is ignored; a known one
/// given twice is remembered in [`Self::repeated`] and always refused (OAuth 2.1 §3.2).
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct TokenRequest<'a> {
    /// `grant_type`.
    pub grant_type: Option<Cow<'a, str>>,
    /// `client_id`.
    pub client_id: Option<Cow<'a, str>>,
    /// `client_secret`.
    pub client_secret: Option<Cow<'a, str>>,
    /// `client_assertion_type`.
    pub client_assertion_type: Option<Cow<'a, str>>,
    /// `client_assertion`.
    pub client_assertion: Option<Cow<'a, str>>,
    /// `code`.
    pub code: Option<Cow<'a, str>>,
    /// `code_verifier`.
    pub code_verifier: Option<Cow<'a, str>>,
    /// `redirect_uri`.
    pub redirect_uri: Option<Cow<'a, str>>,
    /// `refresh_token`.
    pub refresh_token: Option<Cow<'a, str>>,
    /// `scope`.
    pub scope: Option<Cow<'a, str>>,
    /// `resource`, any number of times (RFC 8707 §2).
    pub resource: Vec<Cow<'a, str>>,
    /// `token`, of revocation and introspection.
    pub token: Option<Cow<'a, str>>,
    /// The first known parameter that came more than once.
    pub repeated: Option<&'static str>,
}

impl std::fmt::Debug for TokenRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nearly every member is a secret.
        f.debug_struct("TokenRequest")
            .field("grant_type", &self.grant_type)
            .finish_non_exhaustive()
    }
}

impl<'a> TokenRequest<'a> {
    /// Gathers the pairs of a form, already percent-decoded.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Self {
        let mut request = Self::default();
        for (name, value) in pairs {
            if value.is_empty() {
                continue;
            }
            let (name, slot) = match &*name {
                "grant_type" => ("grant_type", &mut request.grant_type),
                "client_id" => ("client_id", &mut request.client_id),
                "client_secret" => ("client_secret", &mut request.client_secret),
                "client_assertion_type" => {
                    ("client_assertion_type", &mut request.client_assertion_type)
                }
                "client_assertion" => ("client_assertion", &mut request.client_assertion),
                "code" => ("code", &mut request.code),
                "code_verifier" => ("code_verifier", &mut request.code_verifier),
                "redirect_uri" => ("redirect_uri", &mut request.redirect_uri),
                "refresh_token" => ("refresh_token", &mut request.refresh_token),
                "scope" => ("scope", &mut request.scope),
                "token" => ("token", &mut request.token),
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

/// A successful answer of the token endpoint.
///
/// Spec: OAuth 2.1 §3.2.3.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds the access token is still good for.
    pub expires_in: u64,
    /// The refresh token that replaces any earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What the access token may be used for.
    pub scope: Scope,
}

impl TokenResponse {
    /// A bearer token's answer.
    pub fn bearer(
        access_token: String,
        expires_in: u64,
        refresh_token: Option<String>,
        scope: Scope,
    ) -> Self {
        Self {
            access_token,
            token_type: "Bearer",
            expires_in,
            refresh_token,
            scope,
        }
    }
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The `error` of a token endpoint's answer.
///
/// Spec: OAuth 2.1 §3.2.4, RFC 8707 §2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenErrorCode {
    /// Something is missing, repeated or malformed.
    InvalidRequest,
    /// The client is unknown or did not authenticate as registered.
    InvalidClient,
    /// The code or refresh token is not accepted.
    InvalidGrant,
    /// This client may not use this grant.
    UnauthorizedClient,
    /// No such grant here.
    UnsupportedGrantType,
    /// The scope is malformed or wider than what was granted.
    InvalidScope,
    /// The resource was not granted.
    InvalidTarget,
}

impl TokenErrorCode {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
        }
    }
}

/// What a valid access token says, for those who serve the resource.
///
/// Cheap to clone. Spec: RFC 7662 §2.2, RFC 9068 §2.2.
#[derive(Clone)]
#[non_exhaustive]
pub struct AccessClaims {
    /// Who issued the token; with [`Self::subject`] the key of a person.
    pub issuer: Issuer,
    /// Whom the token speaks for.
    pub subject: Subject,
    /// The client that holds the token; `None` where its issuer does not say.
    pub client_id: Option<ClientId>,
    /// What the token may be used for. Empty where nothing is said: never everything.
    pub scope: Scope,
    /// The resources the token is good for.
    pub audience: Audience,
    /// When it was issued; `None` where its issuer does not say.
    pub issued_at: Option<Timestamp>,
    /// When it stops being good; a response that lasts longer ends then.
    pub expires_at: Timestamp,
    /// The grant behind it, when the verifier knows.
    pub grant: Option<GrantId>,
    /// When the person signed in who gave it; `None` when there was no person, or nobody knows.
    pub auth_time: Option<Timestamp>,
    /// How, if that is known.
    pub authentication: Option<Arc<AuthenticationContext>>,
    /// Everything the issuer says, in its own words; `None` where there is no more than this.
    pub said: Option<Arc<Map<String, Value>>>,
}

impl AccessClaims {
    /// Claims of a token that was just verified, with when it was issued and when it expires.
    pub fn new(
        issuer: Issuer,
        subject: Subject,
        client_id: impl Into<Option<ClientId>>,
        scope: Scope,
        audience: impl Into<Audience>,
        (issued_at, expires_at): (impl Into<Option<Timestamp>>, Timestamp),
    ) -> Self {
        Self {
            issuer,
            subject,
            client_id: client_id.into(),
            scope,
            audience: audience.into(),
            issued_at: issued_at.into(),
            expires_at,
            grant: None,
            auth_time: None,
            authentication: None,
            said: None,
        }
    }
}

impl std::fmt::Debug for AccessClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What else an issuer says may be anything about a person.
        f.debug_struct("AccessClaims")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
