//! `WWW-Authenticate`: why a protected server refuses, and where to get what it wants.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use oauth_types::Scope;

/// One challenge. Spec: RFC 9110 §11.6.1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Challenge {
    /// The scheme, in lower case.
    pub scheme: String,
    /// Its parameters, names in lower case, as far as they can be read.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The most challenges that are read of one answer.
    pub const MOST: usize = 32;
    /// The most bytes that are read of one answer's challenges.
    pub const MOST_BYTES: usize = 16 * 1024;

    /// The value of a parameter, by its name in lower case; the first, if it comes twice.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter();
        found
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads all challenges of an answer, several in one header and several headers alike, in their
    /// order. What cannot be read is passed over.
    pub fn read(headers: &HeaderMap) -> Vec<Self> {
        let mut challenges = Vec::new();
        let mut bytes = 0;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            bytes += value.len();
            if bytes > Self::MOST_BYTES {
                break;
            }
            Reader(value.as_bytes()).challenges(&mut challenges);
        }
        challenges.truncate(Self::MOST);
        challenges
    }
}

/// What a protected server asks of a bearer of tokens. Spec: RFC 6750 §3, RFC 9728 §5.1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BearerChallenge {
    /// Where its metadata are.
    pub resource_metadata: Option<String>,
    /// What this operation needs.
    pub scope: Option<Scope>,
    /// `error`: `invalid_token`, `insufficient_scope`, …
    pub error: Option<String>,
}

impl BearerChallenge {
    /// The first challenge of scheme `Bearer`, else `DPoP`; members that others of these schemes
    /// have and it lacks are filled in. Without any, all is `None`.
    pub fn read(headers: &HeaderMap) -> Self {
        let challenges = Challenge::read(headers);
        let of = |scheme: &'static str| challenges.iter().filter(move |c| c.scheme == scheme);
        let mut found = Self::default();
        for challenge in of("bearer").chain(of("dpop")) {
            let parameter = |name| challenge.parameter(name).filter(|value| !value.is_empty());
            let Self {
                resource_metadata,
                scope,
                error,
            } = &mut found;
            if resource_metadata.is_none() {
                *resource_metadata = parameter("resource_metadata").map(str::to_owned);
            }
            if scope.is_none() {
                *scope = parameter("scope").and_then(lenient_scope);
            }
            if error.is_none() {
                *error = parameter("error").map(str::to_owned);
            }
        }
        found
    }

    /// Whether more scope is asked for than the token had.
    pub fn is_insufficient_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }
}

/// A scope as servers write it: any run of spaces between its tokens.
pub(crate) fn lenient_scope(text: &str) -> Option<Scope> {
    let tokens: Vec<&str> = text.split_ascii_whitespace().collect();
    Scope::parse(&tokens.join(" ")).ok()
}

