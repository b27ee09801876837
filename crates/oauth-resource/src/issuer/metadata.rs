//! What a resource server needs of an issuer's metadata.

use std::sync::Arc;

use oauth_types::Issuer;
use url::Url;

/// Where an issuer's keys are, and whom to ask about its tokens. Spec: RFC 8414 §2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerMetadata {
    issuer: Issuer,
    jwks_uri: Option<Arc<str>>,
    introspection_endpoint: Option<Arc<str>>,
}

/// An address that an issuer's endpoint cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// No absolute URL with a host, or one with user information or a fragment.
    #[error("not an address that can be asked")]
    NotAnAddress,
    /// Plain http, and the issuer itself is no plain http on a loopback host.
    #[error("not https")]
    NotHttps,
}

impl IssuerMetadata {
    /// An issuer of which nothing more is known yet.
    pub const fn of(issuer: Issuer) -> Self {
        Self {
            issuer,
            jwks_uri: None,
            introspection_endpoint: None,
        }
    }

    /// Its keys are at this address.
    ///
    /// # Errors
    /// See [`InvalidEndpoint`].
    pub fn with_jwks_uri(mut self, address: &str) -> Result<Self, InvalidEndpoint> {
        self.jwks_uri = Some(endpoint(&self.issuer, address)?);
        Ok(self)
    }

    /// It answers questions about its tokens at this address.
    ///
    /// # Errors
    /// See [`InvalidEndpoint`].
    pub fn with_introspection_endpoint(mut self, address: &str) -> Result<Self, InvalidEndpoint> {
        self.introspection_endpoint = Some(endpoint(&self.issuer, address)?);
        Ok(self)
    }

    /// Whose metadata it is.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Where its keys are.
    pub fn jwks_uri(&self) -> Option<&str> {
        self.jwks_uri.as_deref()
    }

    /// Whom to ask about its tokens.
    pub fn introspection_endpoint(&self) -> Option<&str> {
        self.introspection_endpoint.as_deref()
    }
}

/// Checks an address at which an issuer is to be asked.
fn endpoint(issuer: &Issuer, address: &str) -> Result<Arc<str>, InvalidEndpoint> {
    let url = Url::parse(address).map_err(|_| InvalidEndpoint::NotAnAddress)?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    // A URL parser drops these silently, and what is asked is the text.
    let printed = !address.contains(|c: char| c.is_whitespace() || c.is_control());
    if !plain || !printed || url.host().is_none() {
        return Err(InvalidEndpoint::NotAnAddress);
    }
    match url.scheme() {
        "https" => Ok(Arc::from(address)),
        // Developers run everything on one machine, issuer and endpoints alike.
        "http" if issuer.is_loopback_http() && is_origin_of(issuer, &url) => Ok(Arc::from(address)),
        "http" => Err(InvalidEndpoint::NotHttps),
        _ => Err(InvalidEndpoint::NotAnAddress),
    }
}

/// Whether an address is on the issuer's own origin.
pub(super) fn is_origin_of(issuer: &Issuer, url: &Url) -> bool {
    url.origin().ascii_serialization() == issuer.origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AS-META-25, seen from the other side: where keys and answers come from is https.
    #[test]
    fn endpoints_are_https_or_beside_a_loopback_issuer() {
        use InvalidEndpoint::{NotAnAddress, NotHttps};
        let public = Issuer::parse("https://idp.example").unwrap();
        let local = Issuer::parse("http://127.0.0.1:8080/realms/a").unwrap();
        for (issuer, address, told) in [
            (&public, "https://keys.example/jwks", Ok(())),
            (&public, "http://idp.example/jwks", Err(NotHttps)),
            (&public, "http://127.0.0.1/jwks", Err(NotHttps)),
            (&local, "http://127.0.0.1:8080/jwks", Ok(())),
            (&local, "http://127.0.0.1:9090/jwks", Err(NotHttps)),
            (&local, "https://keys.example/jwks", Ok(())),
            (&public, "https://u@idp.example/jwks", Err(NotAnAddress)),
            (&public, "https://idp.example/jwks#x", Err(NotAnAddress)),
            (&public, "https://idp.example/a b", Err(NotAnAddress)),
            (&public, "file:///etc/passwd", Err(NotAnAddress)),
            (&public, "/jwks", Err(NotAnAddress)),
            (&public, "", Err(NotAnAddress)),
        ] {
            let keys = IssuerMetadata::of(issuer.clone()).with_jwks_uri(address);
            assert_eq!(keys.map(|_| ()), told, "{address}");
            let asked = IssuerMetadata::of(issuer.clone()).with_introspection_endpoint(address);
            assert_eq!(asked.map(|_| ()), told, "{address}");
        }
    }
}
