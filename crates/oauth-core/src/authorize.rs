//! The authorization endpoint's first half: is this request sound, and where may its answer go?

use std::borrow::Cow;
use std::sync::Arc;

use oauth_storage::{ClientRecord, ClientRegistration, GrantType, StorageError};
use oauth_types::redirect_uri::RedirectKind;
use oauth_types::{
    AuthorizationErrorCode, AuthorizationRequest, ClientId, CodeChallenge, RedirectUri,
    ResourceUri, Scope, Timestamp,
};

use crate::client_metadata::ClientLookupError;
use crate::pending::PendingAuthorization;
use crate::policy::ResourceMode;
use crate::redirect::Redirect;
use crate::server::AuthorizationServer;

/// `state` beyond this is refused: it travels sealed through forms.
pub const MAX_STATE: usize = 4096;
/// Hints beyond this are not passed on: nobody has to follow one.
const LONGEST_HINT: usize = 256;
/// The scope that asks for refresh tokens; clients of every kind send it. What refreshes is
/// decided by the client's grant types, so it is accepted and granted nothing.
const OFFLINE_ACCESS: &str = "offline_access";

/// An authorization request that a person may be asked about. Only
/// [`AuthorizationServer::authorize`] makes one.
#[derive(Debug, Clone)]
pub struct ValidAuthorization {
    pub(crate) client: Arc<ClientRecord>,
    pub(crate) redirect_uri: RedirectUri,
    pub(crate) state: Option<String>,
    pub(crate) challenge: CodeChallenge,
    pub(crate) scope: Scope,
    pub(crate) resources: Vec<ResourceUri>,
    pub(crate) prompt: Prompt,
    pub(crate) login_hint: Option<String>,
    pub(crate) signed_in_since: Option<Timestamp>,
    pub(crate) acr_values: Option<String>,
    pub(crate) ui_locales: Option<String>,
}

impl ValidAuthorization {
    /// Whether nobody may be asked anything (`prompt=none`).
    pub const fn is_silent(&self) -> bool {
        self.prompt.none
    }

    /// The answer to a silent request that cannot be approved without asking.
    pub fn silent_failure(
        &self,
        server: &AuthorizationServer,
        signed_in: bool,
    ) -> AuthorizeFailure {
        let error = if signed_in {
            AuthorizationError::ConsentRequired
        } else {
            AuthorizationError::LoginRequired
        };
        server.refusal(
            &self.client,
            &self.redirect_uri,
            self.state.as_deref(),
            error,
        )
    }
}

/// What `prompt` asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Prompt {
    pub(crate) none: bool,
    pub(crate) login: bool,
    pub(crate) select_account: bool,
    pub(crate) consent: bool,
}

/// Why a request goes no further, and who is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthorizeFailure {
    /// Client or redirect URI unproven: tell the person, never redirect (OAuth 2.1 §4.1.2.1).
    ShowPage(AuthorizePageError),
    /// Redirect URI proven: tell the client, with `state` and `iss` (RFC 9207).
    Redirect {
        /// Where to.
        to: Redirect,
        /// What is told.
        error: AuthorizationError,
        /// Whether at once. Anybody can register a client, so for hosts nobody vouches for a
        /// person is asked first; else the endpoint would forward to any address on the web.
        when: RedirectWhen,
    },
    /// The store failed; the person can try again.
    Unavailable(StorageError),
}

/// When an error goes to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectWhen {
    /// Now.
    AtOnce,
    /// After a person has agreed to go there.
    AfterConfirmation,
}

/// What the person is told when nothing about the client can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizePageError {
    /// No `client_id`, or several.
    #[error("the request does not say which client it is from")]
    NoClient,
    /// Nobody knows this client.
    #[error("the client is not known here; it may have to register again")]
    UnknownClient,
    /// The client's metadata document cannot be had, or makes no client.
    #[error("the application's metadata document cannot be read, or is not acceptable here")]
    MetadataDocument,
    /// No `redirect_uri`, or several, and the client has not exactly one.
    #[error("the request does not say where to return to")]
    NoRedirectUri,
    /// The redirect URI is not one the client registered.
    #[error("the address to return to is not one that the client registered")]
    RedirectUriMismatch,
}

