//! A service with pages that do the least, and a browser-like way to talk to it.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod account;
pub mod elsewhere;
pub mod managing;
pub mod registering;
pub mod resource;
pub mod signing;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, header};
use oauth_core::storage::{ClientRecord, Storage};
use oauth_core::types::registration::ClientMetadata;
use oauth_core::types::{AuthenticationContext, ClientId, ResourceUri, Scope, Subject, Timestamp};
use oauth_core::{Approval, Authentication, Source};
use oauth_http::server::{
    Interaction, InteractionError, Notice, OAuthService, Outcome, Page, Visit,
};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::faults::FaultyStorage;
use oauth_testkit::flows::{App, World, WorldBuilder, challenge, parameter};
use oauth_testkit::{FixedClock, block_on, canary};

/// Pages of one line each: `alice` with the password `wonderland`, who may have signed in at another
/// time and by some means.
pub struct PlainPages;

#[async_trait]
impl Interaction for PlainPages {
    async fn visit(&self, visit: Visit<'_>) -> Result<Outcome, InteractionError> {
        let form = visit.form;
        Ok(
            match (
                visit.session,
                form.first("decision"),
                form.first("username"),
            ) {
                (_, _, Some("alice")) if form.first("password") == Some("wonderland") => {
                    let mut alice = Authentication::of(Subject::new("alice"));
                    if let Some(at) = form.first("auth_time") {
                        alice = alice.at(Timestamp::from_unix(at.parse().unwrap()));
                    }
                    if let Some(acr) = form.first("acr") {
                        let context = AuthenticationContext::new(Some(acr), form.all("amr"));
                        alice = alice.by(context.unwrap());
                    }
                    Outcome::SignedIn(alice)
                }
                (Some(_), Some("approve"), _) => {
                    let chosen: Scope = form.all("scope").collect();
                    let scope = if chosen.is_empty() {
                        visit.pending.scope().clone()
                    } else {
                        chosen
                    };
                    Outcome::Approve(Approval::of(scope))
                }
                (Some(_), Some("deny"), _) => Outcome::Deny,
                (session, _, _) => {
                    let what = if session.is_some() {
                        "consent"
                    } else {
                        "login"
                    };
                    let html = format!("<p>{what}</p><i>{}</i>", visit.handle);
                    Outcome::Respond(Page::new(html, "sha256-none".to_owned()))
                }
            },
        )
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        Page::new(
            format!("<p>notice {notice:?}</p>"),
            "sha256-none".to_owned(),
        )
    }
}

pub struct Server {
    pub service: Arc<OAuthService>,
    pub storage: FaultyStorage,
    pub clock: FixedClock,
    pub public: App,
    pub confidential: App,
}

impl Server {
    pub fn new() -> Self {
        Self::build(|builder| builder)
    }

    pub fn build(change: impl FnOnce(WorldBuilder) -> WorldBuilder) -> Self {
        let storage = FaultyStorage::immediate(Arc::new(MemoryStorage::new()));
        let world = change(World::builder(21).storage(Arc::new(storage.clone()))).build();
        let public = world.register();
        let mut metadata = ClientMetadata::default();
        metadata.redirect_uris = vec!["https://app.example/cb?keep=1".to_owned()];
        metadata.grant_types = Some(vec![
            "authorization_code".to_owned(),
            "refresh_token".to_owned(),
        ]);
        metadata.token_endpoint_auth_method = Some("client_secret_post".to_owned());
        let confidential = world.register_as(metadata);
        let World { server, clock, .. } = world;
        let service = Arc::new(OAuthService::new(Arc::new(server), Arc::new(PlainPages)));
        Self {
            service,
            storage,
            clock,
            public,
            confidential,
        }
    }

    /// A server with this world and nobody registered.
    pub fn bare(world: WorldBuilder) -> Self {
        let storage = FaultyStorage::immediate(Arc::new(MemoryStorage::new()));
        let World { server, clock, .. } = world.storage(Arc::new(storage.clone())).build();
        let nobody = App {
            client_id: "nobody".to_owned(),
            client_secret: None,
            redirect_uri: "https://nobody.example/".to_owned(),
        };
        Self {
            service: Arc::new(OAuthService::new(Arc::new(server), Arc::new(PlainPages))),
            storage,
            clock,
            public: nobody.clone(),
            confidential: nobody,
        }
    }

    /// Changes what is stored of a client.
    pub fn change_client(&self, id: &str, change: impl FnOnce(&mut ClientRecord)) {
        let clients = self.storage.clients();
        let found = block_on(clients.find(&ClientId::new(id))).unwrap().unwrap();
        let mut record = (*found.record).clone();
        change(&mut record);
        block_on(clients.replace(found.revision, record)).unwrap();
    }

    /// Lets the confidential client ask about tokens for the one resource.
    pub fn let_introspect(&self) {
        self.change_client(&self.confidential.client_id, |client| {
            client.introspects = vec![ResourceUri::parse("https://mcp.example/mcp").unwrap()];
        });
    }

    /// What it is told about an access token.
    pub fn introspected(&self, tokens: &serde_json::Value) -> serde_json::Value {
        let app = &self.confidential;
        let form = [
            ("client_id", &*app.client_id),
            ("client_secret", app.client_secret.as_deref().unwrap()),
            ("token", tokens["access_token"].as_str().unwrap()),
        ];
        json(&self.post("/introspect", &form))
    }

    pub fn send(&self, request: Request<impl Into<Bytes>>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let answer = block_on(self.service.handle(parts, body.into(), Source::default()));
        remember(&answer);
        answer
    }

