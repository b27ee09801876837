//! Sign-in and its neighbours, with servers that say what ours never would.

mod common;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use common::scripted::{
    ASM, PRM, Robot, Said, Scene, TOKEN, Web, asm, prm, registered_body, tokens, with,
};
use oauth_client::agent::Visit;
use oauth_client::types::{Lifetime, Scope, SecretText};
use oauth_client::{
    AuthorizationError, BearerChallenge, Client, ClientConfig, ClientError, Leniency, Ports,
    UserAgentError,
};
use oauth_testkit::block_on;

/// CL-AUTHZ-1, CL-AUTHZ-2, CL-AUTHZ-6, CL-AUTHZ-10, CL-TOK-4: what is asked for, and that the code goes
/// where it belongs with the verifier to its challenge.
#[test]
fn a_sign_in_asks_for_what_it_should() {
    let scene = Scene::new(Web::usual());
    scene.sign_in().unwrap();
    let sent = scene.robot.last();
    assert_eq!(sent["response_type"], "code");
    assert_eq!(sent["code_challenge_method"], "S256");
    assert_eq!(sent["resource"], common::MCP);
    assert_eq!(sent["client_id"], "registered");
    assert!(!sent.contains_key("scope"), "nothing says which");
    let exchange = scene.web.last(TOKEN);
    assert_eq!(exchange.form["grant_type"], "authorization_code");
    assert_eq!(exchange.form["resource"], common::MCP);
    assert_eq!(
        exchange.form["redirect_uri"],
        "http://127.0.0.1:4711/callback"
    );
    assert_eq!(exchange.form["client_id"], "registered");
    assert_eq!(exchange.authorization, None);
    let verifier = oauth_client::types::CodeVerifier::parse(&exchange.form["code_verifier"]);
    let challenge = oauth_client::types::CodeChallenge::of(verifier.unwrap());
    assert_eq!(challenge.to_string(), sent["code_challenge"]);
    // Another sign-in has others of its own.
    scene.sign_in().unwrap();
    let again = scene.robot.last();
    assert_ne!(again["state"], sent["state"]);
    assert_ne!(again["code_challenge"], sent["code_challenge"]);
}

/// CL-DISC-7: a server that does not promise PKCE with S256 is not used.
#[test]
fn without_s256_nobody_is_sent_anywhere() {
    for methods in [serde_json::json!(null), serde_json::json!(["plain"])] {
        let scene = Scene::new(with("code_challenge_methods_supported", methods));
        let said = scene.sign_in().unwrap_err().to_string();
        assert!(said.contains("expected PKCE with S256"), "{said}");
        assert!(scene.robot.visits.lock().unwrap().is_empty());
    }
}

/// CL-AUTHZ-12, CL-TOK-13: endpoints that nobody may be sent to, or that would see secrets in the
/// clear.
#[test]
fn endpoints_that_are_not_safe_are_not_used() {
    for (member, bad) in [
        ("authorization_endpoint", "javascript:alert(1)"),
        ("authorization_endpoint", "file:///etc/passwd"),
        ("authorization_endpoint", "data:text/html,x"),
        ("authorization_endpoint", "http://as.example/authorize"),
        ("authorization_endpoint", "https://192.168.0.1/authorize"),
        (
            "authorization_endpoint",
            "https://user@as.example/authorize",
        ),
        ("token_endpoint", "http://as.example/token"),
        ("token_endpoint", "https://127.0.0.1/token"),
        ("token_endpoint", "http://localhost/token"),
        ("registration_endpoint", "http://as.example/register"),
        ("registration_endpoint", "https://[fd00::1]/register"),
    ] {
        let scene = Scene::new(with(member, bad));
        assert!(scene.sign_in().is_err(), "{bad}");
        let to = |line: &String| line.contains(bad);
        assert!(!scene.web.lines().iter().any(to), "{bad}");
        assert!(scene.robot.visits.lock().unwrap().is_empty(), "{bad}");
    }
}

