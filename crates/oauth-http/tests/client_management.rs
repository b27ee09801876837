//! A client reads, changes and deletes what it registered. Spec: RFC 7592.

mod common;

use async_trait::async_trait;
use common::managing::{confidential, register, send};
use common::registering::server;
use common::{Server, error, json, text};
use http::{Request, header};
use oauth_core::types::ClientId;
use oauth_core::types::registration::ClientMetadata;
use oauth_core::{Circumstances, InProcessLimiter, Refused, RegistrationPolicy};
use oauth_testkit::block_on;
use oauth_testkit::faults::Fault;
use oauth_testkit::flows::{App, World};
use serde_json::{Value, json};

/// AS-DCM-1, AS-DCM-2: the answer to the registration says where and with what, and there stands
/// all that was registered.
#[test]
fn a_client_reads_what_it_registered() {
    let server = server(|_| {});
    let managed = register(&server, &confidential());
    let id = &managed.app.client_id;
    assert_eq!(managed.uri, format!("https://mcp.example/register/{id}"));
    let answer = managed.get(&server);
    assert_eq!(answer.status(), 200);
    assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
    assert_eq!(text(&answer, header::PRAGMA), "no-cache");
    assert_eq!(
        json(&answer),
        json!({
            "client_id": id,
            "client_id_issued_at": 1_800_000_000,
            "client_secret_expires_at": 0,
            "registration_client_uri": managed.uri,
            "registration_access_token": managed.token,
            "redirect_uris": ["https://app.example/cb"],
            "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "application_type": "web",
            "client_name": "An app",
            "client_name#de": "Ein Programm",
            "logo_uri": "https://app.example/logo.png",
            "scope": "mcp:tools mcp:write",
        })
    );
}

/// AS-DCM-3: an update is the whole registration; what it leaves out is gone, and what the
/// server alone says is refused.
#[test]
fn an_update_replaces_the_whole_registration() {
    let server = server(|_| {});
    let managed = register(&server, &confidential());
    let secret = managed.app.client_secret.clone().unwrap();
    let before = json(&managed.get(&server));
    let whole = json!({
        "client_id": managed.app.client_id,
        "client_secret": secret,
        "redirect_uris": ["https://app.example/other"],
        "token_endpoint_auth_method": "client_secret_post",
    });
    let with = |member: &str, value: Value| {
        let mut body = whole.clone();
        body[member] = value;
        body
    };
    let mut anonymous = whole.clone();
    anonymous.as_object_mut().unwrap().remove("client_id");
    for (body, code) in [
        (anonymous, "invalid_client_metadata"),
        (json!([]), "invalid_client_metadata"),
        (
            with("client_id", json!("c_other")),
            "invalid_client_metadata",
        ),
        (with("client_id", json!(1)), "invalid_client_metadata"),
        (
            with("client_secret", json!("chosen")),
            "invalid_client_metadata",
        ),
        (
            with("registration_access_token", json!("x")),
            "invalid_client_metadata",
        ),
        (
            with("registration_client_uri", json!("x")),
            "invalid_client_metadata",
        ),
        (
            with("client_secret_expires_at", json!(0)),
            "invalid_client_metadata",
        ),
        (
            with("client_id_issued_at", json!(0)),
            "invalid_client_metadata",
        ),
        (
            with("token_endpoint_auth_method", json!("none")),
            "invalid_client_metadata",
        ),
        (
            with("redirect_uris", json!(["http://app.example/"])),
            "invalid_redirect_uri",
        ),
        (with("redirect_uris", json!([])), "invalid_redirect_uri"),
    ] {
        assert_eq!(
            error(&managed.put(&server, &body)),
            (400, code.to_owned()),
            "{body}"
        );
    }
    assert_eq!(json(&managed.get(&server)), before);

    let answer = managed.put(&server, &whole);
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
    let answer = json(&answer);
    assert_eq!(
        answer["redirect_uris"],
        json!(["https://app.example/other"])
    );
    assert_eq!(answer["grant_types"], json!(["authorization_code"]));
    for gone in ["client_name", "client_name#de", "logo_uri", "client_secret"] {
        assert_eq!(answer.get(gone), None, "{gone}");
    }
    assert_eq!(json(&managed.get(&server)), answer);
    assert!(managed.proves(&server, &secret));

    // The old address gets no code any more, the new one does.
    let page = server.authorize(&server.query(&managed.app, &"v".repeat(43)), "");
    assert_eq!(page.status(), 400);
    let app = App {
        redirect_uri: "https://app.example/other".to_owned(),
        ..managed.app
    };
    server.tokens(&app);
}

