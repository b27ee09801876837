//! A client's public keys, as far as they can be judged without using them. Spec: RFC 7517.

use serde_json::Value;

use super::RegistrationError;

/// Keys of one client.
const MOST_KEYS: usize = 16;
/// Members of a key that only its owner may know (RFC 7518 §6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Accepts a set of public keys.
pub(super) fn judge(jwks: &Value) -> Result<(), RegistrationError> {
    let bad = |why| Err(RegistrationError::Metadata(why));
    let Some(keys) = jwks.get("keys").and_then(Value::as_array) else {
        return bad("jwks is an object with an array of keys");
    };
    if keys.is_empty() || keys.len() > MOST_KEYS {
        return bad("jwks has between 1 and 16 keys");
    }
    for key in keys {
        let Some(key) = key.as_object() else {
            return bad("a key in jwks is an object");
        };
        if key
            .get("kty")
            .and_then(Value::as_str)
            .is_none_or(|kty| kty == "oct")
            || PRIVATE.iter().any(|member| key.contains_key(*member))
        {
            return bad("jwks holds public keys only");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    /// AS-DCR-11: what a client should have kept to itself is refused, not stored.
    #[test]
    fn only_public_keys_pass() {
        let key = json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"});
        assert!(super::judge(&json!({"keys": [key]})).is_ok());
        for refused in [
            json!(null),
            json!([]),
            json!({}),
            json!({"keys": {}}),
            json!({"keys": []}),
            json!({"keys": ["x"]}),
            json!({"keys": [{"x": "x"}]}),
            json!({"keys": [{"kty": "EC", "d": "x"}]}),
            json!({"keys": [{"kty": "RSA", "n": "n", "e": "AQAB", "p": null}]}),
            json!({"keys": [{"kty": "oct", "k": "x"}]}),
            json!({"keys": [{"kty": "oct"}]}),
            json!({"keys": vec![key; 17]}),
        ] {
            assert!(super::judge(&refused).is_err(), "{refused}");
        }
    }
}
