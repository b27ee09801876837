//! The issuer identifier and the well-known addresses that follow from it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// An authorization server's issuer identifier, kept and compared byte for byte.
///
/// An https URL (plain http for a loopback host, for development) with neither query nor
/// fragment nor user information.
///
/// Spec: RFC 8414 §2.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Issuer {
    text: Arc<str>,
    origin: Arc<str>,
}

/// The text cannot be an issuer identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIssuer {
    /// Not an absolute URL with a host.
    #[error("an issuer is an absolute URL")]
    NotAUrl,
    /// Plain http, and the host is not loopback.
    #[error("an issuer uses https; plain http is for a loopback host only")]
    NotHttps,
    /// It has a query, a fragment or user information.
    #[error("an issuer has no query, fragment or user information")]
    ExtraParts,
    /// The text is not what a URL parser would write for it, beyond a bare host's final slash.
    #[error(
        "an issuer is written in its normal form (lower-case host, no default port, no dot segments)"
    )]
    NotNormal,
}

impl Issuer {
    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// See [`InvalidIssuer`].
    pub fn parse(text: &str) -> Result<Self, InvalidIssuer> {
        let url = Url::parse(text).map_err(|_| InvalidIssuer::NotAUrl)?;
        if url.host().is_none() {
            return Err(InvalidIssuer::NotAUrl);
        }
        if text.contains(['?', '#']) || !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidIssuer::ExtraParts);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => return Err(InvalidIssuer::NotHttps),
        }
        // Clients compare the document's issuer with their own spelling of it, so a text that a
        // URL library would rewrite could never be found again (RFC 8414 §3.3).
        let normal = url.as_str();
        if normal != text && normal.strip_suffix('/') != Some(text) {
            return Err(InvalidIssuer::NotNormal);
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self {
            text: Arc::from(text),
            origin: Arc::from(origin),
        })
    }

    /// The identifier exactly as configured.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, without a final slash.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Host and port as a browser writes them in `Host`.
    pub fn authority(&self) -> &str {
        self.origin
            .split_once("://")
            .map_or("", |(_, authority)| authority)
    }

    /// Whether it is plain http, which only a loopback host may be.
    pub fn is_loopback_http(&self) -> bool {
        self.origin.starts_with("http://")
    }

    /// The path without a final slash: empty, or beginning with a slash.
    pub fn path(&self) -> &str {
        self.text[self.origin.len()..].trim_end_matches('/')
    }

    /// The path of an endpoint below the issuer, for instance `/auth/v1` + `/token`.
    pub fn endpoint_path(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.path())
    }

    /// The address of an endpoint below the issuer.
    pub fn endpoint(&self, endpoint: &str) -> String {
        format!("{}{}{endpoint}", self.origin, self.path())
    }

    /// Every path where clients look for the metadata document: the inserted form of RFC 8414
    /// §3.1, the inserted OpenID form, and the appended OpenID form, without repetition.
    pub fn metadata_paths(&self) -> Vec<String> {
        let path = self.path();
        let mut paths = vec![
            format!("/.well-known/oauth-authorization-server{path}"),
            format!("/.well-known/openid-configuration{path}"),
        ];
        if !path.is_empty() {
            paths.push(format!("{path}/.well-known/openid-configuration"));
        }
        paths
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({:?})", &*self.text)
    }
}

impl TryFrom<String> for Issuer {
    type Error = InvalidIssuer;
    fn try_from(text: String) -> Result<Self, InvalidIssuer> {
        Self::parse(&text)
    }
}

impl Serialize for Issuer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AS-META-2, AS-META-3, AS-META-4.
    #[test]
    fn well_known_paths_follow_the_standards() {
        let bare = Issuer::parse("https://h.example").unwrap();
        assert_eq!(
            bare.metadata_paths(),
            [
                "/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration"
            ]
        );
        for text in ["https://h.example/a/b", "https://h.example/a/b/"] {
            let issuer = Issuer::parse(text).unwrap();
            assert_eq!(issuer.as_str(), text);
            assert_eq!(
                issuer.metadata_paths(),
                [
                    "/.well-known/oauth-authorization-server/a/b",
                    "/.well-known/openid-configuration/a/b",
                    "/a/b/.well-known/openid-configuration",
                ]
            );
            assert_eq!(issuer.endpoint("/token"), "https://h.example/a/b/token");
        }
    }

    /// AS-META-5, AS-SEC-1.
    #[test]
    fn what_cannot_be_an_issuer_is_refused() {
        use InvalidIssuer::*;
        for (text, why) in [
            ("h.example", NotAUrl),
            ("http://h.example", NotHttps),
            ("ftp://h.example", NotHttps),
            ("https://h.example?x=1", ExtraParts),
            ("https://h.example#f", ExtraParts),
            ("https://u@h.example", ExtraParts),
            ("https://H.example", NotNormal),
            ("https://h.example:443", NotNormal),
            ("https://h.example/a/../b", NotNormal),
        ] {
            assert_eq!(Issuer::parse(text).unwrap_err(), why, "{text}");
        }
        assert!(
            Issuer::parse("http://127.0.0.1:3000/auth")
                .unwrap()
                .is_loopback_http()
        );
        assert_eq!(
            Issuer::parse("http://[::1]:3000").unwrap().authority(),
            "[::1]:3000"
        );
    }
}
