//! What a signed token says of its own form.

use std::fmt;

use oauth_types::json::{self, Strict};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

/// The header of a token, as far as anything in it means something here: each member as it came,
/// `None` where there is none. Nothing else of it is kept, since it is read for every token.
#[derive(Default)]
pub(crate) struct Header {
    pub(crate) alg: Option<Value>,
    pub(crate) kid: Option<Value>,
    pub(crate) typ: Option<Value>,
    /// Whether there is a `crit`, whatever it says.
    pub(crate) critical: bool,
}

impl Header {
    /// Reads a JSON object in which no member comes twice, at any depth.
    ///
    /// # Errors
    /// For anything else.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        json::read(bytes, Members)
    }
}

struct Members;

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Header;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object without repeated members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut others: Vec<String> = Vec::new();
        while let Some(name) = members.next_key_seed(Name)? {
            let slot = match name {
                Known::Alg => &mut header.alg,
                Known::Kid => &mut header.kid,
                Known::Typ => &mut header.typ,
                Known::Other(name) => {
                    header.critical |= name == "crit";
                    others.push(name);
                    members.next_value_seed(Strict)?;
                    continue;
                }
            };
            if slot.replace(members.next_value_seed(Strict)?).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        // Sorted, because there may be thousands in a token that somebody made for that.
        others.sort_unstable();
        if others.array_windows().any(|[a, b]| a == b) {
            return Err(A::Error::custom("a member is repeated"));
        }
        Ok(header)
    }
}

enum Known {
    Alg,
    Kid,
    Typ,
    Other(String),
}

/// Reads the name of a member, once its escapes are undone.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Known;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Known, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Known;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Known, E> {
        Ok(match name {
            "alg" => Known::Alg,
            "kid" => Known::Kid,
            "typ" => Known::Typ,
            other => Known::Other(other.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is not read further is held to the same form as what is.
    #[test]
    fn a_header_is_one_object_without_repetition() {
        let header = Header::parse(br#" {"alg":"a","x":[{"k":1},{"k":1}],"kid":7,"typ":null} "#);
        let header = header.unwrap();
        assert_eq!(header.alg, Some("a".into()));
        assert_eq!(header.kid, Some(7.into()));
        assert_eq!(header.typ, Some(Value::Null));
        assert!(!header.critical);
        let escaped = Header::parse(br#"{"\u0061lg":"a","c\u0072it":[]}"#).unwrap();
        assert_eq!(escaped.alg, Some("a".into()));
        assert!(escaped.critical);
        for bad in [
            &br#"{"alg":"a","alg":"b"}"#[..],
            br#"{"alg":null,"\u0061lg":"b"}"#,
            br#"{"typ":"a","x":1,"typ":"b"}"#,
            br#"{"x":1,"kid":"a","x":2}"#,
            br#"{"x":1,"y":1,"\u0078":2}"#,
            br#"{"x":{"y":1,"y":2}}"#,
            br#"{"kid":{"y":1,"y":2}}"#,
            br#"{"alg":"a"}{}"#,
            br#"{"alg":"a"}x"#,
            br#"["alg","a"]"#,
            br#""alg""#,
            b"{\"x\":\"\xff\"}",
            b"null",
            b"",
        ] {
            assert!(
                Header::parse(bad).is_err(),
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
        let deep = [b"{\"x\":".repeat(500), b"1".to_vec(), b"}".repeat(500)].concat();
        assert!(Header::parse(&deep).is_err());
    }
}
