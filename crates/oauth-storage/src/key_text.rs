//! How an identifier becomes the text of a key, for databases that index short texts only.

use std::borrow::Cow;
use std::fmt::Write;

use oauth_types::SecretHash;

/// The longest text that every database can index, in bytes.
const LONGEST: usize = 255;
/// Begins the digest of a text that cannot stand for itself.
const DIGEST: &str = "#sha256:";

/// The text for a key: the identifier itself, or its digest when it is longer than 255 bytes or
/// holds the zero character, which PostgreSQL cannot keep. An identifier that looks like a digest
/// is digested too, so no two share a text. The empty text is left for what is absent.
pub fn short(id: &str) -> Cow<'_, str> {
    let fits = !id.is_empty() && id.len() <= LONGEST && !id.contains('\0');
    if fits && !id.starts_with(DIGEST) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(digest(id))
}

/// The text for something that may be absent.
pub fn optional(id: Option<&str>) -> Cow<'_, str> {
    id.map_or(Cow::Borrowed(""), short)
}

/// The digest of an identifier that cannot stand for itself: 72 printable characters, none of
/// which any database gives a meaning. [`short`] answers it for no other identifier.
pub fn digest(id: &str) -> String {
    let mut text = String::with_capacity(DIGEST.len() + 64);
    text.push_str(DIGEST);
    for byte in SecretHash::of(id.as_bytes()).as_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_identifiers_share_a_text() {
        let long = "x".repeat(256);
        let digest = short(&long).into_owned();
        assert_eq!(short("alice"), "alice");
        assert_eq!(short(&"x".repeat(255)).len(), 255);
        assert_eq!(digest.len(), 72);
        assert_ne!(short(&digest), digest);
        assert_ne!(short(""), optional(None));
        assert!(short("a\0b").starts_with(DIGEST));
    }
}
