//! Sign-in and its neighbours, with servers that say what ours never would.

mod common;

use common::scripted::{ASM, PRM, Robot, Said, Web, asm, prm, tokens};
use oauth_client::store::Record as _;
use oauth_client::types::{ClientId, Issuer, Lifetime, ResourceUri, Scope, SecretText};
use oauth_client::{
    AuthorizationError, BearerChallenge, Client, ClientConfig, ClientError, CredentialStore as _,
    Credentials, Leniency, MemoryStore, Ports, Preregistered, RegistrationError, StoreKey,
};
use oauth_testkit::{FixedClock, SeededEntropy, block_on};

struct Scene {
    web: Web,
    robot: Robot,
    store: MemoryStore,
    clock: FixedClock,
    entropy: SeededEntropy,
}

impl Scene {
    fn new(web: Web) -> Self {
        Self {
            web,
            robot: Robot::approving(),
            store: MemoryStore::new(),
            clock: FixedClock::at(1_800_000_000),
            entropy: SeededEntropy::new(3),
        }
    }

    fn client(&self, change: impl FnOnce(ClientConfig) -> ClientConfig) -> Client {
        let config = change(ClientConfig::new(common::MCP, "Test").unwrap());
        let ports = Ports::new(self.web.clone(), self.clock.clone(), self.entropy.clone())
            .store(self.store.clone())
            .user_agent(self.robot.clone());
        Client::new(config, ports)
    }

    fn sign_in(&self) -> Result<oauth_client::AccessToken, ClientError> {
        let client = self.client(|config| config);
        block_on(client.sign_in(&BearerChallenge::default()))
    }

    fn credentials(&self, issuer: &str) -> Option<Credentials> {
        let issuer = Issuer::parse(issuer).unwrap();
        let resource = ResourceUri::parse(common::MCP).unwrap();
        let key = StoreKey::credentials(&issuer, &resource, "");
        let text = block_on(self.store.load(&key)).unwrap()?;
        Some(Credentials::from_text(&text).unwrap())
    }
}

const TOKEN: &str = "POST https://as.example/token";
const REGISTER: &str = "POST https://as.example/register";

fn with(member: &str, value: impl Into<serde_json::Value>) -> Web {
    let web = Web::usual();
    let mut document = asm("https://as.example");
    document[member] = value.into();
    web.put(ASM, Said::json(document));
    web
}

fn registered_body(web: &Web) -> serde_json::Value {
    let form = web.last(REGISTER).form;
    // A form reader takes JSON for one name without a value.
    let text = form.keys().next().unwrap();
    serde_json::from_str(text).unwrap_or_default()
}

/// CL-AUTHZ-1, CL-AUTHZ-2, CL-AUTHZ-6, CL-AUTHZ-10, CL-TOK-4: what is asked for, and that the code goes
/// where it belongs with the verifier to its challenge.
#[test]
fn a_sign_in_asks_for_what_it_should() {
    let scene = Scene::new(Web::usual());
    scene.sign_in().unwrap();
    let sent = scene.robot.last();
    assert_eq!(sent["response_type"], "code");
    assert_eq!(sent["code_challenge_method"], "S256");
    assert_eq!(sent["resource"], common::MCP);
    assert_eq!(sent["client_id"], "registered");
    assert!(!sent.contains_key("scope"), "nothing says which");
    let exchange = scene.web.last(TOKEN);
    assert_eq!(exchange.form["grant_type"], "authorization_code");
    assert_eq!(exchange.form["resource"], common::MCP);
    assert_eq!(
        exchange.form["redirect_uri"],
        "http://127.0.0.1:4711/callback"
    );
    assert_eq!(exchange.form["client_id"], "registered");
    assert_eq!(exchange.authorization, None);
    let verifier = oauth_client::types::CodeVerifier::parse(&exchange.form["code_verifier"]);
    let challenge = oauth_client::types::CodeChallenge::of(verifier.unwrap());
    assert_eq!(challenge.to_string(), sent["code_challenge"]);
    // Another sign-in has others of its own.
    scene.sign_in().unwrap();
    let again = scene.robot.last();
    assert_ne!(again["state"], sent["state"]);
    assert_ne!(again["code_challenge"], sent["code_challenge"]);
}

