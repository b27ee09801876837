//! Secrets that do not print, and the digests that alone reach storage.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::base62;
use crate::env::{Entropy, EntropyError};
use crate::text;

/// 256 bits that nobody can guess. Neither printed nor serialised; wiped when dropped.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes 32 bytes as a secret.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws a secret.
    ///
    /// # Errors
    /// [`EntropyError`] when `entropy` fails.
    pub fn draw(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = [0u8; 32];
        entropy.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes themselves. Whoever calls this keeps them out of logs and of storage.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest under which storage knows this secret.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A secret that arrived as text: a client secret, a password.
#[derive(Clone)]
pub struct SecretText(String);

impl SecretText {
    /// Takes text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Draws a client secret: 44 characters of `[0-9A-Za-z]`, 256 bits.
    ///
    /// # Errors
    /// [`EntropyError`] when `entropy` fails.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let secret = Secret::draw(entropy)?;
        let mut text = String::with_capacity(4 * base62::WORD);
        base62::push_bytes(&mut text, secret.expose());
        Ok(Self(text))
    }

    /// The text itself. Whoever calls this keeps it out of logs and of storage.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The digest under which storage knows a generated secret. Not for passwords that people
    /// choose.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.0.as_bytes())
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// SHA-256 of a secret of at least 128 random bits: all that storage ever sees of it.
///
/// As text: 43 characters of unpadded base64url.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Digests `secret`.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Takes a digest computed elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a digest as configuration holds it: `sha256:` and 64 hexadecimal digits, which
    /// `printf %s "$SECRET" | sha256sum` prints. `None` for anything else.
    pub fn from_configured(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix("sha256:")?.as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return None;
        }
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |at: u8| char::from(at).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
        }
        Some(Self(bytes))
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

/// Characters of a digest as text.
const TEXT: usize = 43;

impl Serialize for SecretHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; TEXT];
        // The text has just that length, and is ASCII: neither takes the error arm.
        let written = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).unwrap_or(0);
        serializer.serialize_str(std::str::from_utf8(&text[..written]).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for SecretHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, |text| {
            let mut bytes = [0; 32];
            match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
                Ok(32) => Ok(Self(bytes)),
                _ => Err("a digest is 32 bytes in base64url"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_print() {
        assert_eq!(format!("{:?}", Secret::from_bytes([7; 32])), "Secret");
        assert_eq!(format!("{:?}", SecretText::new("hunter2")), "SecretText");
        assert_eq!(format!("{:?}", SecretHash::of(b"x")), "SecretHash");
    }

    #[test]
    fn a_digest_survives_json() {
        let hash = SecretHash::of(b"x");
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json.len(), 45);
        assert!(
            serde_json::from_str::<SecretHash>(&json)
                .unwrap()
                .matches(&hash)
        );
        for wrong in [
            "AAAA",
            &"A".repeat(42),
            &"A".repeat(44),
            &"A".repeat(86),
            &"=".repeat(43),
        ] {
            let json = format!("\"{wrong}\"");
            assert!(
                serde_json::from_str::<SecretHash>(&json).is_err(),
                "{wrong}"
            );
        }
        assert!(serde_json::from_str::<SecretHash>("7").is_err());
    }

    #[test]
    fn a_configured_digest_is_what_sha256sum_prints() {
        let digest = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        let read = SecretHash::from_configured(digest).unwrap();
        assert!(read.matches(&SecretHash::of(b"secret")));
        for wrong in [
            "",
            "secret",
            "sha256:",
            "sha256:2bb8",
            &digest[7..],
            &digest.replace('2', "g"),
        ] {
            assert!(SecretHash::from_configured(wrong).is_none(), "{wrong}");
        }
        assert!(SecretHash::from_configured(&format!("{digest}00")).is_none());
    }
}
