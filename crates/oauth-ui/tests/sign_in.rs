//! Signing in through the pages, and guessing passwords there.

mod common;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use common::Swordfish;
use http::{Request, Response, header};
use oauth_core::types::Lifetime;
use oauth_core::{InProcessLimiter, Source};
use oauth_http::server::OAuthService;
use oauth_testkit::flows::{World, challenge};
use oauth_testkit::{FixedClock, block_on, canary};
use oauth_ui::Pages;

struct Door {
    service: OAuthService,
    clock: FixedClock,
    target: String,
}

impl Door {
    fn new() -> Self {
        let world = World::builder(5)
            .ports(|ports| ports.limiter(InProcessLimiter::default()))
            .build();
        let app = world.register();
        let target = format!(
            "/authorize?response_type=code&client_id={}&code_challenge={}&code_challenge_method=S256",
            app.client_id,
            challenge(&"v".repeat(43))
        );
        let World { server, clock, .. } = world;
        let service = OAuthService::new(Arc::new(server), Arc::new(Pages::new(Swordfish)));
        Self {
            service,
            clock,
            target,
        }
    }

    fn send(&self, from: &str, request: Request<String>) -> Response<Bytes> {
        let (parts, body) = request.into_parts();
        let address: IpAddr = from.parse().unwrap();
        block_on(
            self.service
                .handle(parts, body.into(), Source(Some(address))),
        )
    }

    /// One attempt in a fresh browser; the page that it leads to.
    fn knock(&self, from: &str, username: &str, password: &str) -> String {
        let login = self.send(
            from,
            Request::get(&self.target).body(String::new()).unwrap(),
        );
        let html = String::from_utf8_lossy(login.body()).into_owned();
        let (_, rest) = html.split_once("name=\"transaction\" value=\"").unwrap();
        let (transaction, _) = rest.split_once('"').unwrap();
        let cookie = login.headers()[header::SET_COOKIE].to_str().unwrap();
        for secret in [transaction, password] {
            canary::secret(secret);
        }
        let request = Request::post("/authorize/interact")
            .header(header::COOKIE, cookie.split(';').next().unwrap())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!(
                "transaction={transaction}&username={username}&password={password}"
            ));
        let page = self.send(from, request.unwrap());
        assert_eq!(page.status(), 200);
        String::from_utf8_lossy(page.body()).into_owned()
    }
}

/// Ten guesses in five minutes, counted by name and neighbourhood together: nobody locks anybody
/// else out, and nobody locks a person out of everywhere.
#[test]
fn guessing_a_password_is_slowed_down_for_the_guesser_only() {
    let door = Door::new();
    let guess = |from, name| door.knock(from, name, "guess");
    for _ in 0..10 {
        assert!(guess("203.0.113.5", "alice").contains("do not belong together"));
    }
    for (from, name) in [
        ("203.0.113.5", "alice"),
        ("203.0.113.77", "alice"),
        ("203.0.113.5", "ALICE"),
    ] {
        let page = guess(from, name);
        assert!(page.contains("Too many attempts"), "{from} {name}");
        assert!(
            page.contains(&format!("value=\"{name}\"")),
            "the name stays in the form"
        );
    }
    // The right password is not tried either, or guessing would go on.
    let right = door.knock("203.0.113.5", "alice", "swordfish");
    assert!(right.contains("Too many attempts"));
    assert!(
        door.knock("203.0.113.5", "bob", "swordfish")
            .contains("value=\"approve\"")
    );
    assert!(
        door.knock("198.51.100.9", "alice", "swordfish")
            .contains("value=\"approve\"")
    );
    door.clock.advance(Lifetime::minutes(5));
    assert!(
        door.knock("203.0.113.5", "alice", "swordfish")
            .contains("value=\"approve\"")
    );
}

/// From many addresses the name itself is limited, more loosely, and only for a while.
#[test]
fn guessing_from_everywhere_is_slowed_down_too() {
    let door = Door::new();
    for number in 0..100 {
        let page = door.knock(&format!("198.51.{number}.1"), "alice", "guess");
        assert!(page.contains("do not belong together"), "{number}");
    }
    let page = door.knock("198.51.200.1", "alice", "swordfish");
    assert!(page.contains("Too many attempts"));
    door.clock.advance(Lifetime::minutes(5));
    assert!(
        door.knock("198.51.200.1", "alice", "swordfish")
            .contains("value=\"approve\"")
    );
}
