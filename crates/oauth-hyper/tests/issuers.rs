//! An issuer where strangers may not be: on a private network, or on this computer.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use oauth_hyper::{GuardedTransport, InvalidOrigin, Resolve};
use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Says the same of every name.
struct Names(Vec<IpAddr>);

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

fn transport(addresses: &[&str]) -> GuardedTransport {
    let addresses = addresses.iter().map(|text| text.parse().unwrap());
    let quick = Duration::from_millis(20);
    GuardedTransport::trusting(&[])
        .unwrap()
        .resolver(Names(addresses.collect()))
        .within(quick, 5 * quick)
}

async fn get(transport: &GuardedTransport, url: &str) -> Result<Fetched, OutboundError> {
    transport.fetch(&Fetch::of(url, 1024)).await
}

async fn is_forbidden(transport: &GuardedTransport, url: &str) -> bool {
    matches!(get(transport, url).await, Err(OutboundError::Forbidden))
}

/// Answers every request in plain http.
async fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                let _ = stream.write_all(answer).await;
            });
        }
    });
    port
}

/// In development an issuer is next door, and speaks plain http.
#[tokio::test]
async fn an_issuer_on_this_computer_is_asked_in_plain_http() {
    let port = serve().await;
    let origin = format!("http://localhost:{port}");
    let ours = transport(&["127.0.0.1"])
        .danger_allow_origin(&origin)
        .unwrap();
    let ours = ours.within(Duration::from_secs(2), Duration::from_secs(5));
    let fetched = get(&ours, &format!("{origin}/jwks")).await.unwrap();
    assert_eq!((fetched.status, &*fetched.body), (200, &b"{}"[..]));

    // Without being told so, and at any other origin, nobody is asked.
    for (transport, url) in [
        (&transport(&["127.0.0.1"]), format!("{origin}/jwks")),
        (&ours, format!("http://127.0.0.1:{port}/jwks")),
        (&ours, format!("http://localhost:{}/jwks", port ^ 1)),
        (&ours, format!("https://localhost:{port}/jwks")),
        (&ours, format!("http://localhost.:{port}/jwks")),
        (&ours, format!("http://user@localhost:{port}/jwks")),
        (&ours, format!("ftp://localhost:{port}/jwks")),
    ] {
        assert!(is_forbidden(transport, &url).await, "{url}");
    }
}

/// Plain http goes to this computer only, whatever the name resolves to.
#[tokio::test]
async fn plain_http_never_leaves_this_computer() {
    for addresses in [
        &["10.0.0.1"][..],
        &["8.8.8.8"],
        &["127.0.0.1", "10.0.0.1"],
        &["169.254.169.254"],
        &["::ffff:127.0.0.1"],
    ] {
        let named = transport(addresses)
            .danger_allow_origin("http://sso.example")
            .unwrap();
        assert!(
            is_forbidden(&named, "http://sso.example/jwks").await,
            "{addresses:?}"
        );
    }
}

/// An issuer on a private network is reached, by https and at its own origin.
#[tokio::test]
async fn an_issuer_on_a_private_network_is_reached_and_nothing_else_there() {
    for address in [
        "10.0.0.1",
        "192.168.7.7",
        "100.64.0.1",
        "127.0.0.1",
        "fd00::1",
    ] {
        let named = transport(&[address])
            .danger_allow_origin("https://sso.example:8443")
            .unwrap();
        // It is tried: nobody is there.
        let outcome = get(&named, "https://sso.example:8443/jwks").await;
        assert!(
            matches!(outcome, Err(OutboundError::Failed(_))),
            "{address}"
        );
        for other in [
            "https://sso.example/jwks",
            "https://sso.example:8444/jwks",
            "https://evil.example:8443/jwks",
            "https://x.sso.example:8443/jwks",
            "http://sso.example:8443/jwks",
            "https://10.0.0.1:8443/jwks",
        ] {
            assert!(is_forbidden(&named, other).await, "{other}");
        }
    }
    // Where cloud metadata services are, no issuer is.
    for address in [
        "169.254.169.254",
        "fe80::1",
        "0.0.0.0",
        "::ffff:10.0.0.1",
        "224.0.0.1",
    ] {
        let named = transport(&[address])
            .danger_allow_origin("https://sso.example")
            .unwrap();
        assert!(
            is_forbidden(&named, "https://sso.example/jwks").await,
            "{address}"
        );
    }
}

#[test]
fn what_is_allowed_is_an_origin_and_no_more() {
    for origin in [
        "",
        "sso.example",
        "https://",
        "https://sso.example/path",
        "https://sso.example?x",
        "https://sso.example/#f",
        "https://user@sso.example",
        "ftp://sso.example",
        "*",
    ] {
        let allowed = transport(&["10.0.0.1"]).danger_allow_origin(origin);
        assert_eq!(allowed.err(), Some(InvalidOrigin), "{origin}");
    }
    for origin in [
        "https://sso.example",
        "https://sso.example/",
        "HTTP://LOCALHOST:8080",
    ] {
        let allowed = transport(&["10.0.0.1"]).danger_allow_origin(origin);
        assert!(allowed.is_ok(), "{origin}");
    }
}
