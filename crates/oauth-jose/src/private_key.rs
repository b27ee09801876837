//! Keys of one's own, as they come in files: what a client proves itself with.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::Algorithm;

/// A private key: P-256, Ed25519, or RSA of at least 2048 bits.
pub struct PrivateKey {
    kid: Option<String>,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// The text is not a private key that can be used here. It is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a PKCS#8 private key on P-256 or Ed25519, or of RSA with at least 2048 bits")]
pub struct InvalidPrivateKey;

/// The cryptographic library refused to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing could be signed")]
pub struct SignError;

impl PrivateKey {
    /// Reads `-----BEGIN PRIVATE KEY-----` (PKCS#8, not encrypted). An RSA key signs with `RS256`.
    ///
    /// # Errors
    /// [`InvalidPrivateKey`].
    pub fn from_pem(pem: &str) -> Result<Self, InvalidPrivateKey> {
        let body = pem
            .split_once("-----BEGIN PRIVATE KEY-----")
            .and_then(|(_, rest)| rest.split_once("-----END PRIVATE KEY-----"))
            .map(|(body, _)| body)
            .ok_or(InvalidPrivateKey)?;
        let text: Zeroizing<String> =
            Zeroizing::new(body.chars().filter(|c| !c.is_whitespace()).collect());
        let der = STANDARD.decode(text.as_bytes());
        Self::from_pkcs8(&Zeroizing::new(der.map_err(|_| InvalidPrivateKey)?))
    }

    /// Reads PKCS#8 in DER.
    ///
    /// # Errors
    /// [`InvalidPrivateKey`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, InvalidPrivateKey> {
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        let (algorithm, pair) = if let Ok(pair) = p256 {
            (Algorithm::Es256, Pair::P256(pair))
        } else if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            (Algorithm::Ed25519, Pair::Ed25519(pair))
        } else {
            let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| InvalidPrivateKey)?;
            (Algorithm::Rs256, Pair::Rsa(pair))
        };
        Ok(Self {
            kid: None,
            algorithm,
            pair,
        })
    }

    /// Names the key, as those who verify know it.
    #[must_use]
    pub fn named(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Signs with `PS256` where the key is an RSA key; changes nothing else.
    #[must_use]
    pub fn with_pss(mut self) -> Self {
        if self.algorithm == Algorithm::Rs256 {
            self.algorithm = Algorithm::Ps256;
        }
        self
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The algorithm's name in a JOSE header; Ed25519 goes by `EdDSA`, which more verifiers know.
    pub const fn alg(&self) -> &'static str {
        match self.algorithm {
            Algorithm::Es256 => "ES256",
            Algorithm::Ed25519 => "EdDSA",
            Algorithm::Rs256 => "RS256",
            Algorithm::Ps256 => "PS256",
        }
    }

    /// What those who verify may know. Spec: RFC 7517 §4, RFC 7518 §6, RFC 8037 §2.
    pub fn public_jwk(&self) -> Map<String, Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::P256(pair) => {
                // The uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..65])})
            }
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
            Pair::Rsa(pair) => {
                let key = pair.public_key().as_ref();
                // proved: the library writes RSAPublicKey in DER (RFC 8017 §A.1.1).
                let (modulus, exponent) = rsa_numbers(key).unwrap_or_default();
                json!({"kty": "RSA", "n": encode(modulus), "e": encode(exponent)})
            }
        };
        jwk["use"] = "sig".into();
        jwk["alg"] = self.alg().into();
        if let Some(kid) = &self.kid {
            jwk["kid"] = kid.as_str().into();
        }
        match jwk {
            Value::Object(jwk) => jwk,
            _ => Map::new(),
        }
    }

    /// Signs claims, under a header with `alg`, `typ` and the key's name. Spec: RFC 7515 §3.1.
    ///
    /// # Errors
    /// [`SignError`] when there is no randomness, which some algorithms need.
    pub fn sign(&self, typ: &str, claims: &Value) -> Result<String, SignError> {
        let mut header = json!({"alg": self.alg(), "typ": typ});
        if let Some(kid) = &self.kid {
            header["kid"] = kid.as_str().into();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let (bytes, random) = (message.as_bytes(), SystemRandom::new());
        let signature = match &self.pair {
            Pair::P256(pair) => {
                let signature = pair.sign(&random, bytes).map_err(|_| SignError)?;
                signature.as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(bytes).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &dyn RsaEncoding = match self.algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, bytes, &mut signature)
                    .map_err(|_| SignError)?;
                signature
            }
        };
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Modulus and exponent of an RSAPublicKey, each without the zero that DER puts before a high bit.
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = element(0x30, der)?;
    let (modulus, rest) = element(0x02, sequence)?;
    let (exponent, _) = element(0x02, rest)?;
    let bare = |number: &'_ [u8]| number.iter().take_while(|byte| **byte == 0).count();
    Some((&modulus[bare(modulus)..], &exponent[bare(exponent)..]))
}

/// The content of a DER element, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let longer = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
        (bytes.iter().fold(0, longer), rest)
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
