//! Tokens without a browser of one's own: the client for itself, somebody's assertion, a browser
//! elsewhere.

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::scripted::{ASM, Said, Web, asm, tokens};
use oauth_client::agent::DeviceAgent;
use oauth_client::id_jag::{IdentityAssertion, SubjectTokenType};
use oauth_client::types::{ClientId, Lifetime, Scope, SecretText};
use oauth_client::{
    AuthMethod, BearerChallenge, Client, ClientConfig, ClientError, DevicePrompt, Grant, Ports,
    Preregistered, PrivateKey, UserAgentError,
};
use oauth_testkit::{FixedClock, SeededEntropy, block_on};
use serde_json::Value;

const TOKEN: &str = "POST https://as.example/token";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

struct Scene {
    web: Web,
    clock: FixedClock,
}

impl Scene {
    fn new() -> Self {
        Self {
            web: Web::usual(),
            clock: FixedClock::at(1_800_000_000),
        }
    }

    fn client(&self, change: impl FnOnce(ClientConfig) -> ClientConfig) -> Client {
        self.client_with(change, |ports| ports)
    }

    fn client_with(
        &self,
        change: impl FnOnce(ClientConfig) -> ClientConfig,
        ports: impl FnOnce(Ports) -> Ports,
    ) -> Client {
        let config = change(ClientConfig::new(common::MCP, "Test").unwrap());
        let world = Ports::new(self.web.clone(), self.clock.clone(), SeededEntropy::new(5));
        Client::new(config, ports(world))
    }

    fn asked_for_tokens(&self) -> usize {
        self.web
            .lines()
            .iter()
            .filter(|line| *line == TOKEN)
            .count()
    }
}

fn sign_in(client: &Client) -> Result<oauth_client::AccessToken, ClientError> {
    let mut challenge = BearerChallenge::default();
    challenge.scope = Some(Scope::parse("mcp:tools").unwrap());
    block_on(client.sign_in(&challenge))
}

/// CL-EXT-2: with a secret; and when the token ends, another one is asked for without anybody.
#[test]
fn a_client_asks_for_itself_with_its_secret() {
    let scene = Scene::new();
    let mut answer = tokens("first");
    answer.as_object_mut().unwrap().remove("refresh_token");
    scene
        .web
        .put(TOKEN, Said::json(answer))
        .then(TOKEN, Said::json(tokens("second")));
    let client = scene.client(|config| {
        let client = Preregistered::new("service").secret(SecretText::new("service-secret"));
        config.grant(Grant::ClientCredentials).preregistered(client)
    });
    assert!(block_on(client.access_token()).unwrap().is_none());
    sign_in(&client).unwrap();
    let asked = scene.web.last(TOKEN);
    assert_eq!(asked.form["grant_type"], "client_credentials");
    assert_eq!(asked.form["resource"], common::MCP);
    assert_eq!(asked.form["scope"], "mcp:tools");
    assert!(asked.authorization.unwrap().starts_with("Basic "));
    scene.clock.advance(Lifetime::seconds(3590));
    let token = block_on(client.access_token()).unwrap().unwrap();
    assert!(token.secret().expose().starts_with("access-second"));
    assert_eq!(scene.web.last(TOKEN).form["scope"], "mcp:tools");
}

/// A new key on P-256, as it comes from a file.
fn key() -> PrivateKey {
    let pem = rcgen::KeyPair::generate().unwrap().serialize_pem();
    PrivateKey::from_pem(&pem).unwrap().named("k1")
}

/// CL-TOK-5, CL-EXT-2: with a key: the assertion is for the issuer alone, short, and new each time;
/// whoever has the public half can verify it.
#[test]
fn a_client_asks_for_itself_with_its_key() {
    let scene = Scene::new();
    let key = key();
    let jwks = serde_json::json!({ "keys": [key.public_jwk()] });
    let keys = oauth_jose::KeySet::parse(jwks.to_string().as_bytes()).unwrap();
    let client = scene.client(|config| {
        let client = Preregistered::new("service").by(AuthMethod::PrivateKeyJwt);
        config
            .grant(Grant::ClientCredentials)
            .preregistered(client)
            .key(key)
    });
    let mut seen = Vec::new();
    for _ in 0..2 {
        sign_in(&client).unwrap();
        let form = scene.web.last(TOKEN).form;
        assert_eq!(
            form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        assert!(!form.contains_key("client_secret"));
        let assertion = form["client_assertion"].clone();
        let jws = oauth_jose::Jws::parse(&assertion).unwrap();
        let claims = jws.verify(&keys, oauth_jose::Algorithm::ALL).unwrap();
        let claims = Value::Object(claims.all.clone());
        assert_eq!(claims["aud"], "https://as.example");
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&"service".into(), &"service".into())
        );
        assert_eq!(
            claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
            60
        );
        seen.push(claims["jti"].clone());
    }
    assert_ne!(seen[0], seen[1]);
}

