//! The listener that the browser comes back to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use oauth_client::agent::is_answer_to;
use oauth_client::types::SecretText;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{PATH, page};

/// Connections at once: a browser opens a few, and some of them to no end.
const MOST_CONNECTIONS: usize = 32;
/// How long one may last.
const CONNECTION: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const MOST_HEAD: usize = 32 * 1024;

/// What the answer of one sign-in looks like.
pub(super) struct Expected {
    url: String,
    hosts: [String; 2],
    program: Arc<str>,
}

impl Expected {
    /// The answer to `url`, sent to `address`.
    pub(super) fn of(url: &str, address: SocketAddr, program: &Arc<str>) -> Self {
        Self {
            url: url.to_owned(),
            hosts: [address.to_string(), format!("localhost:{}", address.port())],
            program: Arc::clone(program),
        }
    }

    /// Whether a query is the answer. What else is in it, the client judges.
    pub(super) fn is_answered_by(&self, query: &str) -> bool {
        is_answer_to(query, &self.url)
    }

    /// Answers a request, and says whether it is the one that was waited for.
    fn answer<B>(&self, request: &Request<B>) -> (Response<Full<Bytes>>, Option<SecretText>) {
        let host = request
            .headers()
            .get(HOST)
            .and_then(|host| host.to_str().ok());
        let ours = host.is_some_and(|host| self.hosts.iter().any(|ours| ours == host));
        let path = request.uri().path();
        if !ours || path != PATH {
            return (page::nothing(StatusCode::NOT_FOUND), None);
        }
        if request.method() != Method::GET {
            return (page::nothing(StatusCode::METHOD_NOT_ALLOWED), None);
        }
        let query = request.uri().query().unwrap_or_default();
        if !self.is_answered_by(query) {
            return (page::foreign(&self.program), None);
        }
        let refused = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "error");
        let page = if refused {
            page::refused(&self.program)
        } else {
            page::done(&self.program)
        };
        (page, Some(SecretText::new(query)))
    }
}

/// Waits for the answer, while whatever else comes is turned away. Dropped, it ends all connections.
pub(super) async fn serve(listener: &TcpListener, expected: &Arc<Expected>) -> SecretText {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(expected)));
                }
                // Out of descriptors, say: it may pass.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(ended) = connections.join_next() => {
                if let Ok(Some(answer)) = ended {
                    return answer;
                }
            }
        }
    }
}

/// One request of one connection, and the answer if it was that. It is given when the page has been
/// sent, so that nobody looks at half of one.
async fn connection(stream: TcpStream, expected: Arc<Expected>) -> Option<SecretText> {
    let found = Mutex::new(None);
    let service = service_fn(|request| {
        let (page, answer) = expected.answer(&request);
        if let Some(answer) = answer {
            *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        }
        async move { Ok::<_, Infallible>(page) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(CONNECTION)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // Whether the browser took the page is its own affair.
    let _ = timeout(CONNECTION, served).await;
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}
