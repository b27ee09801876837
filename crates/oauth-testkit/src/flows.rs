//! A whole authorization story in a unit test: no HTTP, no ports, no sleeping, no runtime.
//!
//! ```
//! use oauth_testkit::flows::World;
//!
//! let world = World::new(7);
//! let app = world.register();
//! let alice = world.browser("alice");
//!
//! let code = world.approve(&app, &alice);
//! let tokens = world.redeem(&app, &code).unwrap();
//! assert_eq!(world.check(&tokens.access_token).unwrap().subject.as_str(), "alice");
//!
//! world.clock.advance(oauth_types::Lifetime::minutes(16));
//! assert!(world.check(&tokens.access_token).is_none());
//!
//! let refreshed = world.refresh(&app, tokens.refresh_token.as_deref().unwrap()).unwrap();
//! assert!(world.check(&refreshed.access_token).is_some());
//!
//! // A refresh token that comes back after its successor was used ends the grant.
//! let again = world.refresh(&app, refreshed.refresh_token.as_deref().unwrap()).unwrap();
//! assert!(world.refresh(&app, tokens.refresh_token.as_deref().unwrap()).is_err());
//! assert!(world.check(&again.access_token).is_none());
//! ```
//!
//! Each step also exists as a future (`…_async`), for tests that interleave them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oauth_core::types::registration::ClientMetadata;
use oauth_core::types::{
    AccessClaims, AuthorizationRequest, CodeChallenge, CodeVerifier, Issuer, ResourceUri, Subject,
    TokenRequest, TokenResponse,
};
use oauth_core::{
    Approval, Authentication, AuthorizationServer, BrowserBinding, DangerNoLimits, EventSink,
    NoEvents, PendingAuthorization, Ports, PresentedClient, ResourcePolicy, RootSecret,
    ServerConfig, Session, Source, TokenError,
};
use oauth_storage::Storage;
use oauth_storage_memory::MemoryStorage;

use crate::canary;
use crate::fakes::{FixedClock, SeededEntropy, block_on};

/// A server with its clock, and the steps of both parties.
#[derive(Debug)]
pub struct World {
    /// The server.
    pub server: AuthorizationServer,
    /// Its clock, which moves only when told to.
    pub clock: FixedClock,
    verifiers: AtomicU64,
    apps: AtomicU64,
}

/// Builds a [`World`] that differs from the usual one.
pub struct WorldBuilder {
    seed: u64,
    storage: Arc<dyn Storage>,
    config: ServerConfig,
    events: Box<dyn EventSink>,
    ports: Box<dyn FnOnce(Ports) -> Ports + Send>,
}

impl std::fmt::Debug for WorldBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorldBuilder")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl WorldBuilder {
    /// Keeps records here.
    #[must_use]
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = storage;
        self
    }

    /// Changes the configuration.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut ServerConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Sends events here.
    #[must_use]
    pub fn events(mut self, events: impl EventSink + 'static) -> Self {
        self.events = Box::new(events);
        self
    }

    /// Changes what the server asks of the world: limits, which are off otherwise, or other ports.
    #[must_use]
    pub fn ports(mut self, change: impl FnOnce(Ports) -> Ports + Send + 'static) -> Self {
        self.ports = Box::new(change);
        self
    }

    /// Opens the server.
    ///
    /// # Panics
    /// When the configuration or the store does not let it.
    pub fn build(self) -> World {
        block_on(self.build_async())
    }

    /// As [`Self::build`], for stores that need a runtime of their own.
    ///
    /// # Panics
    /// As [`Self::build`].
    pub async fn build_async(self) -> World {
        struct Boxed(Box<dyn EventSink>);
        impl EventSink for Boxed {
            fn record(&self, event: &oauth_core::Event<'_>) {
                // As an embedder would: events hold no secret, and a search of the log proves it.
                tracing::info!(target: "oauth_testkit::events", "{event:?}");
                self.0.record(event);
            }
        }
        let clock = FixedClock::at(1_800_000_000);
        let ports = Ports::new(clock.clone(), SeededEntropy::new(self.seed))
            .events(Boxed(self.events))
            .limiter(DangerNoLimits);
        let ports = (self.ports)(ports);
        let root = "root".repeat(8);
        canary::secret(&root);
        let root = RootSecret::from_text(&root).expect("32 characters");
        let opened = AuthorizationServer::open(self.config, self.storage, &root, ports).await;
        let server = opened.expect("the server opens");
        World {
            server,
            clock,
            verifiers: AtomicU64::new(0),
            apps: AtomicU64::new(0),
        }
    }
}

/// A registered client.
#[derive(Debug, Clone)]
pub struct App {
    /// Its identifier.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: Option<String>,
    /// Where its codes go.
    pub redirect_uri: String,
}

/// A person's browser, signed in.
#[derive(Debug, Clone)]
pub struct Browser {
    /// Its cookie that signs nobody in.
    pub binding: BrowserBinding,
    /// Its sign-in.
    pub session: Session,
}

