//! Clients known by the address of a document, from the first request to the last refresh.

mod scene;

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use oauth_core::storage::{ClientRegistration, Filter, Page, Storage};
use oauth_core::types::outbound::Fetched;
use oauth_core::types::{ClientId, Lifetime, Subject, Timestamp, TokenErrorCode, TokenRequest};
use oauth_core::{AuthorizeFailure, ClientAssertion, DocumentError, PresentedClient};
use oauth_testkit::block_on;
use oauth_testkit::faults::interleave;
use oauth_testkit::flows::World;
use oauth_testkit::signer::Signer;
use serde_json::{Value, json};

use crate::scene::{ID, Scene, ask, document};

/// CIMD-1, CIMD-5, CIMD-23: the whole way, with a loopback port that the document does not name;
/// nothing is stored before a person has said yes, and afterwards nobody else's web server is
/// needed.
#[test]
fn a_client_needs_no_registration() {
    let scene = Scene::new(1);
    let alice = scene.world.browser("alice");
    let (pending, _) = scene.world.ask(&scene.app, &alice, "mcp:tools");
    assert_eq!(pending.client_host(), Some("app.example"));
    assert_eq!(pending.client_name(), Some("App"));
    assert!(!pending.is_client_vouched_for());
    assert!(!scene.stored(), "nobody has said yes yet");

    let code = scene.world.approve(&scene.app, &alice);
    assert!(scene.stored());
    scene.web.take_down(ID);
    let tokens = scene.world.redeem(&scene.app, &code).unwrap();
    scene.world.clock.advance(Lifetime::days(6));
    let refresh = tokens.refresh_token.unwrap();
    let next = scene.world.refresh(&scene.app, &refresh).unwrap();
    assert_eq!(
        scene
            .world
            .check(&next.access_token)
            .unwrap()
            .client_id
            .unwrap()
            .as_str(),
        ID
    );
    // Somebody new cannot be asked without it.
    assert!(!scene.is_asked(ID));
}

/// CIMD-4: another spelling is another client.
#[test]
fn a_client_id_is_an_exact_string() {
    let scene = Scene::new(2);
    for other in [
        "https://app.example:443/client.json",
        "https://APP.example/client.json",
    ] {
        scene.web.put(other, &document(), None);
        assert!(!scene.is_asked(other), "{other} has the document of {ID}");
    }
    assert!(scene.is_asked(ID));
}

/// CIMD-19, CIMD-20: fresh as HTTP says, within bounds; failures for seconds only.
#[test]
fn documents_are_kept_while_they_are_fresh() {
    let scene = Scene::new(3);
    for (cache_control, kept) in [
        (None, 300),
        (Some("public, max-age=60"), 60),
        (Some("max-age=0"), 10),
        (Some("no-store"), 10),
        (Some("max-age=99999999"), 86_400),
        (Some("max-age=soon"), 10),
    ] {
        scene.world.clock.advance(Lifetime::days(2));
        scene.web.put(ID, &document(), cache_control);
        assert!(scene.is_asked(ID));
        scene.world.clock.advance(Lifetime::seconds(kept - 1));
        assert!(scene.is_asked(ID));
        assert_eq!(scene.web.fetched().len(), 1, "{cache_control:?}");
        scene.world.clock.advance(Lifetime::seconds(1));
        assert!(scene.is_asked(ID));
        assert_eq!(scene.web.fetched().len(), 1, "{cache_control:?}");
    }
    scene.world.clock.advance(Lifetime::days(2));
    scene.web.take_down(ID);
    assert!(!scene.is_asked(ID) && !scene.is_asked(ID));
    assert_eq!(scene.web.fetched().len(), 1, "not hammered");
    scene.web.put(ID, &document(), None);
    scene.world.clock.advance(Lifetime::seconds(10));
    assert!(scene.is_asked(ID), "and not believed for long");
}

