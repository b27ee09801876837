use super::*;
use crate::theme::PLAIN;

fn consent(name: &str, scopes: &[(&str, &str)]) -> String {
    consent_by(name, None, scopes)
}

fn consent_by(name: &str, client_host: Option<&str>, scopes: &[(&str, &str)]) -> String {
    let t = &PLAIN.texts;
    let view = ConsentView {
        theme: &PLAIN,
        t,
        action: "/authorize/interact",
        handle: "sealed",
        heading: fill(&t.consent_heading, &[("client", Part::Name(name))]),
        mark: mark(t, false, client_host),
        destination: destination(t, Destination::ThisComputer, "127.0.0.1:5000"),
        is_destination_sure: false,
        uri_elsewhere: client_host.is_some(),
        subject: "alice",
        scopes: scopes
            .iter()
            .map(|(name, description)| ScopeView { name, description })
            .collect(),
        resources: vec![ResourceView {
            name: Some("Tools"),
            uri: "https://mcp.example/mcp",
        }],
        error: None,
    };
    page(&PLAIN, &view).unwrap().html
}

/// AS-DCR-17: what a client says of itself is hostile until shown otherwise.
#[test]
fn hostile_names_are_text() {
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x>",
        "' onfocus='x",
        "&lt;b&gt;",
    ] {
        let html = consent(name, &[("a", "<b>A</b>")]);
        assert!(!html.contains(name), "{name}");
        assert!(!html.contains("<b>A</b>"));
        assert!(!html.contains("<script"));
    }
}

/// CIMD-24, CIMD-26: the host is shown, and a local program is called unverified.
#[test]
fn consent_says_where_access_goes_and_what_for() {
    let html = consent("App", &[("mcp:tools", "Use tools"), ("mcp:write", "Write")]);
    for part in [
        "127.0.0.1:5000",
        "cannot be checked",
        "Unverified",
        "Use tools",
        "https://mcp.example/mcp",
        "name=\"decision\" value=\"approve\"",
        "name=\"decision\" value=\"deny\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(html.matches("type=\"checkbox\"").count(), 2);
    // A single scope is all or nothing: no box.
    assert_eq!(
        consent("App", &[("mcp:tools", "Use tools")])
            .matches("checkbox\"")
            .count(),
        0
    );
}

/// CIMD-25, AS-DCR-18, AS-AUTHZ-23: the host that a client's document came from, and a home page
/// that is elsewhere.
#[test]
fn consent_names_the_host_that_vouches_for_a_client() {
    let html = consent_by("App", Some("app.example"), &[("mcp:tools", "Use tools")]);
    assert!(html.contains("<span class=\"host\" dir=\"ltr\">app.example</span>"));
    assert!(html.contains("on another site"));
    assert!(!html.contains("Unverified"));
    let html = consent("App", &[("mcp:tools", "Use tools")]);
    assert!(!html.contains("on another site"));
}

#[test]
fn errors_become_sentences() {
    let page = notice_page(
        &PLAIN,
        &Notice::Error {
            message: "the client is not known here",
        },
    );
    assert!(page.html.contains("The client is not known here."));
    let leave = Notice::ConfirmRedirect {
        host: "app.example",
        location: "https://app.example/cb?error=x&state=\"y",
        message: "response_type is required",
    };
    let html = notice_page(&PLAIN, &leave).html;
    assert!(
        html.contains("href=\"https://app.example/cb?error=x&#38;state=&#34;y\""),
        "{html}"
    );
}

#[test]
fn the_style_is_let_through_by_its_digest_and_is_the_only_one() {
    let page = notice_page(&PLAIN, &Notice::TryAgain);
    assert!(page.style_hash.starts_with("sha256-"));
    assert_eq!(page.html.matches("<style>").count(), 1);
    assert!(!page.html.contains("style=\""));
    assert!(!page.html.contains("http://") && !page.html.contains("https://"));
}

/// AS-DCR-17: a long name does not push the warnings out of sight.
#[test]
fn a_long_name_is_shown_in_part() {
    let long = "W".repeat(200);
    assert_eq!(shown(&long), format!("{}…", "W".repeat(60)));
    assert_eq!(shown("\u{e4}\u{e4}"), "\u{e4}\u{e4}");
    let wide = "\u{4e16}".repeat(61);
    assert_eq!(shown(&wide).chars().count(), 61);
}
