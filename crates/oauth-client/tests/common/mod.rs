//! A world without sockets: our own authorization server and a resource it guards, as a network that
//! answers by host, and a person with a browser.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod scripted;

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use oauth_client::agent::Visit;
use oauth_client::store::Registration;
use oauth_client::types::{Issuer, Lifetime, ResourceUri, Scope, SecretText};
use oauth_client::{
    AuthorizeError, AuthorizeLayer, Bounds, Client, ClientConfig, HttpClient, MemoryStore, Ports,
    Step, TransportError, UserAgent, UserAgentError,
};
use oauth_core::{Approval, Authentication, Source};
use oauth_http::resource::{BearerLayer, ProtectedResource, ResourceService};
use oauth_http::server::{
    Interaction, InteractionError, Notice, OAuthService, Outcome, Page, Visit as PageVisit,
};
use oauth_testkit::flows::{World, WorldBuilder};
use oauth_testkit::{FixedClock, SeededEntropy, block_on, canary};
use tower_layer::Layer as _;
use tower_service::Service;

pub const MCP: &str = "https://mcp.example/mcp";

/// Pages of one line: `alice` with the password `wonderland` says yes to everything.
struct PlainPages;

#[async_trait]
impl Interaction for PlainPages {
    async fn visit(&self, visit: PageVisit<'_>) -> Result<Outcome, InteractionError> {
        let form = visit.form;
        Ok(match (visit.session, form.first("decision")) {
            (None, _) if form.first("password") == Some("wonderland") => {
                Outcome::SignedIn(Authentication::of(oauth_core::types::Subject::new("alice")))
            }
            (Some(_), Some("approve")) => {
                Outcome::Approve(Approval::of(visit.pending.scope().clone()))
            }
            (Some(_), Some("deny")) => Outcome::Deny,
            _ => {
                let html = format!("<i>{}</i>", visit.handle);
                Outcome::Respond(Page::new(html, "sha256-none".to_owned()))
            }
        })
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        Page::new(format!("<p>{notice:?}</p>"), "sha256-none".to_owned())
    }
}

/// The network: one host that is authorization server and resource, and what was asked of it.
#[derive(Clone)]
pub struct Net {
    pub service: Arc<OAuthService>,
    resource: ProtectedResource,
    heard: Arc<Mutex<Vec<String>>>,
    /// What is answered instead, to requests of this path.
    pub broken: Arc<Mutex<Option<(String, u16)>>>,
}

impl Net {
    pub fn new(world: World) -> Self {
        let service = Arc::new(OAuthService::new(
            Arc::new(world.server),
            Arc::new(PlainPages),
        ));
        let uri = ResourceUri::parse(MCP).unwrap();
        let tools = Scope::parse("mcp:tools").unwrap();
        Self {
            service,
            resource: ProtectedResource::new(uri, "https://mcp.example", tools),
            heard: Arc::default(),
            broken: Arc::default(),
        }
    }

    /// How often a path was asked for since the last call, by the beginning of `METHOD /path`.
    pub fn take(&self, begins: &str) -> usize {
        let mut heard = self.heard.lock().unwrap();
        let before = heard.len();
        heard.retain(|line| !line.starts_with(begins));
        before - heard.len()
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub fn break_path(&self, path: &str, status: u16) {
        *self.broken.lock().unwrap() = Some((path.to_owned(), status));
    }

    pub fn mend(&self) {
        *self.broken.lock().unwrap() = None;
    }

    async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let line = format!("{} {path}", parts.method);
        self.heard.lock().unwrap().push(line);
        // Others get their turn, as they do while a network is waited for.
        yield_once().await;
        if let Some((broken, status)) = &*self.broken.lock().unwrap()
            && *broken == path
        {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::from_u16(*status).unwrap();
            return answer;
        }
        if path.starts_with("/.well-known/oauth-protected-resource") {
            return ResourceService::new([&self.resource]).handle(&parts);
        }
        if path.starts_with("/mcp") {
            return self.guarded(&parts).await;
        }
        let answer = self.service.handle(parts, body, Source::default()).await;
        remember(&answer);
        answer
    }