/// A code and what its client keeps beside it.
#[derive(Debug, Clone)]
pub struct Code {
    /// The code.
    pub code: String,
    /// The verifier to its challenge.
    pub verifier: String,
}

impl World {
    /// The usual world: memory, one resource with `mcp:tools` (default) and `mcp:write`.
    pub fn new(seed: u64) -> Self {
        Self::builder(seed).build()
    }

    /// A world to change before it begins.
    ///
    /// # Panics
    /// Never: its own texts are well-formed.
    pub fn builder(seed: u64) -> WorldBuilder {
        let issuer = Issuer::parse("https://mcp.example").expect("an issuer");
        let resource = ResourceUri::parse("https://mcp.example/mcp").expect("a resource");
        let resource = ResourcePolicy::new(resource)
            .named("Example tools")
            .scope("mcp:tools", "Use the tools")
            .extra_scope("mcp:write", "Change things");
        WorldBuilder {
            seed,
            storage: Arc::new(MemoryStorage::new()),
            config: ServerConfig::new(issuer, resource),
            events: Box::new(NoEvents),
            ports: Box::new(|ports| ports),
        }
    }

    /// Registers a public client that may refresh; no two calls give the same.
    ///
    /// # Panics
    /// When registration is refused.
    pub fn register(&self) -> App {
        block_on(self.register_async())
    }

    /// As [`Self::register`], to be polled by the test.
    ///
    /// # Panics
    /// As [`Self::register`].
    pub async fn register_async(&self) -> App {
        let mut metadata = ClientMetadata::default();
        metadata.redirect_uris = vec!["http://127.0.0.1/callback".to_owned()];
        metadata.token_endpoint_auth_method = Some("none".to_owned());
        metadata.grant_types = Some(vec![
            "authorization_code".to_owned(),
            "refresh_token".to_owned(),
        ]);
        metadata.client_name = Some(match self.apps.fetch_add(1, Ordering::SeqCst) {
            0 => "Example app".to_owned(),
            n => format!("Example app {}", n + 1),
        });
        self.register_as_async(metadata).await
    }

    /// Registers a client by its own words.
    ///
    /// # Panics
    /// When registration is refused.
    pub fn register_as(&self, metadata: ClientMetadata) -> App {
        block_on(self.register_as_async(metadata))
    }

    async fn register_as_async(&self, metadata: ClientMetadata) -> App {
        let redirect_uri = metadata.redirect_uris[0].clone();
        let answer = self.server.register(metadata, Source::default()).await;
        let information = answer.expect("registration succeeds");
        noted(&information);
        information.client_secret.as_deref().map(canary::secret);
        App {
            client_id: information.client_id,
            client_secret: information.client_secret,
            redirect_uri,
        }
    }

    /// A new browser in which this person signs in.
    ///
    /// # Panics
    /// When the sign-in is refused.
    pub fn browser(&self, subject: &str) -> Browser {
        block_on(self.browser_async(subject))
    }

    /// As [`Self::browser`], to be polled by the test.
    ///
    /// # Panics
    /// As [`Self::browser`].
    pub async fn browser_async(&self, subject: &str) -> Browser {
        let binding = self.server.bind_browser().expect("entropy");
        let authentication = Authentication::of(Subject::new(subject));
        let signed_in = self.server.sign_in(&authentication, &binding).await;
        let (session, cookie) = signed_in
            .expect("the store works")
            .expect("the person is enabled");
        canary::secret(&cookie);
        canary::secret(binding.expose());
        noted(&(&binding, &session));
        Browser { binding, session }
    }

    /// A verifier that no other call gives.
    pub fn verifier(&self) -> String {
        let count = self.verifiers.fetch_add(1, Ordering::SeqCst);
        let verifier = format!("{count:0>43}");
        canary::secret(&verifier);
        verifier
    }

    /// The client sends the browser here, asking for `scope`; the request waits for a person.
    ///
    /// # Panics
    /// When the request is refused.
    pub fn ask(&self, app: &App, browser: &Browser, scope: &str) -> (PendingAuthorization, String) {
        block_on(self.ask_async(app, browser, scope))
    }