/// CL-AUTHZ-8, CL-AUTHZ-9, CL-AUTHZ-14, CL-AUTHZ-6: the table of answers; nothing of a wrong one is
/// repeated, and no code goes anywhere.
#[test]
fn answers_of_others_are_not_believed() {
    let (promised, quiet) = (true, false);
    for (iss, answer, good) in [
        (quiet, "code=c&state={s}", true),
        (promised, "code=c&state={s}", false),
        (
            promised,
            "code=c&state={s}&iss=https%3A%2F%2Fas.example",
            true,
        ),
        (quiet, "code=c&state={s}&iss=https%3A%2F%2Fas.example", true),
        (
            quiet,
            "code=c&state={s}&iss=https%3A%2F%2Fas.example%2F",
            false,
        ),
        (
            quiet,
            "code=c&state={s}&iss=https%3A%2F%2FAS.example",
            false,
        ),
        (quiet, "code=c&state={s}&iss=", false),
        (
            promised,
            "error=evil-word&error_description=evil-text&state={s}&iss=https%3A%2F%2Fevil.example",
            false,
        ),
        (
            promised,
            "error=evil-word&state=x&iss=https%3A%2F%2Fas.example",
            false,
        ),
        (quiet, "code=c", false),
        (quiet, "code=c&state=", false),
        (quiet, "code=c&state={s}x", false),
        (quiet, "code=c&code=d&state={s}", false),
        (quiet, "code=c&state={s}&state={s}", false),
        (
            quiet,
            "code=c&state={s}&iss=https%3A%2F%2Fas.example&iss=https%3A%2F%2Fas.example",
            false,
        ),
        (quiet, "?code=c&state={s}&unknown=1&unknown=2", true),
        (quiet, "state={s}", false),
        (quiet, "", false),
    ] {
        let web = with("authorization_response_iss_parameter_supported", iss);
        let mut scene = Scene::new(web);
        scene.robot = Robot::new(move |sent| answer.replace("{s}", &sent["state"]));
        let outcome = scene.sign_in();
        assert_eq!(outcome.is_ok(), good, "{answer}");
        if let Err(error) = outcome {
            assert!(!format!("{error}{error:?}").contains("evil-"), "{error:?}");
            assert!(
                !scene.web.lines().iter().any(|line| line == TOKEN),
                "{answer}"
            );
        }
    }
}

/// A browser that nobody comes back from.
struct Forgotten;

#[async_trait::async_trait]
impl oauth_client::UserAgent for Forgotten {
    async fn begin(&self) -> Result<Box<dyn Visit>, UserAgentError> {
        Ok(Box::new(Self))
    }
}

#[async_trait::async_trait]
impl Visit for Forgotten {
    fn redirect_uri(&self) -> &str {
        "http://127.0.0.1:4711/callback"
    }

    async fn visit(self: Box<Self>, _: &str) -> Result<SecretText, UserAgentError> {
        std::future::pending().await
    }
}

/// CL-TOK-8: while somebody signs in for more scope, a token that is still good is used, also when it
/// would be renewed otherwise; once it has ended, it is waited for.
#[test]
fn a_good_token_waits_for_nobody() {
    let scene = Scene::new(Web::usual());
    scene.sign_in().unwrap();
    let config = ClientConfig::new(common::MCP, "Test").unwrap();
    let ports = Ports::new(
        scene.web.clone(),
        scene.clock.clone(),
        scene.entropy.clone(),
    )
    .store(scene.store.clone())
    .user_agent(Forgotten);
    let client = Client::new(config, ports);
    block_on(client.access_token()).unwrap().unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let challenge = BearerChallenge::default();
    let mut signing_in = pin!(client.sign_in(&challenge));
    assert!(signing_in.as_mut().poll(&mut context).is_pending());
    scene.clock.advance(Lifetime::seconds(3570));
    let token = pin!(client.access_token()).poll(&mut context);
    assert!(matches!(token, Poll::Ready(Ok(Some(_)))));
    scene.clock.advance(Lifetime::seconds(30));
    assert!(pin!(client.access_token()).poll(&mut context).is_pending());
}

