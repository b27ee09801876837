//! An authorization server and a protected one, as strict as the standards allow: a refresh token is
//! good once, without a retry window, and closes the grant when it comes again.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long an access token is good.
pub(crate) const LIFETIME: Duration = Duration::from_secs(2);

#[derive(Default)]
struct State {
    access: Option<(String, Instant)>,
    refresh: String,
    spent: HashSet<String>,
    closed: bool,
    made: usize,
    sign_ins: usize,
    replayed: usize,
    refreshed: Vec<Instant>,
}

#[derive(Clone)]
pub(crate) struct Server {
    origin: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = serving.clone();
                std::thread::spawn(move || server.connection(stream));
            }
        });
        server
    }

    pub(crate) fn mcp(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.state.lock().unwrap().refreshed.len()
    }

    pub(crate) fn replayed(&self) -> usize {
        self.state.lock().unwrap().replayed
    }

    pub(crate) fn sign_ins(&self) -> usize {
        self.state.lock().unwrap().sign_ins
    }

    pub(crate) fn shortest_pause(&self) -> Duration {
        let state = self.state.lock().unwrap();
        let pauses = state.refreshed.windows(2).map(|two| two[1] - two[0]);
        pauses.min().unwrap()
    }

    fn connection(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut lines = Vec::new();
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        let Some(first) = lines.first() else { return };
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let header = |name: &str| {
            let found = lines.iter().find_map(|line| {
                let (held, value) = line.split_once(": ")?;
                held.eq_ignore_ascii_case(name).then_some(value)
            });
            found.unwrap_or_default().to_owned()
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        let (status, extra, said) = self.answer(&path, &header("authorization"), &body);
        let said = said.to_string();
        let _ = write!(
            stream,
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n{extra}\r\n{said}",
            said.len()
        );
    }

    fn answer(&self, path: &str, authorization: &str, body: &str) -> (u16, String, Value) {
        let origin = &self.origin;
        let none = String::new;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path {
            "/.well-known/oauth-protected-resource/mcp" => (
                200,
                none(),
                json!({"resource": self.mcp(), "authorization_servers": [origin]}),
            ),
            "/.well-known/oauth-authorization-server" => (
                200,
                none(),
                json!({
                    "issuer": origin,
                    "authorization_endpoint": format!("{origin}/authorize"),
                    "token_endpoint": format!("{origin}/token"),
                    "registration_endpoint": format!("{origin}/register"),
                    "response_types_supported": ["code"],
                    "code_challenge_methods_supported": ["S256"],
                    "token_endpoint_auth_methods_supported": ["none"],
                }),
            ),
            "/register" => (201, none(), json!({"client_id": "storm"})),
            "/authorize" => {
                let parameter = |name: &str| {
                    let pairs = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
                    let mut pairs = pairs.query_pairs();
                    let found = pairs.find(|(held, _)| held == name);
                    found.map(|(_, value)| value.into_owned()).unwrap()
                };
                let (to, state) = (parameter("redirect_uri"), parameter("state"));
                let location = format!("Location: {to}?code=the-code&state={state}\r\n");
                (302, location, json!({}))
            }
            "/token" => self.token(body),
            _ => {
                let state = self.state.lock().unwrap();
                let good = state.access.as_ref().is_some_and(|(token, since)| {
                    authorization == format!("Bearer {token}") && since.elapsed() < LIFETIME
                });
                if good && !state.closed {
                    return (200, none(), json!({}));
                }
                (401, "WWW-Authenticate: Bearer\r\n".to_owned(), json!({}))
            }
        }
    }

    fn token(&self, body: &str) -> (u16, String, Value) {
        let mut state = self.state.lock().unwrap();
        let presented = body
            .split('&')
            .find_map(|pair| pair.strip_prefix("refresh_token="));
        match presented {
            None => state.sign_ins += 1,
            Some(token) if token == state.refresh && !state.closed => {
                state.spent.insert(token.to_owned());
                state.refreshed.push(now());
            }
            Some(token) => {
                if state.spent.contains(token) {
                    state.replayed += 1;
                    state.closed = true;
                }
                return (400, String::new(), json!({"error": "invalid_grant"}));
            }
        }
        state.made += 1;
        let (access, refresh) = (format!("a{}", state.made), format!("r{}", state.made));
        state.access = Some((access.clone(), now()));
        state.refresh = refresh.clone();
        let answer = json!({
            "access_token": access,
            "refresh_token": refresh,
            "token_type": "Bearer",
            "expires_in": LIFETIME.as_secs(),
        });
        drop(state);
        // Slow enough that whoever does not wait is sure to collide.
        std::thread::sleep(Duration::from_millis(100));
        (200, String::new(), answer)
    }
}

#[expect(clippy::disallowed_methods, reason = "the server tells real time")]
fn now() -> Instant {
    Instant::now()
}
