//! Clients that an administrator enters.

use oauth_storage::record::encode;
use oauth_storage::{
    ClientLifetimes, ClientRecord, ClientRegistration, ClientSecret, GrantType, Insert, Replace,
    StorageError, StorageErrorKind, TokenEndpointAuthMethod,
};
use oauth_types::registration::ClientMetadata;
use oauth_types::{ClientId, RedirectUri, ResourceUri, Scope, SecretHash};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::jwks;
use crate::server::AuthorizationServer;

/// Rounds of compare-and-set, against replicas that start at the same time.
const ROUNDS: usize = 16;

/// A client as configuration describes it. Its members are those of RFC 7591 §2 where that has
/// them; members it does not know are refused, since a misspelt one would otherwise be a default.
///
/// ```
/// use oauth_core::PreregisteredClient;
/// let client: PreregisteredClient = serde_json::from_str(r#"{
///     "client_id": "reports",
///     "token_endpoint_auth_method": "client_secret_basic",
///     "client_secrets": ["sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"],
///     "grant_types": ["client_credentials"],
///     "scope": "mcp:tools",
///     "lifetimes": { "access_token": 300 }
/// }"#)?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PreregisteredClient {
    /// Its identifier: not one of the form that this server generates, nor an https address.
    pub client_id: ClientId,
    /// How it authenticates. Default `none`: a public client.
    #[serde(default = "public")]
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// Digests of its secrets, see [`SecretHash::from_configured`]; several during a rotation.
    /// Digest generated secrets only: 128 random bits or more.
    #[serde(default, deserialize_with = "digests")]
    pub client_secrets: Vec<SecretHash>,
    /// Where codes may be sent.
    #[serde(default)]
    pub redirect_uris: Vec<RedirectUri>,
    /// Which grants it may use. Default `authorization_code` and `refresh_token`.
    #[serde(default = "codes_and_refreshes")]
    pub grant_types: Vec<GrantType>,
    /// The most it may ever ask for; without it everything on offer.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// The resources about whose tokens it may ask.
    #[serde(default)]
    pub introspects: Vec<ResourceUri>,
    /// Its name, for people.
    #[serde(default)]
    pub client_name: Option<String>,
    /// Its home page, for people.
    #[serde(default)]
    pub client_uri: Option<String>,
    /// Its picture, for people.
    #[serde(default)]
    pub logo_uri: Option<String>,
    /// Its public keys, for `private_key_jwt`.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// Where its public keys are instead: an https address.
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// What lasts otherwise for it, in seconds.
    #[serde(default)]
    pub lifetimes: ClientLifetimes,
}

