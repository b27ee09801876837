//! More than ten thousand requests made by damaging sound ones: none may end in a 5xx or a panic, repeat a
//! secret, or write anything where it refuses a stranger.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use common::{Server, cookies, handle, json};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use oauth_core::types::{ResourceUri, Scope};
use oauth_http::resource::{BearerLayer, ProtectedResource, ResourceService};
use oauth_testkit::block_on;
use proptest::prelude::*;
use tower_service::Service;

/// A request in parts that can be damaged one by one.
#[derive(Debug, Clone)]
struct Wire {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, Vec<u8>)>,
    form: Vec<(String, String)>,
    /// Instead of the form.
    raw: Option<Vec<u8>>,
}

/// How to damage it.
#[derive(Debug, Clone)]
enum Damage {
    DropPair(usize),
    DoublePair(usize),
    Replace(usize, String),
    Garble(usize, usize, char),
    Rename(usize, String),
    AddPair(String, String),
    Method(String),
    Path(String),
    DropHeader(usize),
    Header(String, Vec<u8>),
    CutBody(usize),
    FlipBody(usize, u8),
    GrowValue(usize, usize),
}

const ENDPOINTS: [&str; 10] = [
    "authorize",
    "interact",
    "code",
    "refresh",
    "basic",
    "register",
    "revoke",
    "introspect",
    "document",
    "bearer",
];

fn strange() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("\u{0}".to_owned()),
        Just("%00%ff&=;".to_owned()),
        Just("../../etc/passwd".to_owned()),
        Just("' OR 1=1 --".to_owned()),
        Just("<script>alert(1)</script>".to_owned()),
        Just("https://evil.example/\r\nSet-Cookie: a=b".to_owned()),
        Just("http://127.0.0.1/callback".to_owned()),
        Just("\u{202e}\u{feff}\u{1f980}".to_owned()),
        Just("a".repeat(5000)),
        "[ -~]{0,40}",
        "\\PC{0,20}",
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let n = 0usize..12;
    prop_oneof![
        3 => n.clone().prop_map(Damage::DropPair),
        2 => n.clone().prop_map(Damage::DoublePair),
        4 => (n.clone(), strange()).prop_map(|(at, with)| Damage::Replace(at, with)),
        4 => (n.clone(), 0usize..100, any::<char>()).prop_map(|(at, i, c)| Damage::Garble(at, i, c)),
        1 => (n.clone(), strange()).prop_map(|(at, with)| Damage::Rename(at, with)),
        2 => (prop_oneof![strange(), Just("scope".to_owned()), Just("resource".to_owned()), Just("prompt".to_owned()), Just("request".to_owned())], strange())
            .prop_map(|(name, value)| Damage::AddPair(name, value)),
        1 => prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("HEAD"), Just("OPTIONS"), Just("BREW")]
            .prop_map(|method| Damage::Method(method.to_owned())),
        1 => prop_oneof![Just("/"), Just("/token/"), Just("/%74oken"), Just("//token"), Just("/authorize/../token"), Just("/.well-known/oauth-authorization-server/x")]
            .prop_map(|path| Damage::Path(path.to_owned())),
        1 => (0usize..4).prop_map(Damage::DropHeader),
        2 => (prop_oneof![Just("content-type"), Just("authorization"), Just("cookie"), Just("origin"), Just("host"), Just("if-none-match"), Just("sec-fetch-site")],
              prop_oneof![strange().prop_map(String::into_bytes), proptest::collection::vec(any::<u8>(), 0..40), Just(b"Basic Og==".to_vec()), Just(b"Bearer x".to_vec())])
            .prop_map(|(name, value)| Damage::Header(name.to_owned(), value)),
        1 => (0usize..200).prop_map(Damage::CutBody),
        2 => (0usize..400, any::<u8>()).prop_map(|(at, with)| Damage::FlipBody(at, with)),
        1 => (n, prop_oneof![Just(300usize), Just(10_000), Just(70_000)]).prop_map(|(at, by)| Damage::GrowValue(at, by)),
    ]
}

impl Wire {
    fn pairs(&mut self) -> &mut Vec<(String, String)> {
        if self.form.is_empty() {
            &mut self.query
        } else {
            &mut self.form
        }
    }

    fn pair(&mut self, at: usize) -> Option<&mut (String, String)> {
        let pairs = self.pairs();
        let count = pairs.len().max(1);
        pairs.get_mut(at % count)
    }

