//! No response, header, redirect or document makes the client panic, hang, go where it may not, show
//! a token to another origin, or tell a secret.

mod common;

use std::sync::{Arc, Mutex};

use common::scripted::{Application, Asked, Robot, Said, Web, asm, prm, tokens};
use oauth_client::types::{Lifetime, Reach, ResourceUri};
use oauth_client::{
    AuthorizeLayer, BearerChallenge, Client, ClientConfig, Leniency, MemoryStore, Ports,
    Preregistered, Step,
};
use oauth_testkit::{FixedClock, SeededEntropy, block_on};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower_layer::Layer as _;
use tower_service::Service as _;

/// Resources of others, which have metadata too: of another host, of a neighbour, of one below and one
/// that is called alike.
const OTHERS: &[&str] = &[
    "https://bank.example/mcp",
    "https://mcp.example/other",
    "https://mcp.example/mcp/deeper",
    "https://mcp.example:8443/mcp",
];

fn metadata_of(resource: &str) -> String {
    ResourceUri::parse(resource).unwrap().metadata_url()
}

/// Where a document may point: to all kinds of places that it should not.
fn address() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("https://as.example".to_owned()),
        2 => Just("https://evil.example/x".to_owned()),
        2 => proptest::sample::select(OTHERS).prop_map(metadata_of),
        1 => prop_oneof![
            Just("http://as.example"),
            Just("https://127.0.0.1/x"),
            Just("https://2130706433/x"),
            Just("https://0x7f.1/x"),
            Just("https://[::1]/x"),
            Just("https://[::ffff:10.0.0.1]/x"),
            Just("https://10.1.2.3:8443/x"),
            Just("https://169.254.169.254/latest/meta-data"),
            Just("http://localhost:3000/x"),
            Just("https://localhost/x"),
            Just("file:///etc/passwd"),
            Just("javascript:alert(1)"),
            Just("//evil.example/x"),
            Just("https://mcp.example@evil.example/x"),
            Just("https://"),
            Just("%"),
        ].prop_map(str::to_owned),
        1 => ".{0,40}",
    ]
}

/// A value that a member might have.
fn member() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => address().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => ".{0,60}".prop_map(Value::from),
        1 => proptest::collection::vec(address(), 0..4).prop_map(Value::from),
        1 => Just(json!({"a": [1, {}]})),
    ]
}

/// A document with some of its members changed, or something that is none.
fn changed(sound: Value, members: &'static [&'static str]) -> impl Strategy<Value = String> {
    let change = (proptest::sample::select(members), member());
    prop_oneof![
        6 => proptest::collection::vec(change, 0..3).prop_map(move |changes| {
            let mut document = sound.clone();
            for (name, value) in changes {
                document[name] = value;
            }
            document.to_string()
        }),
        1 => ".{0,80}",
        1 => Just(format!("{}1{}", "[".repeat(5000), "]".repeat(5000))),
        1 => Just("{\"issuer\":\"a\",\"issuer\":\"b\"}".to_owned()),
    ]
}

fn said(body: impl Strategy<Value = String>) -> impl Strategy<Value = Said> {
    let status = prop_oneof![8 => Just(200u16), 1 => Just(201), 1 => 100u16..600];
    let reach = prop_oneof![
        6 => Just(Reach::Public),
        1 => Just(Reach::Private),
        1 => Just(Reach::Local),
    ];
    (status, body, reach, address(), any::<bool>()).prop_map(
        |(status, body, reach, location, moves)| Said {
            status: if moves && status > 500 { 302 } else { status },
            headers: match http::HeaderValue::from_str(&location) {
                Ok(_) => vec![("location", location)],
                Err(_) => Vec::new(),
            },
            body,
            reach,
        },
    )
}

/// An answer that repeats what was sent to it.
fn echo(sent: &str) -> Value {
    json!({"error": "invalid_grant", "error_description": sent, "error_uri": sent})
}

struct World {
    web: Web,
    told: Arc<Mutex<String>>,
    clock: FixedClock,
    client: Client,
}

/// Whom an authorization server names in its document to be shown what it gave.
fn endpoints_of(document: &str) -> Vec<url::Url> {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let members = ["token_endpoint", "revocation_endpoint"];
    let named = members.iter().filter_map(|name| document[*name].as_str());
    let mut endpoints: Vec<_> = named
        .filter_map(|named| url::Url::parse(named).ok())
        .collect();
    endpoints.iter_mut().for_each(|url| url.set_fragment(None));
    endpoints
}

/// What must never be told, or go to others than these.
const SECRETS: &[&str] = &[
    "access-first-0123456789",
    "refresh-first-0123456789",
    "the-code-0123456789",
    "configured-secret-0123456789",
];

