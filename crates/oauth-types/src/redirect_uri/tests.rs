use super::*;
use proptest::prelude::*;

proptest! {
    /// Whatever is accepted at a glance means the same when it is looked at closely.
    #[test]
    fn a_glance_says_what_a_close_look_does(
        text in "https?://(localhost|127\\.0\\.0\\.1|\\[::1\\]|[a-z0-9A-Z.x-]{0,6}(\\.|--|xn--|@|%41)?[a-z0-9.-]{0,4}[a-z]{0,2})(:[0-9+]{0,6})?(/[a-zA-Z0-9._~%?#/\\\\ -]{0,8})?"
    ) {
        if let Some(glance) = RedirectUri::at_a_glance(&text) {
            let close = RedirectUri::parse_any(&text, |_| false);
            prop_assert_eq!(Some(&glance), close.as_ref().ok(), "{:?}", close);
            prop_assert_eq!(glance.port, close.unwrap().port);
        }
    }
}

#[test]
fn usual_addresses_need_only_a_glance() {
    for text in [
        "https://c.example/cb",
        "http://127.0.0.1:51004/cb",
        "http://127.0.0.1/cb",
        "http://localhost:3000/oauth/callback",
        "http://[::1]:3000/cb",
    ] {
        assert!(RedirectUri::at_a_glance(text).is_some(), "{text}");
    }
    for text in [
        "https://c.example:8443/cb",
        "https://c.example/cb?x=1",
        "https://u@c.example/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1.example/cb",
        "http://localhost.example/cb",
        "http://c.example/cb",
        "com.example.app:/cb",
    ] {
        assert!(RedirectUri::at_a_glance(text).is_none(), "{text}");
    }
}

/// AS-AUTHZ-5, AS-AUTHZ-6, AS-AUTHZ-7.
#[test]
fn comparison_is_exact_but_for_a_loopback_port() {
    for (registered, requested, admitted) in [
        ("https://c/cb", "https://c/cb", true),
        ("https://c/cb", "https://c/cb/", false),
        ("https://c/cb", "https://C/cb", false),
        ("https://c/cb", "https://c:443/cb", false),
        ("https://c/cb", "https://c/cb?x=1", false),
        ("https://c/cb", "https://c/%63b", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true),
        (
            "http://127.0.0.1:3000/cb",
            "http://127.0.0.1:51004/cb",
            true,
        ),
        ("http://127.0.0.1:3000/cb", "http://127.0.0.1/cb", true),
        ("http://127.0.0.1:33418", "http://127.0.0.1:33418/", false),
        ("http://[::1]/cb", "http://[::1]:8080/cb", true),
        ("http://localhost/cb", "http://localhost:51004/cb", true),
        ("http://localhost/cb", "http://127.0.0.1/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb2", false),
        ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil/cb", false),
        ("http://127.0.0.1/cb", "http://u@127.0.0.1/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil/cb", false),
        ("http://localhost/cb", "http://localhost.evil:1/cb", false),
        ("com.example.app:/cb", "com.example.app:/cb", true),
        ("com.example.app:/cb", "com.example.app:/cb2", false),
        ("cursor://x/cb", "cursor://x:1/cb", false),
    ] {
        let registered = RedirectUri::parse(registered).unwrap();
        assert_eq!(
            registered.admits(requested),
            admitted,
            "{registered} {requested}"
        );
    }
}

/// AS-REG-6, AS-REG-7.
#[test]
fn schemes_and_parts_that_endanger_people_are_refused() {
    use InvalidRedirectUri::*;
    for (text, why) in [
        ("javascript:alert(1)", Scheme),
        ("data:text/html,x", Scheme),
        ("file:///etc/passwd", Scheme),
        ("vbscript:x", Scheme),
        ("blob:https://x/y", Scheme),
        ("about:blank", Scheme),
        ("intent://x", Scheme),
        ("http://example.com/cb", Cleartext),
        ("http://127.0.0.2/cb", Cleartext),
        ("http://2130706433/cb", Cleartext),
        ("http://127.1/cb", Cleartext),
        ("HTTP://127.0.0.1/cb", Cleartext),
        ("https://c/cb#f", ExtraParts),
        ("https://c/cb#", ExtraParts),
        ("https://u@c/cb", ExtraParts),
        ("http://@127.0.0.1/cb", ExtraParts),
        ("/cb", NotAbsolute),
        ("https:cb", NotAbsolute),
        ("https:///c/cb", NotAbsolute),
        ("https://c/ cb", Characters),
        ("https://c\\@evil/cb", Characters),
        ("https://c/\u{e4}", Characters),
    ] {
        assert_eq!(RedirectUri::parse(text).unwrap_err(), why, "{text}");
    }
}

/// AS-REG-7, AS-REG-8.
#[test]
fn a_policy_chooses_among_harmless_schemes_only() {
    for (text, any) in [
        ("myeditor://x/cb", true),
        ("MyEditor://x/cb", true),
        ("javascript:alert(1)", false),
        ("JavaScript:alert(1)", false),
        ("view-source:x", false),
    ] {
        let read = RedirectUri::parse_if(text, |_| true);
        assert_eq!(read.is_ok(), any, "{text}");
    }
    assert!(RedirectUri::parse("myeditor://x/cb").is_err());
    assert!(RedirectUri::parse_if("com.example.app:/cb", |_| false).is_err());
    assert!(RedirectUri::parse_if("https://c/cb", |_| false).is_ok());
    let stored = serde_json::from_str::<RedirectUri>("\"myeditor://x/cb\"");
    assert_eq!(stored.unwrap().kind(), RedirectKind::PrivateUse);
}

/// AS-AUTHZ-14.
#[test]
fn a_query_already_there_is_kept() {
    for (uri, expected) in [
        ("https://c/cb", "https://c/cb?code=a%26b&state=s"),
        ("https://c/cb?x=1", "https://c/cb?x=1&code=a%26b&state=s"),
        ("https://c/cb?", "https://c/cb?code=a%26b&state=s"),
        (
            "com.example.app:/cb",
            "com.example.app:/cb?code=a%26b&state=s",
        ),
    ] {
        let uri = RedirectUri::parse(uri).unwrap();
        assert_eq!(
            uri.with_parameters([("code", "a&b"), ("state", "s")]),
            expected
        );
    }
}

#[test]
fn the_host_is_shown_plainly() {
    for (uri, host) in [
        ("https://c.example:8443/cb?x=y", "c.example:8443"),
        ("http://127.0.0.1:9/cb", "127.0.0.1:9"),
        ("cursor://anysphere.cursor/x", "cursor"),
        ("com.example.app:/cb", "com.example.app"),
    ] {
        assert_eq!(RedirectUri::parse(uri).unwrap().display_host(), host);
    }
}

proptest! {
    #[test]
    fn any_text_is_answered_without_panic(text in "\\PC{0,80}") {
        if let Ok(uri) = RedirectUri::parse(&text) {
            prop_assert!(uri.admits(&text));
            let _ = (uri.display_host().len(), uri.with_parameters([("a", "b")]));
        }
    }

    #[test]
    fn only_the_port_is_free(port: u16, path in "/[a-z]{0,6}") {
        let registered = RedirectUri::parse(&format!("http://127.0.0.1{path}")).unwrap();
        let same = format!("http://127.0.0.1:{port}{path}");
        let other = format!("http://127.0.0.1:{port}{path}x");
        prop_assert!(registered.admits(&same));
        prop_assert!(!registered.admits(&other));
    }
}
