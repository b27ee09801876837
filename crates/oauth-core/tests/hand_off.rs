//! The decision of a page elsewhere, told without HTTP.

use oauth_core::approval::ResumeError;
use oauth_core::types::{AuthenticationContext, Issuer, Lifetime, Scope, Subject, Timestamp};
use oauth_core::{
    Approval, ApprovalError, Authentication, CarryOutError, ConsentPage, Decision, Redirect,
};
use oauth_testkit::block_on;
use oauth_testkit::flows::{App, Browser, Code, World, parameter};

const RESUME: &str = "https://mcp.example/authorize/resume?decision=";

/// A browser is sent to the page: the handle it brings there, and the client's verifier.
fn hand_off(world: &World, app: &App, browser: &Browser) -> (String, String) {
    let (pending, verifier) = world.ask(app, browser, "mcp:tools mcp:write");
    let issuer = &world.server.config().issuer;
    let page = ConsentPage::parse("https://accounts.example/consent", issuer).unwrap();
    let redirect = world.server.hand_off(&pending, &page).unwrap();
    assert_eq!(redirect.host(), "accounts.example");
    let handle = parameter(redirect.location(), "transaction").unwrap();
    (handle, verifier)
}

fn yes(person: &str) -> Decision {
    let context = AuthenticationContext::new(Some("loa2"), ["pwd"]).unwrap();
    let at = Timestamp::from_unix(1_799_999_000);
    let authentication = Authentication::of(Subject::new(person)).at(at).by(context);
    Decision::Approve(
        authentication,
        Approval::of(Scope::parse("mcp:tools").unwrap()),
    )
}

/// The decision as it comes back in a browser.
fn decide(world: &World, handle: &str, decision: Decision) -> String {
    let pending = world.server.handed_off(handle).unwrap();
    let decided = block_on(world.server.decide(&pending, decision)).unwrap();
    assert_eq!(decided.expires_in, Lifetime::seconds(60));
    decided.resume_uri.strip_prefix(RESUME).unwrap().to_owned()
}

fn carry_out(world: &World, decision: &str, browser: &Browser) -> Result<Redirect, CarryOutError> {
    block_on(world.server.carry_out(decision, Some(&browser.binding)))
}

/// AS-AT-4: the grant is of the person who decided there, whoever is signed in here.
#[test]
fn the_grant_is_of_the_person_who_decided() {
    let world = World::new(81);
    let app = world.register();
    let browser = world.browser("somebody else");
    let (handle, verifier) = hand_off(&world, &app, &browser);
    let pending = world.server.handed_off(&handle).unwrap();
    assert_eq!(pending.scope().as_str(), "mcp:tools mcp:write");
    let decision = decide(&world, &handle, yes("alice"));
    let redirect = carry_out(&world, &decision, &browser).unwrap();
    let again = carry_out(&world, &decision, &browser).unwrap();
    assert_eq!(again.location(), redirect.location());
    let code = parameter(redirect.location(), "code").unwrap();
    let tokens = world.redeem(&app, &Code { code, verifier }).unwrap();
    let claims = world.check(&tokens.access_token).unwrap();
    assert_eq!(claims.subject.as_str(), "alice");
    assert_eq!(claims.scope.as_str(), "mcp:tools");
    assert_eq!(claims.auth_time, Some(Timestamp::from_unix(1_799_999_000)));
    let context = claims.authentication.unwrap();
    assert_eq!(
        (context.acr(), context.amr()),
        (Some("loa2"), &["pwd".to_owned()][..])
    );
    let used = carry_out(&world, &decision, &browser);
    assert!(matches!(
        used,
        Err(CarryOutError::Approval(ApprovalError::AlreadyAnswered))
    ));
}

/// Begun by one, decided by another: the decision is worth nothing to either.
#[test]
fn a_decision_is_good_in_the_browser_that_began_only() {
    let world = World::new(82);
    let app = world.register();
    let (attacker, victim) = (world.browser("mallory"), world.browser("alice"));
    let (handle, _) = hand_off(&world, &app, &attacker);
    for decision in [yes("alice"), Decision::Deny] {
        let decision = decide(&world, &handle, decision);
        let refused = [
            carry_out(&world, &decision, &victim),
            block_on(world.server.carry_out(&decision, None)),
        ];
        for refused in refused {
            let other = matches!(
                refused,
                Err(CarryOutError::Resume(ResumeError::OtherBrowser))
            );
            assert!(other);
        }
    }
    let with_handle = carry_out(&world, &handle, &attacker);
    let foreign = matches!(
        with_handle,
        Err(CarryOutError::Resume(ResumeError::Expired))
    );
    assert!(foreign);
}

/// A page is reached over https, or on loopback by an issuer that is there itself.
#[test]
fn a_page_is_where_nobody_listens_in() {
    let issuer = |text| Issuer::parse(text).unwrap();
    let (far, near) = (
        issuer("https://mcp.example"),
        issuer("http://127.0.0.1:3000"),
    );
    for (text, from_far, from_near) in [
        ("https://accounts.example/consent?lang=en", true, true),
        ("http://localhost:4000/consent", false, true),
        ("http://accounts.example/consent", false, false),
        ("https://accounts.example/#consent", false, false),
        ("https://user@accounts.example/", false, false),
        ("com.example.app:/consent", false, false),
        ("/consent", false, false),
    ] {
        assert_eq!(ConsentPage::parse(text, &far).is_ok(), from_far, "{text}");
        assert_eq!(ConsentPage::parse(text, &near).is_ok(), from_near, "{text}");
    }
}
