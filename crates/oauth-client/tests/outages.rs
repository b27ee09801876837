//! What fails, and that nothing is lost by it that need not be.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use common::scripted::{ASM, PRM, Said, Scene, TOKEN, Web, asm, prm, tokens};
use oauth_client::types::{Lifetime, SecretText};
use oauth_client::{
    BearerChallenge, Client, ClientConfig, ClientError, CredentialStore, MemoryStore, Ports,
    Rejection, SignedOut, StoreError, StoreKey, StoreLock,
};
use oauth_testkit::block_on;

/// A store that cannot be written to at times.
#[derive(Clone)]
struct Full {
    store: MemoryStore,
    is_full: Arc<AtomicBool>,
}

#[async_trait]
impl CredentialStore for Full {
    async fn load(&self, key: &StoreKey) -> Result<Option<SecretText>, StoreError> {
        self.store.load(key).await
    }

    async fn save(&self, key: &StoreKey, value: &SecretText) -> Result<(), StoreError> {
        match self.is_full.load(Ordering::SeqCst) {
            true => Err(StoreError::new("cannot be written", "the disk is full")),
            false => self.store.save(key, value).await,
        }
    }

    async fn remove(&self, key: &StoreKey) -> Result<(), StoreError> {
        self.store.remove(key).await
    }

    async fn lock(&self, key: &StoreKey) -> Result<StoreLock, StoreError> {
        self.store.lock(key).await
    }
}

fn full(
    scene: &Scene,
    change: impl FnOnce(ClientConfig) -> ClientConfig,
) -> (Client, Arc<AtomicBool>) {
    let is_full = Arc::new(AtomicBool::new(false));
    let store = Full {
        store: scene.store.clone(),
        is_full: Arc::clone(&is_full),
    };
    let (web, clock) = (scene.web.clone(), scene.clock.clone());
    let ports = Ports::new(web, clock, scene.entropy.clone())
        .store(store)
        .user_agent(scene.robot.clone());
    let config = change(ClientConfig::new(common::MCP, "Test").unwrap());
    (Client::new(config, ports), is_full)
}

fn sign_in(client: &Client) -> Result<oauth_client::AccessToken, ClientError> {
    block_on(client.sign_in(&BearerChallenge::default()))
}

fn refused_401(
    client: &Client,
    token: &oauth_client::AccessToken,
) -> Result<Option<oauth_client::AccessToken>, ClientError> {
    let challenge = BearerChallenge::default();
    let status = http::StatusCode::UNAUTHORIZED;
    let rejection = Rejection::new(status, challenge, Some(token), "call");
    block_on(client.rejected(&rejection))
}

/// CL-TOK-6: a refresh token that could not be saved is the one to present next: the one before it is
/// spent, and a server that sees it again ends the grant. Once there is room it is saved.
#[test]
fn what_could_not_be_saved_is_presented_all_the_same() {
    let scene = Scene::new(Web::usual());
    let (client, is_full) = full(&scene, |config| config);
    sign_in(&client).unwrap();
    is_full.store(true, Ordering::SeqCst);
    let mut presented = Vec::new();
    for name in ["second", "third", "fourth"] {
        if name == "fourth" {
            is_full.store(false, Ordering::SeqCst);
        }
        scene.web.put(TOKEN, Said::json(tokens(name)));
        scene.clock.advance(Lifetime::seconds(3700));
        // Whether it is told that it could not be saved is another matter.
        let _ = block_on(client.access_token());
        presented.push(scene.web.last(TOKEN).form["refresh_token"].clone());
        let held = block_on(client.access_token()).unwrap().unwrap();
        assert!(held.secret().expose().contains(name));
    }
    let expected = ["first", "second", "third"].map(|name| format!("refresh-{name}-0123456789"));
    assert_eq!(presented, expected);
    let kept = scene.credentials("https://as.example").unwrap();
    assert_eq!(kept.access_token.expose(), "access-fourth-0123456789");
    assert_eq!(scene.robot.visits.lock().unwrap().len(), 1);
}

