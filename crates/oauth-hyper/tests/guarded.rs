//! The transport against servers that mean no good, over real sockets.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oauth_hyper::{GuardedTransport, NotLoopback, Resolve};
use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError, Validators};
use oauth_types::{Issuer, Timestamp};
use rcgen::CertifiedKey;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Answers every request with the same bytes, slowly if told to.
struct Server {
    port: u16,
    authority: Vec<u8>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(name: &str, answer: Vec<u8>, pause: Duration) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
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
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let hears = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                let hears = Arc::clone(&hears);
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut request = vec![0; 4096];
                    let length = stream.read(&mut request).await.unwrap_or(0);
                    let text = String::from_utf8_lossy(&request[..length]).into_owned();
                    hears.lock().unwrap().push(text);
                    for piece in answer.chunks(1024) {
                        if stream.write_all(piece).await.is_err() {
                            return;
                        }
                        tokio::time::sleep(pause).await;
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self {
            port,
            authority: cert.der().to_vec(),
            heard,
        }
    }

    async fn answering(answer: &str) -> Self {
        Self::start("app.example", answer.as_bytes().to_vec(), Duration::ZERO).await
    }

    fn url(&self) -> String {
        format!("https://app.example:{}/client.json", self.port)
    }

    /// Allowed to come here, since it knows where `app.example` is and whom to trust.
    fn client(&self) -> GuardedTransport {
        let issuer = Issuer::parse("http://127.0.0.1:3000").unwrap();
        GuardedTransport::trusting(std::slice::from_ref(&self.authority))
            .unwrap()
            .resolver(Names::always(&["127.0.0.1"]))
            .danger_allow_loopback(&issuer)
            .unwrap()
            .within(Duration::from_millis(500), Duration::from_secs(2))
    }

    async fn fetch(&self) -> Result<Fetched, OutboundError> {
        get(&self.client(), &self.url(), 5120).await
    }
}

/// A document of which nothing is known.
async fn get(
    client: &GuardedTransport,
    url: &str,
    most_bytes: usize,
) -> Result<Fetched, OutboundError> {
    client.fetch(&Fetch::of(url, most_bytes)).await
}

/// A name server that answers one thing after another, and the last for ever.
#[derive(Clone)]
struct Names {
    answers: Arc<Vec<Vec<IpAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    fn in_turn(answers: &[&[&str]]) -> Self {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Self {
            answers: Arc::new(answers.iter().map(parse).collect()),
            asked: Arc::default(),
        }
    }
    fn always(addresses: &[&str]) -> Self {
        Self::in_turn(&[addresses])
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[asked.min(self.answers.len() - 1)].clone())
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\n{}";

/// CIMD-5, CIMD-18: one plain GET that says nothing about us but our name.
#[tokio::test]
async fn a_document_is_fetched_and_nothing_is_given_away() {
    let server = Server::answering(OK).await;
    let fetched = server.fetch().await.unwrap();
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, &b"{}"[..]));
    assert_eq!(fetched.content_type.as_deref(), Some("application/json"));
    assert_eq!(fetched.cache_control.as_deref(), Some("max-age=60"));
    let heard = server.heard.lock().unwrap().join("").to_lowercase();
    assert!(
        heard.starts_with("get /client.json http/1.1\r\n"),
        "{heard}"
    );
    assert!(heard.contains("accept: application/json"));
    for never in [
        "cookie",
        "authorization",
        "referer",
        "x-forwarded",
        "forwarded",
    ] {
        assert!(!heard.contains(never), "{never}");
    }
    assert_eq!(heard.matches(": ").count(), 4, "{heard}");
}

