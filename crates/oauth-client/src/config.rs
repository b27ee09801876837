//! What a program says of itself and of the server it wants to use.

use std::sync::Arc;

use async_trait::async_trait;
use oauth_jose::PrivateKey;
use oauth_types::env::{Clock, Entropy};
use oauth_types::registration::ClientMetadata;
use oauth_types::resource::InvalidResource;
use oauth_types::{ClientId, Issuer, Lifetime, Reach, ResourceUri, Scope, SecretText};

use crate::agent::{DeviceAgent, UserAgent};
use crate::authentication::AuthMethod;
use crate::observer::Observer;
use crate::store::{CredentialStore, MemoryStore};
use crate::transport::HttpClient;

/// One program at one protected server.
#[derive(Clone)]
pub struct ClientConfig {
    pub(crate) server: ResourceUri,
    pub(crate) metadata: ClientMetadata,
    pub(crate) client_metadata_url: Option<String>,
    pub(crate) preregistered: Vec<Preregistered>,
    pub(crate) key: Option<Arc<PrivateKey>>,
    pub(crate) grant: Grant,
    pub(crate) scope: Option<Scope>,
    pub(crate) offline_access: bool,
    pub(crate) owner: String,
    pub(crate) refresh_early: Lifetime,
    pub(crate) leniency: Leniency,
    pub(crate) within: Reach,
}

impl ClientConfig {
    /// A public client named `client_name` that signs people in, at the server of this address.
    ///
    /// # Errors
    /// [`InvalidResource`] unless the address is https, or http on this computer.
    pub fn new(server: &str, client_name: impl Into<String>) -> Result<Self, InvalidResource> {
        let mut metadata = ClientMetadata::default();
        metadata.client_name = Some(client_name.into());
        Ok(Self {
            server: ResourceUri::parse(server)?,
            metadata,
            client_metadata_url: None,
            preregistered: Vec::new(),
            key: None,
            grant: Grant::AuthorizationCode,
            scope: None,
            offline_access: true,
            owner: String::new(),
            refresh_early: Lifetime::minutes(1),
            leniency: Leniency::default(),
            within: Reach::Local,
        })
    }

    /// The server's address, as given.
    pub fn server(&self) -> &ResourceUri {
        &self.server
    }

    /// What is registered of the client besides (RFC 7591 §2). Redirect URIs, grant and response
    /// types, `application_type`, authentication method and keys are filled in where they are
    /// missing.
    #[must_use]
    pub fn metadata(mut self, metadata: ClientMetadata) -> Self {
        let name = self.metadata.client_name.take();
        self.metadata = metadata;
        self.metadata.client_name = self.metadata.client_name.take().or(name);
        self
    }

    /// The address of the client's own metadata document, which is its identifier wherever that is
    /// supported (CL-REG-2).
    #[must_use]
    pub fn client_metadata_url(mut self, url: impl Into<String>) -> Self {
        self.client_metadata_url = Some(url.into());
        self
    }

    /// A client that an authorization server knows already; it comes before every other way to be
    /// known. Several for several servers.
    #[must_use]
    pub fn preregistered(mut self, client: Preregistered) -> Self {
        self.preregistered.push(client);
        self
    }

    /// The key with which the client signs assertions where it can (`private_key_jwt`).
    #[must_use]
    pub fn key(mut self, key: PrivateKey) -> Self {
        self.key = Some(Arc::new(key));
        self
    }