    async fn ask_async(
        &self,
        app: &App,
        browser: &Browser,
        scope: &str,
    ) -> (PendingAuthorization, String) {
        let verifier = self.verifier();
        let challenge = challenge(&verifier);
        let request = AuthorizationRequest::from_pairs(
            [
                ("client_id", app.client_id.as_str()),
                ("redirect_uri", &app.redirect_uri),
                ("response_type", "code"),
                ("state", "xyz"),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
                ("resource", "https://mcp.example/mcp"),
                ("scope", scope),
            ]
            .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))),
        );
        let valid = self
            .server
            .authorize(&request)
            .await
            .expect("a sound request");
        let pending = self.server.begin(valid, &browser.binding).expect("entropy");
        (pending, verifier)
    }

    /// The person allows everything the client asks for by default.
    ///
    /// # Panics
    /// When that leads to no code.
    pub fn approve(&self, app: &App, browser: &Browser) -> Code {
        block_on(self.approve_async(app, browser))
    }

    /// As [`Self::approve`], to be polled by the test.
    ///
    /// # Panics
    /// As [`Self::approve`].
    pub async fn approve_async(&self, app: &App, browser: &Browser) -> Code {
        self.approve_scope_async(app, browser, "mcp:tools mcp:write")
            .await
    }

    /// The person allows exactly `scope`.
    ///
    /// # Panics
    /// When that leads to no code.
    pub fn approve_scope(&self, app: &App, browser: &Browser, scope: &str) -> Code {
        block_on(self.approve_scope_async(app, browser, scope))
    }

    async fn approve_scope_async(&self, app: &App, browser: &Browser, scope: &str) -> Code {
        let (pending, verifier) = self.ask_async(app, browser, scope).await;
        noted(&pending);
        // The way through the browser and back.
        let sealed = self.server.seal(&pending).expect("entropy");
        canary::secret(&sealed);
        let pending = self
            .server
            .resume(&sealed, Some(&browser.binding))
            .expect("the same browser");
        let approval = Approval::of(pending.scope().clone());
        let redirect = self
            .server
            .approve(&pending, &browser.session, approval)
            .await;
        let redirect = redirect.expect("approval succeeds");
        let code = parameter(redirect.location(), "code").expect("a code");
        canary::secret(&code);
        Code { code, verifier }
    }

    /// The client redeems a code.
    ///
    /// # Errors
    /// The server's.
    pub fn redeem(&self, app: &App, code: &Code) -> Result<TokenResponse, TokenError> {
        block_on(self.redeem_async(app, code))
    }

    /// As [`Self::redeem`], to be polled by the test.
    ///
    /// # Errors
    /// The server's.
    pub async fn redeem_async(&self, app: &App, code: &Code) -> Result<TokenResponse, TokenError> {
        self.token_async(
            app,
            &[
                ("grant_type", "authorization_code"),
                ("code", &code.code),
                ("code_verifier", &code.verifier),
                ("redirect_uri", &app.redirect_uri),
            ],
        )
        .await
    }

    /// The client refreshes.
    ///
    /// # Errors
    /// The server's.
    pub fn refresh(&self, app: &App, token: &str) -> Result<TokenResponse, TokenError> {
        block_on(self.refresh_async(app, token))
    }

    /// As [`Self::refresh`], to be polled by the test.
    ///
    /// # Errors
    /// The server's.
    pub async fn refresh_async(&self, app: &App, token: &str) -> Result<TokenResponse, TokenError> {
        self.token_async(
            app,
            &[("grant_type", "refresh_token"), ("refresh_token", token)],
        )
        .await
    }

    /// The client sends any token request; its own identification is added.
    ///
    /// # Errors
    /// The server's.
    pub async fn token_async(
        &self,
        app: &App,
        form: &[(&str, &str)],
    ) -> Result<TokenResponse, TokenError> {
        let presented = presented(app);
        let pairs = form
            .iter()
            .map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value)));
        let request = TokenRequest::from_pairs(pairs);
        let answer = self
            .server
            .token(presented, &request, Source::default())
            .await;
        noted(&answer);
        if let Ok(tokens) = &answer {
            canary::secret(&tokens.access_token);
            tokens.refresh_token.as_deref().map(canary::secret);
        }
        answer
    }

    /// The client gives a token back.
    ///
    /// # Errors
    /// The server's.
    pub fn revoke(&self, app: &App, token: &str) -> Result<(), TokenError> {
        block_on(self.revoke_async(app, token))
    }

    /// As [`Self::revoke`], to be polled by the test.
    ///
    /// # Errors
    /// The server's.
    pub async fn revoke_async(&self, app: &App, token: &str) -> Result<(), TokenError> {
        let presented = presented(app);
        let pairs = [(Cow::Borrowed("token"), Cow::Borrowed(token))];
        let request = TokenRequest::from_pairs(pairs);
        self.server
            .revoke(presented, &request, Source::default())
            .await
    }

    /// What the resource server learns about an access token.
    ///
    /// # Panics
    /// When the store fails.
    pub fn check(&self, access_token: &str) -> Option<AccessClaims> {
        block_on(self.server.check_access_token(access_token)).expect("the store works")
    }
}

/// Logs a value in full, as somebody who looks for a mistake would.
fn noted(value: &impl std::fmt::Debug) {
    tracing::trace!("{value:?}");
}

fn presented(app: &App) -> PresentedClient<'_> {
    PresentedClient::new(
        None,
        Some(&app.client_id),
        app.client_secret.as_deref(),
        None,
    )
}

/// The S256 challenge of a verifier, as text.
///
/// # Panics
/// When the verifier is malformed.
pub fn challenge(verifier: &str) -> String {
    CodeChallenge::of(CodeVerifier::parse(verifier).expect("a verifier")).to_string()
}

/// A response parameter of a redirect.
pub fn parameter(location: &str, name: &str) -> Option<String> {
    let (_, query) = location.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (held, value) = pair.split_once('=')?;
        (held == name).then(|| value.to_owned())
    })
}
