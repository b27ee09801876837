//! Pages in somebody's own name, colours and language.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Server, Swordfish, html, policy};
use oauth_core::types::SecretHash;
use oauth_ui::{Direction, Logo, Pages, Texts, Theme};

fn german() -> Texts {
    let mut texts = Texts::default();
    texts.lang = "de".into();
    texts.sign_in = "Anmelden".into();
    texts.sign_in_for_client = "Bei {host} geht es mit {client} weiter".into();
    texts.consent_heading = "{client} für Sie handeln lassen?".into();
    texts.cannot_go_on = "So geht es nicht".into();
    let known = "The client is not known here; it may have to register again.";
    let ours = "Diese Anwendung ist hier nicht bekannt.";
    texts.notices.insert(known.to_owned(), ours.to_owned());
    texts
}

fn digest_of_style(page: &str) -> String {
    assert_eq!(page.matches("<style>").count(), 1);
    let (_, rest) = page.split_once("<style>").unwrap();
    let (style, _) = rest.split_once("</style>").unwrap();
    STANDARD.encode(SecretHash::of(style.as_bytes()).as_bytes())
}

/// AS-AUTHZ-26, AS-AUTHZ-29: a page without a theme shows no picture and lets none be shown; with
/// a logo it lets through pictures that lie in the page, and nothing else. The style's digest
/// follows its colours.
#[test]
fn the_policy_lets_through_what_the_theme_shows_and_no_more() {
    let plain = Server::new(Pages::new(Swordfish), &["Notes"]);
    let colours = Theme::new().accent("#00695c", "#80cbc4").unwrap();
    let logo = Logo::png(b"\x89PNG\r\n\x1a\n").unwrap();
    let coloured = Server::new(Pages::new(Swordfish).themed(colours.clone()), &["Notes"]);
    let pictured = Pages::new(Swordfish).themed(colours.named("N").logo(logo));
    let pictured = Server::new(pictured, &["Notes"]);
    let mut digests = Vec::new();
    for (server, images) in [(&plain, false), (&coloured, false), (&pictured, true)] {
        let consent = server.authorize(&server.apps[0]);
        for target in ["/account", "/signout", "/authorize", &consent] {
            let answer = server.browser().get(target);
            let (policy, page) = (policy(&answer), html(&answer));
            let digest = digest_of_style(&page);
            assert!(
                policy.contains(&format!("style-src 'sha256-{digest}'")),
                "{policy}"
            );
            assert_eq!(policy.contains("; img-src data:;"), images, "{policy}");
            assert!(policy.starts_with("default-src 'none'; "));
            assert_eq!(page.matches("<img").count(), usize::from(images));
            assert!(!page.contains("http-equiv") && !page.contains("<script"));
            digests.push(digest);
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 2, "one style for each pair of colours");
    let page = pictured.browser().page("/account");
    assert!(page.contains("--accent:#00695c") && page.contains("--accent:#80cbc4"));
    assert!(page.contains("src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"N\">"));
}

/// Every page names whose it is and where its rules are; markup in them is text all the same.
#[test]
fn every_page_says_whose_it_is() {
    let theme = Theme::new()
        .named("A&B <Notes>")
        .link("Terms <1>", "https://notes.example/terms?a=\"b\"&c")
        .unwrap();
    let server = Server::new(Pages::new(Swordfish).themed(theme), &["App"]);
    let mut alice = server.browser();
    let login = alice.page("/account");
    alice.sign_in("alice");
    alice.allow(&server.apps[0]);
    let consent = server.authorize(&server.apps[0]);
    let others = [
        "/account",
        "/signout",
        "/signout/everywhere",
        "/authorize",
        &consent,
    ];
    for page in others
        .map(|target| alice.page(target))
        .iter()
        .chain([&login])
    {
        assert!(
            page.contains("<header>A&#38;B &#60;Notes&#62;</header>"),
            "{page}"
        );
        assert!(page.contains(" · A&#38;B &#60;Notes&#62;</title>"));
        let link = "<a href=\"https://notes.example/terms?a=%22b%22&#38;c\" rel=\"noreferrer\">Terms &#60;1&#62;</a>";
        assert!(page.contains(link), "{page}");
    }
}

/// Sentences of another language, in their own order; what nobody translated is marked as English.
#[test]
fn the_pages_speak_another_language() {
    let theme = Theme::new().texts(german()).unwrap();
    let server = Server::new(Pages::new(Swordfish).themed(theme), &["Notes"]);
    let mut alice = server.browser();
    let consent = server.authorize(&server.apps[0]);
    let login = alice.page(&consent);
    assert!(login.contains("<html lang=\"de\" dir=\"ltr\">"));
    assert!(login.contains("<h1>Anmelden</h1>"));
    let purpose = "Bei <span class=\"host\" dir=\"ltr\">app.example</span> geht es mit <bdi>Notes</bdi> weiter";
    assert!(login.contains(purpose), "{login}");
    alice.sign_in("alice");
    assert!(
        alice
            .page(&consent)
            .contains("<h1><bdi>Notes</bdi> für Sie handeln lassen?</h1>")
    );

    let unknown = alice.page("/authorize?client_id=c_nobody");
    assert!(unknown.contains("<h1>So geht es nicht</h1>"));
    assert!(
        unknown.contains("<p>Diese Anwendung ist hier nicht bekannt.</p>"),
        "{unknown}"
    );
    let untranslated = alice.page("/authorize");
    assert!(untranslated.contains("<p lang=\"en\" dir=\"ltr\">The request does not say"));
}

/// Written from the right, with hosts and addresses as they are.
#[test]
fn the_pages_can_be_written_from_the_right() {
    let mut texts = Texts::default();
    (texts.lang, texts.dir) = ("ar".into(), Direction::RightToLeft);
    texts.consent_heading = "هل تسمح لـ{client} بالتصرف نيابة عنك؟".into();
    let theme = Theme::new().texts(texts).unwrap();
    let server = Server::new(Pages::new(Swordfish).themed(theme), &["Notes"]);
    let mut alice = server.browser();
    alice.sign_in("alice");
    let page = alice.page(&server.authorize(&server.apps[0]));
    assert!(page.contains("<html lang=\"ar\" dir=\"rtl\">"));
    assert!(page.contains("<h1>هل تسمح لـ<bdi>Notes</bdi> بالتصرف نيابة عنك؟</h1>"));
    assert!(page.contains("<code dir=\"ltr\">https://mcp.example/mcp</code>"));
}
