//! One request to one checked address.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError, Validators};
use oauth_types::{Issuer, Timestamp};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::address::{is_private, is_public};
use crate::resolve::{Resolve, SystemResolver};

/// What we call ourselves, whoever asks.
const USER_AGENT: &str = concat!("oauth-hyper/", env!("CARGO_PKG_VERSION"));
/// Addresses that are tried, one after another.
const MOST_ADDRESSES: usize = 4;
/// Bytes of an answer's head.
const MOST_HEAD: usize = 16 * 1024;
/// Documents fetched at once, by all requests together.
const AT_ONCE: usize = 64;
/// Of these, from one host.
const AT_ONCE_OF_A_HOST: usize = 4;

/// Fetches documents by the rules of this crate.
#[derive(Clone)]
pub struct GuardedTransport {
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
    loopback: bool,
    /// Origins that may be on a private network.
    ours: Vec<String>,
    connect_within: Duration,
    answer_within: Duration,
    turns: Arc<Semaphore>,
    at_once_of_a_host: usize,
    /// Fetches under way, by host.
    hosts: Arc<Mutex<HashMap<String, usize>>>,
}

/// The transport cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The system trusts no certificate authority, or its list cannot be read.
    #[error("no certificate authorities are installed on this system")]
    NoRoots,
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// A certificate to trust is malformed.
    #[error("a certificate to trust is malformed")]
    Certificate,
}

/// Loopback addresses were to be allowed for an issuer that is not on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("loopback documents are for an issuer on a loopback address only")]
pub struct NotLoopback;

/// The text is no scheme, host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin is http or https, a host and at most a port")]
pub struct InvalidOrigin;

impl GuardedTransport {
    /// Trusts the certificate authorities of the system, also those named by `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub fn new() -> Result<Self, TransportError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TransportError::NoRoots);
        }
        Self::with_roots(roots)
    }

    /// Trusts these certificate authorities, in DER, and no others.
    ///
    /// # Errors
    /// See [`TransportError`].
    pub fn trusting(authorities: &[Vec<u8>]) -> Result<Self, TransportError> {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            let added = roots.add(CertificateDer::from_slice(authority));
            added.map_err(|_| TransportError::Certificate)?;
        }
        Self::with_roots(roots)
    }

    fn with_roots(roots: RootCertStore) -> Result<Self, TransportError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            resolver: Arc::new(SystemResolver),
            tls: Arc::new(tls),
            loopback: false,
            ours: Vec::new(),
            connect_within: Duration::from_secs(2),
            answer_within: Duration::from_secs(5),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            at_once_of_a_host: AT_ONCE_OF_A_HOST,
            hosts: Arc::default(),
        })
    }

    /// Asks this resolver instead of the system's.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve + 'static) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// How long a connection may take to be made, and all of a fetch. Default 2 and 5 seconds.
    #[must_use]
    pub const fn within(mut self, connect: Duration, answer: Duration) -> Self {
        self.connect_within = connect;
        self.answer_within = answer;
        self
    }

    /// How much is fetched at once, by all together and of it from one host. Default 64 and 4, which
    /// is for hosts that strangers name. Where all of them are the operator's choice, as for a
    /// resource server that introspects tokens, one host may have most of it.
    #[must_use]
    pub fn at_once(mut self, together: usize, of_a_host: usize) -> Self {
        self.turns = Arc::new(Semaphore::new(together.max(1)));
        self.at_once_of_a_host = of_a_host.max(1);
        self
    }

    /// Lets documents be on this computer: for development, where the issuer is, too.
    ///
    /// # Errors
    /// [`NotLoopback`] for any other issuer, so no production configuration can do this.
    pub fn danger_allow_loopback(mut self, issuer: &Issuer) -> Result<Self, NotLoopback> {
        if !issuer.is_loopback_http() {
            return Err(NotLoopback);
        }
        self.loopback = true;
        Ok(self)
    }

    /// Lets what is asked of this origin be on a private network, or on this computer, there also
    /// over plain http: for an issuer that the operator names. Scheme, host and port must be the
    /// very ones, and every other origin is judged as before. Link-local addresses are refused all
    /// the same, and plain http goes nowhere but to loopback addresses, whatever a name resolves to.
    ///
    /// Not for a transport that fetches documents of strangers as well: they could name this origin.
    ///
    /// # Errors
    /// [`InvalidOrigin`].
    pub fn danger_allow_origin(mut self, origin: &str) -> Result<Self, InvalidOrigin> {
        let url = Url::parse(origin).map_err(|_| InvalidOrigin)?;
        let web = matches!(url.scheme(), "https" | "http") && url.has_host();
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let nobodys = url.username().is_empty() && url.password().is_none();
        if !(web && bare && nobodys) {
            return Err(InvalidOrigin);
        }
        self.ours.push(url.origin().ascii_serialization());
        Ok(self)
    }

    /// One of the few turns of a host, so that a slow one cannot take everybody's.
    fn turn_of(&self, host: &str) -> Result<HostTurn, OutboundError> {
        let mut hosts = lock(&self.hosts);
        let count = hosts.entry(host.to_owned()).or_default();
        if *count >= self.at_once_of_a_host {
            return Err(OutboundError::Busy);
        }
        *count += 1;
        Ok(HostTurn {
            host: host.to_owned(),
            hosts: Arc::clone(&self.hosts),
        })
    }

    fn is_ours(&self, url: &Url) -> bool {
        self.ours.contains(&url.origin().ascii_serialization())
    }

    fn allows(&self, url: &Url, address: IpAddr) -> bool {
        if url.scheme() != "https" {
            return address.is_loopback();
        }
        is_public(address)
            || (self.loopback && address.is_loopback())
            || (is_private(address) && self.is_ours(url))
    }

    /// The addresses to try. A name with one address that is not allowed is refused whole: nobody
    /// who means well has such a name.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, OutboundError> {
        let port = url.port_or_known_default().unwrap_or(443);
        let found = match url.host() {
            // The URL parser has already read every notation of a literal address.
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => self.resolver.resolve(name).await.map_err(failed)?,
            None => Vec::new(),
        };
        if found.is_empty() || !found.iter().all(|address| self.allows(url, *address)) {
            return Err(OutboundError::Forbidden);
        }
        let pinned = found.into_iter().take(MOST_ADDRESSES);
        Ok(pinned
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, OutboundError> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match timeout(self.connect_within, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failed(last))
    }

    async fn ask(&self, url: &Url, fetch: &Fetch<'_>) -> Result<Fetched, OutboundError> {
        let stream = self.connect(&self.addresses(url).await?).await?;
        if url.scheme() != "https" {
            return exchange(stream, url, fetch).await;
        }
        let name = url.host_str().unwrap_or_default();
        let name = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(name).map_err(failed)?;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let stream = tls.connect(name, stream).await.map_err(failed)?;
        exchange(stream, url, fetch).await
    }
}

