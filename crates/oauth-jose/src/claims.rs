//! What a signed token says.

use oauth_types::{Timestamp, json};
use serde_json::{Map, Value};

/// The claims of a JWT: the registered ones by type, and all of them as they came.
///
/// That they are here does not mean that they hold: [`crate::Jws::verify`] hands them out only
/// after the signature was verified, who makes them by [`Self::of`] knows whose words they are, and what they must say is its caller's to decide. Spec:
/// RFC 7519 §4.1.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Claims {
    /// `iss`.
    pub issuer: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `aud`, also where it is a single string. Empty when there is none.
    pub audience: Vec<String>,
    /// `exp`, without its fraction: never later than it says.
    pub expires_at: Option<Timestamp>,
    /// `nbf`, without its fraction.
    pub not_before: Option<Timestamp>,
    /// `iat`, without its fraction.
    pub issued_at: Option<Timestamp>,
    /// `jti`.
    pub id: Option<String>,
    /// All claims, these included.
    pub all: Map<String, Value>,
}

/// The payload is not a set of claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not a set of claims")]
pub struct InvalidClaims;

impl Claims {
    /// Reads a payload: a JSON object without repeated members.
    ///
    /// # Errors
    /// [`InvalidClaims`] for anything else, and as [`Self::of`].
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, InvalidClaims> {
        Self::of(json::object(payload).map_err(|_| InvalidClaims)?)
    }

    /// The claims of an object whose registered ones have their types, times being from 0 to 2⁵³:
    /// of a token that was read already, or of what is said about one (RFC 7662 §2.2).
    ///
    /// # Errors
    /// [`InvalidClaims`] for anything else.
    pub fn of(all: Map<String, Value>) -> Result<Self, InvalidClaims> {
        let text = |name| match all.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(InvalidClaims),
        };
        let time = |name| all.get(name).map(numeric_date).transpose();
        Ok(Self {
            issuer: text("iss")?,
            subject: text("sub")?,
            audience: all
                .get("aud")
                .map(audience)
                .transpose()?
                .unwrap_or_default(),
            expires_at: time("exp")?,
            not_before: time("nbf")?,
            issued_at: time("iat")?,
            id: text("jti")?,
            all,
        })
    }
}

fn audience(value: &Value) -> Result<Vec<String>, InvalidClaims> {
    match value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(several) => several
            .iter()
            .map(|one| one.as_str().map(str::to_owned).ok_or(InvalidClaims))
            .collect(),
        _ => Err(InvalidClaims),
    }
}

fn numeric_date(value: &Value) -> Result<Timestamp, InvalidClaims> {
    const END: f64 = 9_007_199_254_740_992.0;
    let seconds = value.as_f64().ok_or(InvalidClaims)?;
    if !(0.0..=END).contains(&seconds) {
        return Err(InvalidClaims);
    }
    Ok(Timestamp::from_unix(seconds as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_claims_have_their_types() {
        let claims = Claims::parse(
            br#"{"iss":"i","sub":"s","aud":"a","exp":12.9,"nbf":3,"iat":0,"jti":"j","x":[1]}"#,
        )
        .unwrap();
        assert_eq!(claims.expires_at, Some(Timestamp::from_unix(12)));
        assert_eq!(claims.audience, ["a"]);
        assert_eq!(claims.all["x"][0], 1);
        let two = Claims::parse(br#"{"aud":["a","b"]}"#).unwrap();
        assert_eq!(two.audience, ["a", "b"]);
        assert_eq!(two.expires_at, None);
        for bad in [
            r#"{"iss":1}"#,
            r#"{"sub":null}"#,
            r#"{"aud":{}}"#,
            r#"{"aud":["a",1]}"#,
            r#"{"exp":"12"}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":1e300}"#,
            r#"{"exp":null}"#,
            r#"{"jti":[]}"#,
            r#"{"exp":1,"exp":2}"#,
        ] {
            assert_eq!(
                Claims::parse(bad.as_bytes()).err(),
                Some(InvalidClaims),
                "{bad}"
            );
        }
    }
}
