//! When a person is asked, and when not again.

mod common;

use std::sync::Arc;

use common::{Server, cookies, encode, handle, location, text};
use http::{Request, StatusCode, header};
use oauth_core::storage::ClientRegistration;
use oauth_core::types::{ClientId, Lifetime, Subject};
use oauth_testkit::block_on;
use oauth_testkit::faults::{Counts, Fault};
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
            _ if page.contains("<p>consent</p>") => Next::Consent,
            _ if page.contains("<p>login</p>") => Next::Login,
            _ => Next::Error(format!("{} {page}", answer.status())),
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

fn entered() -> Arc<Server> {
    entered_in(Server::new())
}

fn entered_in(server: Server) -> Arc<Server> {
    let server = Arc::new(server);
    server.change_client(&server.confidential.client_id, |client| {
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

/// AS-AUTHZ-24: any program on a person's computer can receive what is sent to loopback, whoever
/// entered the client.
#[test]
fn a_program_on_a_persons_own_computer_is_always_asked_for() {
    let server = Arc::new(Server::new());
    let app = &server.public;
    server.change_client(&app.client_id, |client| {
        client.registration = ClientRegistration::Preregistered;
    });
    let browser = Browser::after_approving(&server, app, "mcp:tools");
    assert_eq!(browser.asks(app, &[]), "consent");
    let silent = browser.asks(app, &[("prompt", "none")]);
    assert_eq!(silent, "consent_required");
}

/// AS-AUTHZ-23: what a person leaves out when asked again is no longer remembered; what was not
/// asked stays.
#[test]
fn what_is_left_out_the_next_time_is_forgotten() {
    let server = entered();
    let app = &server.confidential;
    let both = "mcp:tools mcp:write";
    let browser = Browser::after_approving(&server, app, both);
    assert_eq!(browser.asks(app, &[("scope", both)]), "code");

    let again = query(&server, app, &[("scope", both), ("prompt", "consent")]);
    let page = server.authorize(&again, &browser.cookies);
    let (transaction, choice) = (handle(&page), ("scope", "mcp:tools"));
    let decision = [
        ("transaction", &*transaction),
        ("decision", "approve"),
        choice,
    ];
    assert_eq!(server.interact(&browser.cookies, &decision).status(), 303);
    assert_eq!(browser.asks(app, &[("scope", "mcp:tools")]), "code");
    assert_eq!(browser.asks(app, &[("scope", both)]), "consent");
    assert_eq!(browser.asks(app, &[("scope", "mcp:write")]), "consent");
}

/// AS-AUTHZ-23: a person who says no to what they once allowed is asked again.
#[test]
fn a_no_takes_back_an_earlier_yes() {
    let server = entered();
    let app = &server.confidential;
    let browser = Browser::after_approving(&server, app, "mcp:tools");
    assert_eq!(browser.asks(app, &[]), "code");
    let again = query(&server, app, &[("prompt", "consent")]);
    let page = server.authorize(&again, &browser.cookies);
    let no = [("transaction", &*handle(&page)), ("decision", "deny")];
    let answer = server.interact(&browser.cookies, &no);
    let error = parameter(&location(&answer), "error");
    assert_eq!(error.as_deref(), Some("access_denied"));
    assert_eq!(browser.asks(app, &[]), "consent");
    let silent = browser.asks(app, &[("prompt", "none")]);
    assert_eq!(silent, "consent_required");
}

/// AS-AUTHZ-23: a yes ends when it was to end, however often it is used meanwhile.
#[test]
fn a_remembered_yes_is_not_prolonged_by_its_use() {
    let server = entered_in(Server::build(|world| {
        world.configure(|config| config.policy.consent_lifetime = Lifetime::minutes(20))
    }));
    let app = &server.confidential;
    let browser = Browser::after_approving(&server, app, "mcp:tools");
    for (minutes, next) in [(9, "code"), (10, "code"), (1, "consent")] {
        server.clock.advance(Lifetime::minutes(minutes));
        assert_eq!(browser.asks(app, &[]), next);
    }
    let short = [("prompt", "none")];
    assert_eq!(browser.asks(app, &short), "consent_required");
}

/// AS-AUTHZ-23: without a lifetime, no yes is remembered.
#[test]
fn remembering_can_be_turned_off() {
    let server = entered_in(Server::build(|world| {
        world.configure(|config| config.policy.consent_lifetime = Lifetime::seconds(0))
    }));
    let app = &server.confidential;
    let browser = Browser::after_approving(&server, app, "mcp:tools");
    assert_eq!(browser.asks(app, &[]), "consent");
}

/// AS-AUTHZ-23: a yes is remembered for the person, not for the sign-in: who has to sign in on the
/// way is not asked again either, unless the client wants it.
#[test]
fn a_remembered_yes_counts_after_signing_in_on_the_way() {
    let server = entered();
    let app = &server.confidential;
    Browser::after_approving(&server, app, "mcp:tools");
    for (changes, asked) in [
        (vec![], false),
        (vec![("prompt", "login")], false),
        (vec![("prompt", "consent")], true),
        (vec![("scope", "mcp:tools mcp:write")], true),
    ] {
        let page = server.authorize(&query(&server, app, &changes), "");
        let login = [
            ("transaction", &*handle(&page)),
            ("username", "alice"),
            ("password", "wonderland"),
        ];
        let answer = server.interact(&cookies(&page), &login);
        assert_ne!(cookies(&answer), "", "signed in");
        let code = parameter(&location(&answer), "code");
        assert_eq!(code.is_none(), asked, "{changes:?}");
    }
}

/// A store that fails is not a person who was never asked: the client is told nothing, and the
/// browser that it is to try again.
#[test]
fn an_outage_is_not_taken_for_a_missing_consent() {
    let server = entered();
    let app = &server.confidential;
    let browser = Browser::after_approving(&server, app, "mcp:tools");
    let silent = query(&server, app, &[("prompt", "none")]);
    server.storage.line_up([Fault::Refused]);
    let answer = server.authorize(&silent, &browser.cookies);
    assert_eq!(
        (answer.status(), location(&answer)),
        (StatusCode::SERVICE_UNAVAILABLE, String::new())
    );
    let answer = server.authorize(&silent, &browser.cookies);
    assert!(parameter(&location(&answer), "code").is_some());
}

/// Who is shut out is told so, and not to try again in a moment.
#[test]
fn who_is_shut_out_is_told_so() {
    let server = Arc::new(Server::new());
    let authorization = server.service.authorization_server();
    block_on(authorization.set_disabled(&Subject::new("alice"), true)).unwrap();
    let page = server.authorize(&query(&server, &server.public, &[]), "");
    let login = [
        ("transaction", &*handle(&page)),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    let answer = server.interact(&cookies(&page), &login);
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(text(&answer, header::SET_COOKIE), "");
    assert!(!answer.headers().contains_key(header::RETRY_AFTER));
}

/// Looking at the headers of an answer grants nothing.
#[test]
fn a_head_request_grants_nothing() {
    let server = entered();
    let app = &server.confidential;
    let browser = Browser::after_approving(&server, app, "mcp:tools");
    let query = encode(
        &query(&server, app, &[])
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect::<Vec<_>>(),
    );
    let _ = server.storage.take_counts();
    let request = Request::head(format!("/authorize?{query}"))
        .header(header::COOKIE, &browser.cookies)
        .body("")
        .unwrap();
    let answer = server.send(request);
    assert_eq!(
        (answer.status(), location(&answer)),
        (StatusCode::OK, String::new())
    );
    assert_eq!(server.storage.take_counts(), Counts::default());
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
    server.change_client(&app.client_id, |client| {
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
