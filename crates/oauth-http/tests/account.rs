//! The pages on which a person sees what they granted, ends it, and signs out.

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use common::{PlainPages, Server, encode, handle, location, text};
use http::{HeaderMap, Method, Request, Response, header};
use oauth_core::Authentication;
use oauth_core::types::{Issuer, Lifetime, Subject};
use oauth_http::server::{
    AccountOutcome, AccountPages, AccountView, AccountVisit, Interaction, InteractionError, Notice,
    OAuthService, Outcome, Page, Visit,
};
use oauth_testkit::block_on;
use oauth_testkit::faults::Fault;
use oauth_testkit::flows::{World, WorldBuilder};

/// The account in one line for each thing; whoever brings the embedder's cookie is signed in.
struct Account;

#[async_trait]
impl Interaction for Account {
    async fn visit(&self, visit: Visit<'_>) -> Result<Outcome, InteractionError> {
        PlainPages.visit(visit).await
    }

    fn notice(&self, notice: &Notice<'_>) -> Page {
        PlainPages.notice(notice)
    }

    fn account_pages(&self) -> Option<&dyn AccountPages> {
        Some(self)
    }
}

fn own_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split("; ")
        .find_map(|pair| pair.strip_prefix("shop="))
}

#[async_trait]
impl AccountPages for Account {
    async fn visit(&self, visit: AccountVisit<'_>) -> Result<AccountOutcome, InteractionError> {
        let form = visit.form;
        let what = match visit.view {
            AccountView::SignIn => {
                let name = match (form.first("username"), form.first("password")) {
                    (Some(name), Some("wonderland")) => Some(name),
                    (Some("broken"), _) => return Err(InteractionError::new("no directory")),
                    _ => own_cookie(visit.headers),
                };
                if let Some(name) = name {
                    let authentication = Authentication::of(Subject::new(name));
                    return Ok(AccountOutcome::SignedIn(authentication));
                }
                "login".to_owned()
            }
            AccountView::Grants {
                session,
                grants,
                next,
                is_first,
            } => {
                let ids: Vec<String> = grants.iter().map(|held| held.grant.to_string()).collect();
                let (who, next) = (session.subject().as_str(), next.unwrap_or_default());
                format!(
                    "grants of {who}, first {is_first}, next [{next}] {{{}}}",
                    ids.join(" ")
                )
            }
            AccountView::SignOut { session } => {
                format!("out {:?}", session.map(|held| held.subject().as_str()))
            }
            AccountView::SignOutEverywhere { session } => {
                format!("everywhere {}", session.subject().as_str())
            }
            _ => "new".to_owned(),
        };
        let html = format!("<p>{what}</p><i>{}</i> to {}", visit.handle, visit.action);
        Ok(AccountOutcome::Respond(Page::new(html, String::new())))
    }
}

fn server() -> Server {
    offering(Server::new())
}

fn offering(mut server: Server) -> Server {
    let authorization = Arc::clone(server.service.authorization_server());
    server.service = Arc::new(OAuthService::new(authorization, Arc::new(Account)));
    server
}

/// A browser with its cookies.
struct Browser<'a> {
    server: &'a Server,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    fn new(server: &'a Server) -> Self {
        Self {
            server,
            cookies: Vec::new(),
        }
    }

    fn signed_in(server: &'a Server, name: &str) -> Self {
        let mut browser = Self::new(server);
        let form = browser.form(
            "/account",
            &[("username", name), ("password", "wonderland")],
        );
        let answer = browser.post("/account", &form);
        assert_eq!(
            (answer.status().as_u16(), &*location(&answer)),
            (303, "/account")
        );
        browser
    }

    fn jar(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        pairs.join("; ")
    }

    fn keep(&mut self, answer: &Response<Bytes>) {
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.retain(|(held, _)| held != name);
            if !line.contains("Max-Age=0;") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn get(&mut self, target: &str) -> Response<Bytes> {
        let request = Request::get(target).header(header::COOKIE, self.jar());
        let answer = self.server.send(request.body("").unwrap());
        self.keep(&answer);
        answer
    }

    fn sees(&mut self, target: &str) -> String {
        let answer = self.get(target);
        assert_eq!(answer.status(), 200);
        words(&answer)
    }

    /// The form of a page, with these fields.
    fn form(&mut self, page: &str, fields: &[(&str, &str)]) -> String {
        let page = self.get(page);
        let mut form = vec![("transaction", handle(&page))];
        form.extend(
            fields
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let pairs: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, &**v)).collect();
        encode(&pairs)
    }

    fn post(&mut self, target: &str, form: &str) -> Response<Bytes> {
        self.post_from(target, form, "same-origin")
    }

    fn post_from(&mut self, target: &str, form: &str, site: &str) -> Response<Bytes> {
        let request = Request::post(target)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, self.jar())
            .header("sec-fetch-site", site);
        let answer = self.server.send(request.body(form.to_owned()).unwrap());
        self.keep(&answer);
        answer
    }
}