/// What the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// A known parameter came more than once.
    #[error("a parameter is repeated")]
    Repeated,
    /// `response_type` is missing.
    #[error("response_type is required")]
    NoResponseType,
    /// Only `code` is offered.
    #[error("only response_type=code is supported")]
    UnsupportedResponseType,
    /// Only `query` is offered.
    #[error("only response_mode=query is supported")]
    UnsupportedResponseMode,
    /// The client is not registered for codes.
    #[error("this client may not use the authorization code grant")]
    UnauthorizedClient,
    /// PKCE is missing, malformed or not S256.
    #[error("PKCE with code_challenge_method=S256 is required")]
    Pkce,
    /// The scope is malformed or unknown.
    #[error("the scope is not known here")]
    Scope,
    /// The resource is malformed or unknown.
    #[error("the resource is not known here")]
    Target,
    /// `state` is longer than 4096 bytes.
    #[error("state is longer than 4096 bytes")]
    StateTooLong,
    /// `prompt` is contradictory.
    #[error("prompt=none cannot be combined with another value")]
    Prompt,
    /// `max_age` is not a number of seconds.
    #[error("max_age is a number of seconds")]
    MaxAge,
    /// A request object came.
    #[error("request objects are not supported")]
    RequestObject,
    /// A request object came by reference.
    #[error("request_uri is not supported")]
    RequestUri,
    /// `prompt=none`, and nobody is signed in.
    #[error("nobody is signed in")]
    LoginRequired,
    /// `prompt=none`, and a person has to be asked.
    #[error("a person has to be asked")]
    ConsentRequired,
    /// The person said no.
    #[error("the request was denied")]
    Denied,
    /// It would not fit the address of a consent page elsewhere.
    #[error("the request is too long: with its state it has to fit an address of 6144 bytes")]
    TooLongToHandOff,
}

impl AuthorizationError {
    /// The standard's word.
    pub const fn code(self) -> AuthorizationErrorCode {
        use AuthorizationErrorCode as Code;
        match self {
            Self::Repeated
            | Self::NoResponseType
            | Self::UnsupportedResponseMode
            | Self::Pkce
            | Self::StateTooLong
            | Self::Prompt
            | Self::MaxAge
            | Self::TooLongToHandOff => Code::InvalidRequest,
            Self::UnsupportedResponseType => Code::UnsupportedResponseType,
            Self::UnauthorizedClient => Code::UnauthorizedClient,
            Self::Scope => Code::InvalidScope,
            Self::Target => Code::InvalidTarget,
            Self::RequestObject => Code::RequestNotSupported,
            Self::RequestUri => Code::RequestUriNotSupported,
            Self::LoginRequired => Code::LoginRequired,
            Self::ConsentRequired => Code::ConsentRequired,
            Self::Denied => Code::AccessDenied,
        }
    }
}

impl AuthorizationServer {
    /// Judges an authorization request: first client and redirect URI, then all the rest.
    ///
    /// # Errors
    /// See [`AuthorizeFailure`]. Spec: OAuth 2.1 §4.1.1, RFC 8707 §2.
    pub async fn authorize(
        &self,
        request: &AuthorizationRequest<'_>,
    ) -> Result<ValidAuthorization, AuthorizeFailure> {
        let page = AuthorizeFailure::ShowPage;
        let repeated = |name| request.repeated == Some(name);
        if repeated("client_id") {
            return Err(page(AuthorizePageError::NoClient));
        }
        let id = request
            .client_id
            .as_deref()
            .ok_or(page(AuthorizePageError::NoClient))?;
        let found = self.client_now(&ClientId::new(id)).await;
        let found = found.map_err(|error| match error {
            ClientLookupError::Document => page(AuthorizePageError::MetadataDocument),
            ClientLookupError::Storage(error) => AuthorizeFailure::Unavailable(error),
        });
        let client = found?.ok_or(page(AuthorizePageError::UnknownClient))?;
        let redirect_uri = if repeated("redirect_uri") {
            Err(AuthorizePageError::NoRedirectUri)
        } else {
            proven_redirect_uri(&client, request.redirect_uri.as_deref())
        };
        let redirect_uri = redirect_uri.map_err(page)?;
        let state = request.state.as_deref().filter(|_| !repeated("state"));
        self.judge(request, &client, &redirect_uri, state)
            .map_err(|error| self.refusal(&client, &redirect_uri, state, error))
    }

