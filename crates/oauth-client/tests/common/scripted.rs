//! Servers that answer from a table, for what our own would never say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use oauth_client::agent::Visit;
use oauth_client::types::{Issuer, Reach, ResourceUri, SecretText};
use oauth_client::{
    BearerChallenge, Bounds, Client, ClientConfig, ClientError, CredentialStore as _, Credentials,
    HttpClient, MemoryStore, Ports, Reached, Record as _, StoreKey, TransportError, UserAgent,
    UserAgentError,
};
use oauth_testkit::{FixedClock, SeededEntropy, block_on};

/// One thing that is answered.
#[derive(Debug, Clone)]
pub struct Said {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub reach: Reach,
}

impl Said {
    pub fn json(body: impl ToString) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.to_string(),
            reach: Reach::Public,
        }
    }

    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::json("")
        }
    }

    pub fn error(status: u16, code: &str) -> Self {
        Self {
            status,
            ..Self::json(serde_json::json!({ "error": code }))
        }
    }

    pub fn redirect(to: &str) -> Self {
        Self {
            headers: vec![("location", to.to_owned())],
            ..Self::status(302)
        }
    }
}

/// What was asked: method and address, headers, body.
#[derive(Debug, Clone)]
pub struct Asked {
    pub line: String,
    pub authorization: Option<String>,
    pub form: HashMap<String, String>,
    pub within: Reach,
}

/// Answers each address with what is put there, one after another, the last for ever; 404 else.
#[derive(Clone, Default)]
pub struct Web {
    said: Arc<Mutex<HashMap<String, Vec<Said>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    pub fn put(&self, line: &str, said: Said) -> &Self {
        self.said
            .lock()
            .unwrap()
            .insert(line.to_owned(), vec![said]);
        self
    }

    pub fn then(&self, line: &str, said: Said) -> &Self {
        self.said
            .lock()
            .unwrap()
            .entry(line.to_owned())
            .or_default()
            .push(said);
        self
    }

    /// What is answered to this next.
    pub fn answer_to(&self, line: &str) -> Said {
        self.said.lock().unwrap()[line][0].clone()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// The last thing that was asked of this.
    pub fn last(&self, line: &str) -> Asked {
        let asked = self.asked();
        asked
            .into_iter()
            .rev()
            .find(|asked| asked.line == line)
            .expect("it was asked")
    }

    /// A server at `https://mcp.example/mcp` with an authorization server at `https://as.example`.
    pub fn usual() -> Self {
        let web = Self::default();
        web.put(PRM, Said::json(prm("https://as.example")))
            .put(ASM, Said::json(asm("https://as.example")))
            .put(
                "POST https://as.example/register",
                Said {
                    status: 201,
                    ..Said::json(serde_json::json!({"client_id": "registered"}))
                },
            )
            .put("POST https://as.example/token", Said::json(tokens("first")))
            .put("POST https://as.example/revoke", Said::json("{}"));
        web
    }
}

pub const PRM: &str = "GET https://mcp.example/.well-known/oauth-protected-resource/mcp";
pub const ASM: &str = "GET https://as.example/.well-known/oauth-authorization-server";

pub fn prm(issuer: &str) -> serde_json::Value {
    serde_json::json!({"resource": super::MCP, "authorization_servers": [issuer]})
}

pub fn asm(issuer: &str) -> serde_json::Value {
    serde_json::json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "registration_endpoint": format!("{issuer}/register"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "device_authorization_endpoint": format!("{issuer}/device"),
        "code_challenge_methods_supported": ["S256"],
    })
}

pub fn tokens(name: &str) -> serde_json::Value {
    serde_json::json!({
        "access_token": format!("access-{name}-0123456789"),
        "refresh_token": format!("refresh-{name}-0123456789"),
        "token_type": "bearer",
        "expires_in": 3600,
    })
}

