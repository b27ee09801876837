//! When and how a person signed in: what a request demands of it, and who is told.

mod common;

use common::{Server, cookies, handle, json, location};
use http::StatusCode;
use oauth_core::storage::GrantType;
use oauth_core::types::Lifetime;
use oauth_testkit::block_on;
use oauth_testkit::flows::parameter;
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;

/// A server whose confidential client may ask about tokens.
fn server() -> Server {
    let server = Server::new();
    server.let_introspect();
    server.change_client(&server.confidential.client_id, |client| {
        client.grant_types.push(GrantType::ClientCredentials);
    });
    server
}

/// A browser that was asked to sign in, and what it holds.
struct Visit<'a> {
    server: &'a Server,
    cookies: String,
    handle: String,
}

fn query(server: &Server, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut query = server.query(&server.public, &"v".repeat(43));
    query.extend(
        changes
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned())),
    );
    query
}

fn visit<'a>(server: &'a Server, changes: &[(&str, &str)]) -> Visit<'a> {
    let page = server.authorize(&query(server, changes), "");
    Visit {
        server,
        cookies: cookies(&page),
        handle: handle(&page),
    }
}

impl Visit<'_> {
    /// Signs in in these words; the status, and what cookies and handle are now.
    fn signs_in(&mut self, words: &[(&str, &str)]) -> StatusCode {
        let mut form = vec![
            ("transaction", &*self.handle),
            ("username", "alice"),
            ("password", "wonderland"),
        ];
        form.extend(words);
        let answer = self.server.interact(&self.cookies, &form);
        if answer.status() == StatusCode::OK {
            self.cookies = format!("{}; {}", self.cookies, cookies(&answer));
            self.handle = handle(&answer);
        } else {
            assert_eq!(cookies(&answer), "", "no session");
        }
        answer.status()
    }

    /// Says yes; the tokens that come of it.
    fn tokens(&self) -> Value {
        let server = self.server;
        let form = [("transaction", &*self.handle), ("decision", "approve")];
        let to = location(&server.interact(&self.cookies, &form));
        let form = server.redemption(&server.public, &to, &"v".repeat(43));
        let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
        json(&server.post("/token", &pairs))
    }

    /// What the browser meets when it comes again.
    fn meets(&self, changes: &[(&str, &str)]) -> String {
        let answer = self
            .server
            .authorize(&query(self.server, changes), &self.cookies);
        let page = String::from_utf8_lossy(answer.body()).into_owned();
        match parameter(&location(&answer), "error") {
            Some(error) => error,
            None if page.contains("<p>consent</p>") => "consent".to_owned(),
            None if page.contains("<p>login</p>") => "login".to_owned(),
            None => page,
        }
    }
}

/// AS-AT-4, AS-INT-3: resource servers learn when and how the person signed in, also after a
/// refresh, and nothing where nothing is known or there was no person. The scope is what was granted.
#[test]
fn resource_servers_learn_when_and_how_a_person_signed_in() {
    let server = server();
    let mut alice = visit(&server, &[]);
    let earlier = (NOW - 3600).to_string();
    let words = [
        ("auth_time", &*earlier),
        ("acr", "urn:example:loa2"),
        ("amr", "pwd"),
        ("amr", "otp"),
    ];
    assert_eq!(alice.signs_in(&words), StatusCode::OK);
    let tokens = alice.tokens();
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", &*server.public.client_id),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    server.clock.advance(Lifetime::minutes(1));
    for tokens in [&json(&server.post("/token", &refresh)), &tokens] {
        let told = server.introspected(tokens);
        assert_eq!(told["scope"], "mcp:tools");
        assert_eq!(told["auth_time"], NOW - 3600);
        assert_eq!(told["acr"], "urn:example:loa2");
        assert_eq!(told["amr"], json!(["pwd", "otp"]));
    }
    let access = tokens["access_token"].as_str().unwrap();
    let authorization = server.service.authorization_server();
    let claims = block_on(authorization.check_access_token(access)).unwrap();
    let claims = claims.unwrap();
    assert_eq!(claims.auth_time.unwrap().as_unix(), NOW - 3600);
    assert_eq!(
        claims.authentication.unwrap().acr(),
        Some("urn:example:loa2")
    );

    let mut plain = visit(&server, &[]);
    plain.signs_in(&[]);
    let told = server.introspected(&plain.tokens());
    assert_eq!(told["auth_time"], NOW + 60);
    let silent = |told: &Value, name| told.get(name).is_none();
    assert!(silent(&told, "acr") && silent(&told, "amr"));

    let confidential = &server.confidential;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &*confidential.client_id),
        (
            "client_secret",
            confidential.client_secret.as_deref().unwrap(),
        ),
    ];
    let told = server.introspected(&json(&server.post("/token", &form)));
    assert_eq!(told["sub"], *confidential.client_id);
    assert!(silent(&told, "auth_time"), "nobody signed in");
}

