//! How an identifier becomes the text of a column.

use std::borrow::Cow;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The longest text that every dialect can index.
const LONGEST: usize = 255;
/// Begins the digest of a text that cannot stand for itself.
const DIGEST: &str = "#sha256:";

/// The text for a key column: the identifier itself, or its digest when it is too long or holds the
/// one character that PostgreSQL cannot keep. An identifier that looks like a digest is digested
/// too, so no two share a text. The empty text is left for what is absent.
pub(crate) fn column(id: &str) -> Cow<'_, str> {
    let fits = !id.is_empty() && id.len() <= LONGEST && !id.contains('\0');
    if fits && !id.starts_with(DIGEST) {
        return Cow::Borrowed(id);
    }
    let mut text = String::with_capacity(DIGEST.len() + 64);
    text.push_str(DIGEST);
    for byte in Sha256::digest(id.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Cow::Owned(text)
}

/// The text for something that may be absent.
pub(crate) fn optional(id: Option<&str>) -> Cow<'_, str> {
    id.map_or(Cow::Borrowed(""), column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_identifiers_share_a_column() {
        let long = "x".repeat(256);
        let digest = column(&long).into_owned();
        assert_eq!(column("alice"), "alice");
        assert_eq!(column(&"x".repeat(255)).len(), 255);
        assert_eq!(digest.len(), 72);
        assert_ne!(column(&digest), digest);
        assert_ne!(column(""), optional(None));
        assert!(column("a\0b").starts_with(DIGEST));
    }
}
