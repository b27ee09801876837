//! As which client to go on.

use http::header::{self, HeaderValue};
use http::{Method, Response};
use oauth_types::registration::ClientMetadata;
use oauth_types::{ClientId, Issuer, RedirectUri, SecretText, Timestamp};
use serde_json::{Value, json};
use url::Url;

use crate::authentication::AuthMethod;
use crate::config::{ClientConfig, Grant, Preregistered};
use crate::error::RegistrationError;
use crate::hop::{Got, Hop, HopError};
use crate::message::{self, Secrets};
use crate::metadata::ServerMetadata;
use crate::store::{Binding, Registration};
use crate::token::Prepared;

/// How a client is known to an authorization server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Choice<'a> {
    /// From configuration.
    Preregistered(&'a Preregistered),
    /// By its own metadata document at this address.
    MetadataDocument(&'a str),
    /// By registering.
    Register,
}

/// Chooses how a client is known: pre-registered, else by its own document where the server reads
/// those, else by registration where the server offers it (CL-REG-1). `bound` is what was found
/// here before.
///
/// # Errors
/// [`RegistrationError::BelongsElsewhere`] when there are configured clients and all of them belong
/// to others (CL-REG-7), [`RegistrationError::NotOffered`] when there is no way.
pub fn choose<'a>(
    config: &'a ClientConfig,
    server: &ServerMetadata,
    bound: Option<&Binding>,
) -> Result<Choice<'a>, RegistrationError> {
    let issuer = &server.issuer;
    // Whose a configured client is: by configuration, or by its first use.
    let owner = |client: &'a Preregistered| -> Option<Issuer> {
        client.issuer.clone().or_else(|| {
            let bound =
                bound.filter(|bound| bound.preregistered.as_ref() == Some(&client.client_id));
            bound.map(|bound| bound.issuer.clone())
        })
    };
    let mut elsewhere = None;
    for client in &config.preregistered {
        match owner(client) {
            Some(owner) if owner != *issuer => elsewhere = Some((client, owner)),
            _ => return Ok(Choice::Preregistered(client)),
        }
    }
    if let Some((client, belongs_to)) = elsewhere {
        return Err(RegistrationError::BelongsElsewhere {
            client_id: client.client_id.clone(),
            belongs_to,
            found: issuer.clone(),
        });
    }
    match &config.client_metadata_url {
        Some(url) if server.client_id_metadata_document_supported && names_a_document(url) => {
            Ok(Choice::MetadataDocument(url))
        }
        _ if server.registration_endpoint.is_some() => Ok(Choice::Register),
        _ => Err(RegistrationError::NotOffered {
            issuer: issuer.clone(),
        }),
    }
}

/// Whether an address can be a client's identifier: https, with a path (CL-REG-2).
fn names_a_document(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.scheme() == "https"
            && url.path() != "/"
            && url.fragment().is_none()
            && url.username().is_empty()
    })
}

/// What is registered, complete: `redirect_uri`, grant and response types, `application_type`
/// (CL-REG-4), authentication and keys are filled in where the configuration leaves them open.
pub fn metadata(
    config: &ClientConfig,
    server: &ServerMetadata,
    redirect_uri: Option<&str>,
) -> ClientMetadata {
    let mut metadata = config.metadata.clone();
    if let Some(redirect_uri) = redirect_uri {
        let registered =
            |held: &String| RedirectUri::parse(held).is_ok_and(|held| held.admits(redirect_uri));
        if !metadata.redirect_uris.iter().any(registered) {
            metadata.redirect_uris.push(redirect_uri.to_owned());
        }
    }
    let (grant, response) = match config.grant {
        Grant::AuthorizationCode => ("authorization_code", vec!["code".to_owned()]),
        Grant::Device => ("urn:ietf:params:oauth:grant-type:device_code", Vec::new()),
        Grant::ClientCredentials => ("client_credentials", Vec::new()),
        Grant::JwtBearer(_) => ("urn:ietf:params:oauth:grant-type:jwt-bearer", Vec::new()),
    };
    metadata.grant_types.get_or_insert_with(|| {
        let mut grants = vec![grant.to_owned()];
        let people = matches!(config.grant, Grant::AuthorizationCode | Grant::Device);
        if people && config.offline_access {
            grants.push("refresh_token".to_owned());
        }
        grants
    });
    metadata.response_types.get_or_insert(response);
    metadata.application_type.get_or_insert_with(|| {
        let web = |uri: &String| uri.starts_with("https://");
        let all = !metadata.redirect_uris.is_empty() && metadata.redirect_uris.iter().all(web);
        if all { "web" } else { "native" }.to_owned()
    });
    let method = metadata
        .token_endpoint_auth_method
        .get_or_insert_with(|| method(config, server).as_str().to_owned());
    if method == AuthMethod::PrivateKeyJwt.as_str()
        && metadata.jwks.is_none()
        && metadata.jwks_uri.is_none()
        && let Some(key) = &config.key
    {
        metadata.jwks = Some(json!({ "keys": [key.public_jwk()] }));
    }
    metadata
}

