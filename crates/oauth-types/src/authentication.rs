//! How a person proved who they are, as far as somebody says so.

use serde::{Deserialize, Serialize};

use crate::scope::is_scope_byte;

/// Bytes of an `acr`.
const LONGEST_CLASS: usize = 128;
/// Bytes of one method.
const LONGEST_METHOD: usize = 32;
/// Methods of one sign-in.
const MOST_METHODS: usize = 8;

/// By which class of proof (`acr`) and by which methods (`amr`) somebody signed in. What the words
/// mean is between those who sign people in and those who serve resources.
///
/// Spec: OpenID Connect Core §2, RFC 8176, RFC 9470 §6.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationContext {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
}

/// The words cannot describe a sign-in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "acr is one word of at most 128 characters, amr at most 8 words of at most 32, in ASCII without quotes"
)]
pub struct InvalidAuthenticationContext;

impl AuthenticationContext {
    /// Takes both, either of which may be left out.
    ///
    /// Input: `acr` of 1–128 bytes, at most 8 methods of 1–32 bytes, in the characters of a scope
    /// token: `acr_values` lists such words with spaces between, and what is sealed stays short.
    ///
    /// # Errors
    /// [`InvalidAuthenticationContext`] for anything else.
    pub fn new<'a>(
        acr: Option<&str>,
        amr: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidAuthenticationContext> {
        let amr: Vec<String> = amr.into_iter().map(str::to_owned).collect();
        let sound = acr.is_none_or(|acr| is_word(acr, LONGEST_CLASS))
            && amr.len() <= MOST_METHODS
            && amr.iter().all(|method| is_word(method, LONGEST_METHOD));
        let acr = acr.map(str::to_owned);
        sound
            .then_some(Self { acr, amr })
            .ok_or(InvalidAuthenticationContext)
    }

    /// The class of proof.
    pub fn acr(&self) -> Option<&str> {
        self.acr.as_deref()
    }

    /// The methods.
    pub fn amr(&self) -> &[String] {
        &self.amr
    }
}

fn is_word(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(is_scope_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_words_describe_a_sign_in() {
        let of = |acr, amr: &[&'static str]| AuthenticationContext::new(acr, amr.iter().copied());
        let context = of(Some("urn:example:phishing-resistant"), &["pwd", "otp"]).unwrap();
        assert_eq!(context.acr(), Some("urn:example:phishing-resistant"));
        assert_eq!(context.amr(), ["pwd", "otp"]);
        let json = serde_json::to_string(&context).unwrap();
        assert_eq!(
            serde_json::from_str::<AuthenticationContext>(&json).unwrap(),
            context
        );
        assert_eq!(of(None, &[]).unwrap(), AuthenticationContext::default());
        let long = "x".repeat(129);
        for acr in ["", "two words", "a\"quote", "ü", &long] {
            assert!(of(Some(acr), &[]).is_err(), "{acr}");
        }
        assert!(of(None, &[""]).is_err());
        assert!(of(None, &["x"; 9]).is_err());
        assert!(AuthenticationContext::new(None, [&long[..33]]).is_err());
    }
}