    /// How tokens are got. Default: a person signs in.
    #[must_use]
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grant = grant;
        self
    }

    /// What is asked for where neither the server's challenge nor its metadata say what is needed.
    /// Default: nothing, which leaves it to the authorization server.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Whether to ask for `offline_access` where the authorization server knows it, and to register
    /// for refresh tokens. Default: yes.
    #[must_use]
    pub fn offline_access(mut self, wanted: bool) -> Self {
        self.offline_access = wanted;
        self
    }

    /// For whom: a person or tenant of a program that serves several. What is kept for one is never
    /// used for another (CL-AUTHZ-16). Default: nobody in particular.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
    }

    /// How long before its end an access token is renewed, but at most a tenth of its lifetime.
    /// Default: a minute.
    #[must_use]
    pub fn refresh_early(mut self, by: Lifetime) -> Self {
        self.refresh_early = by;
        self
    }

    /// How far inside one's own network anything may lie that is asked on the way to a token, the
    /// server itself included (CL-DISC-8). Default: anywhere, for a server that its user names. A
    /// program that runs elsewhere and is told by others which servers to use says
    /// [`Reach::Public`]. What it sends to the server besides is its own HTTP client's to bound.
    #[must_use]
    pub fn within(mut self, reach: Reach) -> Self {
        self.within = reach;
        self
    }

    /// Which mistakes of servers are forgiven. Default: none.
    #[must_use]
    pub fn leniency(mut self, leniency: Leniency) -> Self {
        self.leniency = leniency;
        self
    }
}

impl std::fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConfig")
            .field("server", &self.server)
            .field("grant", &self.grant)
            .field("leniency", &self.leniency)
            .finish_non_exhaustive()
    }
}

/// A client that an authorization server knows already.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Preregistered {
    /// Whose client it is. `None`: of whichever server is found first, and of no other from then on
    /// (CL-REG-7).
    pub issuer: Option<Issuer>,
    /// Its identifier.
    pub client_id: ClientId,
    /// Its secret.
    pub client_secret: Option<SecretText>,
    /// How it is registered to authenticate; `None` leaves the choice to what the server takes.
    pub method: Option<AuthMethod>,
}

impl Preregistered {
    /// A public client, or one that proves itself with [`ClientConfig::key`].
    pub fn new(client_id: impl Into<Arc<str>>) -> Self {
        Self {
            issuer: None,
            client_id: ClientId::new(client_id),
            client_secret: None,
            method: None,
        }
    }

    /// With this secret.
    #[must_use]
    pub fn secret(mut self, secret: SecretText) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// At this authorization server alone.
    #[must_use]
    pub fn at(mut self, issuer: Issuer) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// Authenticating in this way.
    #[must_use]
    pub fn by(mut self, method: AuthMethod) -> Self {
        self.method = Some(method);
        self
    }
}

/// How tokens are got.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Grant {
    /// A person signs in with a browser that comes back here. OAuth 2.1 §4.1.
    #[default]
    AuthorizationCode,
    /// A person signs in with a browser elsewhere. RFC 8628.
    Device,
    /// The client for itself. OAuth 2.1 §4.2.
    ClientCredentials,
    /// An assertion of somebody whom the authorization server trusts: a platform's token for a
    /// workload, an identity provider's for a person ([`crate::id_jag::IdentityAssertion`]).
    /// RFC 7523 §2.1.
    JwtBearer(Arc<dyn AssertionSource>),
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AuthorizationCode => "AuthorizationCode",
            Self::Device => "Device",
            Self::ClientCredentials => "ClientCredentials",
            Self::JwtBearer(_) => "JwtBearer",
        })
    }
}

/// Gives assertions for [`Grant::JwtBearer`]. A port. It is asked for each access token anew, since
/// many assertions are good once (CL-EXT-5).
#[async_trait]
pub trait AssertionSource: Send + Sync {
    /// An assertion for this authorization server and resource.
    ///
    /// # Errors
    /// See [`AssertionError`].
    async fn assertion(
        &self,
        target: &AssertionTarget<'_>,
        ports: &Ports,
    ) -> Result<SecretText, AssertionError>;
}

/// For whom an assertion has to be.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AssertionTarget<'a> {
    /// The authorization server: the assertion's audience.
    pub issuer: &'a Issuer,
    /// The protected server.
    pub resource: &'a ResourceUri,
    /// What is asked for.
    pub scope: Option<&'a Scope>,
}