/// How a client that registers will authenticate: with its key where it has one, as a public client
/// where it signs people in, else with a secret.
fn method(config: &ClientConfig, server: &ServerMetadata) -> AuthMethod {
    let person = !matches!(config.grant, Grant::ClientCredentials);
    let [one, other] = server.ways_with_a_secret();
    [
        (config.key.is_some(), AuthMethod::PrivateKeyJwt),
        (person, AuthMethod::None),
        (true, one),
        (true, other),
    ]
    .into_iter()
    .find(|(possible, method)| *possible && server.takes(*method))
    .map_or(AuthMethod::ClientSecretBasic, |(_, method)| method)
}

/// The request that registers a client. Spec: RFC 7591 §3.1.
///
/// # Errors
/// [`HopError`] when the endpoint may not be asked.
pub fn register(server: &ServerMetadata, metadata: &ClientMetadata) -> Result<Prepared, HopError> {
    let hop = Hop::Registration;
    let url = server.endpoint(hop, server.registration_endpoint.as_ref())?;
    // proved: texts, lists and JSON values can always be written.
    let body = serde_json::to_vec(metadata).expect("texts and JSON values");
    let mut request = message::request(Method::POST, hop, url, body.into())?;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(Prepared::of(
        request,
        hop,
        url,
        server.within,
        Secrets::default(),
    ))
}

/// Reads the answer to a registration. An `issuer` in it means nothing (CL-REG-9). Spec: RFC 7591
/// §3.2.
///
/// # Errors
/// [`HopError`] for a refusal, and for what is no registration.
pub fn read(
    prepared: &Prepared,
    asked: &ClientMetadata,
    server: &ServerMetadata,
    response: &Response<bytes::Bytes>,
) -> Result<Registration, HopError> {
    let expected = "a registered client";
    let answer = message::answer(
        prepared.hop,
        &prepared.url,
        expected,
        response,
        &prepared.secrets,
    )?;
    let text = |name: &str| crate::metadata::text(&answer, name);
    let Some(client_id) = text("client_id") else {
        return Err(prepared.fail(expected, Got::Unusable("no client_id".to_owned())));
    };
    let secret = text("client_secret").map(SecretText::new);
    let named = text("token_endpoint_auth_method");
    let method = match (&named, &secret) {
        (Some(named), _) => AuthMethod::named(named),
        // Left out: what was asked for, if it fits what came, else what the server takes. Some hand
        // out a secret and take none.
        (None, Some(_)) => server
            .ways_with_a_secret()
            .into_iter()
            .chain([AuthMethod::None])
            .find(|method| server.takes(*method)),
        (None, None) => asked
            .token_endpoint_auth_method
            .as_deref()
            .and_then(AuthMethod::named)
            .filter(|method| matches!(method, AuthMethod::None | AuthMethod::PrivateKeyJwt)),
    };
    let needs_secret = |method: &AuthMethod| {
        matches!(
            method,
            AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost
        )
    };
    let method = method.filter(|method| secret.is_some() || !needs_secret(method));
    let Some(method) = method else {
        let got = "a client that cannot authenticate as registered";
        return Err(prepared.fail(expected, Got::Unusable(got.to_owned())));
    };
    let expires = answer
        .get("client_secret_expires_at")
        .and_then(Value::as_u64);
    let registered = answer.get("redirect_uris").and_then(Value::as_array);
    let redirect_uris = match registered {
        Some(uris) => uris
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        None => asked.redirect_uris.clone(),
    };
    Ok(Registration {
        client_id: ClientId::new(client_id),
        client_secret: secret,
        method,
        secret_expires_at: expires.filter(|at| *at > 0).map(Timestamp::from_unix),
        redirect_uris,
    })
}

impl Registration {
    /// Whether it is good at `now` for an answer at `redirect_uri`. A loopback address may have
    /// another port each time (RFC 8252 §7.3).
    pub fn serves(&self, redirect_uri: Option<&str>, now: Timestamp) -> bool {
        let registered = |requested: &str| {
            let mut held = self.redirect_uris.iter();
            held.any(|held| RedirectUri::parse(held).is_ok_and(|held| held.admits(requested)))
        };
        self.secret_expires_at.is_none_or(|end| now < end) && redirect_uri.is_none_or(registered)
    }
}