/// CL-EXT-7: a workload's assertion is presented; a refusal is told, and nothing is tried again or
/// otherwise.
#[test]
fn a_workload_presents_its_assertion_once() {
    for refusal in ["invalid_grant", "invalid_scope", "unauthorized_client"] {
        let scene = Scene::new();
        let client = scene.client(|config| {
            let assertion = SecretText::new("the-workload-jwt-0123456789");
            config
                .grant(Grant::JwtBearer(Arc::new(assertion)))
                .preregistered(Preregistered::new("workload"))
        });
        scene.web.put(TOKEN, Said::error(400, refusal));
        let error = sign_in(&client).unwrap_err().to_string();
        assert!(error.contains(&format!("`{refusal}`")), "{error}");
        assert_eq!(scene.asked_for_tokens(), 1);
        let form = scene.web.last(TOKEN).form;
        assert_eq!(form["grant_type"], JWT_BEARER);
        assert_eq!(form["assertion"], "the-workload-jwt-0123456789");
        assert_eq!(form["resource"], common::MCP);
        assert_eq!(form["client_id"], "workload");
        assert!(
            scene
                .web
                .lines()
                .iter()
                .all(|line| !line.contains("register"))
        );
    }
}

/// CL-EXT-3, CL-EXT-4: an identity provider's token is exchanged for an assertion to this
/// server and resource, and that for a token; again for each token.
#[test]
fn an_identity_provider_speaks_for_a_person() {
    let scene = Scene::new();
    let exchange = "POST https://idp.example/token";
    let jag = |name: &str| {
        serde_json::json!({
            "access_token": format!("id-jag-{name}-0123456789"),
            "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
            "token_type": "N_A",
            "expires_in": 300,
        })
    };
    scene
        .web
        .put(exchange, Said::json(jag("one")))
        .then(exchange, Said::json(jag("two")));
    let client = scene.client(|config| {
        let idp = IdentityAssertion::new(
            "https://idp.example/token",
            ClientId::new("at-idp"),
            SecretText::new("the-id-token-0123456789"),
            SubjectTokenType::IdToken,
        );
        let here = Preregistered::new("here").secret(SecretText::new("secret-here"));
        config
            .grant(Grant::JwtBearer(Arc::new(idp)))
            .preregistered(here)
    });
    for name in ["one", "two"] {
        sign_in(&client).unwrap();
        let form = scene.web.last(exchange).form;
        assert_eq!(
            form["grant_type"],
            "urn:ietf:params:oauth:grant-type:token-exchange"
        );
        assert_eq!(
            form["requested_token_type"],
            "urn:ietf:params:oauth:token-type:id-jag"
        );
        assert_eq!(
            form["subject_token_type"],
            "urn:ietf:params:oauth:token-type:id_token"
        );
        assert_eq!(form["subject_token"], "the-id-token-0123456789");
        assert_eq!(form["audience"], "https://as.example");
        assert_eq!(form["resource"], common::MCP);
        assert_eq!(form["client_id"], "at-idp");
        let presented = scene.web.last(TOKEN);
        assert_eq!(
            presented.form["assertion"],
            format!("id-jag-{name}-0123456789")
        );
        assert!(presented.authorization.unwrap().starts_with("Basic "));
    }
    // What is no such assertion is not presented.
    let mut other = jag("three");
    other["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token".into();
    scene.web.put(exchange, Said::json(other));
    let error = sign_in(&client).unwrap_err().to_string();
    assert!(
        error.contains("identity provider at https://idp.example/token"),
        "{error}"
    );
    assert_eq!(scene.asked_for_tokens(), 2);
}

/// Shows nothing, and lets time pass.
#[derive(Clone)]
struct Screen {
    clock: FixedClock,
    shown: Arc<Mutex<Vec<DevicePrompt>>>,
    pauses: Arc<Mutex<Vec<u64>>>,
}

#[async_trait]
impl DeviceAgent for Screen {
    async fn show(&self, prompt: &DevicePrompt) -> Result<(), UserAgentError> {
        self.shown.lock().unwrap().push(prompt.clone());
        Ok(())
    }

    async fn pause(&self, pause: Lifetime) -> Result<(), UserAgentError> {
        self.pauses.lock().unwrap().push(pause.as_seconds());
        self.clock.advance(pause);
        Ok(())
    }
}

fn device(scene: &Scene) -> (Client, Screen) {
    let screen = Screen {
        clock: scene.clock.clone(),
        shown: Arc::default(),
        pauses: Arc::default(),
    };
    let shown = screen.clone();
    let client = scene.client_with(
        |config| config.grant(Grant::Device),
        |ports| ports.device(shown),
    );
    let begun = serde_json::json!({
        "device_code": "the-device-code-0123456789",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://as.example/device",
        "verification_uri_complete": "javascript:alert(1)",
        "expires_in": 60,
        "interval": 2,
    });
    scene
        .web
        .put("POST https://as.example/device", Said::json(begun));
    (client, screen)
}

/// RFC 8628: the person types a code elsewhere while we ask, more slowly when told so or when nobody
/// answers.
#[test]
fn a_person_signs_in_elsewhere() {
    let scene = Scene::new();
    let (client, screen) = device(&scene);
    scene
        .web
        .put(TOKEN, Said::error(400, "authorization_pending"))
        .then(TOKEN, Said::error(400, "slow_down"))
        .then(TOKEN, Said::status(503))
        .then(TOKEN, Said::json(tokens("first")));
    sign_in(&client).unwrap();
    assert_eq!(*screen.pauses.lock().unwrap(), [2, 2, 7, 12]);
    let shown = screen.shown.lock().unwrap().clone();
    assert_eq!((shown.len(), &*shown[0].user_code), (1, "WDJB-MJHT"));
    assert_eq!(shown[0].verification_uri, "https://as.example/device");
    assert_eq!(shown[0].verification_uri_complete, None);
    let form = scene.web.last(TOKEN).form;
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:device_code"
    );
    assert_eq!(form["device_code"], "the-device-code-0123456789");
    let asked = scene.web.last("POST https://as.example/device").form;
    assert_eq!(
        (&*asked["resource"], &*asked["scope"]),
        (common::MCP, "mcp:tools")
    );
}

