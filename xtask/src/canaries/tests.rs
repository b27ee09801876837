//! The search finds what it must, and nothing else.

use oauth_testkit::SeededEntropy;
use oauth_testkit::canary::Journal;
use oauth_testkit::flows::World;
use oauth_types::env::Entropy;
use oauth_types::{SecretText, base62 as tokens};

use super::*;

const PASSWORD: &str = "correct horse/battery-staple";

/// A folder with the journal of one program, in which `body` runs.
fn program(name: &str, body: impl FnOnce(&Journal)) -> Search {
    let folder = std::env::temp_dir().join(format!("canaries-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let journal = Journal::open(&folder, "program.7").unwrap();
    tracing::subscriber::with_default(journal.subscriber(), || body(&journal));
    let search = search(&folder, "").unwrap();
    fs::remove_dir_all(&folder).unwrap();
    search
}

/// AS-SEC-5: a test that logs a secret on purpose is caught, in whatever spelling, and what is
/// told of it is not enough to use it.
#[test]
fn a_secret_that_is_logged_on_purpose_is_found() {
    let mut bytes = [0u8; 48];
    SeededEntropy::new(9).fill(&mut bytes).unwrap();
    let secret = &bytes[16..];
    let mut text = String::new();
    tokens::push_bytes(&mut text, secret);
    let basic = |before: &str| {
        use base64::Engine as _;
        let pair = format!("{before}{PASSWORD}:");
        base64::engine::general_purpose::STANDARD.encode(pair)
    };
    for (number, line) in [
        PASSWORD.to_owned(),
        "correct%20horse%2Fbattery%2dstaple".to_owned(),
        basic(""),
        basic("a"),
        basic("ab"),
        basic("abc").replace('+', "-").replace('/', "_"),
        format!("mcpa_00{text}"),
        format!("{secret:?}"),
        secret.iter().map(|byte| format!("{byte:02x}")).collect(),
    ]
    .into_iter()
    .enumerate()
    {
        let search = program(&format!("found-{number}"), |journal| {
            journal.secret(PASSWORD);
            journal.drawn(&bytes);
            tracing::trace!(target: "oauth_core::somewhere", "all is well");
            let span = tracing::debug_span!("request", credential = line);
            span.in_scope(|| tracing::debug!("nothing to see"));
        });
        let complaints = search.complaints();
        assert!(!complaints.is_empty(), "{line}");
        for told in complaints {
            assert!(told.starts_with("program.7.log, line "), "{told}");
            assert!(!told.contains(&line[..8]), "{told} tells too much");
        }
    }
}

/// A whole story at TRACE, with everything that took part printed by its `Debug`, holds none of
/// its secrets; what is public may be there.
#[test]
fn a_story_without_a_slip_is_searched_and_nothing_is_found() {
    let search = program("story", |journal| {
        let world = World::new(5);
        let app = world.register();
        let code = world.approve(&app, &world.browser("alice"));
        let tokens = world.redeem(&app, &code).unwrap();
        let refresh = tokens.refresh_token.as_deref().unwrap();
        for secret in [&code.code, &code.verifier, &tokens.access_token, refresh] {
            journal.secret(secret);
        }
        tracing::info!("{} got a token", app.client_id);
    });
    assert_eq!(search.complaints(), [""; 0]);
    assert!(search.bytes > 500, "{}", search.in_words());
}

/// Green and empty is red.
#[test]
fn a_search_of_nothing_and_for_nothing_is_a_failure() {
    let nothing = program("nothing", |_| {});
    assert_eq!(nothing.complaints().len(), 2);
    let silent = program("silent", |journal| journal.secret(PASSWORD));
    assert_eq!(silent.complaints(), ["no test program logged anything"]);
}

/// What the server generates is what the search knows how to spell.
#[test]
fn drawn_secrets_are_spelt_as_the_server_spells_them() {
    let drawn = SecretText::generate(&SeededEntropy::new(3)).unwrap();
    let mut bytes = [0u8; 32];
    SeededEntropy::new(3).fill(&mut bytes).unwrap();
    assert_eq!(base62(&bytes), drawn.expose().as_bytes());
}
