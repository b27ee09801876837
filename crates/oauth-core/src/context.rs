//! In which request something happens.

use std::fmt;

use oauth_types::env::{Entropy, EntropyError};

use crate::limit::Source;

/// What an auditor wants to know beside what happened: which request it was, and where that came
/// from. Without a request (a command, a timer) it is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The request.
    pub request: Option<RequestId>,
    /// Whose request: attempts are counted by this.
    pub source: Source,
}

impl Context {
    /// A request that came from there.
    pub const fn new(request: Option<RequestId>, source: Source) -> Self {
        Self { request, source }
    }

    /// From there, in a request without a name.
    pub const fn from(source: Source) -> Self {
        Self::new(None, source)
    }
}

/// Names one request, in every event it causes and on its error page. Sixteen random bytes that
/// open nothing, written as 32 digits of `[0-9a-f]`: a trace id of W3C Trace Context (§3.2.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Draws a name that no other request has.
    ///
    /// # Errors
    /// [`EntropyError`].
    pub fn draw(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The name that a request already has elsewhere, from its 32 lower-case hexadecimal digits;
    /// `None` for any other text, and for nothing but zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let digits: [u8; 32] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        (bytes != [0; 16]).then_some(Self(bytes))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let text = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(RequestId::parse(text).unwrap().to_string(), text);
        for other in [
            "",
            "4bf92f3577b34da6a3ce929d0e0e473",
            "4BF92F3577B34DA6A3CE929D0E0E4736",
            "4bf92f3577b34da6a3ce929d0e0e473g",
            "00000000000000000000000000000000",
        ] {
            assert_eq!(RequestId::parse(other), None, "{other}");
        }
    }
}