    pub fn get(&self, target: &str) -> Response<Bytes> {
        self.send(Request::get(target).body("").unwrap())
    }

    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Response<Bytes> {
        self.send(
            Request::post(path)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(encode(form))
                .unwrap(),
        )
    }

    /// Query of a sound authorization request.
    pub fn query(&self, app: &App, verifier: &str) -> Vec<(String, String)> {
        [
            ("response_type", "code"),
            ("client_id", &app.client_id),
            ("redirect_uri", &app.redirect_uri),
            ("code_challenge", &challenge(verifier)),
            ("code_challenge_method", "S256"),
            ("state", "s t&a=te"),
            ("scope", "mcp:tools"),
            ("resource", "https://mcp.example/mcp"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    pub fn authorize(&self, query: &[(String, String)], cookies: &str) -> Response<Bytes> {
        let pairs: Vec<(&str, &str)> = query.iter().map(|(n, v)| (&**n, &**v)).collect();
        let target = format!("/authorize?{}", encode(&pairs));
        self.send(
            Request::get(target)
                .header(header::COOKIE, cookies)
                .body("")
                .unwrap(),
        )
    }

    pub fn interact(&self, cookies: &str, form: &[(&str, &str)]) -> Response<Bytes> {
        self.send(
            Request::post("/authorize/interact")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::COOKIE, cookies)
                .header("sec-fetch-site", "same-origin")
                .body(encode(form))
                .unwrap(),
        )
    }

    /// Signs in and approves as a person would; gives the redirect's address.
    pub fn sign_in(&self, app: &App, verifier: &str) -> String {
        self.sign_in_with(&self.query(app, verifier))
    }

    /// The same for any sound query.
    pub fn sign_in_with(&self, query: &[(String, String)]) -> String {
        let page = self.authorize(query, "");
        let cookies = cookies(&page);
        let form = [
            ("transaction", &*handle(&page)),
            ("username", "alice"),
            ("password", "wonderland"),
        ];
        let consent = self.interact(&cookies, &form);
        let session = self::cookies(&consent);
        let cookies = format!("{cookies}; {session}");
        let form = [("transaction", &*handle(&consent)), ("decision", "approve")];
        let redirect = self.interact(&cookies, &form);
        assert_eq!(redirect.status(), 303);
        location(&redirect)
    }

    /// The form that redeems a code.
    pub fn redemption(&self, app: &App, location: &str, verifier: &str) -> Vec<(String, String)> {
        let code = parameter(location, "code").unwrap();
        let mut form = vec![
            ("grant_type".to_owned(), "authorization_code".to_owned()),
            ("client_id".to_owned(), app.client_id.clone()),
            ("code".to_owned(), code),
            ("code_verifier".to_owned(), verifier.to_owned()),
            ("redirect_uri".to_owned(), app.redirect_uri.clone()),
        ];
        if let Some(secret) = &app.client_secret {
            form.push(("client_secret".to_owned(), secret.clone()));
        }
        form
    }

    /// A whole sign-in; gives the token answer.
    pub fn tokens(&self, app: &App) -> serde_json::Value {
        let verifier = "v".repeat(43);
        let location = self.sign_in(app, &verifier);
        let form = self.redemption(app, &location, &verifier);
        let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
        let answer = self.post("/token", &pairs);
        assert_eq!(answer.status(), 200);
        json(&answer)
    }
}

/// What an answer hands out must not be in any log.
fn remember(answer: &Response<Bytes>) {
    for cookie in answer.headers().get_all(header::SET_COOKIE) {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        canary::secret(pair.split_once('=').unwrap().1);
    }
    if let Some(code) = parameter(&location(answer), "code") {
        canary::secret(&code);
    }
    let body = json(answer);
    for member in [
        "access_token",
        "refresh_token",
        "client_secret",
        "registration_access_token",
    ] {
        body[member].as_str().map(canary::secret);
    }
    let page = String::from_utf8_lossy(answer.body());
    if let Some((_, handle)) = page.split_once("<i>") {
        canary::secret(handle.split("</i>").next().unwrap());
    }
}

pub fn encode(form: &[(&str, &str)]) -> String {
    let passwords = form.iter().filter(|(name, _)| *name == "password");
    passwords.for_each(|(_, password)| canary::secret(password));
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
}

pub fn json(response: &Response<Bytes>) -> serde_json::Value {
    serde_json::from_slice(response.body()).unwrap_or_default()
}

pub fn error(response: &Response<Bytes>) -> (u16, String) {
    let word = json(response)["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (response.status().as_u16(), word)
}

pub fn text(response: &Response<Bytes>, name: header::HeaderName) -> String {
    let value = response
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned());
    value.unwrap_or_default()
}

pub fn location(response: &Response<Bytes>) -> String {
    text(response, header::LOCATION)
}

pub fn cookies(response: &Response<Bytes>) -> String {
    let set = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs: Vec<&str> = set
        .map(|line| line.to_str().unwrap().split(';').next().unwrap())
        .collect();
    pairs.join("; ")
}

pub fn handle(response: &Response<Bytes>) -> String {
    let page = std::str::from_utf8(response.body()).unwrap();
    let (_, rest) = page
        .split_once("<i>")
        .unwrap_or_else(|| panic!("no handle in {page}"));
    rest.split_once("</i>").unwrap().0.to_owned()
}

pub fn basic(server: &Server, user_and_password: &str, form: &[(&str, &str)]) -> Response<Bytes> {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(user_and_password);
    let request = Request::post("/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, format!("Basic {pair}"));
    server.send(request.body(encode(form)).unwrap())
}
