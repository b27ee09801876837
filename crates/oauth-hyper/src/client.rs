//! What an OAuth client sends, and by which way.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Empty, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use oauth_client::{Bounds, HttpClient, Reached, TransportError as ClientError};
use oauth_types::{Reach, ResourceUri};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::connect;
use crate::proxy::{InvalidProxy, Proxies, Proxy, looks_public};
use crate::resolve::{Resolve, SystemResolver};
use crate::transport::{MOST_HEAD, TransportError, USER_AGENT};

/// Requests under way at once.
const AT_ONCE: usize = 64;
/// Connections that are kept open for one origin, and altogether.
const KEPT_OF_AN_ORIGIN: usize = 2;
const KEPT: usize = 16;
/// How long a connection is kept without use.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Sends what an OAuth client asks.
///
/// Over TLS, or over plain http to this computer; to the very address that was checked, which lies
/// no further inside one's own network than [`Bounds::within`] allows; through a proxy where there is
/// one; in bounded time and size. Redirects are answers like any other. Connections are kept open for
/// half a minute, and used again only for what may go where they lead. Clones share them.
#[derive(Clone)]
pub struct ClientTransport {
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
    proxies: Proxies,
    connect_within: Duration,
    answer_within: Duration,
    turns: Arc<Semaphore>,
    kept: Arc<Mutex<HashMap<String, Vec<Kept>>>>,
}

/// A connection, and where it leads.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    reach: Reach,
}

struct Kept {
    connection: Connection,
    since: Instant,
}

