//! The authorization endpoint: where a person is sent, and what they come back with.

use oauth_types::env::{Entropy, EntropyError};
use oauth_types::redirect_uri::RedirectKind;
use oauth_types::{
    ClientId, CodeChallenge, CodeVerifier, Issuer, RedirectUri, ResourceUri, Scope, Secret,
    SecretText,
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::authentication::ClientIdentity;
use crate::error::{AuthorizationError, ClientError};
use crate::hop::{Address, Got, Hop, HopError};
use crate::message::{self, Secrets};
use crate::metadata::ServerMetadata;
use crate::store::{InvalidRecord, Record};

/// A sign-in under way: what its answer is held against (CL-AUTHZ-7).
///
/// Whoever sends people off in one request and receives them in another keeps it meanwhile, under
/// that person's own login and nobody else's (CL-AUTHZ-17). It is good once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PendingAuthorization {
    /// The server that was asked, by its validated metadata.
    pub issuer: Issuer,
    /// Where people were sent.
    pub authorization_endpoint: String,
    /// Where the code may go, and nowhere else (CL-AUTHZ-10).
    pub token_endpoint: String,
    /// As which client.
    pub client_id: ClientId,
    /// Where the answer comes.
    pub redirect_uri: String,
    /// For what the token will be.
    pub resource: ResourceUri,
    /// What was asked for, `None` if that was left to the server.
    pub scope: Option<Scope>,
    /// Whether the answer must name its issuer.
    pub iss_required: bool,
    /// For which server and owner a [`crate::Client`] began it (CL-AUTHZ-16).
    pub(crate) connection: Option<String>,
    pub(crate) state: SecretText,
    pub(crate) verifier: SecretText,
}

/// What is asked for, besides who asks whom.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// Where the answer shall come.
    pub redirect_uri: &'a str,
    /// The resource, sent as it is (CL-AUTHZ-2).
    pub resource: &'a ResourceUri,
    /// The scope; `None` leaves it to the server.
    pub scope: Option<&'a Scope>,
}

impl<'a> Ask<'a> {
    /// A code for `resource`, to be sent to `redirect_uri`.
    pub const fn new(
        redirect_uri: &'a str,
        resource: &'a ResourceUri,
        scope: Option<&'a Scope>,
    ) -> Self {
        Self {
            redirect_uri,
            resource,
            scope,
        }
    }
}

/// Makes the address a person is sent to, and what their answer is held against. Verifier and
/// `state` are drawn anew, 256 bits each (CL-AUTHZ-1, CL-AUTHZ-6).
///
/// # Errors
/// [`ClientError`] when the server does not know PKCE with S256 (CL-DISC-7), when its endpoint or
/// the redirect URI may not be used (CL-AUTHZ-11, CL-AUTHZ-12), or nothing can be drawn.
pub fn authorize(
    server: &ServerMetadata,
    identity: &ClientIdentity,
    ask: Ask<'_>,
    entropy: &dyn Entropy,
) -> Result<(String, PendingAuthorization), ClientError> {
    if !server.knows_s256() && !server.assumed {
        let got = match &server.code_challenge_methods_supported {
            Some(_) => "others only",
            None => "no `code_challenge_methods_supported`",
        };
        let got = Got::Unusable(got.to_owned());
        let expected = "PKCE with S256";
        let issuer = server.issuer.as_str();
        return Err(HopError::new(Hop::ServerMetadata, issuer, expected, got).into());
    }
    let endpoint = server.endpoint(Hop::Authorization, server.authorization_endpoint.as_ref())?;
    let token_endpoint = server.endpoint(Hop::CodeExchange, server.token_endpoint.as_ref())?;
    let sound = RedirectUri::parse(ask.redirect_uri)
        .is_ok_and(|uri| matches!(uri.kind(), RedirectKind::Https | RedirectKind::Loopback));
    if !sound {
        return Err(AuthorizationError::RedirectUri(Address::of(ask.redirect_uri)).into());
    }
    let (state, verifier) = (drawn(entropy)?, drawn(entropy)?);
    // proved: 43 characters of base64url are a verifier (RFC 7636 §4.1).
    let challenge = CodeVerifier::parse(verifier.expose()).map(CodeChallenge::of);
    let challenge = challenge.map_err(|_| EntropyError::new())?;
    // proved: `endpoint` has just been parsed.
    let mut url = Url::parse(endpoint).map_err(|_| EntropyError::new())?;
    url.set_fragment(None);
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", identity.client_id.as_str())
            .append_pair("redirect_uri", ask.redirect_uri)
            .append_pair("code_challenge", &challenge.to_string())
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", state.expose())
            .append_pair("resource", ask.resource.as_str());
        if let Some(scope) = ask.scope.filter(|scope| !scope.is_empty()) {
            query.append_pair("scope", scope.as_str());
            if scope.contains("offline_access") {
                // OpenID Connect Core §11: without it, `offline_access` is to be ignored.
                query.append_pair("prompt", "consent");
            }
        }
    }
    let pending = PendingAuthorization {
        issuer: server.issuer.clone(),
        authorization_endpoint: endpoint.to_owned(),
        token_endpoint: token_endpoint.to_owned(),
        client_id: identity.client_id.clone(),
        redirect_uri: ask.redirect_uri.to_owned(),
        resource: ask.resource.clone(),
        scope: ask.scope.cloned(),
        iss_required: server.iss_parameter_supported,
        connection: None,
        state,
        verifier,
    };
    Ok((url.into(), pending))
}