    fn body(&self) -> Vec<u8> {
        self.raw.clone().unwrap_or_else(|| {
            form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&self.form)
                .finish()
                .into_bytes()
        })
    }

    fn suffer(&mut self, damage: &Damage) {
        match damage.clone() {
            Damage::DropPair(at) => {
                let pairs = self.pairs();
                if !pairs.is_empty() {
                    let at = at % pairs.len();
                    pairs.remove(at);
                }
            }
            Damage::DoublePair(at) => {
                if let Some(pair) = self.pair(at).cloned() {
                    self.pairs().push(pair);
                }
            }
            Damage::Replace(at, with) => {
                if let Some(pair) = self.pair(at) {
                    pair.1 = with;
                }
            }
            Damage::Garble(at, i, with) => {
                if let Some(pair) = self.pair(at) {
                    let mut characters: Vec<char> = pair.1.chars().collect();
                    let count = characters.len().max(1);
                    if let Some(slot) = characters.get_mut(i % count) {
                        *slot = with;
                    }
                    pair.1 = characters.into_iter().collect();
                }
            }
            Damage::Rename(at, with) => {
                if let Some(pair) = self.pair(at) {
                    pair.0 = with;
                }
            }
            Damage::AddPair(name, value) => self.pairs().push((name, value)),
            Damage::Method(method) => self.method = method,
            Damage::Path(path) => self.path = path,
            Damage::DropHeader(at) => {
                if !self.headers.is_empty() {
                    let at = at % self.headers.len();
                    self.headers.remove(at);
                }
            }
            Damage::Header(name, value) => self.headers.push((name, value)),
            Damage::CutBody(by) => {
                let mut body = self.body();
                body.truncate(body.len().saturating_sub(by));
                self.raw = Some(body);
            }
            Damage::FlipBody(at, with) => {
                let mut body = self.body();
                let count = body.len().max(1);
                if let Some(slot) = body.get_mut(at % count) {
                    *slot = with;
                }
                self.raw = Some(body);
            }
            Damage::GrowValue(at, by) => {
                if let Some(pair) = self.pair(at) {
                    pair.1.push_str(&"x".repeat(by));
                }
            }
        }
    }

    /// `None` where the parts no longer make a request at all: a real server's parser stops there.
    fn request(&self) -> Option<Request<Vec<u8>>> {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.query)
            .finish();
        let target = if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{query}", self.path)
        };
        let mut request = Request::new(self.body());
        *request.method_mut() = Method::from_bytes(self.method.as_bytes()).ok()?;
        *request.uri_mut() = target.parse::<Uri>().ok()?;
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            request
                .headers_mut()
                .append(name, HeaderValue::from_bytes(value).ok()?);
        }
        Some(request)
    }
}

/// Sound requests of one server, with every secret that stands in them.
struct Sound {
    server: Server,
    wires: BTreeMap<&'static str, Wire>,
    secrets: Vec<String>,
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn sound() -> Sound {
    let server = Server::new();
    let verifier = "v".repeat(43);
    let form_type = || {
        (
            "content-type".to_owned(),
            b"application/x-www-form-urlencoded".to_vec(),
        )
    };
    let post = |path: &str, form: Vec<(String, String)>| Wire {
        method: "POST".to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
        headers: vec![form_type()],
        form,
        raw: None,
    };
    let get = |path: &str, query: Vec<(String, String)>| Wire {
        method: "GET".to_owned(),
        query,
        headers: Vec::new(),
        ..post(path, Vec::new())
    };
    let (public, confidential) = (server.public.clone(), server.confidential.clone());
    let secret = confidential.client_secret.clone().unwrap();
    let location = server.sign_in(&public, &verifier);
    let redemption = server.redemption(&public, &location, &verifier);
    let code = redemption
        .iter()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1
        .clone();
    let tokens = server.tokens(&public);
    let (access, refresh) = (
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    );
    let page = server.authorize(&server.query(&public, &verifier), "");
    let transaction = handle(&page);

    let mut wires = BTreeMap::new();
    wires.insert(
        "authorize",
        get("/authorize", server.query(&public, &verifier)),
    );
    let mut interact = post(
        "/authorize/interact",
        owned(&[
            ("transaction", &transaction),
            ("username", "alice"),
            ("password", "wonderland"),
        ]),
    );
    interact
        .headers
        .push(("cookie".to_owned(), cookies(&page).into_bytes()));
    wires.insert("interact", interact);
    wires.insert("code", post("/token", redemption));
    let refreshing = owned(&[
        ("grant_type", "refresh_token"),
        ("client_id", &public.client_id),
        ("refresh_token", refresh),
        ("scope", "mcp:tools"),
        ("resource", "https://mcp.example/mcp"),
    ]);
    wires.insert("refresh", post("/token", refreshing));
    let mut basic = post(
        "/token",
        owned(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]),
    );
    basic
        .headers
        .push(("authorization".to_owned(), b"Basic YTpi".to_vec()));
    wires.insert("basic", basic);
    let mut register = post("/register", Vec::new());
    register.headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    register.raw = Some(br#"{"redirect_uris":["http://127.0.0.1/cb"],"client_name":"x","grant_types":["authorization_code"],"token_endpoint_auth_method":"none"}"#.to_vec());
    wires.insert("register", register);
    wires.insert(
        "revoke",
        post(
            "/revoke",
            owned(&[("client_id", &public.client_id), ("token", "mcpa_x")]),
        ),
    );
    wires.insert(
        "introspect",
        post(
            "/introspect",
            owned(&[
                ("client_id", &confidential.client_id),
                ("client_secret", &secret),
                ("token", access),
            ]),
        ),
    );
    wires.insert(
        "document",
        get("/.well-known/oauth-authorization-server", Vec::new()),
    );
    let mut bearer = get("/mcp", Vec::new());
    bearer.headers.push((
        "authorization".to_owned(),
        format!("Bearer {access}").into_bytes(),
    ));
    wires.insert("bearer", bearer);
    let secrets = vec![
        secret,
        code,
        access.to_owned(),
        refresh.to_owned(),
        "wonderland".to_owned(),
        verifier,
    ];
    Sound {
        server,
        wires,
        secrets,
    }
}

/// What the resource server's half answers.
fn guarded(server: &Server, request: Request<Vec<u8>>) -> http::Response<bytes::Bytes> {
    #[derive(Clone)]
    struct Inner;
    impl Service<Request<Vec<u8>>> for Inner {
        type Response = http::Response<http_body_util::Full<bytes::Bytes>>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<Vec<u8>>) -> Self::Future {
            let body = bytes::Bytes::from_static(b"{}");
            std::future::ready(Ok(http::Response::new(body.into())))
        }
    }
    let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    let resource = ProtectedResource::new(
        uri,
        "https://mcp.example",
        Scope::parse("mcp:tools").unwrap(),
    );
    if request.uri().path().starts_with("/.well-known") {
        return ResourceService::new([&resource]).handle(&request.into_parts().0);
    }
    let layer = BearerLayer::new(resource, server.service.clone());
    let mut service = tower_layer::Layer::layer(&layer, Inner);
    let (parts, body) = block_on(service.call(request)).unwrap().into_parts();
    let body = block_on(http_body_util::BodyExt::collect(body)).unwrap();
    http::Response::from_parts(parts, body.to_bytes())
}