/// A stream of bytes, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl ClientTransport {
    /// Trusts the certificate authorities of the system, also those named by `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub fn new() -> Result<Self, TransportError> {
        Self::with_roots(connect::system_roots()?)
    }

    /// Trusts these certificate authorities, in DER, besides those of the system.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub fn also_trusting(authorities: &[Vec<u8>]) -> Result<Self, TransportError> {
        let mut roots = match connect::system_roots() {
            Err(TransportError::NoRoots) => RootCertStore::empty(),
            other => other?,
        };
        connect::add_roots(&mut roots, authorities)?;
        Self::with_roots(roots)
    }

    /// Trusts these certificate authorities, in DER, and no others.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub fn trusting(authorities: &[Vec<u8>]) -> Result<Self, TransportError> {
        let mut roots = RootCertStore::empty();
        connect::add_roots(&mut roots, authorities)?;
        Self::with_roots(roots)
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, TransportError> {
        Ok(Self {
            resolver: Arc::new(SystemResolver),
            tls: connect::trusting(roots)?,
            proxies: Proxies::default(),
            connect_within: Duration::from_secs(5),
            answer_within: Duration::from_secs(30),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            kept: Arc::default(),
        })
    }

    /// Asks this resolver instead of the system's.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// How long a connection may take to be made, and all of a request. Default 5 and 30 seconds.
    #[must_use]
    pub const fn within(mut self, connect: Duration, answer: Duration) -> Self {
        self.connect_within = connect;
        self.answer_within = answer;
        self
    }

    /// Goes through these proxies, which resolve names for themselves. Where a document from the
    /// public internet leads through one, its name is judged by its form alone.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Goes through the proxies that the environment names ([`Proxies::of_environment`]).
    ///
    /// # Errors
    /// [`InvalidProxy`].
    pub fn proxies_of_environment(self) -> Result<Self, InvalidProxy> {
        Ok(self.proxies(Proxies::of_environment()?))
    }

    async fn ask(
        &self,
        url: &Url,
        mut request: Request<Full<Bytes>>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, ClientError> {
        let key = url.origin().ascii_serialization();
        // A server may close a kept connection at any moment. What surely was not sent goes
        // another way; what may have been sent is never sent again.
        let (reach, answer) = loop {
            let kept = self.take(&key, bounds.within);
            let is_new = kept.is_none();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect(url, bounds.within).await?,
            };
            match connection.sender.try_send_request(request).await {
                Ok(answer) => break (connection.reach, (answer, connection)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(ClientError::failed(error.into_error())),
                },
            }
        };
        let (answer, connection) = answer;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, bounds.most_bytes).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => ClientError::TooLarge,
            false => ClientError::Failed(error),
        })?;
        self.keep(key, connection);
        let mut response = Response::from_parts(head, body.to_bytes());
        response.extensions_mut().insert(Reached(reach));
        Ok(response)
    }

    async fn connect(&self, url: &Url, within: Reach) -> Result<Connection, ClientError> {
        let (stream, reach): (Box<dyn Stream>, Reach) = match self.proxies.of(url) {
            Some(proxy) => {
                // Where a proxy leads is not known, so nothing from there leads further inside.
                if within == Reach::Public && !looks_public(url) {
                    return Err(ClientError::Forbidden);
                }
                (self.through(proxy, url).await?, Reach::Public)
            }
            None => {
                let addresses = connect::addresses(&*self.resolver, url).await;
                let addresses = addresses.map_err(ClientError::failed)?;
                // All of them: nobody who means well has a name with one that is not allowed.
                let allowed = |address: &IpAddr| match url.scheme() {
                    "https" => Reach::of(*address) <= within,
                    _ => address.is_loopback() && within == Reach::Local,
                };
                if addresses.is_empty() || !addresses.iter().all(allowed) {
                    return Err(ClientError::Forbidden);
                }
                let dialled = connect::dial(&addresses, url, self.connect_within).await;
                let (stream, address) = dialled.map_err(slow_or_failed)?;
                (Box::new(stream), Reach::of(address))
            }
        };
        let stream: Box<dyn Stream> = match url.scheme() {
            "https" => Box::new(
                connect::secure(&self.tls, url, stream)
                    .await
                    .map_err(slow_or_failed)?,
            ),
            _ => stream,
        };
        let handshake = http1::Builder::new()
            .max_buf_size(MOST_HEAD)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake.map_err(ClientError::failed)?;
        // It ends when its sender is dropped.
        tokio::spawn(connection);
        Ok(Connection { sender, reach })
    }

    /// A tunnel to whom the URL names. Spec: RFC 9110 §9.3.6.
    async fn through(&self, proxy: &Proxy, url: &Url) -> Result<Box<dyn Stream>, ClientError> {
        let addresses = connect::addresses(&*self.resolver, &proxy.url).await;
        let addresses = addresses.map_err(ClientError::failed)?;
        let dialled = connect::dial(&addresses, &proxy.url, self.connect_within).await;
        let (stream, _) = dialled.map_err(slow_or_failed)?;
        let stream: Box<dyn Stream> = match proxy.url.scheme() {
            "https" => Box::new(
                connect::secure(&self.tls, &proxy.url, stream)
                    .await
                    .map_err(slow_or_failed)?,
            ),
            _ => Box::new(stream),
        };
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        let authority = format!("{host}:{port}");
        let uri = Uri::try_from(authority.as_str()).map_err(ClientError::failed)?;
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(uri)
            .header(header::HOST, authority)
            .header(header::USER_AGENT, USER_AGENT)
            .body(Empty::<Bytes>::new())
            .map_err(ClientError::failed)?;
        if let Some(authorization) = &proxy.authorization {
            let headers = request.headers_mut();
            headers.insert(header::PROXY_AUTHORIZATION, authorization.clone());
        }
        let handshake = http1::Builder::new()
            .max_buf_size(MOST_HEAD)
            .handshake(TokioIo::new(stream))
            .await;
        let (mut sender, connection) = handshake.map_err(ClientError::failed)?;
        tokio::spawn(connection.with_upgrades());
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(ClientError::failed)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(ClientError::failed(format!(
                "the proxy answers with status {}",
                status.as_u16()
            )));
        }
        let upgraded = hyper::upgrade::on(answer).await;
        Ok(Box::new(TokioIo::new(
            upgraded.map_err(ClientError::failed)?,
        )))
    }

    /// A kept connection that may be used for this.
    fn take(&self, key: &str, within: Reach) -> Option<Connection> {
        let mut kept = self.kept();
        let of_origin = kept.get_mut(key)?;
        of_origin
            .retain(|kept| kept.connection.sender.is_ready() && kept.since.elapsed() < KEPT_FOR);
        let at = of_origin
            .iter()
            .position(|kept| kept.connection.reach <= within)?;
        Some(of_origin.swap_remove(at).connection)
    }

    fn keep(&self, key: String, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut kept = self.kept();
        for of_origin in kept.values_mut() {
            of_origin.retain(|kept| kept.since.elapsed() < KEPT_FOR);
        }
        kept.retain(|_, of_origin| !of_origin.is_empty());
        let count: usize = kept.values().map(Vec::len).sum();
        let of_origin = kept.entry(key).or_default();
        if count < KEPT && of_origin.len() < KEPT_OF_AN_ORIGIN {
            let since = Instant::now();
            of_origin.push(Kept { connection, since });
        }
    }

    /// Nothing panics while it is held.
    fn kept(&self) -> MutexGuard<'_, HashMap<String, Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HttpClient for ClientTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, ClientError> {
        let url = Url::parse(&request.uri().to_string()).map_err(ClientError::failed)?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host();
        if !web || !url.username().is_empty() || url.password().is_some() {
            return Err(ClientError::Forbidden);
        }
        if ResourceUri::parse(&url[..url::Position::AfterPath]).is_err() {
            return Err(ClientError::Cleartext);
        }
        let request = to_origin(&url, request)?;
        let _turn = self.turns.try_acquire().map_err(|_| ClientError::Busy)?;
        let answer = timeout(self.answer_within, self.ask(&url, request, bounds)).await;
        answer.map_err(|_| ClientError::TimedOut)?
    }
}

/// The request as it stands on the wire: the target in origin form, the host in a header.
fn to_origin(url: &Url, request: Request<Bytes>) -> Result<Request<Full<Bytes>>, ClientError> {
    let (mut head, body) = request.into_parts();
    head.uri = Uri::try_from(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .map_err(ClientError::failed)?;
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let host = HeaderValue::try_from(host).map_err(ClientError::failed)?;
    head.headers.insert(header::HOST, host);
    let agent = HeaderValue::from_static(USER_AGENT);
    head.headers.entry(header::USER_AGENT).or_insert(agent);
    Ok(Request::from_parts(head, Full::from(body)))
}

fn slow_or_failed(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::TimedOut => ClientError::TimedOut,
        _ => ClientError::failed(error),
    }
}

impl std::fmt::Debug for ClientTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTransport")
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}