/// CL-DISC-7: a server that does not promise PKCE with S256 is not used.
#[test]
fn without_s256_nobody_is_sent_anywhere() {
    for methods in [serde_json::json!(null), serde_json::json!(["plain"])] {
        let scene = Scene::new(with("code_challenge_methods_supported", methods));
        let said = scene.sign_in().unwrap_err().to_string();
        assert!(said.contains("expected PKCE with S256"), "{said}");
        assert!(scene.robot.visits.lock().unwrap().is_empty());
    }
}

/// CL-AUTHZ-12, CL-TOK-13: endpoints that nobody may be sent to, or that would see secrets in the
/// clear.
#[test]
fn endpoints_that_are_not_safe_are_not_used() {
    for (member, bad) in [
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", "file:///etc/passwd"),
        ("authorization_endpoint", "data:text/html,x"),
        ("authorization_endpoint", "http://as.example/authorize"),
        ("authorization_endpoint", "https://192.168.0.1/authorize"),
        (
            "authorization_endpoint",
            "https://user@as.example/authorize",
        ),
        ("token_endpoint", "http://as.example/token"),
        ("token_endpoint", "https://127.0.0.1/token"),
        ("token_endpoint", "http://localhost/token"),
        ("registration_endpoint", "http://as.example/register"),
        ("registration_endpoint", "https://[fd00::1]/register"),
    ] {
        let scene = Scene::new(with(member, bad));
        assert!(scene.sign_in().is_err(), "{bad}");
        let to = |line: &String| line.contains(bad);
        assert!(!scene.web.lines().iter().any(to), "{bad}");
        assert!(scene.robot.visits.lock().unwrap().is_empty(), "{bad}");
    }
}

/// CL-AUTHZ-8, CL-AUTHZ-9, CL-AUTHZ-14, CL-AUTHZ-6: the table of answers; nothing of a wrong one is
/// repeated, and no code goes anywhere.
#[test]
fn answers_of_others_are_not_believed() {
    let (promised, quiet) = (true, false);
    for (iss, answer, good) in [
        (quiet, "code=c&state={s}", true),
        (promised, "code=c&state={s}", false),
        (
            promised,
            "code=c&state={s}&iss=https%3A%2F%2Fas.example",
            true,
        ),
        (quiet, "code=c&state={s}&iss=https%3A%2F%2Fas.example", true),
        (
            quiet,
            "code=c&state={s}&iss=https%3A%2F%2Fas.example%2F",
            false,
        ),
        (
            quiet,
            "code=c&state={s}&iss=https%3A%2F%2FAS.example",
            false,
        ),
        (quiet, "code=c&state={s}&iss=", false),
        (
            promised,
            "error=evil-word&error_description=evil-text&state={s}&iss=https%3A%2F%2Fevil.example",
            false,
        ),
        (
            promised,
            "error=evil-word&state=x&iss=https%3A%2F%2Fas.example",
            false,
        ),
        (quiet, "code=c", false),
        (quiet, "code=c&state=", false),
        (quiet, "code=c&state={s}x", false),
        (quiet, "code=c&code=d&state={s}", false),
        (quiet, "code=c&state={s}&state={s}", false),
        (
            quiet,
            "code=c&state={s}&iss=https%3A%2F%2Fas.example&iss=https%3A%2F%2Fas.example",
            false,
        ),
        (quiet, "?code=c&state={s}&unknown=1&unknown=2", true),
        (quiet, "state={s}", false),
        (quiet, "", false),
    ] {
        let web = with("authorization_response_iss_parameter_supported", iss);
        let mut scene = Scene::new(web);
        scene.robot = Robot::new(move |sent| answer.replace("{s}", &sent["state"]));
        let outcome = scene.sign_in();
        assert_eq!(outcome.is_ok(), good, "{answer}");
        if let Err(error) = outcome {
            assert!(!format!("{error}{error:?}").contains("evil-"), "{error:?}");
            assert!(
                !scene.web.lines().iter().any(|line| line == TOKEN),
                "{answer}"
            );
        }
    }
}

