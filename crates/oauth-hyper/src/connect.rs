//! From a URL to a connection with the very address that was checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use crate::resolve::Resolve;
use crate::transport::TransportError;

/// Addresses that are tried, one after another.
const MOST_ADDRESSES: usize = 4;

/// All addresses of a URL's host, to be judged before any of them is connected to.
pub(crate) async fn addresses(resolver: &dyn Resolve, url: &Url) -> io::Result<Vec<IpAddr>> {
    match url.host() {
        // The URL parser has already read every notation of a literal address.
        Some(Host::Ipv4(address)) => Ok(vec![IpAddr::V4(address)]),
        Some(Host::Ipv6(address)) => Ok(vec![IpAddr::V6(address)]),
        Some(Host::Domain(name)) => resolver.resolve(name).await,
        None => Ok(Vec::new()),
    }
}

/// Connects to the first of these addresses that answers, and says to which.
pub(crate) async fn dial(
    addresses: &[IpAddr],
    url: &Url,
    within: Duration,
) -> io::Result<(TcpStream, IpAddr)> {
    let port = url.port_or_known_default().unwrap_or(443);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses.iter().take(MOST_ADDRESSES) {
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        match timeout(within, connecting).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// TLS with whoever is named in the URL.
pub(crate) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &Arc<ClientConfig>,
    url: &Url,
    stream: S,
) -> io::Result<TlsStream<S>> {
    let name = url.host_str().unwrap_or_default();
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
}

/// TLS 1.2 and 1.3 that trusts these authorities.
pub(crate) fn trusting(roots: RootCertStore) -> Result<Arc<ClientConfig>, TransportError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(tls))
}

/// The authorities of the system, also those named by `SSL_CERT_FILE`.
pub(crate) fn system_roots() -> Result<RootCertStore, TransportError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => Err(TransportError::NoRoots),
        false => Ok(roots),
    }
}

/// Adds authorities in DER.
pub(crate) fn add_roots(
    roots: &mut RootCertStore,
    authorities: &[Vec<u8>],
) -> Result<(), TransportError> {
    for authority in authorities {
        let added = roots.add(rustls::pki_types::CertificateDer::from_slice(authority));
        added.map_err(|_| TransportError::Certificate)?;
    }
    Ok(())
}