/// CIMD-19: a document that has a name is asked for by it when it is not fresh any more. That it
/// still stands makes it fresh again for as long as it says, and as it said before where it says
/// nothing; another document under another name is read.
#[test]
fn a_document_is_asked_about_before_it_is_read_again() {
    let scene = Scene::new(13);
    let named = |name: &str, document: &Value, max_age: Option<&str>| {
        scene.web.put_with(ID, document, |answer| {
            answer.cache_control = max_age.map(str::to_owned);
            answer.validators.etag = Some(name.to_owned());
            answer.validators.last_modified = Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned());
        });
    };
    let later = |seconds| {
        scene.world.clock.advance(Lifetime::seconds(seconds));
        assert!(scene.is_asked(ID));
        scene.web.asked()
    };
    named("\"1\"", &document(), Some("max-age=60"));
    let first = later(0);
    assert_eq!(first, [(ID.to_owned(), None)]);

    // It still stands, and says nothing of how long: sixty seconds again, then by a new word.
    named("\"1\"", &json!("never read"), None);
    let again = later(60);
    let held = again[0].1.as_ref().unwrap();
    assert_eq!(held.etag.as_deref(), Some("\"1\""));
    assert!(held.last_modified.is_some());
    assert_eq!(later(59), []);
    named("\"1\"", &json!("never read"), Some("max-age=100"));
    assert_eq!(later(1).len(), 1);
    assert_eq!(later(99), []);
    let alice = scene.world.browser("alice");
    let (pending, _) = scene.world.ask(&scene.app, &alice, "mcp:tools");
    assert_eq!(pending.client_name(), Some("App"));

    // Another one.
    let mut renamed = document();
    renamed["client_name"] = json!("App 2");
    named("\"2\"", &renamed, Some("max-age=60"));
    later(1);
    let (pending, _) = scene.world.ask(&scene.app, &alice, "mcp:tools");
    assert_eq!(pending.client_name(), Some("App 2"));

    // That nothing changed means nothing where nothing is known, or where nothing may be kept.
    named("\"2\"", &renamed, Some("no-store"));
    let asked = later(60);
    assert!(asked[0].1.is_some(), "known from before");
    assert_eq!(later(10), [(ID.to_owned(), None)]);
    scene
        .web
        .put_with(ID, &renamed, |answer| answer.status = 304);
    scene.world.clock.advance(Lifetime::days(2));
    assert!(!scene.is_asked(ID));
}

/// CIMD-19: `Expires` and `Age` count; a name of unusual length is not kept.
#[test]
fn an_answer_can_end_at_a_date_and_be_old_already() {
    let scene = Scene::new(14);
    let kept = |headers: fn(&mut Fetched)| {
        scene.world.clock.advance(Lifetime::days(2));
        scene.web.put_with(ID, &document(), headers);
        assert!(scene.is_asked(ID));
        scene.web.asked();
        let mut seconds = 0;
        while scene.web.asked().is_empty() && seconds < 400 {
            scene.world.clock.advance(Lifetime::seconds(10));
            seconds += 10;
            assert!(scene.is_asked(ID));
        }
        seconds
    };
    let by_date = |answer: &mut Fetched| {
        answer.date = Some(Timestamp::from_unix(1_000));
        answer.expires = Some(Timestamp::from_unix(1_120));
    };
    assert_eq!(kept(by_date), 120);
    let old = |answer: &mut Fetched| {
        answer.cache_control = Some("max-age=120".to_owned());
        answer.age = Some(70);
        answer.validators.etag = Some("\"x\"".repeat(100));
    };
    assert_eq!(kept(old), 50);
    scene.world.clock.advance(Lifetime::days(2));
    assert!(scene.is_asked(ID));
    assert_eq!(scene.web.asked(), [(ID.to_owned(), None)]);
}

