//! Proof Key for Code Exchange with S256. There is no `plain` here, by design.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::text;

/// An S256 challenge: SHA-256 of a verifier.
///
/// As text: exactly 43 characters of unpadded base64url. Spec: RFC 7636 §4.2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodeChallenge([u8; 32]);

/// A code verifier: 43–128 unreserved ASCII characters. Spec: RFC 7636 §4.1.
#[derive(Clone, Copy)]
pub struct CodeVerifier<'a>(&'a str);

/// The text is neither a verifier nor an S256 challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPkce {
    /// Not 43 characters of unpadded base64url that spell 32 bytes.
    #[error("code_challenge is 43 characters of base64url")]
    Challenge,
    /// Not 43–128 unreserved characters.
    #[error("code_verifier is 43 to 128 unreserved characters")]
    Verifier,
}

impl CodeChallenge {
    /// Reads a challenge.
    ///
    /// # Errors
    /// [`InvalidPkce::Challenge`].
    pub fn parse(text: &str) -> Result<Self, InvalidPkce> {
        let mut bytes = [0u8; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(InvalidPkce::Challenge),
        }
    }

    /// Derives the S256 challenge for a verifier. Cannot fail: a [`CodeVerifier`] is already
    /// well-formed. Spec: RFC 7636 §4.2.
    pub fn of(verifier: CodeVerifier<'_>) -> Self {
        Self(Sha256::digest(verifier.0).into())
    }

    /// Whether `verifier` is the one this was derived from, in constant time.
    pub fn is_met_by(&self, verifier: CodeVerifier<'_>) -> bool {
        bool::from(self.0.ct_eq(&Self::of(verifier).0))
    }
}

impl<'a> CodeVerifier<'a> {
    /// Reads a verifier.
    ///
    /// # Errors
    /// [`InvalidPkce::Verifier`].
    pub fn parse(text: &'a str) -> Result<Self, InvalidPkce> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if (43..=128).contains(&text.len()) && text.bytes().all(unreserved) {
            Ok(Self(text))
        } else {
            Err(InvalidPkce::Verifier)
        }
    }
}

impl fmt::Debug for CodeVerifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier")
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeChallenge({self})")
    }
}

impl Serialize for CodeChallenge {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CodeChallenge {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_holds() {
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let challenge = CodeChallenge::of(verifier);
        assert_eq!(
            challenge.to_string(),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert!(challenge.is_met_by(verifier));
    }

    /// AS-AUTHZ-11, AS-CODE-2.
    #[test]
    fn malformed_values_are_refused() {
        for length in [0, 42, 129] {
            assert!(CodeVerifier::parse(&"a".repeat(length)).is_err());
        }
        assert!(CodeVerifier::parse(&"a b".repeat(20)).is_err());
        let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        for bad in [
            &good[1..],
            &format!("{good}="),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN",
        ] {
            assert!(CodeChallenge::parse(bad).is_err(), "{bad}");
        }
    }
}
