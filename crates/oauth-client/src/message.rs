//! Requests and answers of OAuth as bytes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response};
use oauth_types::SecretText;
use serde_json::{Map, Value};

use crate::hop::{Got, Hop, HopError, OAuthError};

/// Bytes as unpadded base64url.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A form on its way to somebody, and the secrets in it.
#[derive(Default)]
pub(crate) struct Form {
    pairs: Vec<(&'static str, String)>,
    authorization: Option<String>,
    secrets: Secrets,
}

impl Form {
    /// A form for this grant.
    pub(crate) fn grant(grant_type: &str) -> Self {
        let mut form = Self::default();
        form.push("grant_type", grant_type);
        form
    }

    pub(crate) fn push(&mut self, name: &'static str, value: &str) {
        self.pairs.push((name, value.to_owned()));
    }

    pub(crate) fn push_secret(&mut self, name: &'static str, value: &SecretText) {
        self.secret(value.clone());
        self.pairs.push((name, value.expose().to_owned()));
    }

    /// Remembers a secret that is sent in some other form.
    pub(crate) fn secret(&mut self, secret: SecretText) {
        self.secrets.0.push(secret);
    }

    pub(crate) fn authorize(&mut self, header: String) {
        if let Some((_, credentials)) = header.split_once(' ') {
            self.secret(SecretText::new(credentials));
        }
        self.authorization = Some(header);
    }

    /// The request that posts it.
    ///
    /// # Errors
    /// [`HopError`] for an address that is none.
    pub(crate) fn post(self, hop: Hop, url: &str) -> Result<(Request<Bytes>, Secrets), HopError> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(self.pairs.iter().map(|(name, value)| (*name, value)));
        let content_type = "application/x-www-form-urlencoded";
        let mut request = request(Method::POST, hop, url, Bytes::from(body.finish()))?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(authorization) = self.authorization {
            // proved: the scheme and base64 are visible ASCII.
            let mut value = HeaderValue::try_from(authorization).expect("visible ASCII");
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok((request, self.secrets))
    }
}

/// A request that asks for JSON.
pub(crate) fn request(
    method: Method,
    hop: Hop,
    url: &str,
    body: Bytes,
) -> Result<Request<Bytes>, HopError> {
    Request::builder()
        .method(method)
        .uri(without_fragment(url))
        .header(header::ACCEPT, "application/json")
        .body(body)
        .map_err(|_| HopError::new(hop, url, "an address", Got::Unusable("none".to_owned())))
}

fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(url, _)| url)
}

/// The JSON object in a body; members that come twice make it none.
pub(crate) fn object(body: &[u8]) -> Option<Map<String, Value>> {
    oauth_types::json::object(body).ok()
}

/// Reads the answer of an endpoint: the object of a success, or what was said instead.
pub(crate) fn answer(
    hop: Hop,
    url: &str,
    expected: &'static str,
    response: &Response<Bytes>,
    secrets: &Secrets,
) -> Result<Map<String, Value>, HopError> {
    let fail = |got| Err(HopError::new(hop, url, expected, got));
    let status = response.status();
    if status.is_redirection() {
        return fail(Got::Redirect);
    }
    let object = object(response.body());
    match (status.is_success(), object) {
        (true, Some(object)) => match object.get("error").and_then(Value::as_str) {
            // Some servers refuse with 200.
            Some(code) if !object.contains_key("access_token") => {
                fail(Got::Refused(secrets.error(status.as_u16(), code, &object)))
            }
            _ => Ok(object),
        },
        (true, None) => fail(Got::Unreadable),
        (false, Some(object)) => match object.get("error").and_then(Value::as_str) {
            Some(code) => fail(Got::Refused(secrets.error(status.as_u16(), code, &object))),
            None => fail(Got::Status(status.as_u16())),
        },
        (false, None) => fail(Got::Status(status.as_u16())),
    }
}

/// What was sent to somebody and must not come back in an error.
#[derive(Default)]
pub(crate) struct Secrets(Vec<SecretText>);

impl Secrets {
    /// These secrets.
    pub(crate) fn of(secrets: impl IntoIterator<Item = SecretText>) -> Self {
        Self(secrets.into_iter().collect())
    }

    /// An error in the server's words, as far as they may be repeated.
    pub(crate) fn error(&self, status: u16, code: &str, said: &Map<String, Value>) -> OAuthError {
        let description = said.get("error_description").and_then(Value::as_str);
        self.said(status, code, description)
    }

    pub(crate) fn said(&self, status: u16, code: &str, description: Option<&str>) -> OAuthError {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
        let sound = (1..=64).contains(&code.len()) && code.bytes().all(word);
        let code = match sound && !self.are_repeated_by(code) {
            true => code.to_owned(),
            false => "an unusual error".to_owned(),
        };
        let description = description
            .filter(|text| !self.are_repeated_by(text))
            .map(|text| {
                let printable = text.chars().filter(|c| matches!(c, ' '..='~'));
                printable.take(300).collect::<String>()
            })
            .filter(|text| !text.is_empty());
        OAuthError {
            status,
            code,
            description,
        }
    }

    /// Whether a text holds eight characters in a row of a secret, or all of a shorter one; letters
    /// in either case, and other characters taken away from both, so that no spelling helps.
    pub(crate) fn are_repeated_by(&self, text: &str) -> bool {
        const WINDOW: usize = 8;
        let plain = |text: &str| -> Vec<u8> {
            let bytes = text.bytes().filter(u8::is_ascii_alphanumeric);
            bytes.map(|byte| byte.to_ascii_lowercase()).collect()
        };
        let decoded = percent_decoded(text);
        let texts = [plain(text), plain(&decoded)];
        self.0.iter().any(|secret| {
            let secret = plain(secret.expose());
            let window = secret.len().min(WINDOW);
            window > 0
                && secret.windows(window).any(|part| {
                    texts
                        .iter()
                        .any(|text| text.windows(window).any(|at| at == part))
                })
        })
    }
}

fn percent_decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('&', "%26"));
    let found = form_urlencoded::parse(pair.as_bytes()).next();
    found.map_or(String::new(), |(_, value)| value.into_owned())
}
