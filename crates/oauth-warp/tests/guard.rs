//! What the filters do that no conversation with a finished server shows.
#![cfg(feature = "resource")]

use std::sync::Arc;

use async_trait::async_trait;
use oauth_resource::{TokenRefused, VerificationError};
use oauth_types::{ResourceUri, Scope};
use oauth_warp::{AccessClaims, AccessTokenVerifier, BearerLayer, ProtectedResource};
use warp::http::StatusCode;
use warp::{Filter, Reply};

/// Knows no token.
struct Nobody;

#[async_trait]
impl AccessTokenVerifier for Nobody {
    async fn verify(&self, _: &str) -> Result<AccessClaims, VerificationError> {
        Err(TokenRefused::Inactive.into())
    }
}

fn guard() -> BearerLayer {
    let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    let resource = ProtectedResource::new(uri, "https://mcp.example", Scope::parse("a").unwrap());
    BearerLayer::new(resource, Arc::new(Nobody))
}

fn greet(claims: AccessClaims) -> String {
    claims.subject.to_string()
}

/// A program that forgets to answer refusals fails, loudly, and lets nobody in.
#[tokio::test]
async fn a_refusal_that_nobody_answers_is_a_fault_and_no_way_in() {
    let forgotten = warp::path!("mcp")
        .and(oauth_warp::claims(&guard()))
        .map(greet);
    let answer = warp::test::request().path("/mcp").reply(&forgotten).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);

    let optional = guard().optional();
    let routes = warp::path!("mcp")
        .and(oauth_warp::claims(&optional))
        .map(greet);
    let mistaken = oauth_warp::guarded(&optional, routes);
    let answer = warp::test::request().path("/mcp").reply(&mistaken).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// RS-HTTP-5: a preflight is for a route that is there, whatever methods it takes; other rejections
/// stay what they are.
#[tokio::test]
async fn preflights_are_answered_where_there_is_a_route() {
    let routes = warp::path!("mcp")
        .and(warp::post())
        .and(oauth_warp::claims(&guard()))
        .map(greet);
    let routes = oauth_warp::guarded(&guard(), routes)
        .or(warp::path!("other").map(|| "other".into_response()));
    let ask = |method: &'static str, path: &'static str| {
        warp::test::request()
            .method(method)
            .path(path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", "POST")
            .reply(&routes)
    };
    let answer = ask("OPTIONS", "/mcp").await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(
        ask("OPTIONS", "/elsewhere").await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(ask("OPTIONS", "/other").await.body(), "other");
    assert_eq!(
        ask("GET", "/mcp").await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(ask("POST", "/mcp").await.status(), StatusCode::UNAUTHORIZED);
}