/// A pre-registered client that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreregisterError {
    /// The identifier could be one that this server generates, or a metadata document's.
    #[error(
        "a pre-registered client_id neither begins with `c_` nor with `https://`, and is not empty"
    )]
    Identifier,
    /// A client that registered itself has the identifier.
    #[error("a client that registered itself has this client_id")]
    Taken,
    /// The client's way to authenticate and what it has for it do not fit.
    #[error(
        "a client with a secret method needs client_secrets, private_key_jwt needs either jwks or jwks_uri, and other clients have no secret"
    )]
    Credentials,
    /// The grants and what they need do not fit.
    #[error(
        "authorization_code needs redirect_uris, refresh_token needs authorization_code, and client_credentials needs a confidential client"
    )]
    Grants,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl PreregisteredClient {
    /// A public client that may ask for codes and refresh, and has no redirect URI yet.
    pub fn new(client_id: ClientId) -> Self {
        Self {
            client_id,
            token_endpoint_auth_method: public(),
            client_secrets: Vec::new(),
            redirect_uris: Vec::new(),
            grant_types: codes_and_refreshes(),
            scope: None,
            introspects: Vec::new(),
            client_name: None,
            client_uri: None,
            logo_uri: None,
            jwks: None,
            jwks_uri: None,
            lifetimes: ClientLifetimes::default(),
        }
    }

    fn check(&self) -> Result<(), PreregisterError> {
        let id = self.client_id.as_str();
        if id.is_empty() || ClientId::could_be(id) {
            return Err(PreregisterError::Identifier);
        }
        let method = self.token_endpoint_auth_method;
        let keys = match (&self.jwks, &self.jwks_uri) {
            (None, None) => method != TokenEndpointAuthMethod::PrivateKeyJwt,
            (Some(keys), None) => jwks::judge(keys).is_ok(),
            (None, Some(uri)) => uri.starts_with("https://"),
            (Some(_), Some(_)) => false,
        };
        if method.has_secret() == self.client_secrets.is_empty() || !keys {
            return Err(PreregisterError::Credentials);
        }
        let has = |grant_type| self.grant_types.contains(&grant_type);
        let codes = has(GrantType::AuthorizationCode);
        let public = method == TokenEndpointAuthMethod::None;
        if codes == self.redirect_uris.is_empty()
            || (has(GrantType::RefreshToken) && !codes)
            || (has(GrantType::ClientCredentials) && public)
        {
            return Err(PreregisterError::Grants);
        }
        Ok(())
    }

    fn store_in(&self, record: &mut ClientRecord) {
        let mut metadata = ClientMetadata::default();
        metadata.client_name.clone_from(&self.client_name);
        metadata.client_uri.clone_from(&self.client_uri);
        metadata.logo_uri.clone_from(&self.logo_uri);
        record.token_endpoint_auth_method = self.token_endpoint_auth_method;
        record.secrets = self
            .client_secrets
            .iter()
            .map(|hash| ClientSecret {
                hash: *hash,
                expires_at: None,
            })
            .collect();
        record.redirect_uris.clone_from(&self.redirect_uris);
        record.grant_types.clone_from(&self.grant_types);
        record.scope.clone_from(&self.scope);
        record.introspects.clone_from(&self.introspects);
        record.metadata = metadata;
        record.jwks.clone_from(&self.jwks);
        record.jwks_uri.clone_from(&self.jwks_uri);
        record.lifetimes = self.lifetimes;
        record.retain_until = None;
    }
}

impl AuthorizationServer {
    /// Enters a client, or brings the one of this identifier to what configuration says now: to
    /// be called at every start. Nothing is written when nothing has changed. Its barrier and its
    /// grants stay; a client that is no longer configured stays too, until
    /// [`Self::remove_client`].
    ///
    /// # Errors
    /// See [`PreregisterError`].
    pub async fn preregister(&self, client: &PreregisteredClient) -> Result<(), PreregisterError> {
        client.check()?;
        let clients = self.storage.clients();
        for _ in 0..ROUNDS {
            let Some(found) = clients.find(&client.client_id).await? else {
                let mut record = ClientRecord::new(
                    client.client_id.clone(),
                    ClientRegistration::Preregistered,
                    client.token_endpoint_auth_method,
                    self.now(),
                );
                client.store_in(&mut record);
                if clients.insert(record).await? == Insert::Inserted {
                    return Ok(());
                }
                continue;
            };
            if found.record.registration != ClientRegistration::Preregistered {
                return Err(PreregisterError::Taken);
            }
            let mut next = ClientRecord::clone(&found.record);
            client.store_in(&mut next);
            if encode(&next)? == encode(&*found.record)? {
                return Ok(());
            }
            if let Replace::Replaced(_) = clients.replace(found.revision, next).await? {
                return Ok(());
            }
        }
        Err(StorageError::from(StorageErrorKind::Contended).into())
    }
}

const fn public() -> TokenEndpointAuthMethod {
    TokenEndpointAuthMethod::None
}

fn codes_and_refreshes() -> Vec<GrantType> {
    vec![GrantType::AuthorizationCode, GrantType::RefreshToken]
}

fn digests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretHash>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| {
            // The text is not repeated: somebody may have configured a secret itself.
            SecretHash::from_configured(text).ok_or_else(|| {
                serde::de::Error::custom("a client secret is `sha256:` and 64 hexadecimal digits")
            })
        })
        .collect()
}
