//! Making one connection: TCP, TLS, authentication.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::ConnectError;
use crate::settings::{Address, RedisSettings, Target};

/// Everything but the address that connecting takes.
pub(crate) struct Dialling {
    tls: Option<TlsConnector>,
    info: RedisConnectionInfo,
    pub(crate) connect_patience: Duration,
    pub(crate) patience: Duration,
    pub(crate) connections: usize,
    primaries_only: AtomicBool,
}

/// A connection, and the work on it, which ends when the connection does.
pub(crate) type Connected = (
    MultiplexedConnection,
    Pin<Box<dyn Future<Output = ()> + Send>>,
);

/// Requests that may wait for the socket.
const QUEUE: usize = 1024;

impl Dialling {
    pub(crate) fn new(
        target: &Target,
        settings: &RedisSettings,
    ) -> Result<Arc<Self>, ConnectError> {
        let mut info = RedisConnectionInfo::default().set_db(target.database);
        if let Some(user) = &target.user {
            info = info.set_username(user);
        }
        if let Some(password) = &target.password {
            info = info.set_password(password);
        }
        let tls = target.tls.then(|| connector(settings)).transpose()?;
        Ok(Arc::new(Self {
            tls,
            info,
            connect_patience: settings.connect_patience,
            patience: settings.patience,
            connections: settings.connections.clamp(1, 64),
            primaries_only: AtomicBool::new(false),
        }))
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// From now on a server that follows another is no server. In a cluster it answers for itself:
    /// who follows there serves nothing of what is asked here.
    pub(crate) fn insist_on_primaries(&self) {
        self.primaries_only.store(true, Ordering::Relaxed);
    }

    /// Connects, once.
    ///
    /// # Errors
    /// Why not, for people.
    pub(crate) async fn connect(&self, to: &Address) -> Result<Connected, String> {
        tokio::time::timeout(self.connect_patience, self.attempt(to))
            .await
            .map_err(|_| "the connection took too long".to_owned())?
    }

    async fn attempt(&self, to: &Address) -> Result<Connected, String> {
        let words = |error: std::io::Error| error.to_string();
        let stream = TcpStream::connect((&*to.host, to.port))
            .await
            .map_err(words)?;
        // Requests are small and wait for their answers: holding them back helps nobody.
        stream.set_nodelay(true).map_err(words)?;
        match &self.tls {
            None => self.greet(stream).await,
            Some(tls) => {
                let name = ServerName::try_from(to.host.clone());
                let name = name.map_err(|error| error.to_string())?;
                self.greet(tls.connect(name, stream).await.map_err(words)?)
                    .await
            }
        }
    }

    async fn greet(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Connected, String> {
        // Time is kept by whoever asks.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        let made = MultiplexedConnection::new_with_config(&self.info, stream, config).await;
        let (connection, work) = made.map_err(|error| error.to_string())?;
        let mut work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work);
        if self.primaries_only.load(Ordering::Relaxed) {
            // Roles change, and what a follower says may be outdated.
            let role = redis::cmd("ROLE");
            let mut asking = connection.clone();
            let said = tokio::select! {
                said = asking.send_packed_command(&role) => said,
                () = &mut work => return Err("the connection was closed".to_owned()),
            };
            if let Ok(Value::Array(said)) = said
                && let Some(Value::BulkString(role)) = said.first()
                && role != b"master"
            {
                return Err("it follows another server".to_owned());
            }
        }
        Ok((connection, work))
    }
}

fn connector(settings: &RedisSettings) -> Result<TlsConnector, ConnectError> {
    let words = |error: &dyn std::error::Error| ConnectError::Certificates(error.to_string());
    let mut roots = RootCertStore::empty();
    match &settings.trusted {
        Some(file) => {
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| words(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| words(&error))?;
                roots.add(certificate).map_err(|error| words(&error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err(ConnectError::Certificates(
            "no certificate to trust was found".to_owned(),
        ));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| words(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
