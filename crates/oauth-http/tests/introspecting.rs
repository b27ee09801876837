//! A resource server of its own that asks an authorization server over a real socket.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::PlainPages;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use oauth_core::PreregisteredClient;
use oauth_core::storage::TokenEndpointAuthMethod;
use oauth_http::resource::{
    AccessClaims, AccessTokenVerifier, BearerLayer, KnownTokens, ProtectedResource,
    VerificationCache, VerificationError,
};
use oauth_http::server::{Forgetting, OAuthService, Source};
use oauth_hyper::GuardedTransport;
use oauth_resource::{ClientCredentials, DiscoveredIssuer, Introspection};
use oauth_testkit::FixedClock;
use oauth_testkit::flows::{App, World};
use oauth_types::{
    ClientId, GrantId, Issuer, Lifetime, ResourceUri, Scope, SecretText, TokenResponse,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const SECRET: &str = "a secret of 100% + \"some\" : characters";

/// An authorization server on a socket, and what it was asked.
struct There {
    world: World,
    service: Arc<OAuthService>,
    app: App,
    issuer: Issuer,
    asked: Arc<AtomicUsize>,
    hangs: Arc<AtomicBool>,
    listening: JoinSet<()>,
}

impl There {
    async fn start(method: TokenEndpointAuthMethod) -> Self {
        Self::with_known(method, KnownTokens::default()).await
    }

    /// One that lets a cache beside it forget.
    async fn with_known(method: TokenEndpointAuthMethod, known: KnownTokens) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Issuer::parse(&origin).unwrap();
        let world = World::builder(77)
            .configure(|config| config.issuer = issuer.clone())
            .events(Forgetting::new(known, oauth_core::NoEvents))
            .build_async()
            .await;
        let mut client = PreregisteredClient::new(ClientId::new("rs:1 & co"));
        client.token_endpoint_auth_method = method;
        client.client_secrets = vec![SecretText::new(SECRET).hash()];
        client.grant_types = Vec::new();
        client.introspects = vec![resource()];
        world.server.preregister(&client).await.unwrap();
        let app = world.register_async().await;
        let server = Arc::new(world.server.clone());
        let service = Arc::new(OAuthService::new(server, Arc::new(PlainPages)));
        let mut there = Self {
            world,
            service,
            app,
            issuer,
            asked: Arc::default(),
            hangs: Arc::default(),
            listening: JoinSet::new(),
        };
        there.listen(listener);
        there
    }

    fn listen(&mut self, listener: TcpListener) {
        let service = Arc::clone(&self.service);
        let (asked, hangs) = (Arc::clone(&self.asked), Arc::clone(&self.hangs));
        self.listening.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = Arc::clone(&service);
                let (asked, hangs) = (Arc::clone(&asked), Arc::clone(&hangs));
                let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let service = Arc::clone(&service);
                    let (asked, hangs) = (Arc::clone(&asked), Arc::clone(&hangs));
                    async move {
                        if request.uri().path() == "/introspect" {
                            asked.fetch_add(1, Ordering::SeqCst);
                            if hangs.load(Ordering::SeqCst) {
                                std::future::pending::<()>().await;
                            }
                        }
                        let answer = service.call(request, Source::default()).await;
                        Ok::<_, hyper::Error>(answer.map(Full::new))
                    }
                });
                connections.spawn(async move {
                    let io = hyper_util::rt::TokioIo::new(stream);
                    let builder = hyper::server::conn::http1::Builder::new();
                    let _ = builder.serve_connection(io, answer).await;
                });
            }
        });
    }

    /// Tokens that a person gave.
    async fn tokens(&self) -> TokenResponse {
        let browser = self.world.browser_async("alice").await;
        let code = self.world.approve_async(&self.app, &browser).await;
        self.world.redeem_async(&self.app, &code).await.unwrap()
    }

    async fn revoke(&self, tokens: &TokenResponse) {
        let refresh = tokens.refresh_token.as_deref().unwrap();
        self.world.revoke_async(&self.app, refresh).await.unwrap();
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    fn introspection(&self, credentials: ClientCredentials) -> Introspection {
        let transport = GuardedTransport::trusting(&[])
            .unwrap()
            .danger_allow_origin(self.issuer.origin())
            .unwrap()
            .within(Duration::from_secs(1), Duration::from_secs(2));
        let transport = Arc::new(transport);
        let clock = Arc::new(self.world.clock.clone());
        let issuer = DiscoveredIssuer::new(self.issuer.clone(), transport.clone(), clock.clone());
        Introspection::new(Arc::new(issuer), credentials, transport, clock)
    }

    fn cache(&self, credentials: ClientCredentials) -> Arc<VerificationCache<Introspection>> {
        let clock: Arc<FixedClock> = Arc::new(self.world.clock.clone());
        let introspection = self.introspection(credentials);
        Arc::new(VerificationCache::new(introspection, clock))
    }
}