/// CIMD-21: a hundred requests at once fetch once, also when the first of them is given up.
#[test]
fn an_address_is_fetched_by_one_request_at_a_time() {
    let scene = Scene::new(4);
    let server = &scene.world.server;
    let mut given_up = Box::pin(ask(server, ID));
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    assert!(given_up.as_mut().poll(&mut context).is_pending());
    drop(given_up);
    let asks = (0..100)
        .map(|_| Box::pin(ask(server, ID)) as Pin<Box<dyn Future<Output = _>>>)
        .collect();
    let mut turn = 0;
    let answers = interleave(asks, |_| {
        turn += 1;
        turn
    });
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(scene.web.fetched(), [ID]);
}

/// CIMD-22, CIMD-18: a page that gives nothing away; the token endpoint does not know the client.
#[test]
fn a_document_that_makes_no_client_is_a_page() {
    let scene = Scene::new(5);
    let mut other = document();
    other["client_id"] = json!("https://app.example/other.json");
    scene.web.put(ID, &other, None);
    let failure = block_on(ask(&scene.world.server, ID)).unwrap_err();
    let AuthorizeFailure::ShowPage(page) = failure else {
        panic!("{failure:?}")
    };
    let told = page.to_string();
    assert!(
        !told.contains("other") && !told.contains("app.example"),
        "{told}"
    );
    assert_eq!(
        *scene.refusals.0.lock().unwrap(),
        [DocumentError::OtherClient]
    );
    let refused = scene.world.refresh(&scene.app, "x").unwrap_err();
    assert_eq!(refused.code(), Some(TokenErrorCode::InvalidClient));
}

/// CIMD-29: a document that changed is what people are asked about, and what counts.
#[test]
fn a_changed_document_is_asked_about_again() {
    let scene = Scene::new(6);
    let alice = scene.world.browser("alice");
    scene.world.approve(&scene.app, &alice);
    let (asked, _) = scene.world.ask(&scene.app, &alice, "mcp:tools");

    let mut moved = document();
    moved["redirect_uris"] = json!(["http://127.0.0.1/elsewhere"]);
    scene.web.put(ID, &moved, None);
    scene.world.clock.advance(Lifetime::minutes(6));
    // Asked under the old document, the answer would go where the new one does not lead.
    let approval = oauth_core::Approval::of(asked.scope().clone());
    let approved = scene.world.server.approve(&asked, &alice.session, approval);
    assert!(block_on(approved).is_err());
    assert!(!scene.is_asked(ID));
}

/// The barrier of a client outlives its documents: what was ended stays ended.
#[test]
fn a_new_document_does_not_lower_the_barrier() {
    let scene = Scene::new(7);
    let alice = scene.world.browser("alice");
    let code = scene.world.approve(&scene.app, &alice);
    let tokens = scene.world.redeem(&scene.app, &code).unwrap();
    let clients = scene.storage.clients();
    let found = block_on(clients.find(&ClientId::new(ID))).unwrap().unwrap();
    assert_eq!(
        found.record.registration,
        ClientRegistration::MetadataDocument
    );
    let mut ended = (*found.record).clone();
    ended.epoch = 1;
    block_on(clients.replace(found.revision, ended)).unwrap();

    let mut renamed = document();
    renamed["client_name"] = json!("App 2");
    scene.web.put(ID, &renamed, None);
    scene.world.clock.advance(Lifetime::minutes(6));
    let code = scene.world.approve(&scene.app, &alice);
    let found = block_on(clients.find(&ClientId::new(ID))).unwrap().unwrap();
    assert_eq!(found.record.epoch, 1);
    assert_eq!(found.record.metadata.client_name.as_deref(), Some("App 2"));
    assert!(scene.world.redeem(&scene.app, &code).is_ok());
    let old = scene
        .world
        .refresh(&scene.app, &tokens.refresh_token.unwrap());
    assert!(old.is_err(), "ended before");
}

