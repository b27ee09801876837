//! Same seed, same clock, same requests: the same pages, sealed values and cookies included.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, header};
use oauth_core::types::Subject;
use oauth_core::{Authentication, Source};
use oauth_http::server::{InteractionError, OAuthService};
use oauth_testkit::block_on;
use oauth_testkit::flows::{World, challenge};
use oauth_ui::{Pages, SignIn};

struct Anybody;

#[async_trait]
impl SignIn for Anybody {
    async fn authenticate(
        &self,
        username: &str,
        _: &str,
    ) -> Result<Option<Authentication>, InteractionError> {
        Ok(Some(Authentication::of(Subject::new(username))))
    }
}

fn send(service: &OAuthService, request: Request<String>) -> Response<Bytes> {
    let (parts, body) = request.into_parts();
    block_on(service.handle(parts, body.into(), Source::default()))
}

/// The sign-in page and the consent page, headers and all.
fn pages(seed: u64) -> [String; 2] {
    let world = World::new(seed);
    let app = world.register();
    let World { server, .. } = world;
    let service = OAuthService::new(Arc::new(server), Arc::new(Pages::new(Anybody)));
    let target = format!(
        "/authorize?response_type=code&client_id={}&code_challenge={}&code_challenge_method=S256",
        app.client_id,
        challenge(&"v".repeat(43))
    );
    let login = send(
        &service,
        Request::get(target).body(String::new()).expect("a request"),
    );
    let html = std::str::from_utf8(login.body()).expect("text");
    let (_, rest) = html
        .split_once("name=\"transaction\" value=\"")
        .expect("a field");
    let (transaction, _) = rest.split_once('"').expect("a value");
    let cookie = login.headers()[header::SET_COOKIE].to_str().expect("text");
    let request = Request::post("/authorize/interact")
        .header(header::COOKIE, cookie.split(';').next().expect("a pair"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(format!(
            "transaction={transaction}&username=alice&password=x"
        ))
        .expect("a request");
    let consent = send(&service, request);
    assert!(String::from_utf8_lossy(consent.body()).contains("decision"));
    [format!("{login:?}"), format!("{consent:?}")]
}

#[test]
fn the_same_seed_gives_the_same_pages() {
    assert_eq!(pages(5), pages(5));
    assert_ne!(pages(5), pages(6));
}
