//! Fixed-width base62, so that a token is one word to a regular expression and to a double click.
//!
//! A 64-bit word is written as [`WORD`] characters of `[0-9A-Za-z]`, most significant first.
//! Every word has exactly one spelling: text beyond the range of a `u64` is refused.

/// Characters a 64-bit word takes.
pub const WORD: usize = 11;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const REVERSE: [u8; 256] = {
    let mut table = [255u8; 256];
    let mut i = 0;
    while i < 62 {
        table[ALPHABET[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// Appends `value` in exactly `width` characters; higher digits that do not fit are dropped,
/// so the caller keeps `value < 62^width`.
pub fn push(out: &mut String, mut value: u64, width: usize) {
    let mut digits = [b'0'; WORD];
    debug_assert!(width <= WORD);
    for slot in digits[..width].iter_mut().rev() {
        *slot = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
    debug_assert!(value == 0);
    // The alphabet is ASCII, so this never takes the error arm.
    out.push_str(std::str::from_utf8(&digits[..width]).unwrap_or_default());
}

/// Appends bytes, eight to a word. The length must be a multiple of eight.
pub fn push_bytes(out: &mut String, bytes: &[u8]) {
    debug_assert!(bytes.len().is_multiple_of(8));
    for word in bytes.as_chunks::<8>().0 {
        push(out, u64::from_be_bytes(*word), WORD);
    }
}

/// Reads a number of at most [`WORD`] characters; `None` for a foreign character or a value
/// beyond `u64`.
pub fn read(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > WORD {
        return None;
    }
    let mut value: u64 = 0;
    for &character in text {
        let digit = REVERSE[character as usize];
        if digit == 255 {
            return None;
        }
        value = value.checked_mul(62)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Reads `N` bytes written by [`push_bytes`]; `None` unless the text is exactly that long and
/// every word is in range.
pub fn read_bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != N / 8 * WORD {
        return None;
    }
    let mut out = [0u8; N];
    for (word, slot) in text.chunks_exact(WORD).zip(out.chunks_exact_mut(8)) {
        slot.copy_from_slice(&read(word)?.to_be_bytes());
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: [u8; 32]) {
            let mut text = String::new();
            push_bytes(&mut text, &bytes);
            prop_assert_eq!(text.len(), 44);
            prop_assert_eq!(read_bytes::<32>(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn every_word_has_one_spelling(text in "[0-9A-Za-z]{11}") {
            if let Some(value) = read(text.as_bytes()) {
                let mut again = String::new();
                push(&mut again, value, WORD);
                prop_assert_eq!(again, text);
            }
        }
    }

    #[test]
    fn out_of_range_and_foreign_characters_are_refused() {
        assert_eq!(read(b"zzzzzzzzzzz"), None);
        assert_eq!(read(b"-"), None);
        assert_eq!(read(b""), None);
        assert_eq!(read_bytes::<16>(b"00"), None);
    }
}