/// CIMD-19: what an answer says of its freshness is handed on, and what is known of it is named
/// when it is asked for again.
#[tokio::test]
async fn a_known_document_is_asked_for_by_its_name() {
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    let server = Server::answering(&format!(
        "HTTP/1.1 304 Not Modified\r\nETag: W/\"2\"\r\nLast-Modified: {modified}\r\nAge: 7\r\n\
         Date: Sunday, 06-Nov-94 08:49:37 GMT\r\nExpires: Sun Nov  6 08:50:37 1994\r\n\r\n"
    ))
    .await;
    let url = server.url();
    let known = Validators {
        etag: Some("\"1\"".to_owned()),
        last_modified: Some(modified.to_owned()),
    };
    let mut fetch = Fetch::of(&url, 5120);
    fetch.validators = Some(&known);
    let answer = server.client().fetch(&fetch).await.unwrap();
    assert_eq!((answer.status, answer.age), (304, Some(7)));
    assert_eq!(answer.date, Some(Timestamp::from_unix(784_111_777)));
    assert_eq!(answer.expires, Some(Timestamp::from_unix(784_111_837)));
    assert_eq!(answer.validators.etag.as_deref(), Some("W/\"2\""));
    assert_eq!(answer.validators.last_modified.as_deref(), Some(modified));
    let heard = server.heard.lock().unwrap().join("").to_lowercase();
    assert!(heard.contains("\r\nif-none-match: \"1\"\r\n"), "{heard}");
    let since = format!("\r\nif-modified-since: {}\r\n", modified.to_lowercase());
    assert!(heard.contains(&since), "{heard}");

    // What is no date is over, and what is no header is left out.
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n").await;
    let known = Validators {
        etag: Some("\"1\"\r\nCookie: x".to_owned()),
        last_modified: None,
    };
    let url = server.url();
    let mut fetch = Fetch::of(&url, 5120);
    fetch.validators = Some(&known);
    let answer = server.client().fetch(&fetch).await.unwrap();
    assert_eq!(answer.expires, Some(Timestamp::from_unix(0)));
    let heard = server.heard.lock().unwrap().join("").to_lowercase();
    assert!(!heard.contains("cookie"), "{heard}");
}

/// CIMD-7, CIMD-6: a redirect is an answer, and nobody goes there.
#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::answering(OK).await;
    let location = elsewhere.url();
    let server = Server::answering(&format!(
        "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    assert_eq!(server.fetch().await.unwrap().status, 302);
    assert!(elsewhere.heard.lock().unwrap().is_empty());
}

/// CIMD-13: reading stops, whatever the length was said to be.
#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read() {
    let body = "x".repeat(1 << 20);
    for head in [
        format!("Content-Length: {}", body.len()),
        "Connection: close".to_owned(),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}");
        let refused = Server::answering(&answer).await.fetch().await;
        assert!(matches!(refused, Err(OutboundError::TooLarge)), "{head}");
    }
    let chunks = "400\r\n".to_owned() + &"y".repeat(1024) + "\r\n";
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunks.repeat(64)
    );
    let refused = Server::answering(&chunked).await.fetch().await;
    assert!(matches!(refused, Err(OutboundError::TooLarge)));
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n{{}}", "z".repeat(100_000));
    let refused = Server::answering(&head).await.fetch().await;
    assert!(matches!(refused, Err(OutboundError::Failed(_))));
}

/// CIMD-18: a server that drips is left.
#[tokio::test]
async fn a_slow_answer_is_given_up() {
    let answer = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(64 * 1024));
    let pause = Duration::from_millis(200);
    let server = Server::start("app.example", answer.into_bytes(), pause).await;
    let client = server
        .client()
        .within(Duration::from_millis(200), Duration::from_millis(500));
    let began = tokio::time::Instant::now();
    let refused = get(&client, &server.url(), 1 << 20).await;
    assert!(matches!(refused, Err(OutboundError::Failed(_))));
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// CIMD-17: https, with a certificate of that very name by an authority that is trusted.
#[tokio::test]
async fn only_https_with_the_right_certificate_is_fetched() {
    let server = Server::answering(OK).await;
    let client = server.client();
    for forbidden in [
        format!("http://app.example:{}/client.json", server.port),
        format!("ftp://app.example:{}/client.json", server.port),
        format!("https://user@app.example:{}/client.json", server.port),
        "javascript:alert(1)".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let refused = get(&client, &forbidden, 5120).await;
        assert!(
            matches!(refused, Err(OutboundError::Forbidden)),
            "{forbidden}"
        );
    }
    let other_name = format!("https://other.example:{}/client.json", server.port);
    assert!(matches!(
        get(&client, &other_name, 5120).await,
        Err(OutboundError::Failed(_))
    ));
    let stranger = Server::answering(OK).await;
    let untrusted = get(&client, &stranger.url(), 5120).await;
    assert!(matches!(untrusted, Err(OutboundError::Failed(_))));
    assert!(stranger.heard.lock().unwrap().is_empty());
}

