//! Public keys of others, as they publish them.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_types::json;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;

/// Keys of one set.
const MOST_KEYS: usize = 32;
/// Bytes of a JWKS document.
pub(crate) const LONGEST_DOCUMENT: usize = 64 * 1024;

/// A public key, pinned to the algorithms that its type has.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    material: Material,
    /// What the key itself allows, if it says.
    only: Option<Algorithm>,
}

#[derive(Clone)]
enum Material {
    P256(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
    /// One key in two forms: what is parsed is for one padding.
    Rsa {
        pkcs1: ParsedPublicKey,
        pss: ParsedPublicKey,
    },
}

/// A key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// A private or shared key was published: it must not be used by anybody again.
    #[error("the key is private or symmetric")]
    Secret,
    /// A type, curve, algorithm or use that is not understood here.
    #[error("the key is of no kind that is supported")]
    Unsupported,
    /// A member is missing, malformed, too small or too large, or no point on its curve.
    #[error("the key is malformed")]
    Malformed,
}

impl VerifyingKey {
    /// Reads a JSON Web Key: RSA of 2048 to 8192 bits with a public exponent from 65537 to 2³²,
    /// EC on P-256, or OKP on Ed25519.
    ///
    /// # Errors
    /// See [`InvalidKey`]. Spec: RFC 7517 §4, RFC 7518 §6, RFC 8037 §2.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, InvalidKey> {
        let text = |name| match jwk.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(InvalidKey::Malformed),
        };
        const SECRETS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        let kty = text("kty")?.ok_or(InvalidKey::Malformed)?;
        if kty == "oct" || SECRETS.iter().any(|name| jwk.contains_key(*name)) {
            return Err(InvalidKey::Secret);
        }
        let verifies = match jwk.get("key_ops") {
            None => true,
            Some(Value::Array(ops)) => ops.iter().any(|op| op == "verify"),
            Some(_) => return Err(InvalidKey::Malformed),
        };
        if !verifies || text("use")?.is_some_and(|usage| usage != "sig") {
            return Err(InvalidKey::Unsupported);
        }
        let only = match text("alg")? {
            None => None,
            Some(alg) => Some(Algorithm::named(alg).ok_or(InvalidKey::Unsupported)?),
        };
        let bytes = |name| {
            let encoded = text(name)?.ok_or(InvalidKey::Malformed)?;
            URL_SAFE_NO_PAD
                .decode(encoded)
                .map_err(|_| InvalidKey::Malformed)
        };
        let material = match (kty, text("crv")?) {
            ("EC", Some("P-256")) => Material::P256(p256(&bytes("x")?, &bytes("y")?)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(
                ParsedPublicKey::new(&ED25519, bytes("x")?).map_err(|_| InvalidKey::Malformed)?,
            ),
            ("RSA", _) => rsa(&bytes("n")?, &bytes("e")?)?,
            _ => return Err(InvalidKey::Unsupported),
        };
        let key = Self {
            kid: text("kid")?.map(str::to_owned),
            material,
            only,
        };
        match only {
            Some(only) if !key.fits(only) => Err(InvalidKey::Malformed),
            _ => Ok(key),
        }
    }

    /// Its name among the keys of its owner.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether the key is for this algorithm: by its type, and by what it says of itself.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        let of_this_type = match self.material {
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::Ed25519(_) => algorithm == Algorithm::Ed25519,
            Material::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
        };
        of_this_type && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether `signature` over `message` is this key's, under an algorithm that it fits.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm) {
            (Material::P256(key) | Material::Ed25519(key), _) => {
                key.verify_sig(message, signature).is_ok()
            }
            (Material::Rsa { pss, .. }, Algorithm::Ps256) => {
                pss.verify_sig(message, signature).is_ok()
            }
            (Material::Rsa { pkcs1, .. }, _) => pkcs1.verify_sig(message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

fn p256(x: &[u8], y: &[u8]) -> Result<ParsedPublicKey, InvalidKey> {
    // Coordinates have their full length (RFC 7518 §6.2.1.2).
    if x.len() != 32 || y.len() != 32 {
        return Err(InvalidKey::Malformed);
    }
    let point = [&[4], x, y].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| InvalidKey::Malformed)
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Material, InvalidKey> {
    // Without leading zeros (RFC 7518 §2), so that the first bit tells the size.
    let first = n.first().filter(|first| **first != 0);
    let bits = first.map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    let exponent = e.first().is_some_and(|first| *first != 0)
        && (3..=4).contains(&e.len())
        && e.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte)) >= 65_537;
    if !(2048..=8192).contains(&bits) || !odd(n) || !odd(e) || !exponent {
        return Err(InvalidKey::Malformed);
    }
    // Parsed once: what follows from the modulus is worked out with the first signature, and kept.
    let key = RsaPublicKeyComponents { n, e };
    let parsed = |padding| {
        let parsed = key.to_parsed_public_key(padding);
        parsed.map_err(|_| InvalidKey::Malformed)
    };
    Ok(Material::Rsa {
        pkcs1: parsed(&RSA_PKCS1_2048_8192_SHA256)?,
        pss: parsed(&RSA_PSS_2048_8192_SHA256)?,
    })
}

