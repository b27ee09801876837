//! Several issuers at once.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_types::{AccessClaims, Issuer, json};
use serde_json::{Map, Value};

use crate::verify::{AccessTokenVerifier, TokenRefused, VerificationError};

/// Characters of a signed token that is looked into.
const LONGEST_TOKEN: usize = 16 * 1024;

/// Sends each token to the verifier of its issuer: a signed one by the issuer that it names, before
/// anybody has believed it, and any other by how it begins.
///
/// A token is shown to one verifier and to no other: whoever is asked about a token learns it, and
/// could use it. So a signed token of an issuer that is not named here is refused and nobody is
/// asked, and of several issuers of opaque tokens all but one need a beginning of their own.
///
/// ```
/// use std::sync::Arc;
/// use oauth_resource::{AccessTokenVerifier, SeveralIssuers};
/// use oauth_types::Issuer;
/// # fn verifier(ours: Arc<dyn AccessTokenVerifier>, entra: Arc<dyn AccessTokenVerifier>)
/// #     -> Result<SeveralIssuers, Box<dyn std::error::Error>> {
/// let tenant = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
/// let verifier = SeveralIssuers::new()
///     .signed(Issuer::parse(tenant)?, entra)
///     .opaque(ours);
/// # Ok(verifier) }
/// ```
#[derive(Clone, Default)]
pub struct SeveralIssuers {
    signed: Vec<(Issuer, Arc<dyn AccessTokenVerifier>)>,
    opaque: Vec<(String, Arc<dyn AccessTokenVerifier>)>,
}

impl SeveralIssuers {
    /// None yet: every token is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Signed tokens that name `issuer`, to the letter, go to `verifier`. It need not verify by
    /// signature.
    #[must_use]
    pub fn signed(mut self, issuer: Issuer, verifier: Arc<dyn AccessTokenVerifier>) -> Self {
        self.signed.push((issuer, verifier));
        self
    }

    /// Tokens that are not signed go to `verifier`, unless another has their beginning.
    #[must_use]
    pub fn opaque(self, verifier: Arc<dyn AccessTokenVerifier>) -> Self {
        self.opaque_beginning("", verifier)
    }

    /// Tokens that are not signed and begin with `prefix` go to `verifier`; of several prefixes that
    /// fit, the longest counts.
    #[must_use]
    pub fn opaque_beginning(
        mut self,
        prefix: impl Into<String>,
        verifier: Arc<dyn AccessTokenVerifier>,
    ) -> Self {
        self.opaque.push((prefix.into(), verifier));
        // Of the same prefix, the one that was named first.
        self.opaque
            .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        self
    }

    fn choose(&self, token: &str) -> Result<&dyn AccessTokenVerifier, TokenRefused> {
        if let Some(claims) = signed_claims(token) {
            let named = claims.get("iss").and_then(Value::as_str);
            let fits = |(issuer, _): &&(Issuer, _)| Some(issuer.as_str()) == named;
            let found = self.signed.iter().find(fits);
            return found.map_or(Err(TokenRefused::Issuer), |(_, verifier)| Ok(&**verifier));
        }
        let fits = |(prefix, _): &&(String, _)| token.starts_with(prefix.as_str());
        let found = self.opaque.iter().find(fits);
        found.map_or(Err(TokenRefused::Malformed), |(_, verifier)| {
            Ok(&**verifier)
        })
    }
}

#[async_trait]
impl AccessTokenVerifier for SeveralIssuers {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        self.choose(token)?.verify(token).await
    }
}

impl std::fmt::Debug for SeveralIssuers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let issuers = self.signed.iter().map(|(issuer, _)| issuer.as_str());
        f.debug_list().entries(issuers).finish()
    }
}

/// What a token says that has the form of a signed one, with any algorithm, believed by nobody;
/// `None` for one of another form. A header that names an algorithm makes it one, whatever follows.
fn signed_claims(token: &str) -> Option<Map<String, Value>> {
    let (header, rest) = token.split_once('.')?;
    let (payload, signature) = rest.split_once('.')?;
    if signature.contains('.') {
        return None;
    }
    let read = |part: &str| {
        let short = Some(part).filter(|part| part.len() <= LONGEST_TOKEN)?;
        json::object(&URL_SAFE_NO_PAD.decode(short).ok()?).ok()
    };
    let header = read(header)?;
    header.get("alg")?;
    Some(read(payload).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oauth_testkit::block_on;

    /// Refuses everything in words of its own.
    struct Named(&'static str);

    #[async_trait]
    impl AccessTokenVerifier for Named {
        async fn verify(&self, _: &str) -> Result<AccessClaims, VerificationError> {
            Err(TokenRefused::Other(self.0).into())
        }
    }

    fn named(name: &'static str) -> Arc<dyn AccessTokenVerifier> {
        Arc::new(Named(name))
    }

    fn token(header: &str, payload: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode(header), encode(payload))
    }

    /// RS-TOK-5, RS-TOK-14: a token is shown to the verifier of its own issuer and to nobody else.
    #[test]
    fn each_token_goes_to_its_issuer_alone() {
        let issuer = |text| Issuer::parse(text).unwrap();
        let verifier = SeveralIssuers::new()
            .signed(issuer("https://a.example"), named("a"))
            .signed(issuer("https://b.example/t"), named("b"))
            .opaque(named("opaque"))
            .opaque_beginning("at_", named("at"))
            .opaque_beginning("at_x_", named("at_x"));
        let told = |token: &str| match block_on(verifier.verify(token)) {
            Err(VerificationError::Refused(why)) => why,
            other => panic!("{other:?}"),
        };
        let signed = r#"{"alg":"ES256","typ":"at+jwt"}"#;
        for (token, expected) in [
            (token(signed, r#"{"iss":"https://a.example"}"#), "a"),
            (token(signed, r#"{"iss":"https://b.example/t"}"#), "b"),
            // With any algorithm: its verifier judges that.
            (
                token(r#"{"alg":"none"}"#, r#"{"iss":"https://a.example"}"#),
                "a",
            ),
            ("at_1".to_owned(), "at"),
            ("at_x_1".to_owned(), "at_x"),
            ("ya29.a0AfH6SM".to_owned(), "opaque"),
            ("a.b.c".to_owned(), "opaque"),
            ("a.b.c.d.e".to_owned(), "opaque"),
            (String::new(), "opaque"),
        ] {
            assert_eq!(told(&token), TokenRefused::Other(expected), "{token}");
        }
        for payload in [
            r#"{"iss":"https://a.example/"}"#,
            r#"{"iss":"https://A.example"}"#,
            r#"{"iss":"https://evil.example"}"#,
            r#"{"iss":["https://a.example"]}"#,
            r#"{"iss":"https://evil.example","iss":"https://a.example"}"#,
            "{}",
            "not json",
        ] {
            assert_eq!(
                told(&token(signed, payload)),
                TokenRefused::Issuer,
                "{payload}"
            );
        }
        let none = block_on(SeveralIssuers::new().verify("at_1"));
        assert!(matches!(
            none,
            Err(VerificationError::Refused(TokenRefused::Malformed))
        ));
    }
}
