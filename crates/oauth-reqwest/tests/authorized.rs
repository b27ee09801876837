//! What is sent, and what is not.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use oauth_client::{Bounds, Client, ClientConfig, HttpClient, Ports, TransportError};
use oauth_reqwest::{Authorized, Error};
use oauth_testkit::{FixedClock, SeededEntropy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Nobody is asked for anything.
struct Nobody;

#[async_trait]
impl HttpClient for Nobody {
    async fn send(
        &self,
        request: Request<Bytes>,
        _: Bounds,
    ) -> Result<Response<Bytes>, TransportError> {
        panic!("{} was asked", request.uri());
    }
}

fn authorized(server: &str) -> Authorized {
    let config = ClientConfig::new(server, "Test").unwrap();
    let clock = FixedClock::at(1_800_000_000);
    let ports = Ports::new(Nobody, clock, SeededEntropy::new(1));
    Authorized::new(reqwest::Client::new(), Client::new(config, ports))
}

/// A body of which nobody knows beforehand what it is.
fn streamed() -> reqwest::Body {
    reqwest::Body::wrap(Full::new(Bytes::from_static(b"once")))
}

/// A body that cannot be sent twice is not sent once: that nobody listens there is not noticed.
#[tokio::test]
async fn a_stream_is_refused_before_anything_is_sent() {
    let http = authorized("http://127.0.0.1:9/mcp");
    let request = http.inner().post("http://127.0.0.1:9/mcp");
    let sent = http.send(request.body(streamed())).await;
    assert!(matches!(sent, Err(Error::Stream)), "{sent:?}");
}

/// CL-TOK-2: requests to others, and such as bring a token of their own, are sent once, as they are, and
/// their refusals are the answer.
#[tokio::test]
async fn what_is_none_of_ours_goes_through_as_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut heads = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            heads.push(String::from_utf8_lossy(&head[..read]).to_lowercase());
            let refusal = b"HTTP/1.1 401 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(refusal).await.unwrap();
        }
        heads
    });
    let http = authorized(&format!("{origin}/mcp"));
    let elsewhere = http.send(http.inner().get(format!("{origin}/other"))).await;
    assert_eq!(elsewhere.unwrap().status(), 401);
    let own = http.inner().get(format!("{origin}/mcp")).bearer_auth("own");
    assert_eq!(http.send(own).await.unwrap().status(), 401);
    let heads = served.await.unwrap();
    assert!(!heads[0].contains("authorization:"), "{}", heads[0]);
    assert!(
        heads[1].contains("authorization: bearer own"),
        "{}",
        heads[1]
    );
}

/// CL-TOK-2: where a redirect leads to another origin, whoever is there sees no token, and what they say is
/// the answer: a challenge of theirs is none of the server's, and nobody is asked for a token.
#[tokio::test]
async fn a_stranger_behind_a_redirect_is_not_believed() {
    let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}/mcp", here.local_addr().unwrap());
    let stranger = format!("http://{}/x", there.local_addr().unwrap());
    let challenge = format!("Bearer resource_metadata=\"{stranger}\"");
    let answer = |listener: TcpListener, answer: String| async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        let read = stream.read(&mut head).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&head[..read]).to_lowercase()
    };
    let end = "Content-Length: 0\r\nConnection: close\r\n\r\n";
    let moved = format!("HTTP/1.1 307 x\r\nLocation: {stranger}\r\n{end}");
    let refused = format!("HTTP/1.1 401 x\r\nWWW-Authenticate: {challenge}\r\n{end}");
    let served =
        tokio::spawn(async move { (answer(here, moved).await, answer(there, refused).await) });
    let http = authorized(&server);
    let sent = http.send(http.inner().get(&server)).await.unwrap();
    assert_eq!(
        (sent.status().as_u16(), sent.url().as_str()),
        (401, &*stranger)
    );
    let (_, head) = served.await.unwrap();
    assert!(!head.contains("authorization:"), "{head}");
}
