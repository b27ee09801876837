//! What servers say of themselves, as far as a client uses it.

use http::Response;
use oauth_types::{Issuer, Reach, ResourceUri, Scope};
use serde_json::{Map, Value};
use url::Url;

use crate::authentication::AuthMethod;
use crate::hop::{Got, Hop, HopError};

/// An authorization server's metadata. Members of a wrong type count as missing.
///
/// Spec: RFC 8414 §2, OpenID Connect Discovery §3, RFC 9207 §3.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerMetadata {
    /// Its name, as its own document says it.
    pub issuer: Issuer,
    /// Where people sign in.
    pub authorization_endpoint: Option<String>,
    /// Where tokens are given.
    pub token_endpoint: Option<String>,
    /// Where clients register (RFC 7591).
    pub registration_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// Where sign-in elsewhere begins (RFC 8628).
    pub device_authorization_endpoint: Option<String>,
    /// All scopes that it knows, if it says so.
    pub scopes_supported: Option<Vec<String>>,
    /// How clients may authenticate at the token endpoint, if it says so.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Which grants it knows, if it says so.
    pub grant_types_supported: Option<Vec<String>>,
    /// Which methods of PKCE it knows; `None` is none.
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// Which profiles of assertion grants it knows.
    pub authorization_grant_profiles_supported: Option<Vec<String>>,
    /// Whether every answer of its authorization endpoint has `iss`.
    pub iss_parameter_supported: bool,
    /// Whether it reads clients' own metadata documents.
    pub client_id_metadata_document_supported: bool,
    /// The resources that it issues tokens for, if it says so.
    pub protected_resources: Option<Vec<String>>,
    /// How far inside one's own network its endpoints may lie.
    pub within: Reach,
    /// Whether this is not a document but the default of the revision 2025-03-26.
    pub assumed: bool,
}

impl ServerMetadata {
    /// A server of which nothing is known but its name.
    pub(crate) fn bare(issuer: Issuer, within: Reach) -> Self {
        Self {
            issuer,
            authorization_endpoint: None,
            token_endpoint: None,
            registration_endpoint: None,
            revocation_endpoint: None,
            device_authorization_endpoint: None,
            scopes_supported: None,
            token_endpoint_auth_methods_supported: None,
            grant_types_supported: None,
            code_challenge_methods_supported: None,
            authorization_grant_profiles_supported: None,
            iss_parameter_supported: false,
            client_id_metadata_document_supported: false,
            protected_resources: None,
            within,
            assumed: false,
        }
    }

    /// The server that the revision 2025-03-26 assumes where there is no metadata.
    pub(crate) fn assumed(issuer: Issuer, within: Reach) -> Self {
        let at = |path: &str| Some(format!("{}{path}", issuer.origin()));
        Self {
            authorization_endpoint: at("/authorize"),
            token_endpoint: at("/token"),
            registration_endpoint: at("/register"),
            assumed: true,
            ..Self::bare(issuer, within)
        }
    }

    /// Reads a document that names this issuer.
    pub(crate) fn read(issuer: Issuer, within: Reach, document: &Map<String, Value>) -> Self {
        let is = |name: &str| document.get(name).and_then(Value::as_bool) == Some(true);
        Self {
            authorization_endpoint: text(document, "authorization_endpoint"),
            token_endpoint: text(document, "token_endpoint"),
            registration_endpoint: text(document, "registration_endpoint"),
            revocation_endpoint: text(document, "revocation_endpoint"),
            device_authorization_endpoint: text(document, "device_authorization_endpoint"),
            scopes_supported: texts(document, "scopes_supported"),
            token_endpoint_auth_methods_supported: texts(
                document,
                "token_endpoint_auth_methods_supported",
            ),
            grant_types_supported: texts(document, "grant_types_supported"),
            code_challenge_methods_supported: texts(document, "code_challenge_methods_supported"),
            authorization_grant_profiles_supported: texts(
                document,
                "authorization_grant_profiles_supported",
            ),
            iss_parameter_supported: is("authorization_response_iss_parameter_supported"),
            client_id_metadata_document_supported: is("client_id_metadata_document_supported"),
            protected_resources: texts(document, "protected_resources"),
            ..Self::bare(issuer, within)
        }
    }

