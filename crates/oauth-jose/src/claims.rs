//! What a signed token says.

use oauth_types::{Timestamp, json};
use serde_json::{Map, Value};

/// The claims of a JWT: the registered ones by type, and all of them as they came. Texts are read
/// in place.
///
/// That they are here does not mean that they hold: [`crate::Jws::verify`] hands them out only
/// after the signature was verified, who makes them by [`Self::of`] knows whose words they are, and what they must say is its caller's to decide. Spec:
/// RFC 7519 §4.1.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Claims {
    /// `exp`, without its fraction: never later than it says.
    pub expires_at: Option<Timestamp>,
    /// `nbf`, without its fraction.
    pub not_before: Option<Timestamp>,
    /// `iat`, without its fraction.
    pub issued_at: Option<Timestamp>,
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
        let mut claims = Self {
            expires_at: None,
            not_before: None,
            issued_at: None,
            all: Map::new(),
        };
        for (name, value) in &all {
            let sound = match (name.as_str(), value) {
                ("iss" | "sub" | "jti", value) => value.is_string(),
                ("aud", Value::Array(several)) => several.iter().all(Value::is_string),
                ("aud", value) => value.is_string(),
                ("exp", value) => set(&mut claims.expires_at, value),
                ("nbf", value) => set(&mut claims.not_before, value),
                ("iat", value) => set(&mut claims.issued_at, value),
                _ => true,
            };
            if !sound {
                return Err(InvalidClaims);
            }
        }
        claims.all = all;
        Ok(claims)
    }

    /// `iss`.
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// `jti`.
    pub fn id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// `aud`, also where it is a single string. Empty when there is none.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        let said = self.all.get("aud");
        let several = said.and_then(Value::as_array).map_or(&[][..], |all| all);
        let one = said.and_then(Value::as_str);
        one.into_iter()
            .chain(several.iter().filter_map(Value::as_str))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str)
    }
}

/// Whether it is a time, which is kept.
fn set(time: &mut Option<Timestamp>, value: &Value) -> bool {
    const END: f64 = 9_007_199_254_740_992.0;
    let seconds = value.as_f64().filter(|at| (0.0..=END).contains(at));
    *time = seconds.map(|seconds| Timestamp::from_unix(seconds as u64));
    time.is_some()
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
        assert!(claims.audience().eq(["a"]));
        let texts = [claims.issuer(), claims.subject(), claims.id()];
        assert_eq!(texts, [Some("i"), Some("s"), Some("j")]);
        assert_eq!(claims.all["x"][0], 1);
        let two = Claims::parse(br#"{"aud":["a","b"]}"#).unwrap();
        assert!(two.audience().eq(["a", "b"]));
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
