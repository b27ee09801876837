//! As which client, and for what: registration, scope, and an authorization server that changes.

mod common;

use common::scripted::{
    ASM, PRM, REGISTER, Said, Scene, TOKEN, Web, asm, prm, registered_body, tokens, with,
};
use oauth_client::types::{ClientId, Issuer, Scope, SecretText};
use oauth_client::{BearerChallenge, Client, ClientError, Preregistered, RegistrationError};
use oauth_testkit::block_on;

/// CL-REG-1, CL-REG-2, CL-REG-8: a configured client comes first, then the client's own document where the server
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
    // The Python SDK's server finds out who asks by the form alone.
    assert_eq!(exchange.form["client_id"], "configured");
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

/// CL-REG-9, CL-TOK-15: what an answer says of its issuer binds nothing to that issuer, and a token that
/// looks like something is given on unread.
#[test]
fn an_issuer_in_an_answer_means_nothing() {
    let scene = Scene::new(Web::usual());
    let other = "https://other.example";
    let registered = serde_json::json!({"client_id": "registered", "issuer": other});
    scene.web.put(
        REGISTER,
        Said {
            status: 201,
            ..Said::json(registered)
        },
    );
    let mut answer = tokens("first");
    answer["issuer"] = other.into();
    answer["access_token"] = "eyJhbGciOiJub25lIn0.bm90IGpzb24.".into();
    scene.web.put(TOKEN, Said::json(answer));
    let token = scene.sign_in().unwrap();
    assert_eq!(token.issuer().as_str(), "https://as.example");
    let header = token.header();
    assert_eq!(header, "Bearer eyJhbGciOiJub25lIn0.bm90IGpzb24.");
    assert!(scene.credentials(other).is_none());
    assert!(scene.credentials("https://as.example").is_some());
    // The client is still known where it registered.
    scene.sign_in().unwrap();
    let registrations = scene.web.lines();
    let registrations = registrations.iter().filter(|line| *line == REGISTER);
    assert_eq!(registrations.count(), 1);
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
