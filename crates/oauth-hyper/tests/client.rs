//! What a client sends, over real sockets: to whom it may go, and how it gets there.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use oauth_client::types::Reach;
use oauth_client::{Bounds, HttpClient, Reached, TransportError};
use oauth_hyper::{ClientTransport, Proxies, Resolve};
use rcgen::CertifiedKey;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A server on this computer, over TLS as `as.example` or in the clear.
struct Server {
    port: u16,
    authority: Vec<u8>,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(secure: bool, answer: &'static str) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["as.example".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, heard): (Arc<AtomicUsize>, Arc<Mutex<Vec<String>>>) = Default::default();
        let (counts, hears) = (Arc::clone(&connections), Arc::clone(&heard));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.fetch_add(1, Ordering::SeqCst);
                let (acceptor, hears) = (acceptor.clone(), Arc::clone(&hears));
                tokio::spawn(async move {
                    if !secure {
                        return serve(stream, answer, &hears).await;
                    }
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, answer, &hears).await;
                    }
                });
            }
        });
        Self {
            port,
            authority: cert.der().to_vec(),
            connections,
            heard,
        }
    }

    fn url(&self) -> String {
        format!("https://as.example:{}/token", self.port)
    }

    fn client(&self, addresses: &'static [&'static str]) -> ClientTransport {
        ClientTransport::trusting(std::slice::from_ref(&self.authority))
            .unwrap()
            .resolver(Names(addresses))
            .within(Duration::from_millis(500), Duration::from_secs(2))
    }
}

/// Answers request after request on one connection.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &str,
    hears: &Mutex<Vec<String>>,
) {
    let mut buffer = vec![0; 4096];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                hears.lock().unwrap().push(text);
            }
        }
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if !answer.contains("content-length") {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

struct Names(&'static [&'static str]);

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.iter().map(|text| text.parse().unwrap()).collect())
    }
}

async fn post(
    client: &ClientTransport,
    url: &str,
    within: Reach,
) -> Result<Response<Bytes>, TransportError> {
    let request = Request::post(url)
        .header("authorization", "Basic c2VjcmV0")
        .body(Bytes::from_static(b"a=b"))
        .unwrap();
    client.send(request, Bounds::within(within)).await
}

/// CL-DISC-8: one request says how far inside it may go, and the answer where it went.
#[tokio::test]
async fn a_request_goes_no_further_inside_than_it_may() {
    let server = Server::start(true, HELLO).await;
    let client = server.client(&["127.0.0.1"]);
    for within in [Reach::Public, Reach::Private] {
        let error = post(&client, &server.url(), within).await.unwrap_err();
        assert!(matches!(error, TransportError::Forbidden), "{error}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    let answer = post(&client, &server.url(), Reach::Local).await.unwrap();
    assert_eq!(Reached::by(&answer), Reach::Local);
    assert_eq!(answer.body(), "hello");
    // A connection that is open already is no way in either.
    let error = post(&client, &server.url(), Reach::Public)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Forbidden), "{error}");
    // One address of several that is not allowed is enough.
    let mixed = server.client(&["8.8.8.8", "192.168.1.1"]);
    let error = post(&mixed, &server.url(), Reach::Public)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Forbidden), "{error}");
    for literal in [
        "https://10.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/",
    ] {
        let error = post(&client, literal, Reach::Public).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Forbidden),
            "{literal} {error}"
        );
    }
}

/// CL-TOK-13: plain http stays on this computer, whatever a name resolves to.
#[tokio::test]
async fn plain_http_stays_on_this_computer() {
    let server = Server::start(false, HELLO).await;
    let client = server.client(&["8.8.8.8"]);
    let literal = format!("http://127.0.0.1:{}/x?y=z", server.port);
    let answer = post(&client, &literal, Reach::Local).await.unwrap();
    assert_eq!(answer.status(), 200);
    let heard = server.heard.lock().unwrap()[0].clone();
    assert!(heard.starts_with("POST /x?y=z HTTP/1.1\r\n"), "{heard}");
    assert!(
        heard.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)),
        "{heard}"
    );
    assert!(heard.ends_with("a=b"), "{heard}");
    let error = post(&client, &literal, Reach::Private).await.unwrap_err();
    assert!(matches!(error, TransportError::Forbidden), "{error}");
    let named = format!("http://localhost:{}/", server.port);
    let error = post(&client, &named, Reach::Local).await.unwrap_err();
    assert!(matches!(error, TransportError::Forbidden), "{error}");
    for url in ["http://as.example/", "http://10.0.0.1/"] {
        let error = post(&client, url, Reach::Local).await.unwrap_err();
        assert!(matches!(error, TransportError::Cleartext), "{url} {error}");
    }
    for url in ["ftp://as.example/", "https://user:password@as.example/"] {
        let error = post(&client, url, Reach::Local).await.unwrap_err();
        assert!(matches!(error, TransportError::Forbidden), "{url} {error}");
    }
}

