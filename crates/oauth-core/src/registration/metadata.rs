//! Client metadata, judged and corrected. Spec: RFC 7591 §2.

use oauth_storage::{ClientRecord, DigestId, GrantType, TokenEndpointAuthMethod};
use oauth_types::redirect_uri::RedirectKind;
use oauth_types::registration::ClientMetadata;
use oauth_types::{RedirectUri, Scope};
use serde_json::Value;

use super::{RegistrationError, RegistrationRules, display, jwks};

/// Redirect URIs of one client.
const MOST_REDIRECT_URIS: usize = 32;
/// Bytes of one address.
const LONGEST_URI: usize = 2048;
/// About how many bytes a store may have to keep for one stranger, see [`weight`].
const MOST_WEIGHT: usize = 4608;

/// Metadata that was judged and corrected.
pub(crate) struct ValidMetadata {
    /// As it will be answered.
    metadata: ClientMetadata,
    redirect_uris: Vec<RedirectUri>,
    grant_types: Vec<GrantType>,
    pub(super) method: TokenEndpointAuthMethod,
    scope: Option<Scope>,
}

impl ValidMetadata {
    /// Judges what a client sent. `offered` are the scopes of this server.
    pub(crate) fn judge(
        mut metadata: ClientMetadata,
        rules: &RegistrationRules,
        offered: &Scope,
    ) -> Result<Self, RegistrationError> {
        let method = judge_method(&mut metadata)?;
        let grant_types = judge_grant_types(&mut metadata)?;
        judge_keys(&metadata, method)?;
        let redirect_uris = judge_redirect_uris(&mut metadata, rules)?;
        display::tidy(&mut metadata)?;
        let kept = serde_json::to_value(&metadata).unwrap_or_default();
        if weight(&kept) > MOST_WEIGHT {
            return Err(RegistrationError::Metadata("the metadata are too much"));
        }
        // A client that asked for what it needs at first could never step up later, so what is
        // registered is what the server offers; consent is asked scope by scope anyway.
        let ceiling = rules.scope.as_ref();
        let registered = ceiling.map_or_else(|| offered.clone(), |most| most.intersection(offered));
        metadata.scope = Some(registered.as_str().to_owned());
        Ok(Self {
            metadata,
            redirect_uris,
            grant_types,
            method,
            scope: rules.scope.clone(),
        })
    }

    /// Puts what was judged into a record, in place of all that it held of this kind.
    pub(crate) fn store_in(&self, record: &mut ClientRecord) {
        let mut stored = self.metadata.clone();
        stored.redirect_uris.clear();
        // What is on offer may change, and the ceiling stands in the record.
        stored.scope = None;
        record.jwks = stored.jwks.take();
        record.jwks_uri = stored.jwks_uri.take();
        record.token_endpoint_auth_method = self.method;
        record.redirect_uris.clone_from(&self.redirect_uris);
        record.grant_types.clone_from(&self.grant_types);
        record.scope.clone_from(&self.scope);
        record.metadata = stored;
    }

    /// What is answered: all of it, in the words it was sent.
    pub(super) fn into_answer(self) -> ClientMetadata {
        self.metadata
    }

    /// Digest of all that makes two registrations the same. The port of a loopback address does
    /// not: programs choose a free one at every start.
    pub(super) fn digest(&self) -> DigestId {
        let mut canonical = self.metadata.clone();
        canonical.redirect_uris = self
            .redirect_uris
            .iter()
            .map(|uri| match uri.kind() {
                RedirectKind::Loopback => {
                    let (before, after) = uri.without_port();
                    format!("{before}{after}")
                }
                _ => uri.as_str().to_owned(),
            })
            .collect();
        canonical.redirect_uris.sort();
        canonical.redirect_uris.dedup();
        DigestId::of(&["open registration", &text_of(&canonical)])
    }
}

/// What a document takes to keep: its text, and 64 bytes for each value and each name, since many
/// small ones take far more than their text.
fn weight(value: &Value) -> usize {
    64 + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(weight).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| 64 + name.len() + weight(member))
            .sum(),
    }
}

/// Metadata as JSON. A struct's members come in one order, and so do a map's.
fn text_of(metadata: &ClientMetadata) -> String {
    // proved: the values are strings, arrays and what was JSON before.
    serde_json::to_string(metadata).expect("plain values")
}

/// The metadata of a record in the words of an answer.
pub(super) fn of_record(record: &ClientRecord) -> ClientMetadata {
    let mut metadata = record.metadata.clone();
    let texts = record
        .redirect_uris
        .iter()
        .map(|uri| uri.as_str().to_owned());
    metadata.redirect_uris = texts.collect();
    metadata.jwks.clone_from(&record.jwks);
    metadata.jwks_uri.clone_from(&record.jwks_uri);
    metadata
}

