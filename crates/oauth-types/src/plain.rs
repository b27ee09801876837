//! Parts of URLs that are so plain that no parser would change them or see anything else in them.
//!
//! Nearly every URL in a record is made of these, and every lookup reads some: a glance spares the
//! URL parser. Whatever is not plain is not refused, it is parsed.

/// Labels of small letters, digits and single hyphens, of which the last begins with a letter: no
/// address, and nothing that is encoded.
pub(crate) fn is_host(text: &str) -> bool {
    let (mut first, mut before) = (0, b'.');
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' if before == b'.' => first = byte,
            b'a'..=b'z' | b'0'..=b'9' => {}
            // Two hyphens may begin an encoded label, which has rules of its own.
            b'-' | b'.' if before != b'.' && before != b'-' => {}
            _ => return false,
        }
        before = byte;
    }
    // A last label that begins with a digit may be the end of an address.
    text.len() <= 253 && !matches!(before, b'.' | b'-') && first.is_ascii_lowercase()
}

/// Segments of unreserved characters (RFC 3986 §2.3), none of which begins with a dot. The empty
/// path is one.
pub(crate) fn is_path(text: &str) -> bool {
    let mut before = b'/';
    text.bytes().enumerate().all(|(at, byte)| {
        let plain = match byte {
            b'/' => true,
            b'.' => before != b'/',
            _ => matches!(byte, b'-' | b'_' | b'~') || byte.is_ascii_alphanumeric(),
        };
        before = byte;
        plain && (at > 0 || byte == b'/')
    })
}

/// The text up to its first slash, and the rest.
pub(crate) fn split(text: &str) -> (&str, &str) {
    let slash = text.bytes().position(|byte| byte == b'/');
    text.split_at(slash.unwrap_or(text.len()))
}
