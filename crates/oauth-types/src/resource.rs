//! Resource identifiers: what an access token is good for.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::issuer::is_loopback;
use crate::{plain, text};

/// A protected resource's identifier, emitted exactly as configured.
///
/// An absolute https URL (plain http for a loopback host) without fragment or user information.
///
/// Spec: RFC 8707 §2, RFC 9728 §1.2.
#[derive(Clone)]
pub struct ResourceUri {
    text: Arc<str>,
    /// Scheme and host in lower case, no slash after a bare host: only for comparison.
    canonical: Arc<str>,
}

/// The text cannot be a resource identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a resource is an absolute https URL without fragment; plain http is for a loopback host only"
)]
pub struct InvalidResource;

impl ResourceUri {
    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// [`InvalidResource`].
    pub fn parse(text: &str) -> Result<Self, InvalidResource> {
        if is_canonical(text) {
            let text: Arc<str> = Arc::from(text);
            let canonical = Arc::clone(&text);
            return Ok(Self { text, canonical });
        }
        Self::parse_any(text)
    }

    fn parse_any(text: &str) -> Result<Self, InvalidResource> {
        let url = Url::parse(text).map_err(|_| InvalidResource)?;
        let secure = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        // A backslash is no part of a URL (RFC 3986), and would end a challenge's quoted text early.
        let plain =
            !text.contains(['#', '\\']) && url.username().is_empty() && url.password().is_none();
        if !secure || !plain || url.host().is_none() {
            return Err(InvalidResource);
        }
        let normal = url.as_str();
        let bare = url.path() == "/" && url.query().is_none();
        let canonical = if bare {
            normal.trim_end_matches('/')
        } else {
            normal
        };
        let text: Arc<str> = Arc::from(text);
        let canonical = if *text == *canonical {
            Arc::clone(&text)
        } else {
            Arc::from(canonical)
        };
        Ok(Self { text, canonical })
    }

    /// The identifier exactly as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `text` names this resource: upper case in scheme and host and one slash after a
    /// bare host are forgiven, nothing else is.
    pub fn is_named_by(&self, text: &str) -> bool {
        *self.text == *text
            || Self::parse(text).is_ok_and(|other| other.canonical == self.canonical)
    }

    /// Whether `text` is an identifier of the same origin, of which this one's path is a
    /// continuation by whole segments. An origin alone is above all of its resources.
    pub fn is_below(&self, text: &str) -> bool {
        let Ok(above) = Self::parse(text) else {
            return false;
        };
        let prefix = above.canonical.trim_end_matches('/');
        let rest = self.canonical.strip_prefix(prefix);
        above.origin() == self.origin() && rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        let authority = self.canonical.find("://").map_or(0, |at| at + 3);
        let end = self.canonical[authority..]
            .find(['/', '?'])
            .map(|at| at + authority);
        &self.canonical[..end.unwrap_or(self.canonical.len())]
    }

    /// Path and query as the metadata's address repeats them; empty for a bare host.
    pub fn path_and_query(&self) -> &str {
        &self.canonical[self.origin().len()..]
    }

    /// Where this resource's metadata document lives: path and query follow the well-known
    /// segment (RFC 9728 §3.1).
    pub fn metadata_path(&self) -> String {
        format!(
            "/.well-known/oauth-protected-resource{}",
            self.path_and_query()
        )
    }

    /// The absolute address of [`Self::metadata_path`].
    pub fn metadata_url(&self) -> String {
        format!("{}{}", self.origin(), self.metadata_path())
    }
}

impl PartialEq for ResourceUri {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.canonical, &other.canonical) || self.canonical == other.canonical
    }
}

impl Eq for ResourceUri {}

impl fmt::Display for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ResourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceUri({:?})", &*self.text)
    }
}

