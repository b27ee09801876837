//! Codes and refresh tokens as a client meets them at the token endpoint.

mod common;

use common::{Server, error, json};
use http::Response;
use oauth_core::storage::{Filter, Page, Storage};
use oauth_core::types::{Lifetime, Subject};
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, challenge, parameter};

type Form<'a> = Vec<(&'a str, &'a str)>;

fn borrowed(form: &[(String, String)]) -> Form<'_> {
    form.iter().map(|(n, v)| (&**n, &**v)).collect()
}

/// The form that redeems a code, with one member changed, added, or left out.
fn with<'a>(form: &'a [(String, String)], name: &'a str, value: Option<&'a str>) -> Form<'a> {
    let mut form = borrowed(form);
    form.retain(|(held, _)| *held != name);
    form.extend(value.map(|value| (name, value)));
    form
}

fn refresh(server: &Server, app: &App, token: &str) -> Response<bytes::Bytes> {
    let mut form = vec![
        ("grant_type", "refresh_token"),
        ("client_id", &*app.client_id),
        ("refresh_token", token),
    ];
    form.extend(
        app.client_secret
            .as_deref()
            .map(|secret| ("client_secret", secret)),
    );
    server.post("/token", &form)
}

/// AS-CODE-1, AS-CODE-2, AS-CODE-7, AS-TOKEN-9: every refusal of a code in the same words, none
/// of which costs the owner anything.
#[test]
fn a_code_is_refused_in_the_same_words_whatever_is_wrong_with_it() {
    let server = Server::new();
    let verifier = "v".repeat(43);
    let location = server.sign_in(&server.public, &verifier);
    let form = server.redemption(&server.public, &location, &verifier);
    let other = "w".repeat(43);
    let unknown = format!("mcpc_{}", "0".repeat(85));
    let mut said = Vec::new();
    for (name, value) in [
        ("code_verifier", Some(other.as_str())),
        ("redirect_uri", Some("http://127.0.0.1:9/callback")),
        ("code", Some(unknown.as_str())),
        ("code", Some("never-one-of-ours")),
    ] {
        let answer = server.post("/token", &with(&form, name, value));
        assert_eq!(error(&answer), (400, "invalid_grant".into()), "{name}");
        said.push(json(&answer)["error_description"].clone());
    }
    for (name, value) in [
        ("code_verifier", None),
        ("code_verifier", Some("short")),
        ("code", None),
    ] {
        let answer = server.post("/token", &with(&form, name, value));
        assert_eq!(error(&answer), (400, "invalid_request".into()), "{name}");
    }
    // The address may be left out, and then the code is spent.
    let spent = server.post("/token", &with(&form, "redirect_uri", None));
    assert_eq!(spent.status(), 200);
    let again = server.post("/token", &borrowed(&form));
    assert_eq!(error(&again), (400, "invalid_grant".into()));
    said.push(json(&again)["error_description"].clone());

    let late = server.sign_in(&server.public, &verifier);
    server.clock.advance(Lifetime::minutes(2));
    let late = server.redemption(&server.public, &late, &verifier);
    let expired = server.post("/token", &borrowed(&late));
    said.push(json(&expired)["error_description"].clone());
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
}

/// AS-CODE-3: there is no way to a code that has no challenge.
#[test]
fn no_code_exists_without_a_challenge() {
    let server = Server::new();
    let mut query = server.query(&server.public, &"v".repeat(43));
    query.retain(|(name, _)| !name.starts_with("code_challenge"));
    let answer = server.authorize(&query, "");
    let error = parameter(&common::location(&answer), "error");
    assert_eq!(error.as_deref(), Some("invalid_request"));
}

/// AS-AUTHZ-30, AS-AUTHZ-32, AS-TOKEN-11, AS-RT-10, AS-SEC-5, AS-SEC-7, AS-AT-7, AS-CAUTH-5: what is kept are
/// digests of 256 random bits, found by the grant's name; neither code nor challenge, token nor
/// secret follows from the record or from each other.
#[test]
fn the_store_sees_no_secret() {
    let server = Server::new();
    let verifier = "v".repeat(43);
    let location = server.sign_in(&server.confidential, &verifier);
    let code = parameter(&location, "code").unwrap();
    assert!(!location.contains(&challenge(&verifier)));
    let form = server.redemption(&server.confidential, &location, &verifier);
    let tokens = json(&server.post("/token", &borrowed(&form)));
    let alice = Filter::Subject(Subject::new("alice"));
    let grants = block_on(server.storage.grants().list(&alice, &Page::first(9))).unwrap();
    let id = oauth_core::types::ClientId::new(&*server.confidential.client_id);
    let client = block_on(server.storage.clients().find(&id))
        .unwrap()
        .unwrap();
    let kept = format!(
        "{}{}",
        serde_json::to_string(&*grants.items[0].record).unwrap(),
        serde_json::to_string(&*client.record).unwrap()
    );
    let secret = server.confidential.client_secret.clone().unwrap();
    // The secret part of a token begins after prefix, key, grant and generation.
    let of_token = |text: &str| text[5 + 2 + 22 + 6..][..44].to_owned();
    let access = tokens["access_token"].as_str().unwrap();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    for text in [
        of_token(&code),
        of_token(access),
        of_token(refresh),
        secret,
        verifier,
    ] {
        assert!(text.len() >= 43 && !kept.contains(&text), "{text}");
    }
}

/// AS-RT-1, AS-RT-3, AS-RT-12: each refresh of a public client rotates; a confidential one proves
/// itself; nobody refreshes another's token.
#[test]
fn refreshing_rotates_for_the_client_it_belongs_to() {
    let server = Server::new();
    let held = |tokens: &serde_json::Value| tokens["refresh_token"].as_str().unwrap().to_owned();
    for app in [&server.public, &server.confidential] {
        let first = held(&server.tokens(app));
        let answer = refresh(&server, app, &first);
        assert_eq!(answer.status(), 200);
        let second = held(&json(&answer));
        assert_ne!(first, second);
        assert_eq!(refresh(&server, app, &second).status(), 200);
    }
    let token = held(&server.tokens(&server.confidential));
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &*server.confidential.client_id),
        ("refresh_token", &*token),
    ];
    assert_eq!(
        error(&server.post("/token", &form)),
        (401, "invalid_client".into())
    );
    // AS-RT-2: presented by another client.
    let foreign = refresh(&server, &server.public, &token);
    assert_eq!(error(&foreign), (400, "invalid_grant".into()));
    assert_eq!(refresh(&server, &server.confidential, &token).status(), 200);
}

/// AS-RT-5: the same refresh within the window, byte for byte.
#[test]
fn a_refresh_whose_answer_was_lost_is_answered_again() {
    let server = Server::new();
    let tokens = server.tokens(&server.public);
    let token = tokens["refresh_token"].as_str().unwrap();
    let first = refresh(&server, &server.public, token);
    server.clock.advance(Lifetime::seconds(3));
    let second = refresh(&server, &server.public, token);
    for member in ["access_token", "refresh_token", "scope"] {
        assert_eq!(json(&first)[member], json(&second)[member]);
    }
    assert_eq!(json(&second)["expires_in"], 897);
}
