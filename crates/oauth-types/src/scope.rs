//! Scope: a set of case-sensitive words.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::text;

/// A set of scope tokens, kept sorted and without repetition as one shared text.
///
/// Two scopes are equal exactly when they hold the same tokens. The empty set exists (a grant
/// may be cut down to nothing, which is then refused); as text it is the empty string.
///
/// Spec: RFC 6749 §3.3.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Scope(Arc<str>);

/// The text is not a space-separated list of scope tokens (`%x21 / %x23-5B / %x5D-7E`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("scope is not a space-separated list of tokens")]
pub struct InvalidScope;

impl Scope {
    /// Parses a list with single spaces between its tokens; repetition is forgiven.
    ///
    /// # Errors
    /// [`InvalidScope`] for a character outside the grammar, an empty token or an empty list.
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        let (mut sorted, mut before): (bool, &[u8]) = (true, b"");
        for token in text.as_bytes().split(|byte| *byte == b' ') {
            if token.is_empty() || !token.iter().copied().all(is_scope_byte) {
                return Err(InvalidScope);
            }
            sorted &= before < token;
            before = token;
        }
        // As it is kept, and so as a record holds it.
        if sorted {
            return Ok(Self(Arc::from(text)));
        }
        Ok(text.split(' ').collect())
    }

    /// Whether `text` is one scope token.
    pub fn is_token(text: &str) -> bool {
        !text.is_empty() && text.bytes().all(is_scope_byte)
    }

    /// The empty set.
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// Whether it holds no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens in sorted order, separated by single spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tokens, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// Whether `token` is in the set.
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|held| held == token)
    }

    /// Whether every token of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        // The same shared text is the common case: one scope, granted and asked for again.
        Arc::ptr_eq(&self.0, &other.0) || self.iter().all(|token| other.contains(token))
    }

    /// The tokens that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_subset(other) {
            return self.clone();
        }
        self.iter().filter(|token| other.contains(token)).collect()
    }

    /// The tokens that are in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// The tokens of `self` that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.iter().filter(|token| !other.contains(token)).collect()
    }
}

pub(crate) fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

/// Collects tokens that are already known to be well-formed.
impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        let mut tokens: Vec<&str> = tokens.into_iter().collect();
        tokens.sort_unstable();
        tokens.dedup();
        Self(Arc::from(tokens.join(" ")))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({:?})", &*self.0)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::read(deserializer, |text| match text {
            "" => Ok(Self::empty()),
            _ => Self::parse(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_and_repetition_do_not_matter() {
        assert_eq!(Scope::parse("b a b"), Scope::parse("a b"));
    }

    /// AS-AUTHZ-19.
    #[test]
    fn text_outside_the_grammar_is_refused() {
        for text in ["", " ", "a  b", " a", "a ", "a\"b", "a\\b", "a\tb", "ä"] {
            assert_eq!(Scope::parse(text), Err(InvalidScope), "{text:?}");
        }
    }

    fn scope() -> impl Strategy<Value = Scope> {
        proptest::collection::vec("[a-e]{1,2}", 0..5)
            .prop_map(|tokens| tokens.iter().map(String::as_str).collect())
    }

    proptest! {
        #[test]
        fn the_algebra_of_sets_holds(a in scope(), b in scope()) {
            prop_assert!(a.intersection(&b).is_subset(&a));
            prop_assert!(a.intersection(&b).is_subset(&b));
            prop_assert!(a.is_subset(&a.union(&b)));
            prop_assert_eq!(a.is_subset(&b), a.without(&b).is_empty());
            prop_assert_eq!(a.union(&b), b.union(&a));
        }
    }
}