/// CL-REG-1, CL-REG-2: a configured client comes first, then the client's own document where the server
/// reads those, then registration; then there is no way, and the error says what to do.
#[test]
fn there_is_an_order_of_being_known() {
    let url = "https://app.example/client.json";
    let used = |scene: &Scene, client: &Client| {
        block_on(client.sign_in(&BearerChallenge::default())).unwrap();
        scene.robot.last()["client_id"].clone()
    };
    let scene = Scene::new(with("client_id_metadata_document_supported", true));
    let configured = scene.client(|config| {
        let client = Preregistered::new("configured").secret(SecretText::new("s3cr3t/+"));
        config.preregistered(client).client_metadata_url(url)
    });
    assert_eq!(used(&scene, &configured), "configured");
    // CL-TOK-4, D16: the secret in the header, each half encoded, and nowhere else.
    let exchange = scene.web.last(TOKEN);
    let expected = "Basic Y29uZmlndXJlZDpzM2NyM3QlMkYlMkI=";
    assert_eq!(exchange.authorization.as_deref(), Some(expected));
    assert!(!exchange.form.contains_key("client_secret"));
    assert!(!exchange.form.contains_key("client_id"));
    let documented = scene.client(|config| config.client_metadata_url(url));
    assert_eq!(used(&scene, &documented), url);
    let no_document = scene.client(|config| config.client_metadata_url("https://app.example"));
    assert_eq!(used(&scene, &no_document), "registered");
    assert!(
        scene
            .web
            .lines()
            .iter()
            .filter(|line| *line == REGISTER)
            .count()
            == 1
    );
    let scene = Scene::new(with("registration_endpoint", serde_json::Value::Null));
    let error = scene.sign_in().unwrap_err();
    let not_offered = matches!(
        error,
        ClientError::Registration(RegistrationError::NotOffered { .. })
    );
    assert!(not_offered, "{error}");
}

/// CL-REG-4, CL-REG-5: what is registered where the configuration leaves it open.
#[test]
fn a_registration_says_what_the_client_is() {
    let scene = Scene::new(Web::usual());
    scene.sign_in().unwrap();
    let body = registered_body(&scene.web);
    assert_eq!(body["client_name"], "Test");
    assert_eq!(body["application_type"], "native");
    assert_eq!(body["redirect_uris"][0], "http://127.0.0.1:4711/callback");
    let grants = serde_json::json!(["authorization_code", "refresh_token"]);
    assert_eq!(body["grant_types"], grants);
    assert_eq!(body["response_types"], serde_json::json!(["code"]));
    assert_eq!(body["token_endpoint_auth_method"], "none");
    // A server that takes secrets only is registered with for one.
    let scene = Scene::new(with(
        "token_endpoint_auth_methods_supported",
        serde_json::json!(["client_secret_post"]),
    ));
    let registered = serde_json::json!({"client_id": "r", "client_secret": "the-secret-0123"});
    scene.web.put(
        REGISTER,
        Said {
            status: 201,
            ..Said::json(registered)
        },
    );
    scene.sign_in().unwrap();
    let body = registered_body(&scene.web);
    assert_eq!(body["token_endpoint_auth_method"], "client_secret_post");
    let exchange = scene.web.last(TOKEN);
    assert_eq!(exchange.form["client_secret"], "the-secret-0123");
    assert_eq!(exchange.authorization, None);
}

/// CL-REG-5: a secret from a server that takes none, and does not say how it would, is not sent.
#[test]
fn a_secret_that_nobody_takes_is_left_alone() {
    let methods = serde_json::json!(["none"]);
    let scene = Scene::new(with("token_endpoint_auth_methods_supported", methods));
    let registered = serde_json::json!({"client_id": "r", "client_secret": "the-secret-0123"});
    scene.web.put(
        REGISTER,
        Said {
            status: 201,
            ..Said::json(registered)
        },
    );
    scene.sign_in().unwrap();
    let exchange = scene.web.last(TOKEN);
    assert_eq!(exchange.form["client_id"], "r");
    assert!(!exchange.form.contains_key("client_secret"));
    assert_eq!(exchange.authorization, None);
}

/// CL-REG-5: a server that names no methods and takes no public client is asked once more for a secret.
#[test]
fn a_refused_registration_is_tried_once_more() {
    let scene = Scene::new(Web::usual());
    let registered = serde_json::json!({"client_id": "r", "client_secret": "the-secret-0123"});
    scene
        .web
        .put(REGISTER, Said::error(400, "invalid_client_metadata"))
        .then(
            REGISTER,
            Said {
                status: 201,
                ..Said::json(registered)
            },
        );
    scene.sign_in().unwrap();
    assert!(
        scene
            .web
            .last(TOKEN)
            .authorization
            .unwrap()
            .starts_with("Basic ")
    );
    let scene = Scene::new(Web::usual());
    scene
        .web
        .put(REGISTER, Said::error(400, "invalid_redirect_uri"));
    let said = scene.sign_in().unwrap_err().to_string();
    assert!(
        said.contains("client registration at https://as.example/register"),
        "{said}"
    );
    assert!(said.contains("`invalid_redirect_uri`"), "{said}");
    assert_eq!(
        scene
            .web
            .lines()
            .iter()
            .filter(|line| *line == REGISTER)
            .count(),
        1
    );
}

