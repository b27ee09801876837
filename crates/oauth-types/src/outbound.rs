//! Asking elsewhere: a client's metadata, an issuer's keys, what an opaque token means.

mod freshness;

use crate::Timestamp;
use async_trait::async_trait;

/// Asks an address for a document. A port: the logic says what it wants, an implementation
/// keeps the network's dangers away from it (`oauth-hyper` does; a test answers from a table).
///
/// An implementation asks with `Accept: application/json`, by POST where there is a form and by
/// GET else, without cookies or credentials but those it is given; follows no redirect; connects
/// only to addresses that are allowed, and to the very address that was checked; and stops at its
/// limits of time and size. It sends each request once: what was lost may have arrived.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Fetches what an address answers, whatever its status.
    ///
    /// # Errors
    /// See [`OutboundError`]. Its causes never reach whoever made us ask.
    async fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, OutboundError>;
}

/// What is asked for.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Fetch<'a> {
    /// The address: https, absolute.
    pub url: &'a str,
    /// The longest body that is wanted.
    pub most_bytes: usize,
    /// How an earlier answer can be recognised, to be sent as `If-None-Match` and
    /// `If-Modified-Since`: then the answer may be 304 without a body, which says that it still
    /// stands.
    pub validators: Option<&'a Validators>,
    /// What is posted, as `application/x-www-form-urlencoded`. It may hold secrets.
    pub form: Option<&'a str>,
    /// The `Authorization` header: a secret.
    pub authorization: Option<&'a str>,
}

impl<'a> Fetch<'a> {
    /// Asks for a document of which nothing is known.
    pub const fn of(url: &'a str, most_bytes: usize) -> Self {
        Self {
            url,
            most_bytes,
            validators: None,
            form: None,
            authorization: None,
        }
    }
}

impl std::fmt::Debug for Fetch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// By what an answer can be recognised. Spec: RFC 9110 §8.8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// The `ETag` header, as it stood.
    pub etag: Option<String>,
    /// The `Last-Modified` header, as it stood.
    pub last_modified: Option<String>,
}

impl Validators {
    /// Bytes of one that is remembered: strangers choose them.
    const LONGEST: usize = 256;

    /// Whether there is one, and none is longer than is remembered.
    pub fn are_of_use(&self) -> bool {
        let held = || [&self.etag, &self.last_modified].into_iter().flatten();
        held().next().is_some() && held().all(|text| text.len() <= Self::LONGEST)
    }
}

/// What was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The status, as a number.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Cache-Control` header; several joined by commas.
    pub cache_control: Option<String>,
    /// The `Age` header, in seconds.
    pub age: Option<u64>,
    /// The `Date` header, if it is a date.
    pub date: Option<Timestamp>,
    /// The `Expires` header. What is no date has always been over: 1970.
    pub expires: Option<Timestamp>,
    /// By what the answer can be recognised later.
    pub validators: Validators,
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
    async fn fetch(&self, _: &Fetch<'_>) -> Result<Fetched, OutboundError> {
        Err(OutboundError::Forbidden)
    }
}