/// One request and its answer on a connection of its own.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    url: &Url,
    fetch: &Fetch<'_>,
) -> Result<Fetched, OutboundError> {
    let handshake = http1::Builder::new()
        .max_buf_size(MOST_HEAD)
        .handshake(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = handshake.map_err(failed)?;
    let method = match fetch.form {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(
            header::HOST,
            &url[url::Position::BeforeHost..url::Position::AfterPort],
        )
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Full::<Bytes>::from(
            fetch.form.unwrap_or_default().to_owned(),
        ))
        .map_err(failed)?;
    if fetch.form.is_some() {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, form);
    }
    if let Some(authorization) = fetch.authorization {
        let mut secret = HeaderValue::try_from(authorization).map_err(failed)?;
        secret.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, secret);
    }
    let known = fetch.validators.cloned().unwrap_or_default();
    for (name, value) in [
        (header::IF_NONE_MATCH, known.etag),
        (header::IF_MODIFIED_SINCE, known.last_modified),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            request.headers_mut().insert(name, value);
        }
    }
    // Dropping the set with this future closes the connection.
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(failed)?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, fetch.most_bytes).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => OutboundError::TooLarge,
        false => OutboundError::Failed(error),
    })?;
    let headers = |name| text(&head.headers, name);
    Ok(Fetched {
        status: head.status.as_u16(),
        content_type: headers(header::CONTENT_TYPE),
        cache_control: headers(header::CACHE_CONTROL),
        age: headers(header::AGE).and_then(|age| age.parse().ok()),
        date: headers(header::DATE).and_then(|date| moment(&date)),
        // RFC 9111 §5.3: what is no date is over, `0` above all.
        expires: headers(header::EXPIRES)
            .map(|date| moment(&date).unwrap_or(Timestamp::from_unix(0))),
        validators: Validators {
            etag: headers(header::ETAG),
            last_modified: headers(header::LAST_MODIFIED),
        },
        body: body.to_bytes().to_vec(),
    })
}

#[async_trait]
impl Outbound for GuardedTransport {
    async fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, OutboundError> {
        let url = Url::parse(fetch.url).map_err(failed)?;
        let plain = url.username().is_empty() && url.password().is_none();
        let secure = url.scheme() == "https" || (url.scheme() == "http" && self.is_ours(&url));
        if !secure || !plain {
            return Err(OutboundError::Forbidden);
        }
        let _turn = self.turns.try_acquire().map_err(|_| OutboundError::Busy)?;
        let _of_host = self.turn_of(url.host_str().unwrap_or_default())?;
        let answer = timeout(self.answer_within, self.ask(&url, fetch)).await;
        answer.map_err(failed)?
    }
}

/// A turn that ends when it is dropped.
struct HostTurn {
    host: String,
    hosts: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for HostTurn {
    fn drop(&mut self) {
        let mut hosts = lock(&self.hosts);
        if let Some(count) = hosts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                hosts.remove(&self.host);
            }
        }
    }
}

/// Nothing panics while it holds the counts.
fn lock(hosts: &Mutex<HashMap<String, usize>>) -> MutexGuard<'_, HashMap<String, usize>> {
    hosts.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for GuardedTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardedTransport")
            .field("loopback", &self.loopback)
            .field("ours", &self.ours)
            .finish_non_exhaustive()
    }
}

fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OutboundError {
    OutboundError::Failed(cause.into())
}

/// Reads an HTTP date in any of its three forms. Spec: RFC 9110 §5.6.7.
fn moment(text: &str) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(text)
        .ok()?
        .duration_since(SystemTime::UNIX_EPOCH);
    Some(Timestamp::from_unix(since.ok()?.as_secs()))
}

/// All values of a header, joined as HTTP joins them.
fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let values: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}