    fn judge(
        &self,
        request: &AuthorizationRequest<'_>,
        client: &Arc<ClientRecord>,
        redirect_uri: &RedirectUri,
        state: Option<&str>,
    ) -> Result<ValidAuthorization, AuthorizationError> {
        use AuthorizationError as Error;
        if request.repeated.is_some() {
            return Err(Error::Repeated);
        }
        // Ignoring these would weaken a request that its sender meant to be signed.
        if request.request.is_some() {
            return Err(Error::RequestObject);
        }
        if request.request_uri.is_some() {
            return Err(Error::RequestUri);
        }
        match request.response_type.as_deref() {
            Some("code") => {}
            None => return Err(Error::NoResponseType),
            Some(_) => return Err(Error::UnsupportedResponseType),
        }
        if request
            .response_mode
            .as_deref()
            .is_some_and(|mode| mode != "query")
        {
            return Err(Error::UnsupportedResponseMode);
        }
        if !client.grant_types.contains(&GrantType::AuthorizationCode) {
            return Err(Error::UnauthorizedClient);
        }
        if state.is_some_and(|state| state.len() > MAX_STATE) {
            return Err(Error::StateTooLong);
        }
        if request.code_challenge_method.as_deref() != Some("S256") {
            return Err(Error::Pkce);
        }
        let challenge = request.code_challenge.as_deref().ok_or(Error::Pkce)?;
        let challenge = CodeChallenge::parse(challenge).map_err(|_| Error::Pkce)?;
        let resources = self.requested_resources(request)?;
        let scope = self.requested_scope(request.scope.as_deref(), &resources, client)?;
        let mut prompt = parse_prompt(request.prompt.as_deref())?;
        let max_age = request.max_age.as_deref().map(str::parse::<u64>);
        let max_age = max_age.transpose().map_err(|_| Error::MaxAge)?;
        // Of no age at all: a sign-in of this very second does not count either.
        prompt.login |= max_age == Some(0) && !prompt.none;
        let signed_in_since = max_age.map(|age| {
            let now = self.now().as_unix();
            Timestamp::from_unix(now.saturating_sub(age).saturating_add(u64::from(age == 0)))
        });
        let hint = |text: &Option<Cow<'_, str>>| {
            let text = text.as_deref().filter(|text| text.len() <= LONGEST_HINT);
            text.map(str::to_owned)
        };
        Ok(ValidAuthorization {
            client: Arc::clone(client),
            redirect_uri: redirect_uri.clone(),
            state: state.map(str::to_owned),
            challenge,
            scope,
            resources,
            prompt,
            login_hint: hint(&request.login_hint),
            signed_in_since,
            acr_values: hint(&request.acr_values),
            ui_locales: hint(&request.ui_locales),
        })
    }

    /// RFC 8707 §2: without `resource` the first configured one is meant, unless policy is strict.
    fn requested_resources(
        &self,
        request: &AuthorizationRequest<'_>,
    ) -> Result<Vec<ResourceUri>, AuthorizationError> {
        let mut resources: Vec<ResourceUri> = Vec::new();
        for text in &request.resource {
            let resource = self
                .config
                .resource_named(text)
                .ok_or(AuthorizationError::Target)?;
            if !resources.contains(&resource.uri) {
                resources.push(resource.uri.clone());
            }
        }
        if resources.is_empty() {
            if self.policy().resource_mode == ResourceMode::Strict {
                return Err(AuthorizationError::Target);
            }
            resources.extend(
                self.config
                    .resources
                    .first()
                    .map(|resource| resource.uri.clone()),
            );
        }
        Ok(resources)
    }

    fn requested_scope(
        &self,
        requested: Option<&str>,
        resources: &[ResourceUri],
        client: &ClientRecord,
    ) -> Result<Scope, AuthorizationError> {
        let named = || {
            self.config
                .resources
                .iter()
                .filter(|r| resources.contains(&r.uri))
        };
        let known: Scope =
            named().fold(Scope::empty(), |all, resource| all.union(&resource.known()));
        let asked = match requested {
            None => named().fold(Scope::empty(), |all, resource| {
                all.union(&resource.defaults())
            }),
            Some(text) => {
                let asked = Scope::parse(text).map_err(|_| AuthorizationError::Scope)?;
                let asked: Scope = asked
                    .iter()
                    .filter(|token| *token != OFFLINE_ACCESS)
                    .collect();
                if asked.is_empty() {
                    named().fold(Scope::empty(), |all, resource| {
                        all.union(&resource.defaults())
                    })
                } else {
                    asked
                }
            }
        };
        if !asked.is_subset(&known) {
            return Err(AuthorizationError::Scope);
        }
        let granted = match &client.scope {
            Some(ceiling) => asked.intersection(ceiling),
            None => asked,
        };
        if granted.is_empty() {
            Err(AuthorizationError::Scope)
        } else {
            Ok(granted)
        }
    }

    /// An error for the client, sent at once only where somebody vouches for the address
    /// (OAuth 2.1 §7.13.2).
    pub(crate) fn refusal(
        &self,
        client: &ClientRecord,
        redirect_uri: &RedirectUri,
        state: Option<&str>,
        error: AuthorizationError,
    ) -> AuthorizeFailure {
        let vouched_for = client.registration == ClientRegistration::Preregistered;
        self.refusal_to(vouched_for, redirect_uri, state, error)
    }

    fn refusal_to(
        &self,
        vouched_for: bool,
        redirect_uri: &RedirectUri,
        state: Option<&str>,
        error: AuthorizationError,
    ) -> AuthorizeFailure {
        AuthorizeFailure::Redirect {
            to: Redirect::error(&self.config.issuer, redirect_uri, state, error),
            error,
            when: if vouched_for || redirect_uri.kind() == RedirectKind::Loopback {
                RedirectWhen::AtOnce
            } else {
                RedirectWhen::AfterConfirmation
            },
        }
    }

    /// The same for a request that had been found sound.
    pub(crate) fn pending_refusal(
        &self,
        pending: &PendingAuthorization,
        error: AuthorizationError,
    ) -> AuthorizeFailure {
        let (to, state) = (&pending.redirect_uri, pending.state.as_deref());
        self.refusal_to(pending.client_vouched_for, to, state, error)
    }
}

