//! The account pages as a person reads them.

mod common;

use async_trait::async_trait;
use common::{Server, Swordfish, field, html};
use oauth_core::Authentication;
use oauth_core::types::{Lifetime, Subject};
use oauth_http::server::{
    AccountOutcome, AccountPages, AccountView, AccountVisit, Interaction, InteractionError, Notice,
    Outcome, Page, Visit,
};
use oauth_ui::{DangerAutoApprove, Pages, Theme, account_page};

/// AS-REG-9, AS-DCR-17: every client with its name as text, what it may do in words, where, since
/// when; and a button for each grant and for all of a client.
#[test]
fn a_person_reads_who_may_do_what() {
    let names = ["Notes", "<img src=x>\"", "مساعد"];
    let server = Server::new(Pages::new(Swordfish), &names);
    let mut alice = server.browser();
    let login = alice.page("/account");
    assert!(login.contains("to see which applications may act for you"));
    alice.sign_in("alice");
    let empty = alice.page("/account");
    assert!(empty.contains("No application may act for you."), "{empty}");
    assert!(!empty.contains("<section"));

    for app in &server.apps {
        alice.allow(app);
    }
    server.clock.advance(Lifetime::seconds(5));
    alice.allow(&server.apps[0]);
    let page = alice.page("/account");
    for part in [
        "<bdi>Notes</bdi>",
        "<bdi>&#60;img src=x&#62;&#34;</bdi>",
        "<bdi>مساعد</bdi>",
        "You are signed in as <bdi>alice</bdi>.",
        "Unverified",
        "Has access at the site <span class=\"host\" dir=\"ltr\">app.example</span>.",
        "Use the tools <code>mcp:tools</code>",
        "Change things <code>mcp:write</code>",
        "Example tools<br><code dir=\"ltr\">https://mcp.example/mcp</code>",
        "<time dir=\"ltr\">2027-01-15 08:00 UTC</time>",
        "not yet",
        "href=\"/signout/everywhere\"",
        "action=\"/signout\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<img") && !page.contains("<script"));
    assert_eq!(page.matches("<section").count(), 3);
    assert_eq!(page.matches("value=\"withdraw\"").count(), 3);
    assert_eq!(
        page.matches("value=\"close\"").count(),
        2,
        "of the one with two"
    );
    let first = page.find("<bdi>Notes</bdi>").unwrap();
    assert!(
        first < page.find("<bdi>مساعد</bdi>").unwrap(),
        "the newest first"
    );

    let grant = field(&page, "grant");
    let fields = format!("decision=withdraw&grant={grant}");
    assert_eq!(alice.post(&page, "/account", &fields).status(), 303);
    let page = alice.page("/account");
    assert!(!page.contains("<bdi>Notes</bdi>") && page.contains("<bdi>مساعد</bdi>"));
}

/// Signing out says for whom, what it ends, and what not.
#[test]
fn signing_out_says_what_it_does() {
    let server = Server::new(Pages::new(Swordfish), &["Notes"]);
    let mut alice = server.browser();
    alice.sign_in("alice");
    alice.allow(&server.apps[0]);
    let ask = alice.page("/signout");
    assert!(ask.contains("signed in as <bdi>alice</bdi> in this browser"));
    assert!(ask.contains("Applications keep the access"));
    let ask = alice.page("/signout/everywhere");
    assert!(ask.contains("ends the access of every application"));
    assert!(alice.page("/account").contains("<bdi>Notes</bdi>"));
    assert_eq!(alice.post(&ask, "/signout/everywhere", "").status(), 303);
    let out = alice.page("/signout");
    assert!(out.contains("You are signed out") && !out.contains("<form"));
    alice.sign_in("alice");
    assert!(alice.page("/account").contains("No application"));
}

/// Guesses count alike, wherever they are made.
#[test]
fn guessing_at_the_account_is_counted_with_guessing_elsewhere() {
    let server = Server::new(Pages::new(Swordfish), &["Notes"]);
    let mut mallory = server.browser();
    for number in 0..10 {
        let (target, page) = if number % 2 == 0 {
            ("/account", mallory.page("/account"))
        } else {
            let page = mallory.page(&server.authorize(&server.apps[0]));
            ("/authorize/interact", page)
        };
        let answer = mallory.post(&page, target, "username=alice&password=guess");
        let page = html(&answer);
        assert!(page.contains("do not belong together"), "{number} {page}");
        assert!(page.contains("value=\"alice\"") && !page.contains("guess"));
    }
    let page = mallory.page("/account");
    let answer = mallory.post(&page, "/account", "username=alice&password=swordfish");
    assert!(html(&answer).contains("Too many attempts. Try again in 300 seconds."));
}

/// Whoever shows this on pages of their own switches these off.
#[test]
fn the_pages_can_be_switched_off() {
    let server = Server::new(Pages::new(Swordfish).without_account_pages(), &[]);
    assert_eq!(server.browser().get("/account").status(), 404);
    let server = Server::new(DangerAutoApprove::new("alice"), &[]);
    assert_eq!(server.browser().get("/signout").status(), 404);
}

/// An application that knows who it is has these pages for the rest.
struct Shop(Theme);

#[async_trait]
impl Interaction for Shop {
    async fn visit(&self, _: Visit<'_>) -> Result<Outcome, InteractionError> {
        Ok(Outcome::Deny)
    }

    fn notice(&self, _: &Notice<'_>) -> Page {
        Page::new(String::new(), String::new())
    }

    fn account_pages(&self) -> Option<&dyn AccountPages> {
        Some(self)
    }
}

#[async_trait]
impl AccountPages for Shop {
    async fn visit(&self, visit: AccountVisit<'_>) -> Result<AccountOutcome, InteractionError> {
        Ok(match visit.view {
            AccountView::SignIn => {
                AccountOutcome::SignedIn(Authentication::of(Subject::new("alice")))
            }
            _ => AccountOutcome::Respond(account_page(&self.0, &visit)?),
        })
    }
}

#[test]
fn an_application_with_a_sign_in_of_its_own_has_these_pages_too() {
    let server = Server::new(Shop(Theme::new().named("Shop")), &[]);
    let page = server.browser().page("/account");
    assert!(page.contains("You are signed in as <bdi>alice</bdi>."));
    assert!(page.contains("<header>Shop</header>"));
}
