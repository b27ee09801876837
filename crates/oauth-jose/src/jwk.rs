//! Signing keys and their public half.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// An Ed25519 key: deterministic, small and quick.
pub struct SigningKey {
    kid: String,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// The key that follows from 32 secret bytes, under the name `kid`.
    pub fn from_seed(kid: String, seed: &[u8; 32]) -> Self {
        // proved: every 32-byte string is an Ed25519 seed (RFC 8032 §5.1.5).
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("a seed of 32 bytes");
        Self { kid, pair }
    }

    /// The algorithm's name in JOSE.
    pub const fn algorithm(&self) -> &'static str {
        "EdDSA"
    }

    /// What verifiers may know. Spec: RFC 7517 §4, RFC 8037 §2.
    pub fn public_jwk(&self) -> PublicJwk {
        PublicJwk {
            kty: "OKP",
            crv: "Ed25519",
            kid: self.kid.clone(),
            usage: "sig",
            alg: self.algorithm(),
            x: URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref()),
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A public key as a JSON Web Key.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "each member is the standard's own word")]
pub struct PublicJwk {
    pub kty: &'static str,
    pub crv: &'static str,
    pub kid: String,
    #[serde(rename = "use")]
    pub usage: &'static str,
    pub alg: &'static str,
    pub x: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_vector_of_rfc_8032_holds() {
        let seed: [u8; 32] = std::array::from_fn(|i| {
            let hex = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
            u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()
        });
        let jwk = SigningKey::from_seed("k".to_owned(), &seed).public_jwk();
        assert_eq!(jwk.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }
}