fn drawn(entropy: &dyn Entropy) -> Result<SecretText, EntropyError> {
    let secret = Secret::draw(entropy)?;
    Ok(SecretText::new(message::base64url(secret.expose())))
}

impl PendingAuthorization {
    /// Reads the query with which the person came back, and gives the code in it.
    ///
    /// First `state` has to be the one that was sent, then `iss` the server that was asked; until
    /// then nothing else of the answer is looked at.
    ///
    /// # Errors
    /// See [`AuthorizationError`].
    pub fn read(&self, query: &str) -> Result<SecretText, AuthorizationError> {
        let url = || Address::of(&self.authorization_endpoint);
        let mut found = Answer::default();
        let query = query.strip_prefix('?').unwrap_or(query);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            found.take(&name, value.into_owned()).map_err(|parameter| {
                AuthorizationError::Repeated {
                    url: url(),
                    parameter,
                }
            })?;
        }
        let state = found.state.map(SecretText::new);
        if !state.is_some_and(|state| state.hash().matches(&self.state.hash())) {
            return Err(AuthorizationError::State { url: url() });
        }
        // RFC 9207 §2.4: compared as it is, whether it was promised or not (CL-AUTHZ-8).
        let from_them = match &found.iss {
            Some(iss) => iss == self.issuer.as_str(),
            None => !self.iss_required,
        };
        if !from_them {
            return Err(AuthorizationError::Issuer {
                expected: self.issuer.clone(),
                got: found.iss.as_deref().map(Address::of),
            });
        }
        if let Some(code) = &found.error {
            let secrets = Secrets::of([self.state.clone(), self.verifier.clone()]);
            let error = secrets.said(0, code, found.error_description.as_deref());
            return Err(AuthorizationError::Refused { url: url(), error });
        }
        match found.code {
            Some(code) if !code.is_empty() => Ok(SecretText::new(code)),
            _ => Err(AuthorizationError::Empty { url: url() }),
        }
    }
}

/// What a redirect can say.
#[derive(Default)]
struct Answer {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Answer {
    /// Takes one parameter; gives the name of one that came before.
    fn take(&mut self, name: &str, value: String) -> Result<(), &'static str> {
        let (name, slot) = match name {
            "state" => ("state", &mut self.state),
            "iss" => ("iss", &mut self.iss),
            "code" => ("code", &mut self.code),
            "error" => ("error", &mut self.error),
            "error_description" => ("error_description", &mut self.error_description),
            _ => return Ok(()),
        };
        match slot.replace(value) {
            Some(_) => Err(name),
            None => Ok(()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    issuer: Issuer,
    authorization_endpoint: String,
    token_endpoint: String,
    client_id: ClientId,
    redirect_uri: String,
    resource: ResourceUri,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    iss_required: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    state: String,
    code_verifier: String,
}

impl Record for PendingAuthorization {
    fn to_text(&self) -> SecretText {
        let stored = Stored {
            issuer: self.issuer.clone(),
            authorization_endpoint: self.authorization_endpoint.clone(),
            token_endpoint: self.token_endpoint.clone(),
            client_id: self.client_id.clone(),
            redirect_uri: self.redirect_uri.clone(),
            resource: self.resource.clone(),
            scope: self.scope.clone(),
            iss_required: self.iss_required,
            connection: self.connection.clone(),
            state: self.state.expose().to_owned(),
            code_verifier: self.verifier.expose().to_owned(),
        };
        crate::store::write(&stored)
    }

    fn from_text(text: &SecretText) -> Result<Self, InvalidRecord> {
        let stored: Stored = crate::store::read(text)?;
        Ok(Self {
            issuer: stored.issuer,
            authorization_endpoint: stored.authorization_endpoint,
            token_endpoint: stored.token_endpoint,
            client_id: stored.client_id,
            redirect_uri: stored.redirect_uri,
            resource: stored.resource,
            scope: stored.scope,
            iss_required: stored.iss_required,
            connection: stored.connection,
            state: SecretText::new(stored.state),
            verifier: SecretText::new(stored.code_verifier),
        })
    }
}
