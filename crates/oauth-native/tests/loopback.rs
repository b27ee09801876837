//! A browser comes back, and much else comes besides.

use std::io::{BufRead, BufReader, Cursor};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oauth_client::types::SecretText;
use oauth_client::{UserAgent, UserAgentError};
use oauth_native::{Loopback, Notice};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

type Answer = Result<SecretText, UserAgentError>;

const ASKED: &str = "https://as.example/authorize?client_id=c&state=the%20state&scope=a";

/// Begins a sign-in; gives the address that it listens at and what comes of it.
async fn begun(loopback: Loopback) -> (String, JoinHandle<Answer>) {
    let visit = loopback.begin().await.unwrap();
    let uri = visit.redirect_uri().to_owned();
    let authority = uri.strip_prefix("http://").unwrap();
    let authority = authority.strip_suffix("/callback").unwrap().to_owned();
    (
        authority,
        tokio::spawn(async move { visit.visit(ASKED).await }),
    )
}

fn quiet() -> Loopback {
    Loopback::new("Us & <them>").without_browser().tell(|_| {})
}

async fn ask(authority: &str, host: &str, line: &str) -> String {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

async fn get(authority: &str, path: &str) -> String {
    ask(authority, authority, &format!("GET {path}")).await
}

/// CL-AUTHZ-11, CL-AUTHZ-13: an icon, a connection opened ahead, another's answer, another name for
/// this computer, a scan of ports: none of it ends a sign-in or breaks it.
#[tokio::test]
async fn only_the_answer_of_this_sign_in_counts() {
    let (authority, answer) = begun(quiet()).await;
    assert!(authority.starts_with("127.0.0.1:"), "{authority}");
    let _ahead = TcpStream::connect(&authority).await.unwrap();
    assert!(
        get(&authority, "/favicon.ico")
            .await
            .starts_with("HTTP/1.1 404")
    );
    assert!(get(&authority, "/").await.starts_with("HTTP/1.1 404"));
    let right = "/callback?code=c&state=the%20state";
    let rebound = ask(&authority, "evil.example", &format!("GET {right}")).await;
    assert!(rebound.starts_with("HTTP/1.1 404"), "{rebound}");
    let posted = ask(&authority, &authority, &format!("POST {right}")).await;
    assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
    for wrong in [
        "",
        "?code=c",
        "?code=c&state=other",
        "?error=access_denied&state=",
    ] {
        let said = get(&authority, &format!("/callback{wrong}")).await;
        assert!(said.starts_with("HTTP/1.1 400"), "{wrong}: {said}");
    }
    let mut garbage = TcpStream::connect(&authority).await.unwrap();
    garbage
        .write_all(b"\x16\x03\x01 not http\r\n\r\n")
        .await
        .unwrap();
    assert!(!answer.is_finished());

    let page = get(&authority, "/callback?code=c&state=the+state&iss=i").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let head = page.to_lowercase();
    for header in [
        "cache-control: no-store",
        "referrer-policy: no-referrer",
        "default-src 'none'",
    ] {
        assert!(head.contains(header), "{header}: {page}");
    }
    assert!(
        page.contains("Us &amp; &lt;them&gt;") && !page.contains("code=c"),
        "{page}"
    );
    let query = answer.await.unwrap().unwrap();
    assert_eq!(query.expose(), "code=c&state=the+state&iss=i");
    assert!(
        TcpStream::connect(&authority).await.is_err(),
        "nothing listens any more"
    );
}

/// A refusal is an answer, too, and its page says so.
#[tokio::test]
async fn a_refusal_is_given_on() {
    let (authority, answer) = begun(quiet()).await;
    let page = get(&authority, "/callback?error=access_denied&state=the+state").await;
    assert!(page.contains("was not let in"), "{page}");
    let query = answer.await.unwrap().unwrap();
    assert!(query.expose().starts_with("error=access_denied"));
}

/// Whoever breaks it off, or takes too long, leaves no listener.
#[tokio::test]
async fn it_ends_with_its_future_and_its_time() {
    let (authority, answer) = begun(quiet()).await;
    answer.abort();
    let _ = answer.await;
    assert!(TcpStream::connect(&authority).await.is_err());

    let (authority, answer) = begun(quiet().within(Duration::from_millis(100))).await;
    assert!(matches!(
        answer.await.unwrap(),
        Err(UserAgentError::TimedOut)
    ));
    assert!(TcpStream::connect(&authority).await.is_err());
}

/// Two sign-ins at once have two ports; one that is wanted and taken is not shared.
#[tokio::test]
async fn a_port_is_nobody_elses() {
    let (one, _answer) = begun(quiet()).await;
    let (other, _answer) = begun(quiet()).await;
    assert_ne!(one, other);
    let port = one.rsplit(':').next().unwrap().parse().unwrap();
    let taken = quiet().port(port).begin().await;
    assert!(matches!(taken.err(), Some(UserAgentError::Unavailable(_))));
}

/// The person is told the address where no browser can be opened; what was opened is what was asked.
#[tokio::test]
async fn the_browser_or_the_person_gets_the_address() {
    let opened = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&opened);
    let (authority, answer) = begun(
        quiet()
            .open_with(move |url| {
                told.lock().unwrap().push(url.to_owned());
                Ok(())
            })
            .tell(|notice| assert!(matches!(notice, Notice::Opened(ASKED)))),
    )
    .await;
    get(&authority, "/callback?code=c&state=the%20state").await;
    answer.await.unwrap().unwrap();
    assert_eq!(*opened.lock().unwrap(), [ASKED]);

    let (authority, answer) =
        begun(quiet().tell(|notice| assert!(matches!(notice, Notice::OpenThis(ASKED))))).await;
    get(&authority, "/callback?code=c&state=the%20state").await;
    answer.await.unwrap().unwrap();
}

/// CL-AUTHZ-13: where the browser is on another computer, the address that it ended at is pasted; what
/// belongs to another sign-in is turned away, and another line may follow.
#[tokio::test]
async fn what_is_pasted_counts_as_well() {
    let lines = "\n http://127.0.0.1:1/callback?code=c&state=other \n\
                 'http://127.0.0.1:1/callback?code=c&state=the%20state#_=_'\n";
    let reader: Box<dyn BufRead + Send> = Box::new(BufReader::new(Cursor::new(lines)));
    let unsuited = Arc::new(Mutex::new(0));
    let count = Arc::clone(&unsuited);
    let (_, answer) = begun(quiet().paste_from(reader).tell(move |notice| {
        if matches!(notice, Notice::NotTheAnswer) {
            *count.lock().unwrap() += 1;
        }
    }))
    .await;
    let query = answer.await.unwrap().unwrap();
    assert_eq!(query.expose(), "code=c&state=the%20state");
    assert_eq!(*unsuited.lock().unwrap(), 1);
}