/// CL-TOK-6: the refresh token stays where none comes, and gives way where one does.
#[test]
fn a_refresh_token_is_replaced_or_kept() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    let mut without = tokens("second");
    without.as_object_mut().unwrap().remove("refresh_token");
    scene
        .web
        .put(TOKEN, Said::json(without))
        .then(TOKEN, Said::json(tokens("third")));
    for (access, refresh) in [
        ("access-second", "refresh-first"),
        ("access-third", "refresh-third"),
    ] {
        scene.clock.advance(Lifetime::seconds(3590));
        let token = block_on(client.access_token()).unwrap().unwrap();
        assert!(token.secret().expose().starts_with(access));
        let kept = scene.credentials("https://as.example").unwrap();
        assert!(kept.refresh_token.unwrap().expose().starts_with(refresh));
    }
}

/// CL-TOK-7: whoever does not know our lock refreshed first: what they saved is used.
#[test]
fn after_an_invalid_grant_the_store_is_read_once_more() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    let other = scene.client(|config| config);
    block_on(other.access_token()).unwrap().unwrap();
    scene.clock.advance(Lifetime::seconds(3590));
    // The other one has not looked at the store since.
    scene.web.put(TOKEN, Said::json(tokens("second")));
    block_on(client.access_token()).unwrap().unwrap();
    scene.web.put(TOKEN, Said::error(400, "invalid_grant"));
    let token = block_on(other.access_token()).unwrap().unwrap();
    assert!(token.secret().expose().starts_with("access-second"));
    // Nobody has another one: what is held is spent, and the store is empty.
    scene.clock.advance(Lifetime::seconds(3590));
    assert!(block_on(other.access_token()).unwrap().is_none());
    assert!(scene.credentials("https://as.example").is_none());
}

/// CL-TOK-9: a challenge names what this operation lacks; asked for is that and all there was, by a
/// new sign-in, since a refresh cannot widen a grant.
#[test]
fn a_step_up_asks_for_all_that_was_asked_for_before() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    let mut challenge = BearerChallenge::default();
    challenge.scope = Some(Scope::parse("read list").unwrap());
    let token = block_on(client.sign_in(&challenge)).unwrap();
    challenge.error = Some("insufficient_scope".to_owned());
    challenge.scope = Some(Scope::parse("write").unwrap());
    scene.web.put(TOKEN, Said::json(tokens("second")));
    let forbidden = http::StatusCode::FORBIDDEN;
    let rejection = oauth_client::Rejection::new(forbidden, challenge, Some(&token), "write");
    let wider = block_on(client.rejected(&rejection)).unwrap().unwrap();
    assert_eq!(scene.robot.last()["scope"], "list read write");
    assert_eq!(wider.scope().unwrap().as_str(), "list read write");
    assert_eq!(
        scene.web.last(TOKEN).form["grant_type"],
        "authorization_code"
    );
    // For another reason the refusal is the answer.
    let plain = BearerChallenge::default();
    let rejection = oauth_client::Rejection::new(forbidden, plain, Some(&wider), "write");
    assert!(block_on(client.rejected(&rejection)).unwrap().is_none());
}