fn words(answer: &Response<Bytes>) -> String {
    let html = std::str::from_utf8(answer.body()).unwrap();
    let (_, rest) = html.split_once("<p>").unwrap();
    rest.split_once("</p>").unwrap().0.to_owned()
}

/// The grants that a page shows.
fn shown(words: &str) -> Vec<String> {
    let (_, rest) = words.split_once('{').unwrap();
    let ids = rest.trim_end_matches('}').split_whitespace();
    ids.map(str::to_owned).collect()
}

fn is_alive(server: &Server, tokens: &serde_json::Value) -> bool {
    let token = tokens["access_token"].as_str().unwrap();
    let server = server.service.authorization_server();
    block_on(server.check_access_token(token))
        .unwrap()
        .is_some()
}

/// AS-REG-9, AS-RT-11: a person signs in, sees what is theirs, ends one grant, then all of a client.
#[test]
fn a_person_sees_who_has_access_and_ends_it() {
    let server = server();
    let tokens = [0, 1].map(|_| server.tokens(&server.public));
    let elsewhere = server.tokens(&server.confidential);
    let mut alice = Browser::new(&server);
    assert_eq!(alice.sees("/account"), "login");
    let wrong = alice.form("/account", &[("username", "alice"), ("password", "x")]);
    let answer = alice.post("/account", &wrong);
    assert_eq!((answer.status().as_u16(), &*words(&answer)), (200, "login"));

    let mut alice = Browser::signed_in(&server, "alice");
    let page = alice.sees("/account");
    assert!(
        page.starts_with("grants of alice, first true, next []"),
        "{page}"
    );
    assert_eq!(shown(&page).len(), 3);
    let claims = |tokens: &serde_json::Value| {
        let token = tokens["access_token"].as_str().unwrap();
        let server = server.service.authorization_server();
        block_on(server.check_access_token(token))
            .unwrap()
            .unwrap()
            .grant
            .unwrap()
            .to_string()
    };
    let (one, other) = (claims(&tokens[0]), claims(&tokens[1]));

    let close = alice.form("/account", &[("decision", "close"), ("grant", &one)]);
    let answer = alice.post("/account", &close);
    assert_eq!(
        (answer.status().as_u16(), &*location(&answer)),
        (303, "/account")
    );
    let alive = |tokens: &_| is_alive(&server, tokens);
    assert!(!alive(&tokens[0]) && alive(&tokens[1]) && alive(&elsewhere));

    let withdraw = alice.form("/account", &[("decision", "withdraw"), ("grant", &other)]);
    assert_eq!(alice.post("/account", &withdraw).status(), 303);
    assert!(!alive(&tokens[1]) && alive(&elsewhere));
    assert_eq!(shown(&alice.sees("/account")).len(), 1);
    // Sent twice, it changes nothing more.
    assert_eq!(alice.post("/account", &withdraw).status(), 303);
    assert!(alive(&elsewhere));
}

/// AS-REG-9: the names of grants are no secret, and open nothing.
#[test]
fn nobody_ends_somebody_elses_grant() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut alice = Browser::signed_in(&server, "alice");
    let theirs = shown(&alice.sees("/account")).remove(0);
    let mut mallory = Browser::signed_in(&server, "mallory");
    assert!(shown(&mallory.sees("/account")).is_empty());
    for decision in ["close", "withdraw", "", "sign_out"] {
        for grant in [&*theirs, "nonsense", ""] {
            let fields = [("decision", decision), ("grant", grant)];
            let form = mallory.form("/account", &fields);
            assert_eq!(mallory.post("/account", &form).status(), 303);
        }
    }
    let everywhere = mallory.form("/signout/everywhere", &[]);
    assert_eq!(
        mallory.post("/signout/everywhere", &everywhere).status(),
        303
    );
    assert!(is_alive(&server, &tokens));
}