/// AS-DCM-4: nothing of a deleted client works any more.
#[test]
fn a_deleted_client_takes_everything_with_it() {
    let server = server(|rules| rules.manage_public_registrations = true);
    let public = json!({
        "redirect_uris": ["http://127.0.0.1/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    for body in [confidential(), public] {
        let managed = register(&server, &body);
        let stranger = register(&server, &body);
        let (tokens, others) = (server.tokens(&managed.app), server.tokens(&stranger.app));
        let answer = managed.delete(&server);
        assert_eq!(answer.status(), 204);
        assert!(answer.body().is_empty());
        assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");

        let active = |tokens: &Value| {
            let token = tokens["access_token"].as_str().unwrap();
            let claims = block_on(
                server
                    .service
                    .authorization_server()
                    .check_access_token(token),
            );
            claims.unwrap().is_some()
        };
        assert!(!active(&tokens) && active(&others));
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("client_id", managed.app.client_id.as_str()),
            ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ];
        if let Some(secret) = &managed.app.client_secret {
            form.push(("client_secret", secret));
        }
        assert_eq!(
            error(&server.post("/token", &form)),
            (401, "invalid_client".to_owned())
        );
        for answer in [managed.get(&server), managed.delete(&server)] {
            assert_eq!(error(&answer), (401, "invalid_token".to_owned()));
        }
    }
}

/// AS-DCM-4: a deletion that the store interrupted is finished by the next.
#[test]
fn an_interrupted_deletion_can_be_repeated() {
    let server = server(|_| {});
    let managed = register(&server, &confidential());
    let tokens = server.tokens(&managed.app);
    server.storage.line_up([Fault::Refused]);
    assert_eq!(managed.delete(&server).status(), 503);
    // It could not end its grant, but begins nothing any more.
    assert!(!managed.proves(&server, managed.app.client_secret.as_deref().unwrap()));
    let id = ClientId::new(managed.app.client_id.as_str());
    let clients = server.service.authorization_server().storage().clients();
    let left = block_on(clients.find(&id)).unwrap().unwrap().record;
    assert!(left.secrets.is_empty() && left.redirect_uris.is_empty());
    server
        .storage
        .line_up([Fault::RequestLost, Fault::ReplyLost]);
    assert_eq!(managed.delete(&server).status(), 204);
    let token = tokens["access_token"].as_str().unwrap();
    let server = server.service.authorization_server();
    assert!(
        block_on(server.check_access_token(token))
            .unwrap()
            .is_none()
    );
}

/// AS-DCM-5: whoever has no business there learns nothing, not even whether the client exists.
#[test]
fn strangers_learn_nothing() {
    let server = server(|_| {});
    let (managed, other) = (
        register(&server, &confidential()),
        register(&server, &confidential()),
    );
    let shared = json!({
        "redirect_uris": ["http://127.0.0.1/cb"],
        "token_endpoint_auth_method": "none",
    });
    let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
    let shared = json(&server.send(request.body(shared.to_string()).unwrap()));
    let shared = format!(
        "https://mcp.example/register/{}",
        shared["client_id"].as_str().unwrap()
    );
    let unknown = "https://mcp.example/register/c_unknown".to_owned();
    let secret = managed.app.client_secret.clone().unwrap();
    for method in ["GET", "PUT", "DELETE"] {
        for (uri, token) in [
            (&managed.uri, &other.token),
            (&managed.uri, &secret),
            (&shared, &other.token),
            (&unknown, &other.token),
        ] {
            let answer = send(&server, method, uri, token, &json!("damaged"));
            assert_eq!(
                error(&answer),
                (401, "invalid_token".to_owned()),
                "{method} {uri}"
            );
            let challenge = text(&answer, header::WWW_AUTHENTICATE);
            assert_eq!(
                challenge,
                "Bearer realm=\"registration\", error=\"invalid_token\""
            );
            assert_eq!(text(&answer, header::CACHE_CONTROL), "no-store");
        }
        let answer = send(&server, method, &managed.uri, "", &Value::Null);
        assert_eq!(answer.status(), 401);
        assert_eq!(
            text(&answer, header::WWW_AUTHENTICATE),
            "Bearer realm=\"registration\""
        );
    }
    assert_eq!(managed.get(&server).status(), 200);
}

/// AS-DCM-4, AS-SEC-3: methods, preflight, and paths that are nothing.
#[test]
fn the_client_uri_takes_three_methods() {
    let server = server(|_| {});
    let managed = register(&server, &confidential());
    for method in ["POST", "PATCH", "HEAD"] {
        let answer = send(&server, method, &managed.uri, &managed.token, &Value::Null);
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(text(&answer, header::ALLOW), "GET, PUT, DELETE, OPTIONS");
    }
    let answer = send(&server, "OPTIONS", &managed.uri, "", &Value::Null);
    assert_eq!(answer.status(), 204);
    let allowed = text(&answer, header::ACCESS_CONTROL_ALLOW_METHODS);
    assert_eq!(allowed, "GET, PUT, DELETE, OPTIONS");
    for path in ["/register/", "/register/a/b"] {
        assert_eq!(server.get(path).status(), 404, "{path}");
    }
    let under = World::builder(24).configure(|config| {
        config.issuer = oauth_core::types::Issuer::parse("https://mcp.example/a/b").unwrap();
    });
    let under = Server::bare(under);
    let request = Request::post("/a/b/register").header(header::CONTENT_TYPE, "application/json");
    let answer = json(&under.send(request.body(confidential().to_string()).unwrap()));
    let uri = answer["registration_client_uri"].as_str().unwrap();
    assert!(
        uri.starts_with("https://mcp.example/a/b/register/c_"),
        "{uri}"
    );
    let token = answer["registration_access_token"].as_str().unwrap();
    assert_eq!(send(&under, "GET", uri, token, &Value::Null).status(), 200);
}

/// Refuses one name.
struct NoBanks;

#[async_trait]
impl RegistrationPolicy for NoBanks {
    async fn judge(
        &self,
        metadata: &mut ClientMetadata,
        circumstances: &Circumstances,
    ) -> Result<(), Refused> {
        match &metadata.client_name {
            Some(name) if name.contains("Bank") => Err(Refused("no banks")),
            _ => {
                metadata.client_uri = Some(format!("https://{}/", circumstances.authorized));
                Ok(())
            }
        }
    }
}

/// AS-DCM-3: a change is judged like a registration, by the deployment too.
#[test]
fn a_change_passes_the_same_judgement() {
    let world = World::builder(26).ports(|ports| ports.registrations(NoBanks));
    let server = Server::bare(world);
    let managed = register(&server, &confidential());
    assert_eq!(json(&managed.get(&server))["client_uri"], "https://false/");
    let mut body = confidential();
    body["client_id"] = json!(managed.app.client_id);
    assert_eq!(
        json(&managed.put(&server, &body))["client_uri"],
        "https://true/"
    );
    body["client_name"] = json!("Your Bank");
    let refused = managed.put(&server, &body);
    assert_eq!(error(&refused), (400, "invalid_client_metadata".to_owned()));
    assert_eq!(json(&managed.get(&server))["client_name"], "An app");
}

/// AS-DCM-4: tokens cannot be guessed at will; whoever has the right one does not notice.
#[test]
fn guessing_a_token_is_slowed_down() {
    let world = World::builder(27).ports(|ports| ports.limiter(InProcessLimiter::default()));
    let server = Server::bare(world);
    let managed = register(&server, &confidential());
    let guess = || send(&server, "GET", &managed.uri, "guess", &Value::Null).status();
    for _ in 0..20 {
        assert_eq!(guess(), 401);
    }
    assert_eq!(guess(), 429);
    assert_eq!(managed.get(&server).status(), 200);
}