#[async_trait]
impl HttpClient for Web {
    async fn send(
        &self,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, TransportError> {
        let line = format!("{} {}", request.method(), request.uri());
        let form = form_urlencoded::parse(request.body())
            .into_owned()
            .collect();
        let authorization = request.headers().get(header::AUTHORIZATION);
        self.asked.lock().unwrap().push(Asked {
            line: line.clone(),
            authorization: authorization.map(|value| value.to_str().unwrap().to_owned()),
            form,
            within: bounds.within,
        });
        let said = match self.said.lock().unwrap().get_mut(&line) {
            Some(said) if said.len() > 1 => said.remove(0),
            Some(said) => said[0].clone(),
            None => Said::status(404),
        };
        if said.reach > bounds.within {
            return Err(TransportError::Forbidden);
        }
        let mut response = Response::new(Bytes::from(said.body));
        *response.status_mut() = StatusCode::from_u16(said.status).unwrap();
        for (name, value) in said.headers {
            response.headers_mut().append(name, value.parse().unwrap());
        }
        response.extensions_mut().insert(Reached(said.reach));
        Ok(response)
    }
}

/// The application's own HTTP client.
#[derive(Clone)]
pub struct Application(pub Web);

impl tower_service::Service<Request<Bytes>> for Application {
    type Response = Response<Bytes>;
    type Error = TransportError;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let web = self.0.clone();
        let bounds = Bounds::within(Reach::Local);
        Box::pin(async move { web.send(request, bounds).await })
    }
}

/// From the query with which one was sent, the one to come back with.
type Answer = dyn Fn(&HashMap<String, String>) -> String + Send + Sync;

/// Comes back at once, with a query made from the address it was sent to.
#[derive(Clone)]
pub struct Robot {
    pub visits: Arc<Mutex<Vec<String>>>,
    answer: Arc<Answer>,
}

impl Robot {
    pub fn new(
        answer: impl Fn(&HashMap<String, String>) -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            visits: Arc::default(),
            answer: Arc::new(answer),
        }
    }

    /// Approves, and says nothing more than it must.
    pub fn approving() -> Self {
        Self::new(|sent| format!("code=the-code-0123456789&state={}", sent["state"]))
    }

    /// What was asked for in the last visit.
    pub fn last(&self) -> HashMap<String, String> {
        let visits = self.visits.lock().unwrap();
        let (_, query) = visits.last().unwrap().split_once('?').unwrap();
        form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect()
    }
}

#[async_trait]
impl UserAgent for Robot {
    async fn begin(&self) -> Result<Box<dyn Visit>, UserAgentError> {
        Ok(Box::new(RobotVisit(self.clone())))
    }
}

struct RobotVisit(Robot);

#[async_trait]
impl Visit for RobotVisit {
    fn redirect_uri(&self) -> &str {
        "http://127.0.0.1:4711/callback"
    }

    async fn visit(self: Box<Self>, url: &str) -> Result<SecretText, UserAgentError> {
        self.0.visits.lock().unwrap().push(url.to_owned());
        Ok(SecretText::new((self.0.answer)(&self.0.last())))
    }
}

/// A client's world with scripted servers and a robot.
pub struct Scene {
    pub web: Web,
    pub robot: Robot,
    pub store: MemoryStore,
    pub clock: FixedClock,
    pub entropy: SeededEntropy,
}

impl Scene {
    pub fn new(web: Web) -> Self {
        Self {
            web,
            robot: Robot::approving(),
            store: MemoryStore::new(),
            clock: FixedClock::at(1_800_000_000),
            entropy: SeededEntropy::new(3),
        }
    }

    pub fn client(&self, change: impl FnOnce(ClientConfig) -> ClientConfig) -> Client {
        let config = change(ClientConfig::new(super::MCP, "Test").unwrap());
        let ports = Ports::new(self.web.clone(), self.clock.clone(), self.entropy.clone())
            .store(self.store.clone())
            .user_agent(self.robot.clone());
        Client::new(config, ports)
    }

    pub fn sign_in(&self) -> Result<oauth_client::AccessToken, ClientError> {
        let client = self.client(|config| config);
        block_on(client.sign_in(&BearerChallenge::default()))
    }

    pub fn credentials(&self, issuer: &str) -> Option<Credentials> {
        let issuer = Issuer::parse(issuer).unwrap();
        let resource = ResourceUri::parse(super::MCP).unwrap();
        let key = StoreKey::credentials(&issuer, &resource, "");
        let text = block_on(self.store.load(&key)).unwrap()?;
        Some(Credentials::from_text(&text).unwrap())
    }
}

pub const TOKEN: &str = "POST https://as.example/token";
pub const REGISTER: &str = "POST https://as.example/register";

/// The usual servers, but that the authorization server says this.
pub fn with(member: &str, value: impl Into<serde_json::Value>) -> Web {
    let web = Web::usual();
    let mut document = asm("https://as.example");
    document[member] = value.into();
    web.put(ASM, Said::json(document));
    web
}

/// What was posted to the registration endpoint.
pub fn registered_body(web: &Web) -> serde_json::Value {
    let form = web.last(REGISTER).form;
    // A form reader takes JSON for one name without a value.
    let text = form.keys().next().unwrap();
    serde_json::from_str(text).unwrap_or_default()
}