/// The public keys of one party.
#[derive(Debug, Clone, Default)]
pub struct KeySet(Vec<VerifyingKey>);

/// A document that is no set of public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKeySet {
    /// Not an object with an array of objects as `keys`, a member that comes twice, or a key that
    /// claims a supported kind and is malformed.
    #[error("the document is not a JSON Web Key Set")]
    Malformed,
    /// More than 64 KiB or more than 32 keys.
    #[error("the key set is too large")]
    TooLarge,
    /// There is a private or symmetric key among them.
    #[error("the key set holds a private or symmetric key")]
    Secret,
    /// There is no key among them that could verify anything here.
    #[error("the key set holds no key of a supported kind")]
    Empty,
}

impl KeySet {
    /// Reads a JWKS document of at most 64 KiB.
    ///
    /// # Errors
    /// See [`InvalidKeySet`].
    pub fn parse(document: &[u8]) -> Result<Self, InvalidKeySet> {
        if document.len() > LONGEST_DOCUMENT {
            return Err(InvalidKeySet::TooLarge);
        }
        Self::of(&json::object(document).map_err(|_| InvalidKeySet::Malformed)?)
    }

    /// Reads a JWKS that was already parsed, of at most 32 keys.
    ///
    /// # Errors
    /// See [`InvalidKeySet`].
    pub fn from_value(value: &Value) -> Result<Self, InvalidKeySet> {
        Self::of(value.as_object().ok_or(InvalidKeySet::Malformed)?)
    }

    /// Keys of an unknown kind are passed over, so that a party can publish newer ones as well
    /// (RFC 7517 §5).
    fn of(set: &Map<String, Value>) -> Result<Self, InvalidKeySet> {
        let Some(Value::Array(listed)) = set.get("keys") else {
            return Err(InvalidKeySet::Malformed);
        };
        if listed.len() > MOST_KEYS {
            return Err(InvalidKeySet::TooLarge);
        }
        let mut keys = Vec::with_capacity(listed.len());
        for jwk in listed {
            let jwk = jwk.as_object().ok_or(InvalidKeySet::Malformed)?;
            match VerifyingKey::from_jwk(jwk) {
                Ok(key) => keys.push(key),
                Err(InvalidKey::Unsupported) => {}
                Err(InvalidKey::Secret) => return Err(InvalidKeySet::Secret),
                Err(InvalidKey::Malformed) => return Err(InvalidKeySet::Malformed),
            }
        }
        if keys.is_empty() {
            return Err(InvalidKeySet::Empty);
        }
        Ok(Self(keys))
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter()
    }
}
