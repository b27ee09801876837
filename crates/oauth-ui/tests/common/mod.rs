//! A browser in front of the pages.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, header};
use oauth_core::types::Subject;
use oauth_core::types::registration::ClientMetadata;
use oauth_core::{Authentication, InProcessLimiter, Source};
use oauth_http::server::{Interaction, InteractionError, OAuthService};
use oauth_testkit::flows::{App, World, challenge};
use oauth_testkit::{FixedClock, block_on};
use oauth_ui::SignIn;

pub struct Swordfish;

#[async_trait]
impl SignIn for Swordfish {
    async fn authenticate(
        &self,
        username: &str,
        password: &str,
    ) -> Result<Option<Authentication>, InteractionError> {
        let known = password == "swordfish";
        Ok(known.then(|| Authentication::of(Subject::new(username))))
    }
}

pub struct Server {
    pub service: OAuthService,
    pub clock: FixedClock,
    /// Clients, by the names asked for.
    pub apps: Vec<App>,
}

impl Server {
    /// Pages in front of clients with these names, at `https://app.example`.
    pub fn new(pages: impl Interaction + 'static, names: &[&str]) -> Self {
        let world = World::builder(5)
            .ports(|ports| ports.limiter(InProcessLimiter::default()))
            .build();
        let register = |name: &&str| {
            let mut metadata = ClientMetadata::default();
            metadata.redirect_uris = vec!["https://app.example/cb".to_owned()];
            metadata.token_endpoint_auth_method = Some("none".to_owned());
            metadata.client_name = Some((*name).to_owned());
            world.register_as(metadata)
        };
        let apps = names.iter().map(register).collect();
        let World { server, clock, .. } = world;
        Self {
            service: OAuthService::new(Arc::new(server), Arc::new(pages)),
            clock,
            apps,
        }
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser {
            server: self,
            cookies: Vec::new(),
            from: "203.0.113.5".parse().unwrap(),
        }
    }

    pub fn authorize(&self, app: &App) -> String {
        format!(
            "/authorize?response_type=code&client_id={}&code_challenge={}&code_challenge_method=S256&scope=mcp:tools+mcp:write",
            app.client_id,
            challenge(&"v".repeat(43))
        )
    }
}

pub struct Browser<'a> {
    server: &'a Server,
    cookies: Vec<(String, String)>,
    from: IpAddr,
}

impl Browser<'_> {
    fn send(&mut self, request: http::request::Builder, body: String) -> Response<Bytes> {
        let jar: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let request = request
            .header(header::COOKIE, jar.join("; "))
            .body(body)
            .unwrap();
        let (parts, body) = request.into_parts();
        let source = Source(Some(self.from));
        let answer = block_on(self.server.service.handle(parts, body.into(), source));
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(held, _)| held != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        answer
    }

    pub fn get(&mut self, target: &str) -> Response<Bytes> {
        self.send(Request::get(target), String::new())
    }

    pub fn page(&mut self, target: &str) -> String {
        html(&self.get(target))
    }

    /// Sends the form of a page with these fields.
    pub fn post(&mut self, page: &str, target: &str, fields: &str) -> Response<Bytes> {
        let transaction = field(page, "transaction");
        let request =
            Request::post(target).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, format!("transaction={transaction}&{fields}"))
    }

    /// Signs in at the account.
    pub fn sign_in(&mut self, name: &str) {
        let page = self.page("/account");
        let fields = format!("username={name}&password=swordfish");
        assert_eq!(self.post(&page, "/account", &fields).status(), 303);
    }

    /// Allows a client everything, signed in.
    pub fn allow(&mut self, app: &App) {
        let consent = self.page(&self.server.authorize(app));
        let fields = "decision=approve&scope=mcp:tools&scope=mcp:write";
        let answer = self.post(&consent, "/authorize/interact", fields);
        assert_eq!(answer.status(), 303, "{consent}");
    }
}

pub fn html(answer: &Response<Bytes>) -> String {
    String::from_utf8(answer.body().to_vec()).unwrap()
}

pub fn field(page: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let (_, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

pub fn policy(answer: &Response<Bytes>) -> String {
    let policy = &answer.headers()[header::CONTENT_SECURITY_POLICY];
    policy.to_str().unwrap().to_owned()
}