/// OAuth 2.1 §2.3.2: it may be left out only when exactly one is registered.
fn proven_redirect_uri(
    client: &ClientRecord,
    requested: Option<&str>,
) -> Result<RedirectUri, AuthorizePageError> {
    match (requested, client.redirect_uris.as_slice()) {
        (None, [one]) => Ok(one.clone()),
        (None, _) => Err(AuthorizePageError::NoRedirectUri),
        (Some(text), registered) => {
            let admitting = registered.iter().find(|uri| uri.admits(text));
            let admitting = admitting.ok_or(AuthorizePageError::RedirectUriMismatch)?;
            if admitting.as_str() == text {
                return Ok(admitting.clone());
            }
            RedirectUri::parse(text).map_err(|_| AuthorizePageError::RedirectUriMismatch)
        }
    }
}

fn parse_prompt(text: Option<&str>) -> Result<Prompt, AuthorizationError> {
    let mut prompt = Prompt::default();
    let mut others = false;
    for word in text
        .unwrap_or_default()
        .split(' ')
        .filter(|word| !word.is_empty())
    {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "select_account" => (prompt.login, prompt.select_account) = (true, true),
            "consent" => prompt.consent = true,
            // Unknown words mean nothing here.
            _ => others = true,
        }
    }
    if prompt.none && (prompt.login || prompt.consent || others) {
        return Err(AuthorizationError::Prompt);
    }
    Ok(prompt)
}
