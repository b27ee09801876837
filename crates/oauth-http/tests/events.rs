//! What an auditor learns from a day's events, and that no secret is among it.

mod common;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use common::{Server, cookies, encode, handle, json, location};
use http::{Request, header};
use oauth_core::types::{ClientId, Lifetime, Subject};
use oauth_core::{Event, EventSink, InProcessLimiter, Source};
use oauth_testkit::block_on;
use oauth_testkit::flows::parameter;

/// Everything that was noted, as text.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<String>>>);

impl EventSink for Book {
    fn record(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

/// AS-SEC-5, AS-SEC-6: registration, sign-in, consent, issue, refresh, retry, reuse, revocation,
/// withdrawal, failures and limits are noted; codes, tokens, verifiers, cookies, passwords and
/// secrets are not, in whatever spelling.
#[test]
fn a_day_is_told_without_a_secret() {
    let book = Book::default();
    let server = Server::build(|builder| {
        builder
            .events(book.clone())
            .ports(|ports| ports.limiter(InProcessLimiter::default()))
    });
    let (app, id) = (&server.public, &*server.public.client_id);
    let verifier = "v".repeat(43);
    let mut secrets = vec![verifier.clone(), "wonderland".to_owned()];
    secrets.extend(server.confidential.client_secret.clone());

    // A person signs in and says yes; another time no.
    let page = server.authorize(&server.query(app, &verifier), "");
    let login = [
        ("transaction", &*handle(&page)),
        ("username", "alice"),
        ("password", "wonderland"),
    ];
    let consent = server.interact(&cookies(&page), &login);
    let all = format!("{}; {}", cookies(&page), cookies(&consent));
    secrets.extend(all.split([';', '=']).map(|part| part.trim().to_owned()));
    secrets.push(handle(&consent));
    let yes = [("transaction", &*handle(&consent)), ("decision", "approve")];
    let to = location(&server.interact(&all, &yes));
    let second = server.authorize(&server.query(app, &verifier), &all);
    let no = [("transaction", &*handle(&second)), ("decision", "deny")];
    server.interact(&all, &no);
    server.interact("", &no);

    // The code is guessed at, redeemed, and replayed.
    secrets.extend(parameter(&to, "code"));
    let token = |form: &[(&str, &str)]| {
        let answer = server.post("/token", form);
        let body = json(&answer);
        ["access_token", "refresh_token"]
            .map(|member| body[member].as_str().unwrap_or_default().to_owned())
    };
    let form = server.redemption(app, &to, &verifier);
    let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (&**n, &**v)).collect();
    let mut wrong = form.clone();
    let other = "w".repeat(43);
    wrong.retain(|(name, _)| *name != "code_verifier");
    wrong.push(("code_verifier", &other));
    token(&wrong);
    let first = token(&form);
    token(&form);

    // Another grant: refreshed, asked for again, then an old token comes back.
    let tokens = server.tokens(app);
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let again = |held: &str| {
        token(&[
            ("client_id", id),
            ("grant_type", "refresh_token"),
            ("refresh_token", held),
        ])
    };
    let next = again(&refresh);
    again(&refresh);
    server.clock.advance(Lifetime::minutes(1));
    again(&refresh);

    // Revoked by the client, taken back by the person, ended by an operator.
    let tokens = server.tokens(app);
    let held = tokens["access_token"].as_str().unwrap().to_owned();
    server.post("/revoke", &[("client_id", id), ("token", &held)]);
    let authorization = server.service.authorization_server();
    let (alice, client) = (Subject::new("alice"), ClientId::new(id));
    block_on(authorization.withdraw(&alice, &client)).unwrap();
    block_on(authorization.revoke_client(&client)).unwrap();
    block_on(authorization.sign_out_everywhere(&alice)).unwrap();

    // Somebody guesses secrets until it is enough.
    for _ in 0..25 {
        let form = [
            ("client_id", &*server.confidential.client_id),
            ("client_secret", "guessed-secret"),
            ("grant_type", "refresh_token"),
        ];
        let request = Request::post("/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encode(&form))
            .unwrap();
        let (parts, body) = request.into_parts();
        let from: IpAddr = "203.0.113.5".parse().unwrap();
        block_on(
            server
                .service
                .handle(parts, body.into(), Source(Some(from))),
        );
    }
    secrets.push("guessed-secret".to_owned());
    // Or puts the right one into the wrong field.
    let secret = server.confidential.client_secret.as_deref().unwrap();
    token(&[("client_id", secret), ("grant_type", "refresh_token")]);
    secrets.extend(first.into_iter().chain(next).chain([refresh, held]));

    let told = book.0.lock().unwrap().join("\n");
    for kind in [
        "ClientRegistered",
        "SignedIn",
        "GrantApproved",
        "GrantDenied",
        "BrowserMismatch",
        "VerifierMismatch",
        "CodeRedeemed",
        "GrantClosed",
        "CodeReplayed",
        "TokenRefreshed",
        "RefreshRetried",
        "RefreshTokenReused",
        "AccessTokenRevoked",
        "ClientWithdrawn",
        "ClientRevoked",
        "SubjectSignedOut",
        "ClientAuthenticationFailed",
        "Limited",
    ] {
        assert!(told.contains(kind), "{kind} is not told of");
    }
    secrets.retain(|secret| secret.len() > 12 || secret == "wonderland");
    assert!(secrets.len() > 12, "{}", secrets.len());
    for secret in secrets {
        let escaped = encode(&[("", &secret)]);
        for spelling in [secret.as_str(), escaped.trim_start_matches('=')] {
            assert!(!told.contains(spelling), "{spelling}");
        }
    }
}
