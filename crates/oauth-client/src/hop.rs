//! What went wrong, at which hop, at which address, and what was expected there.

use std::fmt;

use url::Url;

use crate::transport::TransportError;

/// A step of the way from a protected server to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hop {
    /// The protected server itself.
    Resource,
    /// Its metadata (RFC 9728).
    ResourceMetadata,
    /// The authorization server's metadata (RFC 8414, OpenID Connect Discovery).
    ServerMetadata,
    /// Dynamic client registration (RFC 7591).
    Registration,
    /// The authorization endpoint, through a person's browser.
    Authorization,
    /// The device authorization endpoint (RFC 8628).
    DeviceAuthorization,
    /// The token endpoint, for a code.
    CodeExchange,
    /// The token endpoint, for a refresh token.
    Refresh,
    /// The token endpoint, with the client's own credentials.
    ClientCredentials,
    /// The token endpoint, for a device code.
    DeviceToken,
    /// The token endpoint, for an assertion of somebody else's (RFC 7523 §2.1).
    JwtBearer,
    /// An identity provider's token endpoint, for such an assertion (RFC 8693).
    TokenExchange,
    /// The revocation endpoint (RFC 7009).
    Revocation,
}

impl Hop {
    /// What it is called in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "protected server",
            Self::ResourceMetadata => "protected resource metadata",
            Self::ServerMetadata => "authorization server metadata",
            Self::Registration => "client registration",
            Self::Authorization => "authorization",
            Self::DeviceAuthorization => "device authorization",
            Self::CodeExchange => "code exchange",
            Self::Refresh => "refresh",
            Self::ClientCredentials => "client credentials",
            Self::DeviceToken => "device token",
            Self::JwtBearer => "assertion grant",
            Self::TokenExchange => "token exchange at the identity provider",
            Self::Revocation => "revocation",
        }
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hop did not give what it should have.
#[derive(Debug, thiserror::Error)]
#[error("{hop} at {url}: expected {expected}, got {got}")]
#[non_exhaustive]
pub struct HopError {
    /// Which hop.
    pub hop: Hop,
    /// The address, without its query.
    pub url: Address,
    /// What should have come.
    pub expected: &'static str,
    /// What came.
    #[source]
    pub got: Got,
}

impl HopError {
    /// A failure at `url`, whose query is left away.
    pub fn new(hop: Hop, url: &str, expected: &'static str, got: Got) -> Self {
        Self {
            hop,
            url: Address::of(url),
            expected,
            got,
        }
    }

    /// What the server said, if it refused in the words of OAuth.
    pub fn refusal(&self) -> Option<&OAuthError> {
        match &self.got {
            Got::Refused(error) => Some(error),
            _ => None,
        }
    }

    /// Whether it may well work later: nobody answered, or a 5xx or 429 did. Then nothing that was
    /// held before is worth less (CL-TOK-12).
    pub fn is_temporary(&self) -> bool {
        match &self.got {
            Got::Nothing(error) => {
                use TransportError::{Cleartext, Forbidden, TooLarge};
                !matches!(error, Forbidden | Cleartext | TooLarge)
            }
            Got::Status(status) => *status == 429 || *status >= 500,
            Got::Refused(error) => error.status == 429 || error.status >= 500,
            Got::Redirect | Got::Unreadable | Got::Unusable(_) => false,
        }
    }
}

/// What came instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Got {
    /// No answer.
    #[error("no answer: {0}")]
    Nothing(#[source] TransportError),
    /// A status that says nothing more.
    #[error("status {0}")]
    Status(u16),
    /// A redirect, which is not followed here, least of all to another origin.
    #[error("a redirect, which is not followed")]
    Redirect,
    /// Something that is not a JSON object.
    #[error("something that is no JSON object")]
    Unreadable,
    /// A document or an address that breaks a rule; which one is said.
    #[error("{0}")]
    Unusable(String),
    /// A refusal in the words of OAuth.
    #[error("{0}")]
    Refused(OAuthError),
}

/// An error as OAuth says it. All of it was chosen by somebody else, so it is cut to what can be
/// printed, and left out where it repeats a secret that was sent there.
///
/// Spec: OAuth 2.1 §3.2.4, §4.1.2.1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthError {
    /// The status it came with; 0 where it came through a browser.
    pub status: u16,
    /// `error`.
    pub code: String,
    /// `error_description`: at most 300 printable characters of ASCII.
    pub description: Option<String>,
}

impl OAuthError {
    /// Whether this is that error.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.code)?;
        if let Some(description) = &self.description {
            write!(f, " ({description})")?;
        }
        Ok(())
    }
}

/// An address as it may be printed: without user information, query and fragment, cut at 200
/// characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The printable part of `url`.
    pub fn of(url: &str) -> Self {
        let Ok(parsed) = Url::parse(url) else {
            return Self("(no URL)".to_owned());
        };
        let Some(host) = parsed.host_str() else {
            return Self(format!("{}:", parsed.scheme()));
        };
        let port = parsed
            .port()
            .map_or(String::new(), |port| format!(":{port}"));
        let text = format!("{}://{host}{port}{}", parsed.scheme(), parsed.path());
        Self(text.chars().take(200).collect())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