/// RFC 8628 §3.5: it ends: by the server's word, by time, by a refusal.
#[test]
fn asking_for_a_device_ends() {
    for (said, asked) in [
        (Said::error(400, "expired_token"), 1),
        (Said::error(400, "authorization_pending"), 29),
        (Said::error(400, "access_denied"), 1),
    ] {
        let scene = Scene::new();
        let (client, _) = device(&scene);
        scene.web.put(TOKEN, said);
        sign_in(&client).unwrap_err();
        assert_eq!(scene.asked_for_tokens(), asked);
    }
    let scene = Scene::new();
    let (client, _) = device(&scene);
    let mut document = asm("https://as.example");
    document
        .as_object_mut()
        .unwrap()
        .remove("device_authorization_endpoint");
    scene.web.put(ASM, Said::json(document));
    let error = sign_in(&client).unwrap_err().to_string();
    assert!(error.contains("none for device authorization"), "{error}");
}

/// Where nobody can be sent, the error says where somebody has to go.
#[test]
fn without_a_person_a_sign_in_is_needed() {
    let scene = Scene::new();
    for grant in [Grant::AuthorizationCode, Grant::Device] {
        let client = scene.client(|config| config.grant(grant));
        let error = sign_in(&client).unwrap_err();
        assert!(matches!(error, ClientError::SignInNeeded { .. }), "{error}");
        assert!(error.to_string().contains("https://as.example"));
    }
}

/// CL-TOK-12: who has registered, and was lost, registers again, once, whatever the grant; but with
/// somebody's assertion nothing is tried twice (CL-EXT-7).
#[test]
fn a_lost_registration_is_made_again_for_every_grant() {
    let lost = || Said::error(401, "invalid_client");
    let registrations = |scene: &Scene| {
        let lines = scene.web.lines();
        lines
            .iter()
            .filter(|line| line.contains("register"))
            .count()
    };
    let scene = Scene::new();
    let begins = "POST https://as.example/device";
    let (client, screen) = device(&scene);
    sign_in(&client).unwrap();
    let begun = scene.web.answer_to(begins);
    scene.web.put(begins, lost()).then(begins, begun);
    sign_in(&client).unwrap();
    assert_eq!(
        (registrations(&scene), screen.shown.lock().unwrap().len()),
        (2, 2)
    );
    scene.web.put(begins, lost());
    sign_in(&client).unwrap_err();
    assert_eq!(registrations(&scene), 3);

    let registered = serde_json::json!({"client_id": "r", "client_secret": "s"});
    let itself = |scene: &Scene, grant: Grant| {
        let register = "POST https://as.example/register";
        scene.web.put(register, Said::json(registered.clone()));
        scene.client(|config| config.grant(grant))
    };
    let scene = Scene::new();
    let client = itself(&scene, Grant::ClientCredentials);
    sign_in(&client).unwrap();
    scene
        .web
        .put(TOKEN, lost())
        .then(TOKEN, Said::json(tokens("second")));
    sign_in(&client).unwrap();
    assert_eq!((registrations(&scene), scene.asked_for_tokens()), (2, 3));

    let scene = Scene::new();
    let client = itself(&scene, Grant::JwtBearer(Arc::new(SecretText::new("jwt"))));
    scene.web.put(TOKEN, lost());
    sign_in(&client).unwrap_err();
    assert_eq!((registrations(&scene), scene.asked_for_tokens()), (1, 1));
}
