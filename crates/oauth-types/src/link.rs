//! Links for people, as an operator publishes them.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use url::Url;

use crate::issuer::is_loopback;

/// The address of a page for people: documentation, a policy, terms.
///
/// An absolute https URL (plain http for a loopback host) without user information, kept and
/// published exactly as given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Link(Arc<str>);

/// The text cannot be a link for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a link is an absolute https URL; plain http is for a loopback host only")]
pub struct InvalidLink;

impl Link {
    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// [`InvalidLink`].
    pub fn parse(text: &str) -> Result<Self, InvalidLink> {
        let url = Url::parse(text).map_err(|_| InvalidLink)?;
        let secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        let plain = url.username().is_empty() && url.password().is_none();
        // A URL parser drops these silently, and what is published is the text.
        let printed = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if secure && plain && printed && url.host().is_some() {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidLink)
        }
    }

    /// The address exactly as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_https_or_local() {
        for good in [
            "https://example.com/terms?lang=en#top",
            "http://localhost:3000/docs",
        ] {
            assert_eq!(Link::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "http://example.com/",
            "javascript:alert(1)",
            "https://user@example.com/",
            "https://exa\nmple.com/",
            " https://example.com/",
            "/terms",
            "",
        ] {
            assert_eq!(Link::parse(bad), Err(InvalidLink), "{bad:?}");
        }
    }
}
