//! JSON in which no member comes twice.
//!
//! Of two readers of a repeated member one believes the first and the other the last, so what one
//! of them checked is not what the other acts upon (RFC 7515 §4, RFC 7519 §4, RFC 8259 §4).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads one JSON text in UTF-8, nested at most 127 deep.
///
/// # Errors
/// For anything else, and for a member that comes twice at any depth.
pub fn value(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    read(bytes, Strict)
}

/// Reads one JSON text in UTF-8 by `seed`: for a text of which something else than a value is made.
///
/// # Errors
/// For anything else, and where `seed` says so.
pub fn read<'de, S: DeserializeSeed<'de>>(
    bytes: &'de [u8],
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    // Once for all of it: read from bytes, each text in it is looked at by itself.
    let text = std::str::from_utf8(bytes).map_err(serde_json::Error::custom)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let held = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(held)
}

/// As [`value`], for a text that is an object.
///
/// # Errors
/// As [`value`], and for anything that is no object.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    match value(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

/// Reads a value in which no member comes twice, at any depth, where a larger text is read piece by
/// piece.
#[derive(Debug, Clone, Copy)]
pub struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, held: bool) -> Result<Value, E> {
        Ok(held.into())
    }
    fn visit_i64<E>(self, held: i64) -> Result<Value, E> {
        Ok(held.into())
    }
    fn visit_u64<E>(self, held: u64) -> Result<Value, E> {
        Ok(held.into())
    }
    fn visit_f64<E>(self, held: f64) -> Result<Value, E> {
        Ok(held.into())
    }
    fn visit_str<E>(self, held: &str) -> Result<Value, E> {
        Ok(held.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(Self)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_objects_without_repetition_pass() {
        let good = br#" {"a": [1, -2, 0.5, null, true, "x", {"b": {}}]} "#;
        let plain: Map<String, Value> = serde_json::from_slice(good).unwrap();
        assert_eq!(object(good).unwrap(), plain);
        for bad in [
            &br#"{"a":1,"a":1}"#[..],
            br#"{"a":1,"\u0061":2}"#,
            br#"{"x":{"a":1,"a":2}}"#,
            br#"{"x":[{"a":1,"a":2}]}"#,
            b"[]",
            b"{} {}",
            b"{}x",
            b"",
            b"{\"a\":\"\xff\"}",
        ] {
            assert!(object(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        let deep = [b"{\"a\":".repeat(500), b"1".to_vec(), b"}".repeat(500)].concat();
        assert!(object(&deep).is_err());
        assert!(value(b"[{\"a\":1}, 2]").is_ok());
        assert!(value(b"[{\"a\":1,\"a\":1}]").is_err());
    }
}