/// CL-AUTHZ-3, CL-AUTHZ-4, CL-AUTHZ-5: which scope is asked for.
#[test]
fn scope_comes_from_the_challenge_first() {
    let scope = |text: &str| Scope::parse(text).unwrap();
    for (challenge, listed, configured, server, expected) in [
        (Some("a"), Some("b c"), Some("d"), None, Some("a")),
        (None, Some("b c"), Some("d"), None, Some("b c")),
        (None, None, Some("d"), None, Some("d")),
        (None, None, None, None, None),
        (
            Some("a"),
            None,
            None,
            Some("a offline_access"),
            Some("a offline_access"),
        ),
        (Some("a"), None, None, Some("a"), Some("a")),
        (Some("a offline_access"), None, None, Some("a"), Some("a")),
        (None, None, None, Some("a offline_access"), None),
    ] {
        let web = Web::usual();
        let mut document = prm("https://as.example");
        if let Some(listed) = listed {
            document["scopes_supported"] = listed.split(' ').collect();
        }
        web.put(PRM, Said::json(document));
        let mut document = asm("https://as.example");
        if let Some(server) = server {
            document["scopes_supported"] = server.split(' ').collect();
        }
        web.put(ASM, Said::json(document));
        let scene = Scene::new(web);
        let client = scene.client(|config| match configured {
            Some(configured) => config.scope(scope(configured)),
            None => config,
        });
        let mut asked = BearerChallenge::default();
        asked.scope = challenge.map(scope);
        block_on(client.sign_in(&asked)).unwrap();
        let sent = scene.robot.last();
        assert_eq!(
            sent.get("scope").map(String::as_str),
            expected,
            "{challenge:?} {server:?}"
        );
        let offline = expected.is_some_and(|scope| scope.contains("offline_access"));
        assert_eq!(sent.contains_key("prompt"), offline);
    }
}

/// CL-REG-6, CL-DISC-10, CL-REG-7: the server has another authorization server: nothing of the old one
/// is shown to the new one, which registers the client anew; a configured client is not tried there.
#[test]
fn a_new_authorization_server_sees_nothing_of_the_old_one() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    let token = block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    let configured = scene.client(|config| config.preregistered(Preregistered::new("mine")));
    move_away(&scene.web);
    let before = scene.web.lines().len();
    let rejection = oauth_client::Rejection::new(
        http::StatusCode::UNAUTHORIZED,
        BearerChallenge::default(),
        Some(&token),
        "POST /mcp",
    );
    let new = block_on(client.rejected(&rejection)).unwrap().unwrap();
    assert_eq!(new.issuer().as_str(), "https://new.example");
    assert_eq!(scene.robot.last()["client_id"], "registered-anew");
    for asked in &scene.web.asked()[before..] {
        assert!(!asked.line.contains("as.example"), "{}", asked.line);
        let text = format!("{asked:?}");
        for old in ["access-first", "refresh-first", "registered\""] {
            assert!(!text.contains(old), "{text}");
        }
    }
    assert!(scene.credentials("https://as.example").is_none());
    assert!(scene.credentials("https://new.example").is_some());
    // A configured client is bound by its first use.
    drop(configured);
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config.preregistered(Preregistered::new("mine")));
    block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    move_away(&scene.web);
    let client = scene.client(|config| config.preregistered(Preregistered::new("mine")));
    let error = block_on(client.sign_in(&BearerChallenge::default())).unwrap_err();
    let said = error.to_string();
    let elsewhere = RegistrationError::BelongsElsewhere {
        client_id: ClientId::new("mine"),
        belongs_to: Issuer::parse("https://as.example").unwrap(),
        found: Issuer::parse("https://new.example").unwrap(),
    };
    assert_eq!(said, elsewhere.to_string());
    assert_eq!(scene.robot.visits.lock().unwrap().len(), 1);
}

fn move_away(web: &Web) {
    let new = "https://new.example";
    web.put(PRM, Said::json(prm(new)));
    let place = "GET https://new.example/.well-known/oauth-authorization-server";
    web.put(place, Said::json(asm(new)));
    let registered = serde_json::json!({"client_id": "registered-anew"});
    web.put(
        "POST https://new.example/register",
        Said {
            status: 201,
            ..Said::json(registered)
        },
    );
    web.put(
        "POST https://new.example/token",
        Said::json(tokens("second")),
    );
}