/// AS-REG-2, AS-REG-3, CIMD-31: each kind of client can be switched off; an address that an
/// administrator entered is never fetched.
#[test]
fn an_entered_address_is_not_fetched_and_documents_can_be_off() {
    let scene = Scene::new(8);
    let alice = scene.world.browser("alice");
    scene.world.approve(&scene.app, &alice);
    scene.web.fetched();
    let clients = scene.storage.clients();
    let found = block_on(clients.find(&ClientId::new(ID))).unwrap().unwrap();
    let mut entered = (*found.record).clone();
    entered.registration = ClientRegistration::Preregistered;
    block_on(clients.replace(found.revision, entered)).unwrap();
    scene.world.clock.advance(Lifetime::days(2));
    assert!(scene.is_asked(ID));
    assert_eq!(scene.web.fetched(), [""; 0]);

    let off = World::builder(9)
        .ports({
            let web = scene.web.clone();
            |ports| ports.outbound(web)
        })
        .build();
    assert!(block_on(ask(&off.server, ID)).is_err());
    assert_eq!(scene.web.fetched(), [""; 0]);
}

/// One person's grants to a client that many share end without the others'.
#[test]
fn withdrawing_from_a_shared_client_signs_out_nobody_else() {
    let scene = Scene::new(10);
    let mut tokens = Vec::new();
    for person in ["alice", "bob"] {
        let browser = scene.world.browser(person);
        let code = scene.world.approve(&scene.app, &browser);
        tokens.push(scene.world.redeem(&scene.app, &code).unwrap());
    }
    let alice = Filter::Subject(Subject::new("alice"));
    let listed = block_on(scene.storage.grants().list(&alice, &Page::first(9))).unwrap();
    for grant in listed.items {
        block_on(scene.world.server.close_grant(&grant.record.id)).unwrap();
    }
    assert!(scene.world.check(&tokens[0].access_token).is_none());
    assert!(scene.world.check(&tokens[1].access_token).is_some());
    let bob = tokens[1].refresh_token.as_deref().unwrap();
    assert!(scene.world.refresh(&scene.app, bob).is_ok());
}

/// CIMD-28: a document with keys makes a confidential client. Its newest keys count, a document
/// that wants no proof any more changes nothing until somebody is asked, and where the keys
/// cannot be had the old ones are not good instead.
#[test]
fn a_client_with_keys_proves_itself_by_the_keys_of_its_document() {
    let scene = Scene::new(12);
    let with = |signer: &Signer| {
        let mut document = document();
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        document["jwks"] = json!({"keys": [signer.jwk()]});
        document
    };
    let (old, new) = (Signer::new("ES256", "old"), Signer::new("EdDSA", "new"));
    scene.web.put(ID, &with(&old), None);
    let alice = scene.world.browser("alice");
    let code = scene.world.approve(&scene.app, &alice);
    let redeem = |signer: Option<(&Signer, &str)>| {
        let now = scene.world.server.now().as_unix();
        let text = signer.map(|(signer, jti)| {
            signer.sign(&json!({
                "iss": ID, "sub": ID, "aud": "https://mcp.example", "jti": jti,
                "iat": now, "exp": now + 60,
            }))
        });
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let assertion = ClientAssertion::of(text.as_ref().map(|_| kind), text.as_deref());
        let presented = PresentedClient::new(None, Some(ID), None, assertion);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*code.code),
            ("code_verifier", &*code.verifier),
        ];
        let pairs = form.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        let request = TokenRequest::from_pairs(pairs);
        let answer = scene.world.server.token(presented, &request);
        block_on(answer).map(drop).map_err(|error| error.code())
    };
    let rejected = Err(Some(TokenErrorCode::InvalidClient));
    assert_eq!(redeem(None), rejected, "without a proof");
    assert_eq!(redeem(Some((&new, "1"))), rejected, "not its key yet");

    // A document without keys, then none at all: nobody gets in, and nothing is stored.
    scene.web.put(ID, &document(), Some("no-store"));
    let id = ClientId::new(ID);
    let method = || {
        let found = block_on(scene.storage.clients().find(&id))
            .unwrap()
            .unwrap();
        found.record.token_endpoint_auth_method
    };
    let before = method();
    scene.world.clock.advance(Lifetime::minutes(6));
    assert_eq!(redeem(None), rejected);
    assert_eq!(redeem(Some((&old, "3"))), rejected);
    assert_eq!(method(), before);
    scene.web.take_down(ID);
    scene.world.clock.advance(Lifetime::seconds(11));
    assert_eq!(redeem(Some((&old, "4"))), Err(None), "nobody can say");

    // A new yes under new keys.
    scene.web.put(ID, &with(&new), None);
    scene.world.clock.advance(Lifetime::seconds(11));
    let code = scene.world.approve(&scene.app, &alice);
    let now = scene.world.server.now().as_unix();
    let text = new.sign(&json!({
        "iss": ID, "sub": ID, "aud": "https://mcp.example", "jti": "5",
        "iat": now, "exp": now + 60,
    }));
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let assertion = ClientAssertion::of(Some(kind), Some(&text));
    let presented = PresentedClient::new(None, None, None, assertion);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code.code),
        ("code_verifier", &*code.verifier),
    ];
    let pairs = form.map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
    let request = TokenRequest::from_pairs(pairs);
    let answer = scene.world.server.token(presented, &request);
    assert!(block_on(answer).is_ok());
}

