//! From bytes to words: forms, media types, Basic credentials.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap};
use oauth_core::BasicCredentials;
use serde::de::DeserializeOwned;

/// Parameters of one request; more are refused.
const MOST_PARAMETERS: usize = 100;

/// The pairs of a form or query, percent-decoded, borrowed where nothing had to be decoded.
///
/// # Errors
/// A public sentence when there are too many.
pub(crate) fn pairs(
    text: &[u8],
) -> Result<impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)>, &'static str> {
    if text.iter().filter(|&&byte| byte == b'&').count() >= MOST_PARAMETERS {
        return Err("too many parameters");
    }
    Ok(form_urlencoded::parse(text))
}

/// Whether the body is a form, as OAuth wants it (OAuth 2.1 §3.2).
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    has_media_type(headers, b"application/x-www-form-urlencoded")
}

fn has_media_type(headers: &HeaderMap, expected: &[u8]) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(held) = types.next().filter(|_| types.next().is_none()) else {
        return false;
    };
    let mut parts = held.as_bytes().split(|&byte| byte == b';');
    let essence = parts.next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(expected)
        && parts.all(|parameter| {
            let parameter = parameter.trim_ascii();
            let charset = parameter
                .get(..8)
                .is_some_and(|n| n.eq_ignore_ascii_case(b"charset="));
            // UTF-8 is the only encoding there is here; other parameters mean nothing.
            !charset
                || parameter[8..].trim_ascii().eq_ignore_ascii_case(b"utf-8")
                || parameter[8..]
                    .trim_ascii()
                    .eq_ignore_ascii_case(b"\"utf-8\"")
        })
}

/// A body that is one JSON object of this shape.
///
/// # Errors
/// A public sentence.
pub(crate) fn json_object<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<T, &'static str> {
    if !has_media_type(headers, b"application/json") {
        return Err("the body must be application/json");
    }
    // An array would pass for a struct's members in order.
    let object = body.trim_ascii_start().first() == Some(&b'{');
    match serde_json::from_slice(body) {
        Ok(read) if object => Ok(read),
        _ => Err("the body must be a JSON object with the members that are asked for here"),
    }
}

/// Two `Authorization` headers, another scheme, or no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MalformedBearer;

/// The token of an `Authorization: Bearer` header. Spec: RFC 6750 §2.1.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, MalformedBearer> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let token = token.filter(|token| !token.is_empty() && values.next().is_none());
    token.map(Some).ok_or(MalformedBearer)
}

/// The credentials of an `Authorization: Basic` header.
///
/// # Errors
/// A public sentence for two headers, another scheme, or text that cannot be read.
pub(crate) fn basic(headers: &HeaderMap) -> Result<Option<BasicCredentials>, &'static str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    const MALFORMED: &str = "the Authorization header is not well-formed Basic credentials";
    if values.next().is_some() {
        return Err(MALFORMED);
    }
    let value = value.as_bytes();
    let encoded = match value.split_at_checked(6) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"basic ") => rest.trim_ascii(),
        _ => return Err(MALFORMED),
    };
    let decoded = STANDARD.decode(encoded).map_err(|_| MALFORMED)?;
    let text = String::from_utf8(decoded).map_err(|_| MALFORMED)?;
    let (user, password) = text.split_once(':').ok_or(MALFORMED)?;
    Ok(Some(BasicCredentials::new(
        form_decoded(user),
        form_decoded(password),
        password.to_owned(),
    )))
}

/// RFC 6749 §2.3.1: user and password are form-encoded before they are joined.
fn form_decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes())
        .next()
        .map_or_else(String::new, |(_, v)| v.into_owned())
}

/// A posted form of one of our own pages.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, &'static str> {
        Ok(Self(
            pairs(body)?
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        ))
    }

    /// The first value of a field.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }

    /// All values of a field, as boxes of one name give them.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether nothing was posted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A form may hold a password.
        let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_tuple("Form").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn header(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_forms_in_utf8_are_forms() {
        for (value, form) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true),
            ("application/x-www-form-urlencoded;charset=\"utf-8\"", true),
            ("application/x-www-form-urlencoded; charset=utf-16", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(
                is_form(&header(header::CONTENT_TYPE, value)),
                form,
                "{value}"
            );
        }
        assert!(!is_form(&HeaderMap::new()));
    }

    #[test]
    fn both_readings_of_a_basic_password_are_kept() {
        let headers = HeaderMap::from_iter([(
            header::AUTHORIZATION,
            HeaderValue::try_from(format!("Basic {}", STANDARD.encode("a%3Ab:p+q%26"))).unwrap(),
        )]);
        let read = basic(&headers).unwrap().unwrap();
        assert_eq!(read.client_id, "a:b");
        assert_eq!(read.decoded_secret, "p q&");
        assert_eq!(read.raw_secret, "p+q%26");
        assert!(basic(&header(header::AUTHORIZATION, "Bearer x")).is_err());
        assert!(basic(&header(header::AUTHORIZATION, "Basic ???")).is_err());
    }
}