/// CL-TOK-6: a token that is good may be worth nothing any more once it was renewed, saved or not.
#[test]
fn what_was_renewed_early_and_could_not_be_saved_is_given_at_once() {
    let scene = Scene::new(Web::usual());
    let (client, is_full) = full(&scene, |config| config);
    sign_in(&client).unwrap();
    is_full.store(true, Ordering::SeqCst);
    scene.web.put(TOKEN, Said::json(tokens("second")));
    scene.clock.advance(Lifetime::seconds(3595));
    let given = block_on(client.access_token()).unwrap().unwrap();
    let renewed = &scene.web.last(TOKEN).form["refresh_token"];
    assert_eq!(renewed, "refresh-first-0123456789");
    assert!(given.secret().expose().contains("second"));
}

/// CL-TOK-6, CL-TOK-14: where nothing can ever be saved, a sign-in lasts as long as the process, and can be
/// given back.
#[test]
fn a_store_that_is_never_written_is_as_good_as_memory() {
    let scene = Scene::new(Web::usual());
    let configured = oauth_client::Preregistered::new("configured");
    let (client, is_full) = full(&scene, |config| config.preregistered(configured));
    is_full.store(true, Ordering::SeqCst);
    let told = sign_in(&client).unwrap_err();
    assert!(matches!(told, ClientError::Store(_)), "{told}");
    scene.web.put(TOKEN, Said::json(tokens("second")));
    scene.clock.advance(Lifetime::seconds(3700));
    let _ = block_on(client.access_token());
    let token = block_on(client.access_token()).unwrap().unwrap();
    assert!(token.secret().expose().contains("second"));
    assert_eq!(scene.robot.visits.lock().unwrap().len(), 1);
    let said = block_on(client.sign_out()).unwrap();
    assert!(matches!(said, SignedOut::Revoked), "{said:?}");
    let revoked = scene.web.last("POST https://as.example/revoke");
    assert_eq!(revoked.form["token"], "access-second-0123456789");
}

/// CL-DISC-5, CL-TOK-12: the authorization server that a client is signed in at is down. It is not
/// exchanged for the next one on the list, which would cost the tokens.
#[test]
fn an_outage_is_no_change_of_servers() {
    let scene = Scene::new(Web::usual());
    let mut document = prm("https://as.example");
    document["authorization_servers"] =
        serde_json::json!(["https://as.example", "https://other.example"]);
    scene.web.put(PRM, Said::json(document)).put(
        "GET https://other.example/.well-known/oauth-authorization-server",
        Said::json(asm("https://other.example")),
    );
    let client = scene.client(|config| config);
    let token = sign_in(&client).unwrap();
    scene.web.put(ASM, Said::status(503));
    let error = refused_401(&client, &token).unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert!(scene.credentials("https://as.example").is_some());
    assert!(!scene.web.lines().iter().any(|line| line.contains("other")));
    // Gone for good, the next one is taken.
    scene.web.put(ASM, Said::status(404));
    let _ = refused_401(&client, &token);
    assert!(scene.web.lines().iter().any(|line| line.contains("other")));
}

/// CL-TOK-12: what a server says while it is out of order ends nothing.
#[test]
fn a_server_out_of_order_ends_no_grant() {
    for (status, code) in [(500, "invalid_grant"), (503, "invalid_client")] {
        let scene = Scene::new(Web::usual());
        let client = scene.client(|config| config);
        sign_in(&client).unwrap();
        scene.clock.advance(Lifetime::seconds(3700));
        scene.web.put(TOKEN, Said::error(status, code));
        let error = block_on(client.access_token()).unwrap_err();
        assert!(error.is_temporary(), "{error}");
        scene.web.put(TOKEN, Said::json(tokens("second")));
        assert!(block_on(client.access_token()).unwrap().is_some());
        assert_eq!(scene.robot.visits.lock().unwrap().len(), 1);
    }
}

/// CL-TOK-8: a token that is still good is given, whatever keeps it from being renewed early.
#[test]
fn a_good_token_is_given_whatever_renewing_says() {
    for said in [
        Said::error(400, "invalid_scope"),
        Said::status(404),
        Said::redirect("https://as.example/other"),
        Said::json("<html>"),
    ] {
        let scene = Scene::new(Web::usual());
        let client = scene.client(|config| config);
        sign_in(&client).unwrap();
        scene.clock.advance(Lifetime::seconds(3570));
        scene.web.put(TOKEN, said);
        assert!(block_on(client.access_token()).unwrap().is_some());
        scene.clock.advance(Lifetime::seconds(60));
        block_on(client.access_token()).unwrap_err();
    }
}