/// AS-AUTHZ-25: a form counts only from our page, in its browser, and for its sign-in.
#[test]
fn a_form_counts_only_where_it_was_made() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut alice = Browser::signed_in(&server, "alice");
    let grant = shown(&alice.sees("/account")).remove(0);
    let fields = [("decision", "withdraw"), ("grant", &*grant)];
    let form = alice.form("/account", &fields);
    let refused = |answer: Response<Bytes>, status: u16| {
        assert_eq!(answer.status(), status);
        assert_eq!(text(&answer, header::SET_COOKIE), "");
        assert!(is_alive(&server, &tokens));
    };
    for path in ["/account", "/signout", "/signout/everywhere"] {
        for site in ["cross-site", "same-site"] {
            refused(alice.post_from(path, &form, site), 403);
        }
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::COOKIE, alice.jar())
            .header(header::ORIGIN, "https://evil.example");
        refused(server.send(request.body(form.clone()).unwrap()), 403);
        // Without a form of ours, with another person's, or as something else than a form.
        refused(alice.post(path, &encode(&fields)), 400);
        let mut mallory = Browser::signed_in(&server, "mallory");
        let foreign = mallory.form("/account", &fields);
        refused(alice.post(path, &foreign), 400);
        refused(mallory.post(path, &form), 400);
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "text/plain")
            .header(header::COOKIE, alice.jar());
        refused(server.send(request.body(form.clone()).unwrap()), 400);
    }
    // Somebody signs in anew in the same browser: the page of before decides nothing any more.
    let sign_in = alice.form("/signout", &[]);
    let _ = alice.post("/signout", &sign_in);
    let sign_in = [("username", "mallory"), ("password", "wonderland")];
    let sign_in = alice.form("/account", &sign_in);
    assert_eq!(alice.post("/account", &sign_in).status(), 303);
    for path in ["/account", "/signout/everywhere"] {
        refused(alice.post(path, &form), 400);
    }
}

/// Whose sign-in has ended meanwhile is asked who they are, and what was posted is not done.
#[test]
fn a_form_after_the_sign_in_has_ended_asks_who_it_is() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut alice = Browser::signed_in(&server, "alice");
    let grant = shown(&alice.sees("/account")).remove(0);
    let form = alice.form("/account", &[("decision", "close"), ("grant", &grant)]);
    let out = alice.form("/signout", &[]);
    assert_eq!(alice.post("/signout", &out).status(), 303);
    let answer = alice.post("/account", &form);
    assert_eq!((answer.status().as_u16(), &*words(&answer)), (200, "login"));
    assert!(is_alive(&server, &tokens));
}

/// Signing out forgets the sign-in in this browser and ends nothing else; asked twice, or by
/// nobody, it says so.
#[test]
fn signing_out_ends_this_browsers_sign_in_and_nothing_else() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut nobody = Browser::new(&server);
    assert_eq!(nobody.sees("/signout"), "out None");
    let form = nobody.form("/signout", &[]);
    assert_eq!(location(&nobody.post("/signout", &form)), "/signout");

    let (mut alice, mut at_work) = (
        Browser::signed_in(&server, "alice"),
        Browser::signed_in(&server, "alice"),
    );
    assert_eq!(alice.sees("/signout"), "out Some(\"alice\")");
    let form = alice.form("/signout", &[("decision", "sign_out")]);
    for _ in 0..2 {
        let answer = alice.post("/signout", &form);
        assert_eq!(
            (answer.status().as_u16(), &*location(&answer)),
            (303, "/signout")
        );
        let cookie = text(&answer, header::SET_COOKIE);
        for part in [
            "__Host-os-",
            "=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert_eq!(alice.sees("/signout"), "out None");
    }
    assert_eq!(alice.sees("/account"), "login");
    assert!(at_work.sees("/account").starts_with("grants of alice"));
    assert!(is_alive(&server, &tokens));
}