impl World {
    fn new(web: Web, redirect: String, secret: bool) -> Self {
        let told: Arc<Mutex<String>> = Arc::default();
        let tells = Arc::clone(&told);
        let clock = FixedClock::at(1_800_000_000);
        let mut config = ClientConfig::new(common::MCP, "Test").unwrap();
        config = config.leniency(Leniency::ALL);
        if secret {
            let secret = oauth_client::types::SecretText::new(SECRETS[3]);
            config = config.preregistered(Preregistered::new("mine").secret(secret));
        }
        let robot = Robot::new(move |sent| redirect.replace("{s}", &sent["state"]));
        let ports = Ports::new(web.clone(), clock.clone(), SeededEntropy::new(9))
            .store(MemoryStore::new())
            .user_agent(robot)
            .observer(move |step: &Step<'_>| {
                tells.lock().unwrap().push_str(&format!("{step:?}\n"));
            });
        Self {
            web,
            told,
            clock,
            client: Client::new(config, ports),
        }
    }

    fn note(&self, error: &(dyn std::error::Error + 'static)) {
        let mut told = self.told.lock().unwrap();
        let mut cause = Some(error);
        while let Some(error) = cause {
            told.push_str(&format!("{error}\n{error:?}\n"));
            cause = error.source();
        }
    }

    /// Everything that a program does with a client.
    fn live(&self) {
        let mut service =
            AuthorizeLayer::new(self.client.clone()).layer(Application(self.web.clone()));
        for _ in 0..3 {
            let request = http::Request::post(common::MCP)
                .body(bytes::Bytes::new())
                .unwrap();
            match block_on(service.call(request)) {
                Ok(answer) => self
                    .told
                    .lock()
                    .unwrap()
                    .push_str(&format!("{}", answer.status())),
                Err(error) => self.note(&error),
            }
            self.clock.advance(Lifetime::seconds(3590));
        }
        if let Err(error) = block_on(self.client.sign_in(&BearerChallenge::default())) {
            self.note(&error);
        }
        match block_on(self.client.sign_out()) {
            Ok(out) => self.told.lock().unwrap().push_str(&format!("{out:?}")),
            Err(error) => self.note(&error),
        }
        self.told
            .lock()
            .unwrap()
            .push_str(&format!("{:?}", self.client));
    }

    /// `endpoints`: those that the one authorization server names in its own document.
    fn check(&self, endpoints: &[url::Url]) -> Result<(), TestCaseError> {
        let asked = self.web.asked();
        prop_assert!(asked.len() < 200, "{} requests", asked.len());
        for asked in &asked {
            goes_where_it_may(asked, endpoints)?;
        }
        let told = self.told.lock().unwrap();
        for secret in SECRETS {
            prop_assert!(!told.contains(secret), "{secret} is told: {told}");
        }
        // Whatever was drawn and sent must not be told either.
        for asked in &asked {
            if let Some(verifier) = asked.form.get("code_verifier") {
                prop_assert!(!told.contains(verifier.as_str()), "{told}");
            }
        }
        Ok(())
    }
}

fn goes_where_it_may(asked: &Asked, endpoints: &[url::Url]) -> Result<(), TestCaseError> {
    let (_, url) = asked.line.split_once(' ').unwrap();
    let parsed = url::Url::parse(url).unwrap();
    let own = parsed.origin().ascii_serialization() == "https://mcp.example";
    // CL-TOK-2: the access token goes to the resource, and to the server that gave it when it is
    // revoked, in a form.
    if let Some(authorization) = &asked.authorization {
        prop_assert!(own || authorization.starts_with("Basic "), "{asked:?}");
        let secret = authorization.contains("access-");
        prop_assert!(!secret || url == common::MCP, "{asked:?}");
    }
    prop_assert!(!url.contains("0123456789"), "a secret in an address: {url}");
    // CL-DISC-3: no token is asked for that others than this server would take.
    if let Some(resource) = asked.form.get("resource") {
        let server = ResourceUri::parse(common::MCP).unwrap();
        let ours = server.is_named_by(resource) || server.is_below(resource);
        prop_assert!(ours, "a token for {resource}");
    }
    // CL-AUTHZ-10, CL-TOK-6: what one authorization server gave is shown to it alone.
    let kept = ["code", "refresh_token", "token", "client_secret"];
    let shows = kept.iter().any(|name| asked.form.contains_key(*name));
    let basic = asked
        .authorization
        .as_ref()
        .is_some_and(|held| held.starts_with("Basic "));
    prop_assert!(
        !(shows || basic) || endpoints.contains(&parsed),
        "{asked:?}"
    );
    // CL-DISC-8: no public document leads inside; the server that the person named is public here.
    if !own {
        let reach = Reach::of_url(url);
        let clear = parsed.scheme() == "http";
        prop_assert!(!clear || asked.within == Reach::Local && reach == Some(Reach::Local));
        prop_assert!(
            reach.is_none_or(|reach| reach <= asked.within),
            "{:?}",
            asked
        );
    }
    Ok(())
}

