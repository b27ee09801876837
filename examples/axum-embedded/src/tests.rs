//! From nothing but the address of the protected route to its answer, over a socket.

use oauth_testkit::canary;
use oauth_testkit::socket::{get, sign_in};
use tokio::runtime::Runtime;

use super::*;

/// RS-ERR-1, RS-PRM-1: what a client knows at the start is enough to find the rest.
#[test]
fn a_client_finds_its_way_from_the_challenge_to_the_answer() {
    canary::watch();
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let here = listener.local_addr().unwrap();
    runtime.spawn(async move { serve(listener).await.unwrap() });

    let refused = get(here, "/mcp", "").unwrap();
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate");
    let (_, named) = challenge.split_once("resource_metadata=\"").unwrap();
    let path = named.strip_prefix(&format!("http://{here}")).unwrap();
    let document = get(here, path.split('"').next().unwrap(), "").unwrap();
    assert_eq!(document.member("resource"), format!("http://{here}/mcp"));
    let issuer = format!("\"authorization_servers\":[\"http://{here}\"]");
    assert!(document.body.contains(&issuer), "{}", document.body);
    let server = get(here, "/.well-known/oauth-authorization-server", "").unwrap();
    assert_eq!(server.member("issuer"), format!("http://{here}"));

    let tokens = sign_in(here, ("alice", "wonderland"), "mcp:tools");
    let access = tokens.member("access_token");
    let bearer = format!("Authorization: Bearer {access}\r\n");
    let answer = get(here, "/mcp", &bearer).unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "hello alice"));

    // A token that was meddled with is none.
    let other = format!("Authorization: Bearer {access}x\r\n");
    let refused = get(here, "/mcp", &other).unwrap();
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
}