/// AS-RT-11: signing out everywhere asks first, then ends every sign-in and every grant of this
/// person, and nobody else's.
#[test]
fn signing_out_everywhere_ends_everything_of_one_person() {
    let server = server();
    let tokens = server.tokens(&server.public);
    let mut nobody = Browser::new(&server);
    assert_eq!(nobody.sees("/signout/everywhere"), "login");
    let sign_in = [("username", "bob"), ("password", "wonderland")];
    let sign_in = nobody.form("/signout/everywhere", &sign_in);
    let answer = nobody.post("/signout/everywhere", &sign_in);
    assert_eq!(location(&answer), "/signout/everywhere", "asked, not done");
    let mut bob = nobody;

    let (mut alice, mut at_work) = (
        Browser::signed_in(&server, "alice"),
        Browser::signed_in(&server, "alice"),
    );
    assert_eq!(alice.sees("/signout/everywhere"), "everywhere alice");
    assert!(is_alive(&server, &tokens), "looking ends nothing");
    let form = alice.form("/signout/everywhere", &[]);
    let answer = alice.post("/signout/everywhere", &form);
    assert_eq!(
        (answer.status().as_u16(), &*location(&answer)),
        (303, "/signout")
    );
    assert_eq!(alice.sees("/signout"), "out None");
    assert_eq!(at_work.sees("/account"), "login");
    assert!(!is_alive(&server, &tokens));
    assert_eq!(bob.sees("/signout/everywhere"), "everywhere bob");
}

/// AS-AUTHZ-26, AS-AUTHZ-28, AS-AUTHZ-29: as the other pages: not framed, kept or read by others.
#[test]
fn account_pages_cannot_be_framed_cached_or_read_by_other_origins() {
    let server = server();
    let mut alice = Browser::signed_in(&server, "alice");
    let mut answers = Vec::new();
    for path in ["/account", "/signout", "/signout/everywhere"] {
        answers.push(alice.get(path));
        answers.push(Browser::new(&server).get(path));
        answers.push(alice.post(path, ""));
    }
    let out = alice.form("/signout", &[]);
    let left = alice.post("/signout", &out);
    for page in &answers {
        let policy = text(page, header::CONTENT_SECURITY_POLICY);
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("img-src"), "{policy}");
        assert_eq!(text(page, header::X_FRAME_OPTIONS), "DENY");
    }
    for answer in answers.iter().chain([&left]) {
        assert_eq!(text(answer, header::CACHE_CONTROL), "no-store");
        assert_eq!(text(answer, header::REFERRER_POLICY), "no-referrer");
        assert_eq!(text(answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    }
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(method).uri("/account");
        let answer = server.send(request.body("").unwrap());
        assert_eq!(answer.status(), 405);
        assert_eq!(text(&answer, header::ALLOW), "GET, HEAD, POST");
        assert_eq!(text(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), "");
    }
}

/// An application that does not offer these pages has their paths for itself.
#[test]
fn pages_that_are_not_offered_are_not_there() {
    let without = Server::new();
    for path in ["/account", "/signout", "/signout/everywhere"] {
        assert_eq!(without.get(path).status(), 404);
        assert_eq!(without.post(path, &[]).status(), 404);
        assert!(without.service.paths().all(|held| held != path));
    }
    let with = server();
    for path in ["/account", "/signout", "/signout/everywhere"] {
        assert!(with.service.paths().any(|held| held == path));
    }
}

/// Whoever is signed in to the embedder's application need not sign in again, there or here.
#[test]
fn an_application_that_knows_who_it_is_asks_nothing() {
    let server = server();
    let mut alice = Browser::new(&server);
    alice.cookies.push(("shop".to_owned(), "alice".to_owned()));
    assert_eq!(alice.sees("/signout"), "out None");
    assert!(alice.sees("/account").starts_with("grants of alice"));
    assert_eq!(alice.sees("/signout"), "out Some(\"alice\")");
    assert_eq!(alice.cookies.len(), 3, "now signed in here too");
}

/// AS-REG-9: many grants come page by page, and what is ended on a page leads back to it.
#[test]
fn many_grants_are_shown_page_by_page() {
    let server = server();
    for _ in 0..60 {
        server.tokens(&server.public);
    }
    let mut alice = Browser::signed_in(&server, "alice");
    let first = alice.sees("/account");
    let (_, rest) = first.split_once("next [").unwrap();
    let next = rest.split_once(']').unwrap().0.to_owned();
    assert!(next.starts_with("/account?page="), "{next}");
    let second = alice.sees(&next);
    assert!(second.contains("first false, next []"), "{second}");
    let (first, second) = (shown(&first), shown(&second));
    assert_eq!(first.len() + second.len(), 60);
    assert!(first.iter().all(|id| !second.contains(id)));
    let form = alice.form(&next, &[("decision", "close"), ("grant", &second[0])]);
    assert_eq!(location(&alice.post(&next, &form)), next);
    assert_eq!(shown(&alice.sees(&next)).len(), second.len() - 1);
    // Whatever else stands in the query leads nowhere.
    for strange in [
        "?page=AAAA",
        "?page=../x",
        "?x=y",
        "?page=",
        "?page=a&page=b",
    ] {
        assert_eq!(shown(&alice.sees(&format!("/account{strange}"))), first);
        let form = alice.form("/account", &[]);
        let led = location(&alice.post(&format!("/account{strange}"), &form));
        assert!(["/account", "/account?page=AAAA"].contains(&&*led), "{led}");
    }
}