fn resource() -> ResourceUri {
    ResourceUri::parse("https://mcp.example/mcp").unwrap()
}

fn basic(secret: &str) -> ClientCredentials {
    ClientCredentials::basic(&ClientId::new("rs:1 & co"), &SecretText::new(secret))
}

/// What a guarded resource says of a token.
async fn check(
    verifier: Arc<dyn AccessTokenVerifier>,
    issuer: &Issuer,
    token: &str,
) -> Result<AccessClaims, StatusCode> {
    let tools = Scope::parse("mcp:tools").unwrap();
    let guarded = ProtectedResource::new(resource(), issuer.as_str(), tools);
    let layer = BearerLayer::new(guarded, verifier);
    let mut headers = HeaderMap::new();
    let value = format!("Bearer {token}").parse().unwrap();
    headers.insert(header::AUTHORIZATION, value);
    match layer.check(&headers).await {
        Ok(claims) => Ok(claims.unwrap()),
        Err(answer) => Err(answer.status()),
    }
}

/// RS-TOK-5, RS-TOK-10: an opaque token is good for its resource until its end, and half a minute
/// at the most after it was revoked.
#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_token_of_ours_is_introspected() {
    let there = There::start(TokenEndpointAuthMethod::ClientSecretBasic).await;
    let tokens = there.tokens().await;
    let cache = there.cache(basic(SECRET));
    let check = |token: String| {
        let (cache, issuer) = (cache.clone(), there.issuer.clone());
        async move { check(cache, &issuer, &token).await }
    };
    let claims = check(tokens.access_token.clone()).await.unwrap();
    assert_eq!(claims.subject.as_str(), "alice");
    assert_eq!(claims.client_id.unwrap().as_str(), there.app.client_id);
    assert_eq!(claims.issuer, there.issuer);
    assert_eq!(
        claims
            .expires_at
            .since(claims.issued_at.unwrap())
            .as_seconds(),
        900
    );
    let refused = Err(StatusCode::UNAUTHORIZED);
    let refresh = tokens.refresh_token.clone().unwrap();
    assert_eq!(
        check(refresh).await.map(|_| ()),
        refused,
        "not an access token"
    );
    assert_eq!(check("garbage".to_owned()).await.map(|_| ()), refused);
    there.revoke(&tokens).await;
    assert!(
        check(tokens.access_token.clone()).await.is_ok(),
        "remembered"
    );
    there.world.clock.advance(Lifetime::seconds(30));
    assert_eq!(
        check(tokens.access_token.clone()).await.map(|_| ()),
        refused
    );
}

/// RS-TOK-10: both ways to send a secret, with all characters it can have; and a wrong one is an
/// outage, not the caller's fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_resource_server_proves_itself() {
    let id = ClientId::new("rs:1 & co");
    let secret = SecretText::new(SECRET);
    for (method, good) in [
        (
            TokenEndpointAuthMethod::ClientSecretBasic,
            ClientCredentials::basic(&id, &secret),
        ),
        (
            TokenEndpointAuthMethod::ClientSecretPost,
            ClientCredentials::post(&id, &secret),
        ),
    ] {
        let there = There::start(method).await;
        let token = there.tokens().await.access_token;
        let good = there.introspection(good);
        assert!(good.verify(&token).await.is_ok());
        let wrong = Arc::new(there.introspection(basic("another secret")));
        there.asked();
        for _ in 0..100 {
            let told = check(wrong.clone(), &there.issuer, &token).await;
            assert_eq!(told.map(|_| ()), Err(StatusCode::SERVICE_UNAVAILABLE));
        }
        assert_eq!(
            there.asked(),
            3,
            "an account is not locked out by our asking"
        );
    }
}

