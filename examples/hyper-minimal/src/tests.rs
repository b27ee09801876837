//! All that is mounted, over a socket.

use oauth_testkit::canary;
use oauth_testkit::socket::{get, sign_in};
use tokio::runtime::Runtime;

use super::*;

#[test]
fn three_mounted_things_are_a_protected_server() {
    canary::watch();
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let here = listener.local_addr().unwrap();
    runtime.spawn(async move { serve(listener).await.unwrap() });

    let refused = get(here, "/hello", "").unwrap();
    assert_eq!(refused.status, 401);
    let metadata = "/.well-known/oauth-protected-resource/hello";
    let named = format!("resource_metadata=\"http://{here}{metadata}\"");
    assert!(refused.header("www-authenticate").contains(&named));
    let document = get(here, metadata, "").unwrap();
    assert_eq!(document.member("resource"), format!("http://{here}/hello"));

    let tokens = sign_in(here, ("alice", "wonderland"), "hello");
    let bearer = format!(
        "Authorization: Bearer {}\r\n",
        tokens.member("access_token")
    );
    let answer = get(here, "/hello", &bearer).unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "hello alice"));

    // What is nobody's is not found, and is not let through to what is protected.
    for path in ["/", "/hello/", "/token/", "/authorize/x"] {
        assert_eq!(get(here, path, &bearer).unwrap().status, 404, "{path}");
    }
}
