//! Documents that live elsewhere: a client's metadata, a client's keys.

use async_trait::async_trait;

/// Fetches a document by its address. A port: the logic says what it wants, an implementation
/// keeps the network's dangers away from it (`oauth-hyper` does; a test answers from a table).
///
/// An implementation asks with GET and `Accept: application/json`, without cookies or
/// credentials; follows no redirect; connects only to addresses that are allowed, and to the very
/// address that was checked; and stops at its limits of time and size.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Fetches what `url` (https, absolute) answers, whatever its status.
    ///
    /// # Errors
    /// See [`OutboundError`]. Its causes never reach whoever made us ask.
    async fn fetch(&self, url: &str, most_bytes: usize) -> Result<Fetched, OutboundError>;
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The status, as a number.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Cache-Control` header; several joined by commas.
    pub cache_control: Option<String>,
    /// The body, at most as long as was allowed.
    pub body: Vec<u8>,
}

/// Nothing was fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// The address leads to where no request may go.
    #[error("the address is not allowed")]
    Forbidden,
    /// Too much is being fetched already; nobody was asked.
    #[error("too many documents are being fetched")]
    Busy,
    /// The body is longer than was allowed.
    #[error("the document is too large")]
    TooLarge,
    /// There was no answer, or none in time.
    #[error("the document cannot be fetched")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Fetches nothing: for servers that need nothing from elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoOutbound;

#[async_trait]
impl Outbound for NoOutbound {
    async fn fetch(&self, _: &str, _: usize) -> Result<Fetched, OutboundError> {
        Err(OutboundError::Forbidden)
    }
}
