//! Clients that nobody registered: their id is the https address of a document about them.
//!
//! A document is fetched when an authorization request first names it, judged as a registration
//! would be, and kept in process for as long as HTTP allows. Nothing is stored before a person
//! has said yes; from then on a client record stands for it, so that refreshing depends on nobody
//! else's web server, and revoking has a number to raise.
//!
//! Spec: draft-ietf-oauth-client-id-metadata-document-02.

mod cache;
mod document;
mod resolve;
mod url;

use oauth_types::Lifetime;

pub(crate) use cache::Documents;
pub(crate) use resolve::ClientLookupError;
pub(crate) use url::ClientIdUrl;

/// What the operator decides about such clients.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MetadataDocumentRules {
    /// Hosts whose documents are accepted; `None`, the default, is any.
    pub allowed_hosts: Option<Vec<String>>,
    /// Hosts whose documents are refused. Default none.
    pub denied_hosts: Vec<String>,
    /// Whether https redirect URIs must have the origin of the client id. Default no.
    pub same_origin_redirects: bool,
    /// Whether a client id may have a query. Default no.
    pub allow_query: bool,
    /// The longest document, in bytes. Default 5,120.
    pub most_bytes: usize,
    /// How long a document is kept whose answer says nothing about that. Default 5 minutes.
    pub default_freshness: Lifetime,
    /// How long it is kept at the least, and after a failure not asked for again: a back-off
    /// against hammering. Default 10 seconds.
    pub shortest_freshness: Lifetime,
    /// How long it is kept at the most. Default 24 hours.
    pub longest_freshness: Lifetime,
}

impl Default for MetadataDocumentRules {
    fn default() -> Self {
        Self {
            allowed_hosts: None,
            denied_hosts: Vec::new(),
            same_origin_redirects: false,
            allow_query: false,
            most_bytes: 5 * 1024,
            default_freshness: Lifetime::minutes(5),
            shortest_freshness: Lifetime::seconds(10),
            longest_freshness: Lifetime::days(1),
        }
    }
}

/// Why a document makes no client. For operators: whoever made us fetch it is told only that it
/// was so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The id is no address that may be fetched.
    #[error("the client id is not an acceptable https address")]
    Url,
    /// Policy keeps this host out.
    #[error("the host is not accepted")]
    Host,
    /// Its host is asked too often.
    #[error("documents of this host are asked for too often")]
    TooOften,
    /// There was no answer, or the address is not allowed.
    #[error("the document cannot be fetched")]
    Unreachable,
    /// It is longer than is read.
    #[error("the document is too large")]
    TooLarge,
    /// The answer was not 200.
    #[error("the answer is not 200")]
    Status,
    /// It is not JSON by its content type, or not an object.
    #[error("the document is not a JSON object")]
    NotJson,
    /// Its `client_id` is not the address it was fetched from.
    #[error("the document is about another client")]
    OtherClient,
    /// It has no name.
    #[error("client_name is required")]
    NoName,
    /// It names a shared secret, or a way to use one.
    #[error("a document cannot have a shared secret")]
    Secret,
    /// A redirect URI is on another origin than the document, where policy wants the same.
    #[error("a redirect URI is of another origin")]
    OtherOrigin,
    /// Its metadata would not be registered either; the text says why.
    #[error("{0}")]
    Metadata(&'static str),
}

impl DocumentError {
    /// The same in a word that does not change between versions; for metadata, in a sentence.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Host => "host",
            Self::TooOften => "too_often",
            Self::Unreachable => "unreachable",
            Self::TooLarge => "too_large",
            Self::Status => "status",
            Self::NotJson => "not_json",
            Self::OtherClient => "other_client",
            Self::NoName => "no_name",
            Self::Secret => "secret",
            Self::OtherOrigin => "other_origin",
            Self::Metadata(why) => why,
        }
    }
}