const RESOURCE_MEMBERS: &[&str] = &[
    "resource",
    "authorization_servers",
    "scopes_supported",
    "resource_name",
];
const SERVER_MEMBERS: &[&str] = &[
    "issuer",
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
    "scopes_supported",
    "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported",
    "authorization_response_iss_parameter_supported",
];
const TOKEN_MEMBERS: &[&str] = &[
    "access_token",
    "token_type",
    "expires_in",
    "refresh_token",
    "scope",
    "error",
];
const CLIENT_MEMBERS: &[&str] = &[
    "client_id",
    "client_secret",
    "client_secret_expires_at",
    "token_endpoint_auth_method",
    "redirect_uris",
    "issuer",
];

fn challenge() -> impl Strategy<Value = Said> {
    let header = prop_oneof![
        Just("Bearer".to_owned()),
        Just("Bearer error=\"insufficient_scope\", scope=\"a b\"".to_owned()),
        Just("Bearer error=\"invalid_token\"".to_owned()),
        address().prop_map(|at| format!("Bearer resource_metadata=\"{at}\", scope=\"x\"")),
        proptest::sample::select(OTHERS)
            .prop_map(|other| format!("Bearer resource_metadata=\"{}\"", metadata_of(other))),
        ".{0,60}",
    ];
    (
        header,
        prop_oneof![3 => Just(401u16), 1 => Just(403), 1 => Just(200)],
    )
        .prop_map(|(header, status)| {
            let sound = http::HeaderValue::from_str(&header).is_ok();
            Said {
                headers: sound
                    .then_some(("www-authenticate", header))
                    .into_iter()
                    .collect(),
                ..Said::status(status)
            }
        })
}

fn redirect() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just("code=the-code-0123456789&state={s}".to_owned()),
        1 => Just("code=the-code-0123456789&state=x".to_owned()),
        1 => Just("error=x&error_description={s}&state={s}".to_owned()),
        1 => Just("code=the-code-0123456789&state={s}&iss=https://evil.example".to_owned()),
        1 => ".{0,80}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// CL-TOK-2, CL-TOK-3, CL-DISC-8: every server says anything at all.
    #[test]
    fn nothing_that_servers_say_does_harm(
        resource in said(changed(prm("https://as.example"), RESOURCE_MEMBERS)),
        server in said(changed(asm("https://as.example"), SERVER_MEMBERS)),
        registered in said(changed(json!({"client_id": "r"}), CLIENT_MEMBERS)),
        token in said(changed(tokens("first"), TOKEN_MEMBERS)),
        token_again in said(changed(tokens("first"), TOKEN_MEMBERS)),
        challenges in proptest::collection::vec(challenge(), 1..4),
        redirect in redirect(),
        secret: bool,
    ) {
        let web = Web::usual();
        for other in OTHERS {
            let mut document = prm("https://as.example");
            document["resource"] = (*other).into();
            web.put(&format!("GET {}", metadata_of(other)), Said::json(document));
        }
        let mut endpoints = endpoints_of(&server.body);
        endpoints.extend(endpoints_of(&asm("https://mcp.example").to_string()));
        web.put(common::scripted::PRM, resource)
            .put(common::scripted::ASM, server)
            .put("POST https://as.example/register", registered)
            .put("POST https://as.example/token", token)
            .then("POST https://as.example/token", token_again);
        for challenge in challenges {
            web.then(&format!("POST {}", common::MCP), challenge);
        }
        let world = World::new(web, redirect, secret);
        world.live();
        world.check(&endpoints)?;
    }

    /// CL-TOK-3: a server that repeats what it was sent, in whatever spelling, is not repeated.
    #[test]
    fn an_echo_is_not_told(
        status in prop_oneof![Just(400u16), Just(401), Just(500), Just(200)],
        spelling in 0u8..5,
    ) {
        use base64::Engine as _;
        let spelled = |secret: &str| match spelling {
            0 => secret.to_owned(),
            1 => format!("bad token {secret}!"),
            2 => secret.to_uppercase(),
            3 => secret.replace('-', "%2D"),
            _ => {
                let pair = format!("mine:{}", SECRETS[3]);
                base64::engine::general_purpose::STANDARD.encode(pair)
            }
        };
        let all = SECRETS.iter().map(|secret| spelled(secret)).collect::<Vec<_>>().join(" ");
        let token = "POST https://as.example/token";
        let web = Web::usual();
        web.put(token, Said::json(tokens("first")));
        web.then(token, Said { status, ..Said::json(echo(&all)) });
        web.put(
            "POST https://as.example/revoke",
            Said { status, ..Said::json(echo(&all)) },
        );
        web.put(&format!("POST {}", common::MCP), Said::status(401));
        web.then(&format!("POST {}", common::MCP), Said::status(200));
        let world = World::new(web, "code=the-code-0123456789&state={s}".to_owned(), true);
        world.live();
        world.check(&endpoints_of(&asm("https://as.example").to_string()))?;
        let told = world.told.lock().unwrap();
        prop_assert!(!told.contains("0123456789"), "{}", told);
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("mine:{}", SECRETS[3]));
        prop_assert!(!told.contains(&pair), "{}", told);
    }
}
