//! When a person is asked, and when not again.

mod common;

use std::sync::Arc;

use common::{Server, cookies, handle, location};
use oauth_core::storage::{ClientRecord, ClientRegistration, Storage};
use oauth_core::types::{ClientId, Lifetime, Subject};
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, parameter};

/// A browser in which alice has signed in.
struct Browser {
    server: Arc<Server>,
    cookies: String,
}

enum Next {
    Login,
    Consent,
    Code,
    Error(String),
}

impl Next {
    fn name(&self) -> &str {
        match self {
            Self::Login => "login",
            Self::Consent => "consent",
            Self::Code => "code",
            Self::Error(word) => word,
        }
    }
}

impl Browser {
    /// Signs in and approves one request of `app` for `scope`.
    fn after_approving(server: &Arc<Server>, app: &App, scope: &str) -> Self {
        let query = query(server, app, &[("scope", scope)]);
        let page = server.authorize(&query, "");
        let mine = cookies(&page);
        let login = [
            ("transaction", &*handle(&page)),
            ("username", "alice"),
            ("password", "wonderland"),
        ];
        let consent = server.interact(&mine, &login);
        let cookies = format!("{mine}; {}", cookies(&consent));
        let approve = [("transaction", &*handle(&consent)), ("decision", "approve")];
        assert_eq!(server.interact(&cookies, &approve).status(), 303);
        Self {
            server: Arc::clone(server),
            cookies,
        }
    }

    fn asks(&self, app: &App, changes: &[(&str, &str)]) -> String {
        let query = query(&self.server, app, changes);
        let answer = self.server.authorize(&query, &self.cookies);
        let page = String::from_utf8_lossy(answer.body()).into_owned();
        let to = location(&answer);
        let next = match (parameter(&to, "code"), parameter(&to, "error")) {
            (Some(_), _) => Next::Code,
            (_, Some(error)) => Next::Error(error),
            _ if page.contains("consent") => Next::Consent,
            _ => Next::Login,
        };
        next.name().to_owned()
    }
}

fn query(server: &Server, app: &App, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut query = server.query(app, &"v".repeat(43));
    for (name, value) in changes {
        query.retain(|(held, _)| held != name);
        query.push(((*name).to_owned(), (*value).to_owned()));
    }
    query
}

fn change(server: &Server, app: &App, change: impl Fn(&mut ClientRecord)) {
    let id = ClientId::new(&*app.client_id);
    let found = block_on(server.storage.clients().find(&id))
        .unwrap()
        .unwrap();
    let mut record = (*found.record).clone();
    change(&mut record);
    block_on(server.storage.clients().replace(found.revision, record)).unwrap();
}

fn entered() -> Arc<Server> {
    let server = Arc::new(Server::new());
    change(&server, &server.confidential, |client| {
        client.registration = ClientRegistration::Preregistered;
    });
    server
}

/// AS-AUTHZ-24: who registered itself is asked for every time, on loopback and anywhere
/// else, and never gets by in silence.
#[test]
fn clients_nobody_vouches_for_are_always_asked_for() {
    let server = Arc::new(Server::new());
    for app in [&server.public, &server.confidential] {
        let browser = Browser::after_approving(&server, app, "mcp:tools");
        assert_eq!(browser.asks(app, &[]), "consent");
        assert_ne!(browser.asks(app, &[("prompt", "none")]), "code");
    }
    let browser = Browser::after_approving(&server, &server.public, "mcp:tools");
    let silent = browser.asks(&server.public, &[("prompt", "none")]);
    assert_eq!(silent, "consent_required");
}

/// AS-AUTHZ-23, AS-AUTHZ-33: a yes to a client that an administrator entered stands for exactly
/// this client, resource and scope, and for as long as the person lets it.
#[test]
fn a_remembered_yes_stands_for_exactly_what_it_was_said_to() {
    let server = entered();
    let app = &server.confidential;
    let browser = Browser::after_approving(&server, app, "mcp:tools");
    for (changes, next) in [
        (vec![], "code"),
        (vec![("prompt", "none")], "code"),
        (vec![("scope", "mcp:tools mcp:write")], "consent"),
        (
            vec![("scope", "mcp:write"), ("prompt", "none")],
            "consent_required",
        ),
        (vec![("prompt", "consent")], "consent"),
        (vec![("prompt", "login")], "login"),
        (vec![("prompt", "select_account")], "login"),
        (vec![("max_age", "600")], "code"),
        (vec![("max_age", "0")], "login"),
        (vec![("max_age", "soon")], "invalid_request"),
    ] {
        assert_eq!(browser.asks(app, &changes), next, "{changes:?}");
    }
    assert_eq!(
        browser.asks(&server.public, &[]),
        "consent",
        "another client"
    );
    let stranger = Browser {
        server: Arc::clone(&server),
        cookies: String::new(),
    };
    assert_eq!(stranger.asks(app, &[]), "login", "another browser");
    assert_eq!(stranger.asks(app, &[("prompt", "none")]), "login_required");

    server.clock.advance(Lifetime::minutes(11));
    assert_eq!(browser.asks(app, &[("max_age", "600")]), "login");
    assert_eq!(
        browser.asks(app, &[("max_age", "600"), ("prompt", "none")]),
        "login_required"
    );
    assert_eq!(browser.asks(app, &[]), "code");
}

/// CIMD-29, AS-RT-11, AS-REG-9: it ends when the client shows another face, when it is withdrawn,
/// and with the person's sign-ins.
#[test]
fn a_remembered_yes_ends_when_anything_it_rests_on_does() {
    let server = entered();
    let app = &server.confidential;
    let authorization = server.service.authorization_server();
    let alice = Subject::new("alice");
    let begin = || Browser::after_approving(&server, app, "mcp:tools");

    let browser = begin();
    change(&server, app, |client| {
        client.metadata.client_name = Some("Another".to_owned())
    });
    assert_eq!(browser.asks(app, &[]), "consent");

    let browser = begin();
    block_on(authorization.withdraw(&alice, &ClientId::new(&*app.client_id))).unwrap();
    assert_eq!(browser.asks(app, &[]), "consent");

    let browser = begin();
    block_on(authorization.revoke_client(&ClientId::new(&*app.client_id))).unwrap();
    assert_eq!(browser.asks(app, &[]), "consent");

    let browser = begin();
    block_on(authorization.sign_out_everywhere(&alice)).unwrap();
    assert_eq!(browser.asks(app, &[]), "login");
}