/// CL-DISC-10: a token endpoint that has moved is found again, without a new process.
#[test]
fn an_endpoint_that_moved_is_found_again() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    sign_in(&client).unwrap();
    let mut document = asm("https://as.example");
    document["token_endpoint"] = "https://as.example/oauth/token".into();
    scene
        .web
        .put(ASM, Said::json(document))
        .put(TOKEN, Said::status(404))
        .put(
            "POST https://as.example/oauth/token",
            Said::json(tokens("second")),
        );
    scene.clock.advance(Lifetime::seconds(3700));
    block_on(client.access_token()).unwrap_err();
    let token = block_on(client.access_token()).unwrap().unwrap();
    assert!(token.secret().expose().contains("second"));
}

/// What another process has got is there, though this one has looked before.
#[test]
fn a_sign_in_of_another_process_is_seen() {
    let scene = Scene::new(Web::usual());
    let early = scene.client(|config| config);
    assert!(block_on(early.access_token()).unwrap().is_none());
    sign_in(&scene.client(|config| config)).unwrap();
    assert!(block_on(early.access_token()).unwrap().is_some());
}

/// CL-TOK-14: who cannot prove itself any more does not say that it has revoked something.
#[test]
fn what_was_not_revoked_is_not_said_to_be() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    sign_in(&client).unwrap();
    let issuer = oauth_client::types::Issuer::parse("https://as.example").unwrap();
    block_on(scene.store.remove(&StoreKey::registration(&issuer, ""))).unwrap();
    scene.web.put(
        "POST https://as.example/revoke",
        Said::error(401, "invalid_client"),
    );
    let said = block_on(client.sign_out()).unwrap();
    assert!(matches!(said, SignedOut::Failed(_)), "{said:?}");
}

/// CL-TOK-12: while a server cannot renew a token that is still good, it is not asked again with every
/// request.
#[test]
fn a_server_out_of_order_is_left_alone_for_a_while() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    sign_in(&client).unwrap();
    scene.clock.advance(Lifetime::seconds(3550));
    let asked = || {
        let lines = scene.web.lines();
        lines.iter().filter(|line| *line == TOKEN).count()
    };
    scene.web.put(TOKEN, Said::status(503));
    for (pause, expected) in [(0, 2), (1, 2), (8, 2), (1, 3)] {
        scene.clock.advance(Lifetime::seconds(pause));
        assert!(block_on(client.access_token()).unwrap().is_some());
        assert_eq!(asked(), expected);
    }
    // Once it has ended, there is nothing to lose by asking.
    scene.clock.advance(Lifetime::seconds(60));
    for expected in [4, 5] {
        block_on(client.access_token()).unwrap_err();
        assert_eq!(asked(), expected);
    }
}

/// CL-TOK-8: a server that refuses whatever it is shown does not send a person to sign in again and
/// again: what a sign-in has given is renewed, no more, until the server has once taken it.
#[test]
fn a_server_that_refuses_everything_bothers_nobody_twice() {
    use tower_layer::Layer as _;
    use tower_service::Service as _;
    let scene = Scene::new(Web::usual());
    let call = format!("POST {}", common::MCP);
    let client = scene.client(|config| config);
    let web = scene.web.clone();
    let inner = common::scripted::Application(web);
    let mut service = oauth_client::AuthorizeLayer::new(client).layer(inner);
    let mut status = || {
        let request = http::Request::post(common::MCP).body(bytes::Bytes::new());
        block_on(service.call(request.unwrap()))
            .unwrap()
            .status()
            .as_u16()
    };
    let visits = || scene.robot.visits.lock().unwrap().len();
    scene.web.put(&call, Said::status(401));
    for at in 0..4 {
        scene
            .web
            .put(TOKEN, Said::json(tokens(&format!("of-{at}"))));
        assert_eq!((status(), visits()), (401, 1));
    }
    scene.web.put(&call, Said::status(200));
    assert_eq!((status(), visits()), (200, 1));
    // Taken once, and refused since: it may have been revoked.
    scene
        .web
        .put(TOKEN, Said::error(400, "invalid_grant"))
        .then(TOKEN, Said::json(tokens("new")));
    scene
        .web
        .put(&call, Said::status(401))
        .then(&call, Said::status(200));
    assert_eq!((status(), visits()), (200, 2));
}