/// CIMD-13, CIMD-20, CIMD-21: a thousand addresses of hostile documents leave nothing behind but
/// a bounded cache, and everybody else goes on.
#[test]
fn hostile_documents_cost_little_and_store_nothing() {
    let scene = Scene::new(11);
    let mut deep = json!(1);
    for _ in 0..1000 {
        deep = json!([deep]);
    }
    let before = resident_mebibytes();
    for number in 0..1000 {
        let id = format!("https://h{number}.evil.example/client.json");
        let mut hostile = document();
        hostile["client_id"] = json!(id);
        match number % 10 {
            0 => hostile["client_id"] = json!("https://other.example/"),
            1 => hostile["jwks"] = json!({"keys": [{"kty": "oct", "k": "abc"}]}),
            2 => hostile["redirect_uris"] = json!(vec!["https://a.example/"; 100]),
            3 => hostile["client_name"] = json!("x".repeat(1000)),
            4 => hostile["x"] = deep.clone(),
            5 => hostile = json!([hostile]),
            6 => hostile["token_endpoint_auth_method"] = json!("client_secret_basic"),
            7 => hostile["client_name"] = json!({"a": 1}),
            8 => hostile["y"] = json!("y".repeat(1 << 20)),
            _ => hostile["redirect_uris"] = json!([{"a": [1, 2, 3]}]),
        }
        scene.web.put(&id, &hostile, Some("max-age=86400"));
        assert!(!scene.is_asked(&id), "{number}");
        scene.web.take_down(&id);
    }
    let refusals = std::mem::take(&mut *scene.refusals.0.lock().unwrap());
    assert_eq!(refusals.len(), 1000);
    let mut counted: Vec<(String, usize)> = Vec::new();
    for refusal in refusals {
        let why = refusal.to_string();
        match counted.iter_mut().find(|(held, _)| *held == why) {
            Some((_, count)) => *count += 1,
            None => counted.push((why, 1)),
        }
    }
    let grown = resident_mebibytes().saturating_sub(before);
    println!("1000 hostile documents: {counted:?}; memory grew by {grown} MiB");
    assert!(counted.len() >= 6, "{counted:?}");
    assert!(grown <= 64, "{grown} MiB");

    let every = Filter::Client(ClientId::new(ID));
    assert!(
        block_on(scene.storage.grants().list(&every, &Page::first(9)))
            .unwrap()
            .items
            .is_empty()
    );
    let alice = scene.world.browser("alice");
    let code = scene.world.approve(&scene.app, &alice);
    assert!(scene.world.redeem(&scene.app, &code).is_ok());
}

fn resident_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
