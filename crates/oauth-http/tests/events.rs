//! What an auditor learns from a day's events, and that no secret is among it.

mod common;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use common::{PlainPages, Server, cookies, encode, handle, json, location};
use http::{Request, header};
use oauth_core::types::{ClientId, Lifetime, Subject};
use oauth_core::{EventSink, InProcessLimiter, Noted, Personal, Source};
use oauth_http::server::{ForwardedHeader, OAuthService, TrustedProxies};
use oauth_testkit::block_on;
use oauth_testkit::flows::parameter;
use serde_json::Value;

/// Everything that was noted, as text.
#[derive(Clone, Default)]
struct Book(Arc<Mutex<Vec<String>>>);

impl EventSink for Book {
    fn record(&self, noted: &Noted<'_>) {
        let line = noted.to_json(Personal::Clear);
        self.0.lock().unwrap().push(format!("{noted:?} {line}"));
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

/// Everything that was noted, as lines of an audit log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<[Value; 2]>>>);

impl EventSink for Lines {
    fn record(&self, noted: &Noted<'_>) {
        let lines = [Personal::Pseudonyms, Personal::Clear].map(|personal| {
            let line = noted.to_json(personal);
            assert!(!line.contains('\n'), "{line}");
            serde_json::from_str(&line).unwrap()
        });
        self.0.lock().unwrap().push(lines);
    }
}

impl Lines {
    /// What was noted since, as the log shows it by default and in clear.
    fn take(&self) -> Vec<[Value; 2]> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn refresh(service: &OAuthService, form: &[(&str, &str)], from: &str, traces: &[&str]) {
    let mut request =
        Request::post("/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for trace in traces {
        request = request.header("traceparent", *trace);
    }
    let (parts, body) = request.body(encode(form)).unwrap().into_parts();
    let from: IpAddr = from.parse().unwrap();
    block_on(service.handle(parts, body.into(), Source(Some(from))));
}

/// AS-SEC-6: whatever a request caused names that request and the neighbourhood it came from;
/// what an operator does names neither. People and addresses stand in clear only where the log's
/// owner wants them.
#[test]
fn an_event_names_its_request_and_nobody_else() {
    let lines = Lines::default();
    let server = Server::build(|builder| {
        builder
            .events(lines.clone())
            .configure(|config| config.policy.access_tokens_per_grant = 1)
    });
    let tokens = server.tokens(&server.public);
    lines.take();
    let form = |client: &'static str, token: &str| {
        [
            ("client_id", client.to_owned()),
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", token.to_owned()),
        ]
    };
    let id: &'static str = server.public.client_id.clone().leak();
    let form = form(id, tokens["refresh_token"].as_str().unwrap());
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    refresh(&server.service, &form, "203.0.113.5", &[]);
    let first = lines.take();
    assert_eq!(first.len(), 2, "{first:?}");
    let [refreshed, clear] = &first[0];
    assert_eq!(refreshed["event"], "token_refreshed");
    assert_eq!(refreshed["at"], 1_800_000_000);
    assert_eq!(refreshed["generation"], 1);
    assert_eq!(refreshed["source"], "203.0.113.0/24");
    assert_eq!(clear["source"], "203.0.113.5");
    let request = refreshed["request"].as_str().unwrap();
    assert_eq!(request.len(), 32);
    assert_eq!(first[1][0]["event"], "access_token_retired");
    assert_eq!(first[1][0]["request"], request, "of the same request");

    // A stranger's words are written down nowhere: they may be anything.
    let long = format!("a\nb\u{2028}\"{}", "x".repeat(5_000));
    let form = [("client_id", &*long), ("grant_type", "refresh_token")];
    refresh(&server.service, &form, "2001:db8:1:2ff::1", &[]);
    let second = lines.take();
    let [failed, clear] = &second[0];
    assert_eq!(failed["event"], "client_authentication_failed");
    assert_eq!(failed["source"], "2001:db8:1:200::/56");
    assert_eq!(clear["source"], "2001:db8:1:2ff::1");
    assert_ne!(failed["request"], request, "of another request");
    assert_eq!((failed.get("client"), clear.get("client")), (None, None));

    let authorization = server.service.authorization_server();
    let alice = Subject::new("alice");
    block_on(authorization.set_disabled(&alice, true)).unwrap();
    block_on(authorization.set_disabled(&alice, false)).unwrap();
    let third = lines.take();
    let names = |[hidden, clear]: &[Value; 2]| {
        assert_eq!(
            (&hidden["request"], &hidden["source"]),
            (&Value::Null, &Value::Null)
        );
        let subject = |line: &Value| line["subject"].as_str().map(str::to_owned);
        (
            hidden["event"].as_str().unwrap().to_owned(),
            subject(hidden),
            subject(clear),
        )
    };
    let pseudonym = authorization.pseudonym(&alice);
    assert!(pseudonym.len() == 16 && pseudonym != authorization.pseudonym(&Subject::new("bob")));
    let about = |event: &str| {
        (
            event.to_owned(),
            Some(pseudonym.clone()),
            Some("alice".to_owned()),
        )
    };
    let third: Vec<_> = third.iter().map(names).collect();
    assert_eq!(third[0].0, "grant_closed");
    assert_eq!(
        third[1..],
        ["subject_signed_out", "subject_disabled", "subject_enabled"].map(about)
    );
}

/// AS-SEC-2: a request is named by a trusted proxy that is asked to, and by nobody else.
#[test]
fn only_a_proxy_that_is_asked_to_names_requests() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sound = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let lines = Lines::default();
    let server = Server::build(|builder| builder.events(lines.clone()));
    lines.take();
    let service = |proxies: Option<TrustedProxies>| {
        let authorization = server.service.authorization_server().clone();
        let service = OAuthService::new(authorization, Arc::new(PlainPages));
        match proxies {
            Some(proxies) => service.behind(proxies),
            None => service,
        }
    };
    let proxies = || TrustedProxies::new(["10.0.0.0/8"], ForwardedHeader::Forwarded).unwrap();
    let name = |service: &OAuthService, peer: &str, traces: &[&str]| {
        refresh(
            service,
            &[("client_id", "nobody"), ("grant_type", "x")],
            peer,
            traces,
        );
        lines.take()[0][0]["request"].as_str().unwrap().to_owned()
    };
    let asked = service(Some(proxies().naming_requests()));
    assert_eq!(name(&asked, "10.1.2.3", &[&sound]), TRACE);
    let later = format!("01-{TRACE}-00f067aa0ba902b7-01-more");
    assert_eq!(name(&asked, "10.1.2.3", &[&later]), TRACE);
    for (service, peer, traces) in [
        (&asked, "203.0.113.5", vec![&*sound]),
        (&service(Some(proxies())), "10.1.2.3", vec![&*sound]),
        (&service(None), "10.1.2.3", vec![&*sound]),
        (&asked, "10.1.2.3", vec![&*sound, &*sound]),
        (&asked, "10.1.2.3", vec![]),
        (&asked, "10.1.2.3", vec![TRACE]),
        (&asked, "10.1.2.3", vec![&*sound.to_uppercase()]),
        (&asked, "10.1.2.3", vec![&*format!("ff{}", &sound[2..])]),
        (&asked, "10.1.2.3", vec![&*format!("{sound}-more")]),
        (
            &asked,
            "10.1.2.3",
            vec![&*format!("00-{TRACE}-0000000000000000-01")],
        ),
        (
            &asked,
            "10.1.2.3",
            vec![&*format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))],
        ),
    ] {
        let given = name(service, peer, &traces);
        assert_eq!(given.len(), 32);
        assert_ne!(given, TRACE, "{peer} {traces:?}");
    }
}
