//! Reading the token: from the `Authorization` header and nowhere else.

/// The request's authorization is malformed: two headers, or not a bearer token where one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Authorization header is malformed")]
pub struct InvalidAuthorization;

/// The bearer token of a request, given all values of its `Authorization` headers. `None` when
/// there is no header or it is of another scheme.
///
/// # Errors
/// [`InvalidAuthorization`] for two headers, or for something after `Bearer` that is not a
/// `token68`. Spec: RFC 6750 §2.1, RFC 9110 §11.4.
pub fn bearer_token<'a>(
    mut headers: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<&'a str>, InvalidAuthorization> {
    let Some(header) = headers.next() else {
        return Ok(None);
    };
    if headers.next().is_some() {
        return Err(InvalidAuthorization);
    }
    let (scheme, rest) = match header.iter().position(|&byte| byte == b' ') {
        Some(at) => header.split_at(at),
        None => (header, &b""[..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    let token = rest.trim_ascii();
    let body = token.trim_ascii_end();
    if !is_token68(body) {
        return Err(InvalidAuthorization);
    }
    std::str::from_utf8(body)
        .map(Some)
        .map_err(|_| InvalidAuthorization)
}

/// Whether all of it is one `token68`. Spec: RFC 9110 §11.2.
pub(crate) fn is_token68(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    let word = &text[..text.len() - padding];
    // To the end in any case, so that many are looked at with one instruction: there are some ninety
    // of them in an opaque token and a thousand in a signed one.
    !word.is_empty() && word.iter().fold(true, |all, &byte| all & is_plain(byte))
}

/// What a `token68` is made of, padding aside.
const fn is_plain(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // From `-` to `9` there are `.`, `/` and the digits.
    let other = byte.wrapping_sub(b'-') <= b'9' - b'-';
    letter | other | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read<'a>(headers: &'a [&'a str]) -> Result<Option<&'a str>, InvalidAuthorization> {
        bearer_token(headers.iter().map(|header| header.as_bytes()))
    }

    /// RS-TOK-2, RS-TOK-4.
    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["Basic abc"]), Ok(None));
        for header in ["Bearer abc", "bearer abc", "BEARER   abc", "Bearer abc "] {
            assert_eq!(read(&[header]), Ok(Some("abc")), "{header}");
        }
        assert_eq!(read(&["Bearer a-._~+/b=="]), Ok(Some("a-._~+/b==")));
        for header in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer =",
            "Bearer a,b",
            "Bearer \"a\"",
        ] {
            assert_eq!(read(&[header]), Err(InvalidAuthorization), "{header}");
        }
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(InvalidAuthorization));
        assert_eq!(read(&["Bearer a", "Basic b"]), Err(InvalidAuthorization));
    }

    /// RS-TOK-4: the alphabet, byte by byte, wherever it stands.
    #[test]
    fn nothing_but_the_alphabet_is_in_a_token() {
        for byte in 0..=u8::MAX {
            let good = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            for at in [0, 17, 69] {
                let mut token = [b'a'; 70];
                token[at] = byte;
                let padding = byte == b'=' && at == 69;
                assert_eq!(is_token68(&token), good || padding, "{byte} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_panic(bytes: Vec<u8>) {
            let _ = bearer_token(std::iter::once(bytes.as_slice()));
        }
    }
}