/// Below the issuer's path, and on loopback under the issuer's own name only.
#[test]
fn account_pages_stand_below_the_issuer_and_answer_to_its_name() {
    let at = |issuer: &'static str| -> Server {
        let change = move |world: WorldBuilder| {
            world.configure(|config| config.issuer = Issuer::parse(issuer).unwrap())
        };
        offering(Server::bare(change(World::builder(31))))
    };
    let below = at("https://mcp.example/auth/v1");
    assert_eq!(below.get("/auth/v1/account").status(), 200);
    assert_eq!(below.get("/account").status(), 404);

    let local = at("http://127.0.0.1:3000");
    for path in ["/account", "/signout", "/signout/everywhere"] {
        for (host, status) in [("127.0.0.1:3000", 200), ("evil.example", 421)] {
            let request = Request::get(path).header(header::HOST, host);
            assert_eq!(local.send(request.body("").unwrap()).status(), status);
        }
    }
}

/// An outage is a page to try again from. What it left undone, doing it again finishes; after
/// signing out everywhere, that takes signing in again.
#[test]
fn an_outage_is_a_page_to_try_again_from() {
    let server = server();
    let tokens = [&server.public, &server.confidential].map(|app| server.tokens(app));
    let mut alice = Browser::signed_in(&server, "alice");
    let grant = shown(&alice.sees("/account")).remove(0);
    let withdraw = alice.form("/account", &[("decision", "withdraw"), ("grant", &grant)]);
    let alive = || tokens.iter().filter(|held| is_alive(&server, held)).count();
    server.storage.line_up([Fault::Refused]);
    let answer = alice.post("/account", &withdraw);
    assert_eq!((answer.status().as_u16(), alive()), (503, 2));
    assert_eq!(text(&answer, header::RETRY_AFTER), "1");
    let answer = alice.post("/account", &withdraw);
    assert_eq!((answer.status().as_u16(), alive()), (303, 1));

    let path = "/signout/everywhere";
    let everywhere = alice.form(path, &[]);
    server.storage.line_up([Fault::Refused]);
    let answer = alice.post(path, &everywhere);
    assert_eq!((answer.status().as_u16(), alive()), (503, 1));
    assert_eq!(words(&alice.post(path, &everywhere)), "login");
    let mut alice = Browser::signed_in(&server, "alice");
    let everywhere = alice.form(path, &[]);
    let answer = alice.post(path, &everywhere);
    assert_eq!((answer.status().as_u16(), alive()), (303, 0));

    let mut nobody = Browser::new(&server);
    let broken = nobody.form("/account", &[("username", "broken"), ("password", "x")]);
    assert_eq!(nobody.post("/account", &broken).status(), 503);
}

/// Who is shut out is told so.
#[test]
fn who_is_shut_out_sees_no_account() {
    let server = server();
    let authorization = server.service.authorization_server();
    block_on(authorization.set_disabled(&Subject::new("alice"), true)).unwrap();
    let mut alice = Browser::new(&server);
    let sign_in = [("username", "alice"), ("password", "wonderland")];
    let sign_in = alice.form("/account", &sign_in);
    let answer = alice.post("/account", &sign_in);
    assert_eq!(answer.status(), 403);
    assert_eq!(text(&answer, header::SET_COOKIE), "");
}

/// Signing in here is signing in for authorization requests too, and the other way round.
#[test]
fn one_sign_in_serves_all_pages() {
    let server = server();
    let alice = Browser::signed_in(&server, "alice");
    let query = server.query(&server.public, &"v".repeat(43));
    let page = server.authorize(&query, &alice.jar());
    assert_eq!(words(&page), "consent");

    let login = server.authorize(&query, "");
    let mut bob = Browser::new(&server);
    bob.keep(&login);
    let form = [
        ("transaction", &*handle(&login)),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    let consent = server.interact(&bob.jar(), &form);
    bob.keep(&consent);
    assert!(bob.sees("/account").starts_with("grants of alice"));
    server.clock.advance(Lifetime::days(1));
    assert_eq!(bob.sees("/account"), "login");
}