    /// `/mcp` needs `mcp:tools`, and `/mcp/write` needs `mcp:write` besides.
    async fn guarded(&self, head: &http::request::Parts) -> Response<Bytes> {
        let mut layer = BearerLayer::new(self.resource.clone(), self.service.clone());
        if head.uri.path() == "/mcp/write" {
            layer = layer.requiring(Scope::parse("mcp:write").unwrap());
        }
        match layer.check(head).await {
            Ok(claims) => Response::new(Bytes::from(claims.unwrap().scope.to_string())),
            Err(refusal) => refusal,
        }
    }
}

/// What an answer hands out must not be in any log.
fn remember(answer: &Response<Bytes>) {
    let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    for member in ["access_token", "refresh_token", "client_secret"] {
        body[member].as_str().map(canary::secret);
    }
}

#[async_trait]
impl HttpClient for Net {
    async fn send(
        &self,
        request: Request<Bytes>,
        _: Bounds,
    ) -> Result<Response<Bytes>, TransportError> {
        match request.uri().host() {
            Some("mcp.example") => Ok(self.answer(request).await),
            _ => Err(TransportError::failed("nobody answers")),
        }
    }
}

/// The application's own HTTP client, as a tower service.
impl Service<Request<Bytes>> for Net {
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), TransportError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let net = self.clone();
        Box::pin(async move { Ok(net.answer(request).await) })
    }
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// Alice's browser. Each visit comes back on another port.
#[derive(Clone)]
pub struct Alice {
    net: Net,
    port: Arc<AtomicU16>,
    pub visits: Arc<Mutex<Vec<String>>>,
    pub says_no: bool,
}

impl Alice {
    pub fn at(net: &Net) -> Self {
        Self {
            net: net.clone(),
            port: Arc::new(AtomicU16::new(50_000)),
            visits: Arc::default(),
            says_no: false,
        }
    }

    /// The query with which she was sent last.
    pub fn last_query(&self, name: &str) -> Option<String> {
        let visits = self.visits.lock().unwrap();
        let url = visits.last()?;
        let (_, query) = url.split_once('?')?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs.find(|(held, _)| held == name);
        found.map(|(_, value)| value.into_owned())
    }

    async fn page(&self, request: Request<String>) -> Response<Bytes> {
        self.net.answer(request.map(Bytes::from)).await
    }
}

#[async_trait]
impl UserAgent for Alice {
    async fn begin(&self) -> Result<Box<dyn Visit>, UserAgentError> {
        let port = self.port.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(OneVisit {
            alice: self.clone(),
            redirect_uri: format!("http://127.0.0.1:{port}/callback"),
        }))
    }
}

struct OneVisit {
    alice: Alice,
    redirect_uri: String,
}

#[async_trait]
impl Visit for OneVisit {
    fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    async fn visit(self: Box<Self>, url: &str) -> Result<SecretText, UserAgentError> {
        let alice = &self.alice;
        alice.visits.lock().unwrap().push(url.to_owned());
        let page = alice
            .page(Request::get(url).body(String::new()).unwrap())
            .await;
        if page.status().is_client_error() {
            let status = page.status().as_u16();
            return Err(UserAgentError::ErrorPage { status });
        }
        let mut cookies = String::new();
        let mut page = page;
        let decision = if alice.says_no { "deny" } else { "approve" };
        for form in [
            "username=alice&password=wonderland".to_owned(),
            format!("decision={decision}"),
        ] {
            if page.status() == 303 {
                break;
            }
            add_cookies(&mut cookies, &page);
            let text = String::from_utf8(page.body().to_vec()).unwrap();
            let handle = text
                .split_once("<i>")
                .unwrap()
                .1
                .split("</i>")
                .next()
                .unwrap();
            let request = Request::post("https://mcp.example/authorize/interact")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::COOKIE, &cookies)
                .header("sec-fetch-site", "same-origin")
                .body(format!("transaction={handle}&{form}"))
                .unwrap();
            page = alice.page(request).await;
        }
        let location = page.headers()[header::LOCATION]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(location.starts_with(&self.redirect_uri), "{location}");
        Ok(SecretText::new(location.split_once('?').unwrap().1))
    }
}