/// CL-TOK-9, CL-AUTHZ-3: the Python SDK's server does not say which scope is missing. Then its metadata,
/// as they are by now, are what a sign-in goes by; and where they list nothing that the token lacks,
/// nobody is bothered.
#[test]
fn a_step_up_that_does_not_say_for_what_asks_for_what_is_listed() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    let lists = |scope: serde_json::Value| {
        let mut document = prm("https://as.example");
        document["scopes_supported"] = scope;
        scene.web.put(PRM, Said::json(document));
    };
    lists(serde_json::json!(["read"]));
    let token = block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    let mut challenge = BearerChallenge::default();
    challenge.error = Some("insufficient_scope".to_owned());
    let forbidden = http::StatusCode::FORBIDDEN;
    let refused = |token| {
        let rejection = oauth_client::Rejection::new(forbidden, challenge.clone(), token, "write");
        block_on(client.rejected(&rejection)).unwrap()
    };
    assert!(refused(Some(&token)).is_none(), "nothing more to ask for");
    assert_eq!(scene.robot.visits.lock().unwrap().len(), 1);

    // A new version of the server wants more; the person at first gives less than is asked for.
    lists(serde_json::json!(["write"]));
    let mut less = tokens("second");
    less["scope"] = "read".into();
    scene.web.put(TOKEN, Said::json(less));
    let narrow = refused(Some(&token)).unwrap();
    assert_eq!(scene.robot.last()["scope"], "read write");
    scene.web.put(TOKEN, Said::json(tokens("third")));
    let wider = refused(Some(&narrow)).unwrap();
    assert_eq!(scene.robot.last()["scope"], "read write");
    assert_eq!(wider.scope().unwrap().as_str(), "read write");
    assert!(refused(Some(&wider)).is_none());

    // The same for a program that sends people off itself.
    lists(serde_json::json!(["erase"]));
    let begun = block_on(client.begin(&challenge, "https://app.example/callback")).unwrap();
    assert!(
        begun.url.contains("scope=erase+read+write"),
        "{}",
        begun.url
    );
}

/// CL-TOK-10: a server that always wants more is not asked for ever.
#[test]
fn stepping_up_ends() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    let mut token = block_on(client.sign_in(&BearerChallenge::default())).unwrap();
    let mut challenge = BearerChallenge::default();
    challenge.error = Some("insufficient_scope".to_owned());
    challenge.scope = Some(Scope::parse("more").unwrap());
    let mut error = None;
    for at in 0..5 {
        let name = format!("step{at}");
        scene.web.put(TOKEN, Said::json(tokens(&name)));
        let rejection = oauth_client::Rejection::new(
            http::StatusCode::FORBIDDEN,
            challenge.clone(),
            Some(&token),
            "tools/call write",
        );
        match block_on(client.rejected(&rejection)) {
            Ok(next) => token = next.unwrap(),
            Err(last) => {
                error = Some(last);
                break;
            }
        }
    }
    assert!(
        matches!(error, Some(ClientError::StepUpLimit { times: 2, .. })),
        "{error:?}"
    );
    assert_eq!(scene.robot.visits.lock().unwrap().len(), 3);
}

/// CL-AUTHZ-7, CL-AUTHZ-16: the second half of a sign-in goes to the endpoints that the first half was bound to,
/// or nowhere.
#[test]
fn a_sign_in_does_not_change_its_server_half_way() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config);
    let redirect_uri = "https://app.example/callback";
    let begun = block_on(client.begin(&BearerChallenge::default(), redirect_uri)).unwrap();
    let mut document = asm("https://as.example");
    document["token_endpoint"] = "https://evil.example/token".into();
    scene.web.put(ASM, Said::json(document));
    let (_, query) = begun.url.split_once('?').unwrap();
    let sent: std::collections::HashMap<String, String> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let answer = format!("code=the-code&state={}", sent["state"]);
    let another = scene.client(|config| config);
    let error = block_on(another.finish(begun.pending, &answer))
        .unwrap_err()
        .to_string();
    assert!(error.contains("with which this sign-in began"), "{error}");
    assert!(
        !scene
            .web
            .lines()
            .iter()
            .any(|line| line.contains("evil") || line == TOKEN)
    );
    assert_eq!(registered_body(&scene.web)["application_type"], "web");
}

/// CL-AUTHZ-11: an answer may come to https, or to this computer.
#[test]
fn redirect_uris_are_https_or_loopback() {
    let scene = Scene::new(Web::usual());
    let client = scene.client(|config| config.leniency(Leniency::STRICT));
    for uri in [
        "http://app.example/cb",
        "com.example.app:/cb",
        "javascript:x",
        "cb",
    ] {
        let error = block_on(client.begin(&BearerChallenge::default(), uri)).unwrap_err();
        let refused = matches!(
            error,
            ClientError::Authorization(AuthorizationError::RedirectUri(_))
        );
        assert!(refused, "{uri}: {error}");
    }
}