/// Whether a URL is surely what comes out when it is parsed and written again. Says no where it
/// would have to know more; nearly every resource is one of these, and every record names some.
fn is_canonical(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(|rest| {
        let (host, path) = plain::split(rest);
        plain::is_host(host) && path != "/" && plain::is_path(path)
    })
}

impl<'de> Deserialize<'de> for ResourceUri {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, Self::parse)
    }
}

impl Serialize for ResourceUri {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is taken for canonical at a glance is so when it is looked at closely.
        #[test]
        fn a_glance_decides_as_a_close_look_does(
            text in "https://[a-z0-9A-Z.x-]{0,6}(\\.|--|xn--|:443|0x|@|%41)?[a-z0-9.-]{0,4}[a-z]{0,2}(/[a-zA-Z0-9._~%?#/\\\\ -]{0,8})?"
        ) {
            if is_canonical(&text) {
                let close = ResourceUri::parse_any(&text).unwrap();
                prop_assert_eq!(&*close.canonical, &*text);
            }
        }
    }

    #[test]
    fn an_ordinary_resource_needs_only_a_glance() {
        for text in [
            "https://mcp.example.com/mcp",
            "https://h.example",
            "https://a-b.example/a/b.c/",
        ] {
            assert!(is_canonical(text), "{text}");
        }
        for text in [
            "https://h.example/",
            "https://1.2.3.4/mcp",
            "https://h.0x7f/mcp",
            "https://H.example/mcp",
            "https://xn--a.example/mcp",
            "https://h.example:443/mcp",
            "https://h.example/a/../b",
            "https://h.example/%7emcp",
            "https://h.example./mcp",
            "http://h.example/mcp",
        ] {
            assert!(!is_canonical(text), "{text}");
        }
    }

    #[test]
    fn metadata_addresses_follow_rfc_9728() {
        for (resource, url) in [
            (
                "https://h.example",
                "https://h.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://h.example/",
                "https://h.example/.well-known/oauth-protected-resource",
            ),
            (
                "https://h.example/a/b",
                "https://h.example/.well-known/oauth-protected-resource/a/b",
            ),
            (
                "https://h.example/a/",
                "https://h.example/.well-known/oauth-protected-resource/a/",
            ),
            (
                "https://h.example/a?x=1",
                "https://h.example/.well-known/oauth-protected-resource/a?x=1",
            ),
        ] {
            assert_eq!(ResourceUri::parse(resource).unwrap().metadata_url(), url);
        }
    }

    /// AS-AUTHZ-17.
    #[test]
    fn comparison_forgives_case_of_the_host_and_one_slash_of_a_bare_host() {
        let bare = ResourceUri::parse("https://h.example").unwrap();
        assert!(bare.is_named_by("HTTPS://H.example/"));
        let mcp = ResourceUri::parse("https://h.example/mcp").unwrap();
        for other in [
            "https://h.example/mcp/",
            "https://h.example/MCP",
            "https://h.example",
        ] {
            assert!(!mcp.is_named_by(other), "{other}");
        }
    }

    /// AS-AUTHZ-16.
    #[test]
    fn what_cannot_be_a_resource_is_refused() {
        for text in [
            "",
            "/mcp",
            "https://h/#f",
            "http://h.example/",
            "urn:x",
            "https://u@h/",
            "https://",
            "https://h/?a\\",
        ] {
            assert!(ResourceUri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_continues_another_by_whole_segments_only() {
        let deep = ResourceUri::parse("https://h.example/a/mcp").unwrap();
        for above in [
            "https://h.example",
            "HTTPS://H.example/",
            "https://h.example/a",
            "https://h.example/a/",
        ] {
            assert!(deep.is_below(above), "{above}");
        }
        for other in [
            "https://h.example/a/mc",
            "https://h.example/b",
            "https://h.example/a/mcp",
            "https://h.example.evil",
            "https://h.exampl",
            "http://h.example",
            "https://h.example:444",
            "h.example",
        ] {
            assert!(!deep.is_below(other), "{other}");
        }
    }
}
