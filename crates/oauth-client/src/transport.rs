//! The port through which requests leave.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use oauth_types::Reach;

/// Sends one request to whom its URI names. A port: the steps say what is asked and what bounds
/// hold, an implementation keeps the network's dangers away (`oauth-hyper` does; a test answers
/// from a table).
///
/// An implementation
/// - sends over TLS, or over plain http to this computer only;
/// - connects only to addresses that [`Bounds::within`] allows, and to the very address that was
///   checked;
/// - follows no redirect: what to do with one is decided here;
/// - stops at [`Bounds::most_bytes`] and at a time limit of its own, and never waits for ever;
/// - sends each request once, since what was lost may have arrived;
/// - adds no cookie and no credential, and keeps header values that are marked sensitive, and
///   bodies, out of what it logs;
/// - puts a [`Reached`] into the extensions of the response if it knows to whom it was connected.
#[async_trait]
pub trait HttpClient: Send + Sync {
    /// Sends `request`, whose URI is absolute, and collects the answer, whatever its status.
    ///
    /// # Errors
    /// See [`TransportError`].
    async fn send(
        &self,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, TransportError>;
}

/// What holds for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// The longest body that is wanted, in bytes.
    pub most_bytes: usize,
    /// How far inside one's own network the address may lie. A person may point a client at a
    /// server of their own network; a document from the public internet may not.
    pub within: Reach,
}

impl Bounds {
    /// Documents and answers of OAuth, which are small: 256 KiB.
    pub const MOST_BYTES: usize = 256 * 1024;

    /// Bounds of a message of OAuth.
    pub const fn within(within: Reach) -> Self {
        Self {
            most_bytes: Self::MOST_BYTES,
            within,
        }
    }
}

/// Where the connection led, in the extensions of a response. Without it, the public internet is
/// assumed, from where nothing may point further inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached(pub Reach);

impl Reached {
    /// Where the connection behind a response led.
    pub fn by<B>(response: &Response<B>) -> Reach {
        response
            .extensions()
            .get::<Self>()
            .map_or(Reach::Public, |reached| reached.0)
    }
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address lies where this request may not go: a public document points into a private
    /// network, say.
    #[error("the address is not one that may be asked here")]
    Forbidden,
    /// Plain http, to another computer.
    #[error("plain http is for this computer only")]
    Cleartext,
    /// The body is longer than was wanted.
    #[error("the answer is too large")]
    TooLarge,
    /// There was no answer in time.
    #[error("there was no answer in time")]
    TimedOut,
    /// Too many requests are under way; nothing was sent.
    #[error("too many requests are under way")]
    Busy,
    /// No connection, a certificate that is not trusted, an answer that broke off. The cause
    /// names no secret.
    #[error("no answer could be had")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TransportError {
    /// An answer that could not be had, and why.
    pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }
}