/// Connections are used again while they last, and a request whose connection was closed meanwhile
/// goes over a new one.
#[tokio::test]
async fn connections_are_kept() {
    let server = Server::start(true, HELLO).await;
    let client = server.client(&["127.0.0.1"]);
    for _ in 0..5 {
        post(&client, &server.url(), Reach::Local).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let closing = Server::start(true, "HTTP/1.1 200 OK\r\n\r\nhello").await;
    let client = closing.client(&["127.0.0.1"]);
    for _ in 0..3 {
        let answer = post(&client, &closing.url(), Reach::Local).await.unwrap();
        assert_eq!(answer.body(), "hello");
    }
    assert_eq!(closing.connections.load(Ordering::SeqCst), 3);
}

/// Feature 110: a redirect is an answer; nobody else sees the request.
#[tokio::test]
async fn redirects_are_answers() {
    let elsewhere =
        "HTTP/1.1 307 X\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(true, elsewhere).await;
    let answer = post(&server.client(&["127.0.0.1"]), &server.url(), Reach::Local)
        .await
        .unwrap();
    assert_eq!(answer.status(), 307);
    assert_eq!(server.heard.lock().unwrap().len(), 1);
}

/// Size and time are bounded, and only the right certificate is believed.
#[tokio::test]
async fn answers_are_bounded() {
    let server = Server::start(true, HELLO).await;
    let client = server.client(&["127.0.0.1"]);
    let mut bounds = Bounds::within(Reach::Local);
    bounds.most_bytes = 4;
    let request = Request::get(server.url()).body(Bytes::new()).unwrap();
    let error = client.send(request, bounds).await.unwrap_err();
    assert!(matches!(error, TransportError::TooLarge), "{error}");
    let slow = Server::start(true, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    let error = post(&slow.client(&["127.0.0.1"]), &slow.url(), Reach::Local)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::TimedOut), "{error}");
    let stranger = ClientTransport::trusting(std::slice::from_ref(&slow.authority)).unwrap();
    let stranger = stranger.resolver(Names(&["127.0.0.1"]));
    let error = post(&stranger, &server.url(), Reach::Local)
        .await
        .unwrap_err();
    assert!(matches!(error, TransportError::Failed(_)), "{error}");
    assert!(!format!("{error:?}").contains("c2VjcmV0"));
}

/// A proxy that tunnels to one port of this computer, whatever it is asked for.
async fn proxy(to: u16, status: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let hears = Arc::clone(&hears);
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => return,
                    }
                }
                hears
                    .lock()
                    .unwrap()
                    .push(String::from_utf8(request).unwrap());
                let answer = format!("HTTP/1.1 {status}\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                let mut target = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut target).await;
            });
        }
    });
    (port, heard)
}

/// Corporate networks: a tunnel through the proxy, which sees a name and no secret; what a public
/// document names has to look public, and nothing from there leads inside.
#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel() {
    let server = Server::start(true, HELLO).await;
    let (port, heard) = proxy(server.port, "200 OK").await;
    let proxies = Proxies::all(&format!("http://me:hush@127.0.0.1:{port}")).unwrap();
    // Names are the proxy's to resolve.
    let client = server.client(&[]).proxies(proxies.clone());
    let answer = post(&client, "https://as.example/token", Reach::Public)
        .await
        .unwrap();
    assert_eq!(
        (answer.body().as_ref(), Reached::by(&answer)),
        (&b"hello"[..], Reach::Public)
    );
    let asked = heard.lock().unwrap()[0].clone();
    assert!(
        asked.starts_with("CONNECT as.example:443 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("proxy-authorization: Basic bWU6aHVzaA==\r\n"),
        "{asked}"
    );
    assert!(!asked.contains("c2VjcmV0"), "{asked}");
    let inner = server.heard.lock().unwrap()[0].clone();
    assert!(inner.contains("authorization: Basic c2VjcmV0"), "{inner}");
    assert!(
        !inner.to_ascii_lowercase().contains("proxy-authorization"),
        "{inner}"
    );
    for inside in [
        "https://10.0.0.1/",
        "https://vault.corp/",
        "https://intranet/",
    ] {
        let error = post(&client, inside, Reach::Public).await.unwrap_err();
        assert!(
            matches!(error, TransportError::Forbidden),
            "{inside} {error}"
        );
    }
    assert!(!format!("{client:?}").contains("hush"));
    let (port, _) = proxy(server.port, "407 Proxy Authentication Required").await;
    let refusing = Proxies::all(&format!("http://127.0.0.1:{port}")).unwrap();
    let client = server.client(&[]).proxies(refusing);
    let error = post(&client, "https://as.example/token", Reach::Public)
        .await
        .unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("status 407"), "{cause}");
}