/// There is no assertion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionError {
    /// Whoever gives them did not.
    #[error(transparent)]
    Hop(#[from] crate::hop::HopError),
    /// The source has none. The cause names no secret.
    #[error("there is no assertion")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An assertion that is there already, in a file say, which whoever runs the program keeps fresh.
#[async_trait]
impl AssertionSource for SecretText {
    async fn assertion(
        &self,
        _: &AssertionTarget<'_>,
        _: &Ports,
    ) -> Result<SecretText, AssertionError> {
        Ok(self.clone())
    }
}

/// Mistakes that are forgiven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leniency {
    /// A server without metadata is one of the revision 2025-03-26: its own origin is the
    /// authorization server, with the endpoints `/authorize`, `/token` and `/register` if there is
    /// no metadata for that either (CL-DISC-9).
    pub legacy_2025_03_26: bool,
    /// A resource that is above the server's address in the same origin is as good as the address
    /// itself (CL-DISC-3).
    pub parent_resource: bool,
    /// An authorization server without a path may or may not have a final slash in each of the
    /// places where its name stands (CL-DISC-6). The name that its own document says counts.
    pub issuer_slash: bool,
}

impl Leniency {
    /// Forgives nothing, by the letter of the standards.
    pub const STRICT: Self = Self {
        legacy_2025_03_26: false,
        parent_resource: false,
        issuer_slash: false,
    };

    /// Forgives all of these.
    pub const ALL: Self = Self {
        legacy_2025_03_26: true,
        parent_resource: true,
        issuer_slash: true,
    };

    /// With servers of the revision 2025-03-26, or without.
    #[must_use]
    pub const fn legacy_2025_03_26(mut self, yes: bool) -> Self {
        self.legacy_2025_03_26 = yes;
        self
    }

    /// With resources above the server's address, or without.
    #[must_use]
    pub const fn parent_resource(mut self, yes: bool) -> Self {
        self.parent_resource = yes;
        self
    }

    /// With final slashes of issuers, or without.
    #[must_use]
    pub const fn issuer_slash(mut self, yes: bool) -> Self {
        self.issuer_slash = yes;
        self
    }
}

/// What the client asks of the world.
#[derive(Clone)]
#[non_exhaustive]
pub struct Ports {
    /// Sends requests.
    pub http: Arc<dyn HttpClient>,
    /// Keeps registrations and tokens.
    pub store: Arc<dyn CredentialStore>,
    /// Sends a person to sign in; `None` where nobody can be sent.
    pub user_agent: Option<Arc<dyn UserAgent>>,
    /// Shows a person a code to type in elsewhere.
    pub device: Option<Arc<dyn DeviceAgent>>,
    /// Is told what happens.
    pub observer: Arc<dyn Observer>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives secrets.
    pub entropy: Arc<dyn Entropy>,
}

impl Ports {
    /// These; with a store in memory, nobody to sign in, and nobody to tell.
    pub fn new(
        http: impl HttpClient + 'static,
        clock: impl Clock + 'static,
        entropy: impl Entropy + 'static,
    ) -> Self {
        Self {
            http: Arc::new(http),
            store: Arc::new(MemoryStore::new()),
            user_agent: None,
            device: None,
            observer: Arc::new(crate::observer::NoObserver),
            clock: Arc::new(clock),
            entropy: Arc::new(entropy),
        }
    }

    /// Keeps registrations and tokens there.
    #[must_use]
    pub fn store(mut self, store: impl CredentialStore + 'static) -> Self {
        self.store = Arc::new(store);
        self
    }

    /// Signs people in with this.
    #[must_use]
    pub fn user_agent(mut self, agent: impl UserAgent + 'static) -> Self {
        self.user_agent = Some(Arc::new(agent));
        self
    }

    /// Shows people codes with this.
    #[must_use]
    pub fn device(mut self, agent: impl DeviceAgent + 'static) -> Self {
        self.device = Some(Arc::new(agent));
        self
    }

    /// Tells this what happens.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ports")
    }
}