/// CIMD-14, CIMD-16: no way to this computer, by name or by number, unless development says so;
/// and only an issuer on this computer can say so.
#[tokio::test]
async fn local_addresses_are_refused_by_name_and_by_number() {
    let server = Server::answering(OK).await;
    let client = || GuardedTransport::trusting(std::slice::from_ref(&server.authority)).unwrap();
    for local in [
        &["127.0.0.1"][..],
        &["::1"],
        &["10.0.0.1"],
        &["::ffff:127.0.0.1"],
    ] {
        let client = client().resolver(Names::always(local));
        let refused = get(&client, &server.url(), 5120).await;
        assert!(
            matches!(refused, Err(OutboundError::Forbidden)),
            "{local:?}"
        );
    }
    // One bad address among good ones is enough.
    let mixed = client().resolver(Names::always(&["1.1.1.1", "169.254.169.254"]));
    let refused = get(&mixed, &server.url(), 5120).await;
    assert!(matches!(refused, Err(OutboundError::Forbidden)));
    for host in [
        "127.0.0.1",
        "0x7f000001",
        "2130706433",
        "127.1",
        "[::1]",
        "[::ffff:7f00:1]",
    ] {
        let literal = format!("https://{host}:{}/client.json", server.port);
        let refused = get(&client(), &literal, 5120).await;
        assert!(matches!(refused, Err(OutboundError::Forbidden)), "{host}");
    }
    let production = Issuer::parse("https://mcp.example").unwrap();
    assert_eq!(
        client().danger_allow_loopback(&production).err(),
        Some(NotLoopback)
    );
    assert!(server.heard.lock().unwrap().is_empty());
}

/// CIMD-15: a name that leads to one address when it is checked and to another when it is
/// connected to: it is asked once, and the connection goes to what was checked.
#[tokio::test]
async fn what_was_checked_is_what_is_connected_to() {
    let server = Server::answering(OK).await;
    // Nobody listens on the first of the two.
    let names = Names::in_turn(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let client = server.client().resolver(names.clone());
    let refused = get(&client, &server.url(), 5120).await;
    assert!(matches!(refused, Err(OutboundError::Failed(_))));
    assert_eq!(names.asked.load(Ordering::SeqCst), 1);
    assert!(server.heard.lock().unwrap().is_empty());
}

/// CIMD-21: one slow host takes four turns and no more; others are fetched meanwhile.
#[tokio::test]
async fn a_slow_host_does_not_take_everybodys_turn() {
    let answer = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(64 * 1024));
    let slow = Server::start(
        "app.example",
        answer.into_bytes(),
        Duration::from_millis(100),
    )
    .await;
    let client = slow
        .client()
        .within(Duration::from_millis(500), Duration::from_millis(800));
    let fetches: Vec<_> = (0..20)
        .map(|_| {
            let (client, url) = (client.clone(), slow.url());
            tokio::spawn(async move { get(&client, &url, 1 << 20).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    // Another host is asked at once, and only its certificate is not trusted here.
    let other = format!("https://other.example:{}/client.json", slow.port);
    let asked = get(&client, &other, 5120).await;
    assert!(matches!(asked, Err(OutboundError::Failed(_))), "{asked:?}");
    let mut busy = 0;
    for fetch in fetches {
        busy += usize::from(matches!(fetch.await.unwrap(), Err(OutboundError::Busy)));
    }
    assert_eq!(busy, 16);
    // Where the operator wants more of them, it gets more.
    let client = client.at_once(20, 12);
    let many = (0..20).map(|_| {
        let (client, url) = (client.clone(), slow.url());
        tokio::spawn(async move { get(&client, &url, 1 << 20).await })
    });
    let mut busy = 0;
    for fetch in many.collect::<Vec<_>>() {
        busy += usize::from(matches!(fetch.await.unwrap(), Err(OutboundError::Busy)));
    }
    assert_eq!(busy, 8);
    // And afterwards its turns are free again.
    let again = get(&client, &slow.url(), 5120).await;
    assert!(matches!(again, Err(OutboundError::TooLarge)), "{again:?}");
}
