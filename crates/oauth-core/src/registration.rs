//! Dynamic client registration. Spec: RFC 7591.

use oauth_storage::{
    ClientRecord, ClientRegistration, ClientSecret, GrantType, Insert, StorageError,
    StorageErrorKind, TokenEndpointAuthMethod,
};
use oauth_types::env::EntropyError;
use oauth_types::redirect_uri::RedirectKind;
use oauth_types::registration::{ClientInformation, ClientMetadata, RegistrationErrorCode};
use oauth_types::{ClientId, RedirectUri, SecretText};

use crate::event::Event;
use crate::limit::{Limit, Limited, Source};
use crate::server::AuthorizationServer;

/// Redirect URIs of one client.
const MOST_REDIRECT_URIS: usize = 32;
/// Bytes of one redirect URI.
const LONGEST_REDIRECT_URI: usize = 2048;
/// Characters of a name shown to people.
const LONGEST_NAME: usize = 200;

/// Why no client was registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// A redirect URI is missing or not acceptable; the text says why.
    #[error("{0}")]
    RedirectUri(&'static str),
    /// Another member is not acceptable; the text says why.
    #[error("{0}")]
    Metadata(&'static str),
    /// This server takes no registrations.
    #[error("registration is switched off")]
    Disabled,
    /// Too many registrations from one address.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing random to make an identifier of.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl RegistrationError {
    /// The standard's word; `None` when the server failed or the client should wait or go away.
    pub const fn code(&self) -> Option<RegistrationErrorCode> {
        match self {
            Self::RedirectUri(_) => Some(RegistrationErrorCode::InvalidRedirectUri),
            Self::Metadata(_) => Some(RegistrationErrorCode::InvalidClientMetadata),
            Self::Disabled | Self::Limited(_) | Self::Storage(_) | Self::Entropy(_) => None,
        }
    }
}

/// Metadata that was judged and corrected.
struct ValidMetadata {
    metadata: ClientMetadata,
    redirect_uris: Vec<RedirectUri>,
    grant_types: Vec<GrantType>,
    method: TokenEndpointAuthMethod,
}

impl AuthorizationServer {
    /// Registers a client that introduces itself. The answer says all that was registered,
    /// corrections included, and a secret (shown this once) if the client is to have one.
    ///
    /// # Errors
    /// See [`RegistrationError`].
    pub async fn register(
        &self,
        metadata: ClientMetadata,
        source: Source,
    ) -> Result<ClientInformation, RegistrationError> {
        if !self.policy().dynamic_registration {
            return Err(RegistrationError::Disabled);
        }
        let mut valid = judge(metadata)?;
        // A client that asked for what it needs at first could never step up later, so what is
        // registered is what the server offers; consent is asked scope by scope anyway.
        valid.metadata.scope = Some(self.config.scopes().as_str().to_owned());
        let now = self.now();
        self.limiter()
            .hit(&Limit::REGISTRATION, &source.key(), now)
            .await?;

        let id = ClientId::generate(self.entropy())?;
        let secret = match valid.method {
            TokenEndpointAuthMethod::None => None,
            _ => Some(SecretText::generate(self.entropy())?),
        };
        let mut stored = valid.metadata.clone();
        stored.redirect_uris.clear();
        let mut record =
            ClientRecord::new(id.clone(), ClientRegistration::Dynamic, valid.method, now);
        record.secrets = secret
            .iter()
            .map(|secret| ClientSecret {
                hash: secret.hash(),
                expires_at: None,
            })
            .collect();
        record.redirect_uris = valid.redirect_uris;
        record.grant_types = valid.grant_types;
        record.metadata = stored;
        record.retain_until = Some(now.plus(self.policy().unused_client_lifetime));
        match self.storage.clients().insert(record).await? {
            Insert::Inserted => {}
            // 128 random bits twice: the randomness is broken, or the store is.
            Insert::Exists => return Err(StorageError::from(StorageErrorKind::Corrupt).into()),
        }
        self.record(Event::ClientRegistered { client: &id });
        let secret = secret.map(|secret| secret.expose().to_owned());
        Ok(ClientInformation::new(
            id.as_str().to_owned(),
            now.as_unix(),
            secret,
            valid.metadata,
        ))
    }
}

fn judge(mut metadata: ClientMetadata) -> Result<ValidMetadata, RegistrationError> {
    use RegistrationError::{Metadata, RedirectUri as BadUri};
    let method = match metadata.token_endpoint_auth_method.as_deref() {
        None | Some("client_secret_basic") => TokenEndpointAuthMethod::ClientSecretBasic,
        Some("client_secret_post") => TokenEndpointAuthMethod::ClientSecretPost,
        Some("none") => TokenEndpointAuthMethod::None,
        Some(_) => return Err(Metadata("token_endpoint_auth_method is not supported")),
    };
    metadata.token_endpoint_auth_method = Some(method.as_str().to_owned());

    let asked = metadata
        .grant_types
        .take()
        .unwrap_or_else(|| vec!["authorization_code".to_owned()]);
    let mut grant_types = Vec::new();
    for grant_type in &asked {
        match grant_type.as_str() {
            "authorization_code" => grant_types.push(GrantType::AuthorizationCode),
            "refresh_token" => grant_types.push(GrantType::RefreshToken),
            "implicit" | "password" => {
                return Err(Metadata(
                    "the implicit and password grants do not exist any more",
                ));
            }
            // What a client may not have is left out of the answer (RFC 7591 §3.2.1); client
            // credentials presume that somebody entered the client.
            _ => {}
        }
    }
    grant_types.dedup();
    if !grant_types.contains(&GrantType::AuthorizationCode) {
        return Err(Metadata("grant_types must include authorization_code"));
    }
    metadata.grant_types = Some(
        grant_types
            .iter()
            .map(|grant_type| grant_type.as_str().to_owned())
            .collect(),
    );
    if metadata
        .response_types
        .as_ref()
        .is_some_and(|types| !types.iter().any(|t| t == "code"))
    {
        return Err(Metadata("response_types must include code"));
    }
    metadata.response_types = Some(vec!["code".to_owned()]);

    let web = match metadata.application_type.as_deref() {
        None | Some("native") => false,
        Some("web") => true,
        Some(_) => return Err(Metadata("application_type is web or native")),
    };
    if metadata.redirect_uris.is_empty() {
        return Err(BadUri("redirect_uris is required"));
    }
    if metadata.redirect_uris.len() > MOST_REDIRECT_URIS {
        return Err(BadUri("too many redirect_uris"));
    }
    let mut redirect_uris = Vec::with_capacity(metadata.redirect_uris.len());
    for text in &metadata.redirect_uris {
        if text.len() > LONGEST_REDIRECT_URI {
            return Err(BadUri("a redirect URI is too long"));
        }
        let uri = RedirectUri::parse(text).map_err(|_| {
            BadUri("a redirect URI is https, http on a loopback host, or a private-use scheme, without fragment")
        })?;
        if web && uri.kind() != RedirectKind::Https {
            return Err(BadUri("a web application's redirect URIs are https"));
        }
        redirect_uris.push(uri);
    }
    tidy_display(&mut metadata)?;
    Ok(ValidMetadata {
        metadata,
        redirect_uris,
        grant_types,
        method,
    })
}

/// What a client says for people to read is hostile until shown otherwise: short, printable, and
/// only https links. RFC 7591 §5.
fn tidy_display(metadata: &mut ClientMetadata) -> Result<(), RegistrationError> {
    let too_long = RegistrationError::Metadata("a text for display is too long");
    for text in [
        &mut metadata.client_name,
        &mut metadata.software_id,
        &mut metadata.software_version,
    ] {
        if let Some(held) = text {
            if held.chars().count() > LONGEST_NAME {
                return Err(too_long);
            }
            // Control and bidirectional characters could make one name look like another.
            let printable = |c: &char| {
                !c.is_control()
                    && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
            };
            let tidy: String = held.chars().filter(printable).collect();
            *text = Some(tidy.trim().to_owned()).filter(|tidy| !tidy.is_empty());
        }
    }
    for link in [
        &mut metadata.client_uri,
        &mut metadata.logo_uri,
        &mut metadata.tos_uri,
        &mut metadata.policy_uri,
    ] {
        let fine = link.as_ref().is_some_and(|text| {
            text.len() <= LONGEST_REDIRECT_URI
                && url::Url::parse(text).is_ok_and(|url| url.scheme() == "https")
        });
        if !fine {
            *link = None;
        }
    }
    Ok(())
}
