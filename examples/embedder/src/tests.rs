//! The whole way through the application's own pages.

use axum::body::Body;
use axum::http::{Request, Response, header};
use http_body_util::BodyExt;
use oauth_core::types::env::Clock;
use oauth_testkit::canary;
use oauth_testkit::flows::{challenge, parameter};
use tower::ServiceExt;

use super::*;

const ORIGIN: &str = "http://127.0.0.1:3000";

async fn send(app: &Router, request: Request<String>) -> (Response<()>, String) {
    let answer = app.clone().oneshot(request.map(Body::from)).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(head, ()),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

fn to(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "127.0.0.1:3000")
}

fn form(path: &str, cookies: &str, body: String) -> Request<String> {
    to("POST", path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::COOKIE, cookies)
        .body(body)
        .unwrap()
}

fn header_of(answer: &Response<()>, name: header::HeaderName) -> String {
    let values = answer.headers().get_all(name).iter();
    let values: Vec<&str> = values.map(|value| value.to_str().unwrap()).collect();
    values.join("\n")
}

#[tokio::test]
async fn everything_that_people_meet_is_the_applications_own() {
    canary::watch();
    let app = app(ORIGIN).await.unwrap();
    let registration = r#"{"client_name":"Shopper","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}"#;
    let request = to("POST", "/register").header(header::CONTENT_TYPE, "application/json");
    let (_, client) = send(&app, request.body(registration.to_owned()).unwrap()).await;
    let client: serde_json::Value = serde_json::from_str(&client).unwrap();
    let id = client["client_id"].as_str().unwrap();
    let verifier = "v".repeat(43);
    let authorize = format!(
        "/authorize?response_type=code&client_id={id}&code_challenge={}&code_challenge_method=S256&scope=cart:read+cart:pay",
        challenge(&verifier)
    );

    // The shop's own session, and its own words.
    let (_, stranger) = send(&app, to("GET", &authorize).body(String::new()).unwrap()).await;
    assert!(stranger.contains("Sign in to the shop first"));
    let account = format!("shop=alice.{}", SystemClock.now().as_unix() - 60);
    let again = to("GET", &format!("{authorize}&prompt=login"));
    let again = again.header(header::COOKIE, &account);
    let (_, login) = send(&app, again.body(String::new()).unwrap()).await;
    assert!(login.contains("Sign in to the shop first"), "once more");
    let signed_in = to("GET", &authorize).header(header::COOKIE, &account);
    let (answer, consent) = send(&app, signed_in.body(String::new()).unwrap()).await;
    assert!(consent.contains("Shopper at <b>127.0.0.1</b> wants to help you shop, alice"));
    assert!(consent.contains("Pay for it with your saved card"));

    let set = header_of(&answer, header::SET_COOKIE);
    let cookies: Vec<&str> = set
        .lines()
        .map(|line| line.split(';').next().unwrap())
        .collect();
    let cookies = format!("{account}; {}", cookies.join("; "));
    let (_, rest) = consent.split_once("name=\"transaction\" value=\"").unwrap();
    let handle = rest.split('"').next().unwrap();
    let decision = format!("transaction={handle}&decision=approve&scope=cart:read");
    let (answer, _) = send(&app, form("/authorize/interact", &cookies, decision)).await;
    let code = parameter(&header_of(&answer, header::LOCATION), "code").unwrap();
    let exchange = format!(
        "grant_type=authorization_code&client_id={id}&code={code}&code_verifier={verifier}"
    );
    let (_, tokens) = send(&app, form("/token", "", exchange)).await;
    let tokens: serde_json::Value = serde_json::from_str(&tokens).unwrap();
    assert_eq!(tokens["scope"], "cart:read", "only what was ticked");
    let access = tokens["access_token"].as_str().unwrap();
    for secret in [handle, &code, access] {
        canary::secret(secret);
    }
    let bearer = format!("Bearer {access}");
    let request = to("GET", "/mcp").header(header::AUTHORIZATION, bearer);
    let (_, cart) = send(&app, request.body(String::new()).unwrap()).await;
    assert_eq!(cart, "the cart of alice");

    // Who is signed in to the shop sees who may act for them, in the shop's name.
    let (_, stranger) = send(&app, to("GET", "/account").body(String::new()).unwrap()).await;
    assert!(stranger.contains("Sign in to the shop first"));
    let request = to("GET", "/account").header(header::COOKIE, &account);
    let (_, page) = send(&app, request.body(String::new()).unwrap()).await;
    assert!(page.contains("<header>Shop</header>"), "{page}");
    assert!(page.contains("<bdi>Shopper</bdi>"));
    assert!(page.contains("See what is in your cart"));

    // The shop's own limits.
    let mut last = 0;
    for _ in 0..12 {
        let guess = format!("grant_type=refresh_token&client_id={id}&refresh_token=x");
        last = send(&app, form("/token", "", guess))
            .await
            .0
            .status()
            .as_u16();
    }
    assert_eq!(last, 429);
}

#[test]
fn the_example_is_short() {
    let lines = include_str!("main.rs").lines().count();
    assert!(lines < 150, "{lines} lines");
}