/// Reads a header field from its beginning.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn challenges(mut self, found: &mut Vec<Challenge>) {
        loop {
            self.skip(|byte| byte.is_ascii_whitespace() || byte == b',');
            let word = self.token();
            if word.is_empty() {
                // Nothing that could begin a challenge: go on after the next comma.
                if self.0.is_empty() {
                    return;
                }
                self.skip(|byte| byte != b',');
                continue;
            }
            let spaces = self.skip(|byte| byte == b' ' || byte == b'\t');
            if self.0.first() == Some(&b'=') {
                // A parameter of the challenge before.
                let value = self.value();
                if let (Some(challenge), Some(value)) = (found.last_mut(), value) {
                    challenge
                        .parameters
                        .push((word.to_ascii_lowercase(), value));
                }
            } else if spaces > 0 || self.0.is_empty() || self.0[0] == b',' {
                if found.len() > Challenge::MOST {
                    return;
                }
                found.push(Challenge {
                    scheme: word.to_ascii_lowercase(),
                    parameters: Vec::new(),
                });
                self.skip_token68();
            } else {
                self.skip(|byte| byte != b',');
            }
        }
    }

    fn skip(&mut self, mut of: impl FnMut(u8) -> bool) -> usize {
        let end = self.0.iter().position(|byte| !of(*byte));
        let (skipped, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        skipped.len()
    }

    fn token(&mut self) -> String {
        let is = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let before = self.0;
        let length = self.skip(is);
        String::from_utf8_lossy(&before[..length]).into_owned()
    }

    /// After a scheme: credentials in one piece, up to the next comma (RFC 9110 §11.2).
    fn skip_token68(&mut self) {
        let of68 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
        let length = self.0.iter().take_while(|byte| of68(byte)).count();
        let rest = &self.0[length..];
        let padding = rest.iter().take_while(|byte| **byte == b'=').count();
        let after = rest[padding..]
            .iter()
            .find(|byte| !byte.is_ascii_whitespace());
        if length > 0 && matches!(after, None | Some(b',')) {
            self.0 = &rest[padding..];
        }
    }

    /// After a name: an equals sign and a token or a quoted string. Values that are neither are
    /// read up to the next comma or space.
    fn value(&mut self) -> Option<String> {
        self.0 = &self.0[1..];
        self.skip(|byte| byte == b' ' || byte == b'\t');
        if self.0.first() != Some(&b'"') {
            let before = self.0;
            let length = self.skip(|byte| byte != b',' && !byte.is_ascii_whitespace());
            return std::str::from_utf8(&before[..length])
                .ok()
                .map(str::to_owned);
        }
        let mut text = Vec::new();
        let mut at = 1;
        loop {
            match (self.0.get(at), self.0.get(at + 1)) {
                (Some(b'\\'), Some(escaped)) => {
                    text.push(*escaped);
                    at += 2;
                }
                (Some(b'"'), _) => break,
                (Some(byte), _) => {
                    text.push(*byte);
                    at += 1;
                }
                // It never ends: nobody can say what it is.
                (None, _) => {
                    self.0 = &[];
                    return None;
                }
            }
        }
        self.0 = &self.0[at + 1..];
        String::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn shown(values: &[&str]) -> Vec<String> {
        let read = Challenge::read(&headers(values));
        let parameters = |challenge: &Challenge| {
            let pairs = challenge.parameters.iter();
            pairs
                .map(|(name, value)| format!(" {name}={value}"))
                .collect::<String>()
        };
        read.iter()
            .map(|one| format!("{}{}", one.scheme, parameters(one)))
            .collect()
    }

    /// CL-DISC-1: several challenges in one header or several, in any order, with values that are
    /// quoted or not.
    #[test]
    fn challenges_are_read_in_every_shape() {
        for (values, expected) in [
            (&["Bearer"][..], &["bearer"][..]),
            (
                &["bearer realm=\"a, b\" , scope=x"],
                &["bearer realm=a, b scope=x"],
            ),
            (
                &["Basic realm=\"x\", Bearer scope=\"a b\""],
                &["basic realm=x", "bearer scope=a b"],
            ),
            (
                &["Negotiate", "Bearer scope=a"],
                &["negotiate", "bearer scope=a"],
            ),
            (
                &["Negotiate YWJj==, Bearer scope=a"],
                &["negotiate", "bearer scope=a"],
            ),
            (&["NTLM abc+/=,Bearer a=1"], &["ntlm", "bearer a=1"]),
            (&["Bearer a=\"q\\\"uote\\\\\""], &["bearer a=q\"uote\\"]),
            (&["Bearer a = \"b\" , c = d"], &["bearer a=b c=d"]),
            (&["Bearer a=\"b\" c=\"d\""], &["bearer a=b c=d"]),
            (
                &["Bearer,DPoP algs=\"ES256\""],
                &["bearer", "dpop algs=ES256"],
            ),
            (&[", ,Bearer a=b,,"], &["bearer a=b"]),
            (
                &["Bearer resource_metadata=https://h/x?y=z, a=b"],
                &["bearer resource_metadata=https://h/x?y=z a=b"],
            ),
            (&["Bearer a=\"never ends"], &["bearer"]),
            (&["=x, Bearer a=b"], &["bearer a=b"]),
            (&[""], &[]),
        ] {
            assert_eq!(shown(values), expected, "{values:?}");
        }
    }

    /// CL-DISC-1, D14: what is asked of a bearer, wherever it stands; a lone error means nothing.
    #[test]
    fn a_bearer_challenge_is_found_among_others() {
        let read = |values: &[&str]| BearerChallenge::read(&headers(values));
        let found = read(&[
            "Basic realm=\"x\", scope=\"no\"",
            "DPoP error=\"use_dpop_nonce\", resource_metadata=\"https://h/dpop\"",
            "Bearer error=\"insufficient_scope\", scope=\" b  a \"",
        ]);
        assert!(found.is_insufficient_scope());
        assert_eq!(found.scope.unwrap().as_str(), "a b");
        assert_eq!(found.resource_metadata.unwrap(), "https://h/dpop");
        assert_eq!(read(&["Basic realm=\"x\""]), BearerChallenge::default());
        assert_eq!(read(&["Bearer scope=\"\""]), BearerChallenge::default());
        assert_eq!(read(&["Bearer scope=\"a\\\"b\""]).scope, None);
    }

    proptest! {
        /// Whatever a header says, reading it ends, soon, and gives no more than its bound.
        #[test]
        fn no_header_is_too_strange(values in proptest::collection::vec(
            prop_oneof![
                "[ -~\t]{0,200}",
                "(Bearer|Basic|a=|a=\"|\\\\|\"|,| |x){0,60}",
            ],
            0..5,
        )) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let read = Challenge::read(&headers(&values));
            prop_assert!(read.len() <= Challenge::MOST);
            let _ = BearerChallenge::read(&headers(&values));
        }
    }
}