fn add_cookies(cookies: &mut String, page: &Response<Bytes>) {
    for line in page.headers().get_all(header::SET_COOKIE) {
        let pair = line.to_str().unwrap().split(';').next().unwrap();
        let separator = if cookies.is_empty() { "" } else { "; " };
        *cookies = format!("{cookies}{separator}{pair}");
    }
}

/// A client of the world, its store, its person, its clock.
pub struct Scene {
    pub net: Net,
    pub alice: Alice,
    pub store: MemoryStore,
    pub clock: FixedClock,
    pub steps: Arc<Mutex<Vec<String>>>,
    pub client: Client,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(|world| world, |config| config)
    }

    pub fn with(
        world: impl FnOnce(WorldBuilder) -> WorldBuilder,
        config: impl FnOnce(ClientConfig) -> ClientConfig,
    ) -> Self {
        let world = world(World::builder(11)).build();
        let clock = world.clock.clone();
        let net = Net::new(world);
        let alice = Alice::at(&net);
        let store = MemoryStore::new();
        let steps = Arc::default();
        let config = config(ClientConfig::new(MCP, "Story").unwrap());
        let client = client(&net, &alice, &store, &clock, &steps, config);
        Self {
            net,
            alice,
            store,
            clock,
            steps,
            client,
        }
    }

    /// Another process that shares the store.
    pub fn another(&self) -> Client {
        let config = ClientConfig::new(MCP, "Story").unwrap();
        client(
            &self.net,
            &self.alice,
            &self.store,
            &self.clock,
            &self.steps,
            config,
        )
    }

    /// GET by the layer around the application's own HTTP client.
    pub fn get(&self, path: &str) -> Result<Response<Bytes>, AuthorizeError<TransportError>> {
        block_on(get(&self.client, &self.net, path))
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Lifetime::seconds(seconds));
    }

    /// The registration that the store holds.
    pub fn registration(&self) -> Option<Registration> {
        use oauth_client::{CredentialStore as _, Record as _, StoreKey};
        let issuer = Issuer::parse("https://mcp.example").unwrap();
        let key = StoreKey::registration(&issuer, "");
        let text = block_on(self.store.load(&key)).unwrap()?;
        Some(Registration::from_text(&text).unwrap())
    }

    pub fn stepped(&self, what: &str) -> usize {
        let steps = self.steps.lock().unwrap();
        steps.iter().filter(|step| step.starts_with(what)).count()
    }
}

pub async fn get(
    client: &Client,
    net: &Net,
    path: &str,
) -> Result<Response<Bytes>, AuthorizeError<TransportError>> {
    let mut service = AuthorizeLayer::new(client.clone()).layer(net.clone());
    let request = Request::get(format!("https://mcp.example{path}"));
    service.call(request.body(Bytes::new()).unwrap()).await
}

fn client(
    net: &Net,
    alice: &Alice,
    store: &MemoryStore,
    clock: &FixedClock,
    steps: &Arc<Mutex<Vec<String>>>,
    config: ClientConfig,
) -> Client {
    static SEED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1_000);
    let seed = SEED.fetch_add(1, Ordering::SeqCst);
    let steps = Arc::clone(steps);
    let ports = Ports::new(net.clone(), clock.clone(), SeededEntropy::new(seed))
        .store(store.clone())
        .user_agent(alice.clone())
        .observer(move |step: &Step<'_>| steps.lock().unwrap().push(format!("{step:?}")));
    Client::new(config, ports)
}