    /// Whether clients may authenticate like that. A server that does not say what it takes may
    /// take anything.
    pub fn takes(&self, method: AuthMethod) -> bool {
        self.token_endpoint_auth_methods_supported
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|held| held == method.as_str()))
    }

    /// The ways to prove oneself with a secret, in the order in which it names them, the header first
    /// where it does not. They are worth the same, and what a server names first is what works best
    /// there.
    pub fn ways_with_a_secret(&self) -> [AuthMethod; 2] {
        use AuthMethod::{ClientSecretBasic as Basic, ClientSecretPost as Post};
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        let first = methods.and_then(|methods| {
            let mut named = methods
                .iter()
                .map(String::as_str)
                .filter_map(AuthMethod::named);
            named.find(|method| matches!(method, Basic | Post))
        });
        match first {
            Some(Post) => [Post, Basic],
            _ => [Basic, Post],
        }
    }

    /// Whether it knows PKCE with S256 (CL-DISC-7).
    pub fn knows_s256(&self) -> bool {
        let methods = self.code_challenge_methods_supported.as_ref();
        methods.is_some_and(|methods| methods.iter().any(|method| method == "S256"))
    }

    /// Whether it knows this scope, by its own word.
    pub fn knows_scope(&self, scope: &str) -> bool {
        let scopes = self.scopes_supported.as_ref();
        scopes.is_some_and(|scopes| scopes.iter().any(|held| held == scope))
    }

    /// An endpoint that must be there and may be used.
    ///
    /// # Errors
    /// [`HopError`] when it is missing, is plain http to another computer (CL-TOK-13), or lies
    /// further inside one's own network than the server itself.
    pub(crate) fn endpoint<'a>(
        &self,
        hop: Hop,
        endpoint: Option<&'a String>,
    ) -> Result<&'a str, HopError> {
        let Some(url) = endpoint else {
            return Err(HopError::new(
                Hop::ServerMetadata,
                self.issuer.as_str(),
                "an endpoint",
                Got::Unusable(format!("none for {hop}")),
            ));
        };
        usable(hop, url, self.within)?;
        Ok(url)
    }
}

/// Whether an address may be asked, as far as its text tells.
///
/// # Errors
/// [`HopError`] saying what is wrong with it.
pub(crate) fn usable(hop: Hop, url: &str, within: Reach) -> Result<(), HopError> {
    let fail = |expected, got: &str| {
        Err(HopError::new(
            hop,
            url,
            expected,
            Got::Unusable(got.to_owned()),
        ))
    };
    let expected = "an https address, or http on this computer";
    let Ok(parsed) = Url::parse(url) else {
        return fail(expected, "something that is no address");
    };
    if parsed.host().is_none() || !parsed.username().is_empty() || parsed.password().is_some() {
        return fail(expected, "an address without a host, or with a user in it");
    }
    let reach = Reach::of_url(url);
    let loopback = oauth_types::ResourceUri::parse(&parsed[..url::Position::AfterPath]).is_ok();
    if !loopback {
        return fail(
            expected,
            "plain http to another computer, or another scheme",
        );
    }
    if reach.is_some_and(|reach| reach > within) {
        return fail(
            "an address no further inside one's own network than the document that names it",
            "one further inside",
        );
    }
    Ok(())
}

/// A protected resource's metadata. Spec: RFC 9728 §2.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ResourceMetadata {
    /// The resource, exactly as it stands there.
    pub resource: ResourceUri,
    /// Its authorization servers, in its own order, exactly as they stand there.
    pub authorization_servers: Vec<String>,
    /// All scopes that it knows, if it says so.
    pub scopes_supported: Option<Scope>,
    /// A name for people. Untrusted.
    pub resource_name: Option<String>,
}

impl ResourceMetadata {
    /// The most authorization servers that are looked at.
    pub const MOST_SERVERS: usize = 8;

    /// Reads a document, whose `resource` has not been compared with anything yet. `None` where that
    /// is missing or none.
    pub(crate) fn read(document: &Map<String, Value>) -> Option<Self> {
        let resource = ResourceUri::parse(document.get("resource")?.as_str()?).ok()?;
        let mut servers = texts(document, "authorization_servers").unwrap_or_default();
        servers.truncate(Self::MOST_SERVERS);
        let scopes = texts(document, "scopes_supported").map(|scopes| {
            let sound = scopes.iter().filter(|scope| Scope::parse(scope).is_ok());
            sound.flat_map(|scope| scope.split(' ')).collect::<Scope>()
        });
        Some(Self {
            resource,
            authorization_servers: servers,
            scopes_supported: scopes.filter(|scopes| !scopes.is_empty()),
            resource_name: text(document, "resource_name"),
        })
    }
}

pub(crate) fn text(document: &Map<String, Value>, name: &str) -> Option<String> {
    let text = document.get(name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn texts(document: &Map<String, Value>, name: &str) -> Option<Vec<String>> {
    let array = document.get(name)?.as_array()?;
    let texts = array.iter().filter_map(Value::as_str);
    Some(texts.map(str::to_owned).collect())
}

/// Whether a response says that there is nothing at this place, so that the next one is looked at:
/// 4xx, 502, or something that is no JSON object (CL-DISC-5).
pub(crate) fn is_elsewhere<B>(response: &Response<B>) -> bool {
    response.status().is_client_error() || response.status().as_u16() == 502
}