/// RS-TOK-10: one thousand requests with one token on many threads ask once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_checks_of_one_token_are_one_introspection() {
    let there = There::start(TokenEndpointAuthMethod::ClientSecretBasic).await;
    let token = there.tokens().await.access_token;
    let cache = there.cache(basic(SECRET));
    let mut checks = JoinSet::new();
    for _ in 0..1000 {
        let (cache, token) = (cache.clone(), token.clone());
        checks.spawn(async move { cache.verify(&token).await.is_ok() });
    }
    assert!(checks.join_all().await.into_iter().all(|good| good));
    assert_eq!(there.asked(), 1);
}

/// RS-TOK-10: while the endpoint hangs, known tokens are answered at once, and a thousand unknown
/// ones are 503 within one timeout and a little. Three were asked about, and at the most two more
/// that got their turn between the failures of these.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_endpoint_that_hangs_costs_everybody_one_wait() {
    let there = There::start(TokenEndpointAuthMethod::ClientSecretBasic).await;
    let token = there.tokens().await.access_token;
    let cache = there.cache(basic(SECRET));
    assert!(cache.verify(&token).await.is_ok());
    there.asked();
    there.hangs.store(true, Ordering::SeqCst);
    let mut misses = JoinSet::new();
    for number in 0..1000 {
        let cache = cache.clone();
        misses.spawn(async move { cache.verify(&format!("unknown{number}")).await });
    }
    let known = async {
        for _ in 0..1000 {
            assert!(cache.verify(&token).await.is_ok());
        }
    };
    let quick = tokio::time::timeout(Duration::from_millis(1900), known).await;
    assert!(quick.is_ok(), "before anybody has waited out the endpoint");
    let told = tokio::time::timeout(Duration::from_secs(15), misses.join_all()).await;
    let told = told.expect("one wait of two seconds, not hundreds");
    let outage = |told: &Result<_, _>| matches!(told, Err(VerificationError::Unavailable(_)));
    assert!(told.iter().all(outage));
    assert!((3..=5).contains(&there.asked()));
    // And when it is back, the next that is let through ends it.
    there.hangs.store(false, Ordering::SeqCst);
    there.world.clock.advance(Lifetime::seconds(3));
    let told = cache.verify("unknown").await;
    assert!(matches!(told, Err(VerificationError::Refused(_))));
}

/// RS-TOK-5: beside the authorization server, a token that it ends is refused at once, and the
/// tokens of others are not asked about again.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_beside_the_authorization_server_forgets_what_it_ends() {
    let known = KnownTokens::default();
    let method = TokenEndpointAuthMethod::ClientSecretBasic;
    let there = There::with_known(method, known.clone()).await;
    let clock = Arc::new(there.world.clock.clone());
    let counted = Arc::new(Counted {
        service: there.service.clone(),
        asked: AtomicUsize::new(0),
    });
    let cache = VerificationCache::new(counted.clone(), clock).remembering_in(known);
    let (ended, other) = (there.tokens().await, there.tokens().await);
    let good = async |tokens: &TokenResponse| cache.verify(&tokens.access_token).await.is_ok();
    assert!(good(&ended).await && good(&other).await && good(&ended).await);
    assert_eq!(counted.asked.swap(0, Ordering::SeqCst), 2);
    there.revoke(&ended).await;
    assert!(!good(&ended).await && good(&other).await);
    assert_eq!(counted.asked.swap(0, Ordering::SeqCst), 1);
    there
        .world
        .server
        .sign_out_everywhere(&"alice".parse().unwrap())
        .await
        .unwrap();
    assert!(!good(&other).await);
    assert_eq!(counted.asked.swap(0, Ordering::SeqCst), 1);
}

/// The authorization server in this process, and how often it was asked.
struct Counted {
    service: Arc<OAuthService>,
    asked: AtomicUsize,
}

#[async_trait::async_trait]
impl AccessTokenVerifier for Counted {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let claims = self.service.verify(token).await?;
        assert_ne!(claims.grant, None::<GrantId>);
        Ok(claims)
    }
}
