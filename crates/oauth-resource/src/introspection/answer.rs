//! What an introspection endpoint's answer means.

use oauth_jose::Claims;
use oauth_types::{AccessClaims, Issuer, Lifetime, Timestamp, json};
use serde_json::{Map, Value};

use crate::mapping::ClaimMapping;
use crate::verify::TokenRefused;

/// How far the endpoint's clock may be from ours.
const LEEWAY: Lifetime = Lifetime::seconds(5);
/// How long an answer is believed about a token that it gives no end.
const UNLESS_SAID: Lifetime = Lifetime::seconds(30);

/// The answer is none to the question: the endpoint's fault, not the token's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the introspection endpoint's answer is not understood: {0}")]
pub(super) struct NoAnswer(&'static str);

/// Reads an answer with status 200: what the token says, or why it is not good.
///
/// # Errors
/// [`NoAnswer`]. Spec: RFC 7662 §2.2.
pub(super) fn read(
    body: &[u8],
    issuer: &Issuer,
    mapping: &ClaimMapping,
    now: Timestamp,
) -> Result<Result<AccessClaims, TokenRefused>, NoAnswer> {
    let mut said = json::object(body)
        .map_err(|_| NoAnswer("it is not one JSON object without repeated members"))?;
    match said.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Err(TokenRefused::Inactive)),
        _ => return Err(NoAnswer("active is neither true nor false")),
    }
    let kind = is_bearer_access_token(&said);
    // For nobody in particular: that is said of the token, and no sign of a broken endpoint.
    if said.get("aud").is_some_and(Value::is_null) {
        said.remove("aud");
    }
    let claims = Claims::of(said)
        .map_err(|_| NoAnswer("iss, sub, aud, jti or a time is not of its type"))?;
    Ok(kind.and_then(|()| judge(claims, issuer, mapping, now)))
}

fn judge(
    claims: Claims,
    issuer: &Issuer,
    mapping: &ClaimMapping,
    now: Timestamp,
) -> Result<AccessClaims, TokenRefused> {
    if claims.expires_at.is_some_and(|end| end.plus(LEEWAY) <= now) {
        return Err(TokenRefused::Expired);
    }
    let later = |time: Option<Timestamp>| time.is_some_and(|time| time > now.plus(LEEWAY));
    if later(claims.not_before) || later(claims.issued_at) {
        return Err(TokenRefused::NotYetValid);
    }
    mapping.read(issuer, claims, Some(now.plus(UNLESS_SAID)))
}

/// Endpoints answer about refresh tokens as well, and some about ID tokens; where they say which it
/// is, anything but an access token to be presented as it is is refused.
fn is_bearer_access_token(said: &Map<String, Value>) -> Result<(), TokenRefused> {
    let is_one_of = |member: &str, words: &[&str]| match said.get(member) {
        None | Some(Value::Null) => true,
        Some(Value::String(said)) => words.iter().any(|word| said.eq_ignore_ascii_case(word)),
        Some(_) => false,
    };
    let fits = is_one_of("token_type", &["Bearer"])
        && is_one_of("token_use", &["access_token", "access"])
        && is_one_of("typ", &["Bearer", "at+jwt", "application/at+jwt", "JWT"]);
    if !fits {
        return Err(TokenRefused::Type);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_unix(1_000_000);

    fn read_text(body: &str) -> Result<Result<AccessClaims, TokenRefused>, NoAnswer> {
        let issuer = Issuer::parse("https://idp.example").unwrap();
        read(body.as_bytes(), &issuer, &ClaimMapping::default(), NOW)
    }

    fn with(member: &str, value: Value) -> Result<AccessClaims, TokenRefused> {
        let mut answer = json!({
            "active": true, "sub": "alice", "client_id": "app", "scope": "mcp:tools",
            "aud": "https://mcp.example/mcp", "iss": "https://idp.example",
            "iat": 999_000, "nbf": 999_000, "exp": 1_000_600, "token_type": "Bearer",
        });
        answer[member] = value;
        read_text(&answer.to_string()).unwrap()
    }

    /// RS-TOK-5, RS-TOK-6, RS-TOK-9: each single thing that makes an active token no good here.
    #[test]
    fn an_active_token_is_judged_all_the_same() {
        use TokenRefused::{
            Audience, Bound, Expired, Inactive, Issuer, NotYetValid, Subject, Type,
        };
        assert!(with("active", json!(true)).is_ok());
        for (member, value, why) in [
            ("active", json!(false), Inactive),
            ("exp", json!(999_995), Expired),
            ("nbf", json!(1_000_006), NotYetValid),
            ("iat", json!(1_000_006), NotYetValid),
            ("iss", json!("https://idp.example/"), Issuer),
            ("aud", json!(null), Audience),
            ("aud", json!([]), Audience),
            ("sub", json!(""), Subject),
            ("token_type", json!("refresh_token"), Type),
            ("token_type", json!("DPoP"), Type),
            ("token_type", json!(["Bearer"]), Type),
            ("token_use", json!("refresh_token"), Type),
            ("typ", json!("Refresh"), Type),
            ("typ", json!("ID"), Type),
            ("cnf", json!({"jkt": "x"}), Bound),
        ] {
            let refused = with(member, value.clone());
            assert_eq!(refused.err(), Some(why), "{member} {value}");
        }
        let for_nobody = r#"{"active":true,"sub":"alice","exp":1000600}"#;
        assert_eq!(read_text(for_nobody).unwrap().err(), Some(Audience));
        for (member, value) in [
            ("nbf", json!(1_000_005)),
            ("exp", json!(999_996)),
            ("token_type", json!("bearer")),
            ("typ", json!("at+jwt")),
            ("token_use", json!("access_token")),
        ] {
            assert!(with(member, value.clone()).is_ok(), "{member} {value}");
        }
    }

    /// RS-TOK-10: what an endpoint says without sense is its own fault.
    #[test]
    fn an_answer_without_sense_is_none() {
        let deep = format!("{{\"active\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
        for body in [
            "",
            "null",
            "true",
            "[]",
            "{}",
            "<html>",
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
            r#"{"active":false,"active":true}"#,
            r#"{"active":true,"sub":"a","sub":"b"}"#,
            r#"{"active":true} {"active":true}"#,
            r#"{"active":true,"exp":"1000600"}"#,
            r#"{"active":true,"exp":-1}"#,
            r#"{"active":true,"aud":{"a":1}}"#,
            r#"{"active":true,"sub":7}"#,
            &deep,
        ] {
            assert!(read_text(body).is_err(), "{body}");
        }
        // Nothing else counts in the answer about a token that is not active.
        let inactive = read_text(r#"{"active":false,"exp":"x"}"#).unwrap();
        assert_eq!(inactive.err(), Some(TokenRefused::Inactive));
    }

    #[test]
    fn a_token_without_an_end_is_believed_for_a_moment() {
        let body = r#"{"active":true,"sub":"a","aud":"https://mcp.example/mcp"}"#;
        let claims = read_text(body).unwrap().unwrap();
        assert_eq!(claims.expires_at, NOW.plus(Lifetime::seconds(30)));
        assert!(claims.scope.is_empty());
    }
}