thread_local! {
    static SOUND: Sound = sound();
    static REACHED: RefCell<BTreeMap<&'static str, (usize, usize)>> = const { RefCell::new(BTreeMap::new()) };
    static CASES: Cell<usize> = const { Cell::new(0) };
}

/// Messages of the layer that only decodes: a request answered so never reached a decision.
const DECODE: [&str; 8] = [
    "the body must be",
    "too many parameters",
    "not well-formed Basic",
    "the method is not allowed",
    "nothing is here",
    "the address is too long",
    "the body is too large",
    "the form cannot be read",
];

/// AS-SEC-8, AS-TOKEN-5.
#[test]
fn damaged_requests_are_refused_in_order() {
    let config = ProptestConfig {
        cases: 11_000,
        max_shrink_iters: 500,
        ..ProptestConfig::default()
    };
    let strategy = (
        0..ENDPOINTS.len(),
        proptest::collection::vec(damage(), 1..4),
    );
    proptest::test_runner::TestRunner::new(config)
        .run(&strategy, |(endpoint, damages)| {
            SOUND.with(|sound| check(sound, ENDPOINTS[endpoint], &damages))
        })
        .unwrap();
    REACHED.with_borrow(|reached| {
        let (all, beyond) = reached
            .values()
            .fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
        println!("{reached:?}: {beyond} of {all} reached beyond decoding");
        for (endpoint, (sent, _)) in reached {
            assert!(*sent >= 500, "{endpoint}: only {sent}");
        }
        assert!(
            beyond * 2 >= all,
            "only {beyond} of {all} reached beyond decoding"
        );
    });
}

fn check(sound: &Sound, endpoint: &'static str, damages: &[Damage]) -> Result<(), TestCaseError> {
    let mut wire = sound.wires[endpoint].clone();
    for damage in damages {
        wire.suffer(damage);
    }
    let Some(request) = wire.request() else {
        return Ok(());
    };
    sound.server.storage.take_counts();
    let response = if endpoint == "bearer" {
        guarded(&sound.server, request)
    } else {
        sound.server.send(request)
    };
    let status = response.status().as_u16();
    prop_assert!(status < 500, "{} {:?}", status, response.body());
    let body = String::from_utf8_lossy(response.body()).into_owned();
    let refused = status >= 400;
    if refused {
        for secret in &sound.secrets {
            prop_assert!(
                !body.contains(secret.as_str()),
                "a secret was repeated: {}",
                body
            );
        }
        let counts = sound.server.storage.take_counts();
        // Only the holder of a token changes anything by a refused request: by presenting it twice.
        let word = json(&response)["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if word != "invalid_grant" {
            prop_assert_eq!(
                (counts.insert, counts.replace),
                (0, 0),
                "{} wrote something",
                status
            );
        }
        if endpoint != "authorize" && endpoint != "interact" && !response.body().is_empty() {
            prop_assert_eq!(
                common::text(&response, header::CONTENT_TYPE).is_empty(),
                false
            );
        }
    }
    let decoded_only =
        status == 405 || status == 404 || DECODE.iter().any(|text| body.contains(text));
    REACHED.with_borrow_mut(|reached| {
        let (sent, beyond) = reached.entry(endpoint).or_default();
        *sent += 1;
        *beyond += usize::from(!decoded_only);
    });
    CASES.set(CASES.get() + 1);
    Ok(())
}