/// AS-AUTHZ-33, AS-AUTHZ-34: a sign-in that somebody else dates is judged by that date, then and
/// whenever it is used again.
#[test]
fn a_sign_in_is_as_old_as_those_say_who_saw_it() {
    let server = server();
    let at = |ago: u64| (NOW - ago).to_string();
    for (demand, ago, expected) in [
        (("max_age", "600"), 601, StatusCode::FORBIDDEN),
        (("max_age", "600"), 600, StatusCode::OK),
        (("prompt", "login"), 6, StatusCode::FORBIDDEN),
        (("prompt", "login"), 5, StatusCode::OK),
        (("prompt", "select_account"), 6, StatusCode::FORBIDDEN),
        (("max_age", "0"), 6, StatusCode::FORBIDDEN),
        (("max_age", "0"), 0, StatusCode::OK),
    ] {
        let mut alice = visit(&server, &[demand]);
        let status = alice.signs_in(&[("auth_time", &at(ago))]);
        assert_eq!(status, expected, "{demand:?} {ago}");
    }
    let mut alice = visit(&server, &[]);
    alice.signs_in(&[("auth_time", &at(500))]);
    assert_eq!(alice.meets(&[("max_age", "500")]), "consent");
    assert_eq!(alice.meets(&[("max_age", "499")]), "login");
    let silent = [("max_age", "499"), ("prompt", "none")];
    assert_eq!(alice.meets(&silent), "login_required");

    // Milliseconds, say: they would never be old.
    let mut alice = visit(&server, &[]);
    let milliseconds = (NOW * 1000).to_string();
    let status = alice.signs_in(&[("auth_time", &milliseconds)]);
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// AS-AUTHZ-34: who is known to have signed in otherwise than the resource wants does so again;
/// where nothing is known, and where hints are too long to follow, they do no harm.
#[test]
fn a_class_of_sign_in_can_be_asked_for() {
    let server = server();
    let long = format!("loa3 {}", "x".repeat(256));
    for (acr, asked, expected) in [
        (Some("loa1"), "loa2 loa1", "consent"),
        (Some("loa1"), "loa2 loa3", "login"),
        (Some("loa1"), &*long, "consent"),
        (None, "loa2", "consent"),
    ] {
        let mut alice = visit(&server, &[]);
        let words: Vec<(&str, &str)> = acr.map(|acr| ("acr", acr)).into_iter().collect();
        alice.signs_in(&words);
        assert_eq!(alice.meets(&[("acr_values", asked)]), expected, "{acr:?}");
        if expected == "login" {
            let silent = [("acr_values", asked), ("prompt", "none")];
            assert_eq!(alice.meets(&silent), "login_required");
        }
    }
    // Signed in for this request, whatever it came to: the resource server is told and judges.
    let mut alice = visit(&server, &[("acr_values", "loa3"), ("ui_locales", "fr")]);
    alice.signs_in(&[("acr", "loa1")]);
    assert_eq!(server.introspected(&alice.tokens())["acr"], "loa1");
}
