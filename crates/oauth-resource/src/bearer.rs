//! Reading the token: from the `Authorization` header and nowhere else.

/// The request's authorization is malformed: two headers, or not a bearer token where one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Authorization header is malformed")]
pub struct InvalidAuthorization;

/// What a `token68` is made of, padding aside. Looked up, because every request asks for each of
/// some ninety bytes.
const TOKEN68: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        byte += 1;
    }
    table
};

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
    !word.is_empty() && word.iter().all(|&byte| TOKEN68[usize::from(byte)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read<'a>(headers: &'a [&'a str]) -> Result<Option<&'a str>, InvalidAuthorization> {
        bearer_token(headers.iter().map(|header| header.as_bytes()))
    }

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

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_panic(bytes: Vec<u8>) {
            let _ = bearer_token(std::iter::once(bytes.as_slice()));
        }
    }
}