/// CL-TOK-6: the refresh token stays where none comes, and gives way where one does.
#[test]
fn a_refresh_token_is_replaced_or_kept() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    let mut without = tokens("second");
    without.as_object_mut().unwrap().remove("refresh_token");
    scene
        .web
        .put(TOKEN, Said::json(without))
        .then(TOKEN, Said::json(tokens("third")));
    for (access, refresh) in [
        ("access-second", "refresh-first"),
        ("access-third", "refresh-third"),
    ] {
        scene.clock.advance(Lifetime::seconds(3590));
        let token = block_on(client.access_token()).unwrap().unwrap();
        assert!(token.secret().expose().starts_with(access));
        let kept = scene.credentials("https://as.example").unwrap();
        assert!(kept.refresh_token.unwrap().expose().starts_with(refresh));
    }
}

/// CL-TOK-7: whoever does not know our lock refreshed first: what they saved is used.
#[test]
fn after_an_invalid_grant_the_store_is_read_once_more() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    let other = scene.client(|config| config);
    block_on(other.access_token()).unwrap().unwrap();
    scene.clock.advance(Lifetime::seconds(3590));
    // The other one has not looked at the store since.
    scene.web.put(TOKEN, Said::json(tokens("second")));
    block_on(client.access_token()).unwrap().unwrap();
    scene.web.put(TOKEN, Said::error(400, "invalid_grant"));
    let token = block_on(other.access_token()).unwrap().unwrap();
    assert!(token.secret().expose().starts_with("access-second"));
    // Nobody has another one: what is held is spent, and the store is empty.
    scene.clock.advance(Lifetime::seconds(3590));
    assert!(block_on(other.access_token()).unwrap().is_none());
    assert!(scene.credentials("https://as.example").is_none());
}

/// CL-TOK-10: a server that always wants more is not asked for ever.
#[test]
fn stepping_up_ends() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    let mut token = block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    let mut challenge = BearerChallenge::default();
    challenge.error = Some("insufficient_scope".to_owned());
    challenge.scope = Some(Scope::parse("more").unwrap());
    let mut error = None;
    for at in 0..5 {
        let name = format!("step{at}");
        scene.web.put(TOKEN, Said::json(tokens(&name)));
        let rejection = oauth_client::Rejection::new(
            http::StatusCode::FORBIDDEN,
            challenge.clone(),
            Some(&token),
            "tools/call write",
        );
        match block_on(client.rejected(&rejection)) {
            Ok(next) => token = next.unwrap(),
            Err(last) => {
                error = Some(last);
                break;
            }
        }
    }
    assert!(
        matches!(error, Some(ClientError::StepUpLimit { times: 2, .. })),
        "{error:?}"
    );
    assert_eq!(scene.robot.visits.lock().unwrap().len(), 3);
}

/// CL-AUTHZ-16: the second half of a sign-in goes to the endpoints that the first half was bound to,
/// or nowhere.
#[test]
fn a_sign_in_does_not_change_its_server_half_way() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    let redirect_uri = "https://app.example/callback";
    let begun = block_on(client.begin(&BearerChallenge::default(), redirect_uri)).unwrap();
    let mut document = asm("https://as.example");
    document["token_endpoint"] = "https://evil.example/token".into();
    scene.web.put(ASM, Said::json(document));
    let (_, query) = begun.url.split_once('?').unwrap();
    let sent: std::collections::HashMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let answer = format!("code=the-code&state={}", sent["state"]);
    let another = scene.client(|config| config);
    let error = block_on(another.finish(begun.pending, &answer))
        .unwrap_err()
        .to_string();
    assert!(error.contains("with which this sign-in began"), "{error}");
    assert!(
        !scene
            .web
            .lines()
            .iter()
            .any(|line| line.contains("evil") || line == TOKEN)
    );
    assert_eq!(registered_body(&scene.web)["application_type"], "web");
}

/// CL-AUTHZ-11: an answer may come to https, or to this computer.
#[test]
fn redirect_uris_are_https_or_loopback() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config.leniency(Leniency::STRICT));
    for uri in [
        "http://app.example/cb",
        "com.example.app:/cb",
        "javascript:x",
        "cb",
    ] {
        let error = block_on(client.begin(&BearerChallenge::default(), uri)).unwrap_err();
        let refused = matches!(
            error,
            ClientError::Authorization(AuthorizationError::RedirectUri(_))
        );
        assert!(refused, "{uri}: {error}");
    }
}
