//! Signed tokens, from text to claims that can be believed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::header::Header;
use crate::jwks::KeySet;

/// Characters of a token.
const LONGEST_TOKEN: usize = 16 * 1024;
/// Keys that are tried for a token that names none.
const MOST_TRIED: usize = 8;

/// A JWT in JWS compact serialization: well-formed, and not verified yet.
///
/// Its text is three non-empty parts of unpadded base64url, at most 16 KiB in all. The header is
/// an object without repeated members that names an algorithm of [`Algorithm`] and has no `crit`;
/// other members, keys and addresses of keys among them, mean nothing. Spec: RFC 7515 §5.2,
/// RFC 7519 §7.2, RFC 8725 §3.
pub struct Jws<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    /// In lower case.
    typ: Option<String>,
    claims: Claims,
    message: &'a str,
    signature: Vec<u8>,
}

/// A text that is no signed token of the kind that is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidJws {
    /// Not three parts of base64url, too long, or header or claims are not what they have to be.
    #[error("the token is malformed")]
    Malformed,
    /// `none`, a symmetric or an unknown algorithm.
    #[error("the token's algorithm is not supported")]
    Algorithm,
    /// It says that something must be understood that is not.
    #[error("the token has critical extensions")]
    Critical,
}

/// A token that is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The algorithm is not among those allowed here.
    #[error("the token's algorithm is not allowed")]
    Algorithm,
    /// No key of the set is the token's: none has the name it gives, or it gives none and no key
    /// of the fitting type verifies it. A newer set may hold one.
    #[error("no key is the token's")]
    UnknownKey,
    /// The key that the token names did not sign it.
    #[error("the token's signature is wrong")]
    Signature,
}

impl<'a> Jws<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// See [`InvalidJws`].
    pub fn parse(text: &'a str) -> Result<Self, InvalidJws> {
        use InvalidJws::{Algorithm as BadAlgorithm, Critical, Malformed};
        if text.len() > LONGEST_TOKEN {
            return Err(Malformed);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Malformed)?;
        // A further dot in the payload is no base64url.
        let decode = |part: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed)?;
            Some(decoded)
                .filter(|held| !held.is_empty())
                .ok_or(Malformed)
        };
        let header = Header::parse(&decode(header)?).map_err(|_| Malformed)?;
        if header.critical {
            return Err(Critical);
        }
        let word = |member| match member {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Malformed),
        };
        let algorithm = word(header.alg)?.ok_or(Malformed)?;
        let algorithm = Algorithm::named(&algorithm).ok_or(BadAlgorithm)?;
        let mut typ = word(header.typ)?;
        if let Some(typ) = &mut typ {
            typ.make_ascii_lowercase();
        }
        Ok(Self {
            algorithm,
            kid: word(header.kid)?,
            typ,
            claims: Claims::parse(&decode(payload)?).map_err(|_| Malformed)?,
            message,
            signature: decode(signature)?,
        })
    }

    /// The type it says it has, in lower case and without `application/` (RFC 7515 §4.1.9).
    pub fn typ(&self) -> Option<&str> {
        let typ = self.typ.as_deref()?;
        match typ.strip_prefix("application/") {
            Some(short) if !short.contains('/') => Some(short),
            _ => Some(typ),
        }
    }

    /// What it says, believed by nobody yet: to find whose keys to try, and to refuse early.
    pub fn unverified_claims(&self) -> &Claims {
        &self.claims
    }

    /// What it says, for whoever has verified it: nothing here remembers that.
    pub fn into_unverified_claims(self) -> Claims {
        self.claims
    }

    /// Believes the token if a key of `keys` signed it with an algorithm of `allowed`.
    ///
    /// A token that names its key by `kid` is tried with the keys of exactly that name; one that
    /// does not, with the first eight keys of the fitting type.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn verify(&self, keys: &KeySet, allowed: &[Algorithm]) -> Result<&Claims, VerifyError> {
        if !allowed.contains(&self.algorithm) {
            return Err(VerifyError::Algorithm);
        }
        let named = |held: Option<&str>| self.kid.as_deref().is_none_or(|kid| held == Some(kid));
        let signed = keys
            .iter()
            .filter(|key| named(key.kid()) && key.fits(self.algorithm))
            .take(MOST_TRIED)
            .any(|key| key.verifies(self.algorithm, self.message.as_bytes(), &self.signature));
        if signed {
            return Ok(&self.claims);
        }
        if self.kid.is_some() && keys.iter().any(|key| named(key.kid())) {
            Err(VerifyError::Signature)
        } else {
            Err(VerifyError::UnknownKey)
        }
    }
}

impl std::fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jws")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
