//! What somebody whom the operator trusts has signed about a client's software.

use oauth_jose::{Algorithm, Jws, KeySet};
use oauth_types::{Issuer, Lifetime, Timestamp};
use serde_json::{Map, Value};

/// Somebody whose statements count here.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SoftwareStatementIssuer {
    /// The `iss` of its statements, compared exactly.
    pub issuer: String,
    /// Its public keys.
    pub keys: KeySet,
}

impl SoftwareStatementIssuer {
    /// Trusts what these keys sign under this name.
    pub const fn new(issuer: String, keys: KeySet) -> Self {
        Self { issuer, keys }
    }
}

/// A software statement that does not count. Spec: RFC 7591 §3.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// It is no signed JWT, is not signed by whom it names, is for others, or not good now.
    #[error("the software statement is not valid")]
    Invalid,
    /// Nobody whose statements count here has issued it.
    #[error("software statements of this issuer are not approved here")]
    Unapproved,
}

/// Verifies a software statement and gives its claims, which override the plain members of a
/// registration.
///
/// A statement names its issuer, and may be one for years: without `exp` it does not end (RFC 7591
/// §2.3 asks for none), but an `exp` or `nbf` it has holds, give or take `skew`. If it names
/// audiences, this server is among them. A token with a type for another purpose is none.
///
/// # Errors
/// See [`StatementError`]. Spec: RFC 7591 §2.3, §3.1.1.
pub fn verify(
    statement: &str,
    trusted: &[SoftwareStatementIssuer],
    here: &Issuer,
    (now, skew): (Timestamp, Lifetime),
) -> Result<Map<String, Value>, StatementError> {
    let jws = Jws::parse(statement).map_err(|_| StatementError::Invalid)?;
    let named = jws.unverified_claims().issuer();
    let named = named.ok_or(StatementError::Invalid)?;
    let issuer = trusted.iter().find(|trusted| trusted.issuer == named);
    let issuer = issuer.ok_or(StatementError::Unapproved)?;
    let claims = jws
        .verify(&issuer.keys, Algorithm::ALL)
        .map_err(|_| StatementError::Invalid)?;
    let typed = matches!(jws.typ(), None | Some("jwt" | "software-statement+jwt"));
    let for_us = !claims.all.contains_key("aud") || claims.audience().any(|a| a == here.as_str());
    let current = claims.expires_at.is_none_or(|at| now < at.plus(skew));
    let begun = claims.not_before.is_none_or(|at| at <= now.plus(skew));
    if !(typed && for_us && current && begun) {
        return Err(StatementError::Invalid);
    }
    Ok(claims.all.clone())
}
