//! Whether a signed token is an access token at all. Spec: RFC 9068 §4, RFC 8725 §3.11, §3.12.

use oauth_jose::Claims;
use serde_json::Value;

use crate::mapping::ClaimMapping;
use crate::verify::TokenRefused;

/// Claims that say that a token is something else: an ID token (OpenID Connect Core §2, §3.3.2.11),
/// a security event or logout token (RFC 8417 §2.2), a DPoP proof (RFC 9449 §4.2), an answer to an
/// introspection request (RFC 9701 §5).
const OF_OTHERS: [&str; 8] = [
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "events",
    "htm",
    "htu",
    "token_introspection",
];

/// What an issuer's access tokens say of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinds {
    /// `at+jwt`.
    Typed,
    /// That, or no more than `JWT`.
    Plain,
}

impl Kinds {
    /// Judges a token by its type, in lower case and without `application/`, and by its claims.
    pub(super) fn judge(
        self,
        typ: Option<&str>,
        claims: &Claims,
        mapping: &ClaimMapping,
    ) -> Result<(), TokenRefused> {
        let is_one = match (typ, self) {
            (Some("at+jwt"), _) => true,
            (None | Some("jwt"), Self::Plain) => {
                let said = &claims.all;
                let of_others = OF_OTHERS.iter().any(|name| said.contains_key(*name));
                !of_others && mapping.names_scope(said) && is_called_one(claims)
            }
            _ => false,
        };
        is_one.then_some(()).ok_or(TokenRefused::Type)
    }
}

/// Whether the words that some issuers have for the kind, in claims of their own, do not contradict:
/// Amazon Cognito's `token_use`, Keycloak's `typ`.
fn is_called_one(claims: &Claims) -> bool {
    let word = |name| claims.all.get(name).map(Value::as_str);
    let used_as_one = matches!(word("token_use"), None | Some(Some("access")));
    let typed_as_one = match word("typ") {
        None => true,
        Some(Some(typ)) => ["bearer", "at+jwt"].contains(&&*typ.to_ascii_lowercase()),
        Some(None) => false,
    };
    used_as_one && typed_as_one
}