fn judge_method(
    metadata: &mut ClientMetadata,
) -> Result<TokenEndpointAuthMethod, RegistrationError> {
    use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt};
    let asked = metadata.token_endpoint_auth_method.as_deref();
    let method = [None, ClientSecretBasic, ClientSecretPost, PrivateKeyJwt]
        .into_iter()
        .find(|method| method.as_str() == asked.unwrap_or(ClientSecretBasic.as_str()))
        .ok_or(RegistrationError::Metadata(
            "token_endpoint_auth_method is not supported",
        ))?;
    metadata.token_endpoint_auth_method = Some(method.as_str().to_owned());
    Ok(method)
}

/// Grant and response types go together: `authorization_code` with `code`. What a client may not
/// have is left out of the answer (RFC 7591 §3.2.1).
fn judge_grant_types(metadata: &mut ClientMetadata) -> Result<Vec<GrantType>, RegistrationError> {
    let bad = |why| Err(RegistrationError::Metadata(why));
    let asked = metadata.grant_types.take();
    let asked = asked.unwrap_or_else(|| vec!["authorization_code".to_owned()]);
    let mut grant_types = Vec::new();
    for grant_type in &asked {
        let kept = match grant_type.as_str() {
            "authorization_code" => GrantType::AuthorizationCode,
            "refresh_token" => GrantType::RefreshToken,
            "implicit" | "password" => {
                return bad("the implicit and password grants do not exist any more");
            }
            // Client credentials presume that somebody entered the client.
            _ => continue,
        };
        if !grant_types.contains(&kept) {
            grant_types.push(kept);
        }
    }
    if !grant_types.contains(&GrantType::AuthorizationCode) {
        return bad("grant_types must include authorization_code");
    }
    let words = grant_types.iter().map(|kept| kept.as_str().to_owned());
    metadata.grant_types = Some(words.collect());
    if let Some(types) = &metadata.response_types
        && !types.iter().any(|response| response == "code")
    {
        return bad("response_types must include code");
    }
    metadata.response_types = Some(vec!["code".to_owned()]);
    Ok(grant_types)
}

fn judge_keys(
    metadata: &ClientMetadata,
    method: TokenEndpointAuthMethod,
) -> Result<(), RegistrationError> {
    let bad = |why| Err(RegistrationError::Metadata(why));
    match (&metadata.jwks, &metadata.jwks_uri) {
        (Some(_), Some(_)) => return bad("jwks and jwks_uri exclude each other"),
        (Some(keys), None) => jwks::judge(keys)?,
        (None, Some(uri)) => {
            let https = url::Url::parse(uri).is_ok_and(|url| url.scheme() == "https");
            if !https || uri.len() > LONGEST_URI {
                return bad("jwks_uri is an https address");
            }
        }
        (None, None) if method == TokenEndpointAuthMethod::PrivateKeyJwt => {
            return bad("private_key_jwt needs jwks or jwks_uri");
        }
        (None, None) => {}
    }
    Ok(())
}

fn judge_redirect_uris(
    metadata: &mut ClientMetadata,
    rules: &RegistrationRules,
) -> Result<Vec<RedirectUri>, RegistrationError> {
    let bad = |why| Err(RegistrationError::RedirectUri(why));
    if metadata.redirect_uris.is_empty() {
        return bad("redirect_uris is required");
    }
    if metadata.redirect_uris.len() > MOST_REDIRECT_URIS {
        return bad("too many redirect_uris");
    }
    let mut redirect_uris = Vec::with_capacity(metadata.redirect_uris.len());
    for text in &metadata.redirect_uris {
        if text.len() > LONGEST_URI {
            return bad("a redirect URI is too long");
        }
        let Ok(uri) = rules.redirect_uri(text) else {
            return bad(
                "a redirect URI is https, http on a loopback host, or of an accepted private-use scheme, without fragment",
            );
        };
        redirect_uris.push(uri);
    }
    let remote = redirect_uris.iter().all(is_remote_https);
    match metadata.application_type.as_deref() {
        Some("web") if !remote => {
            return bad("a web application's redirect URIs are https on a host of its own");
        }
        Some("web" | "native") => {}
        Some(_) => {
            return Err(RegistrationError::Metadata(
                "application_type is web or native",
            ));
        }
        // OpenID Connect would say web, and so refuse every program that does not know the word.
        None => metadata.application_type = Some(if remote { "web" } else { "native" }.to_owned()),
    }
    Ok(redirect_uris)
}

fn is_remote_https(uri: &RedirectUri) -> bool {
    let host = url::Url::parse(uri.as_str());
    let host = host
        .ok()
        .and_then(|url| url.host().map(|host| host.to_owned()));
    uri.kind() == RedirectKind::Https
        && match host {
            Some(url::Host::Domain(name)) => name != "localhost" && !name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => !address.is_loopback(),
            Some(url::Host::Ipv6(address)) => !address.is_loopback(),
            None => false,
        }
}
