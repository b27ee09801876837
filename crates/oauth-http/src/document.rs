//! JSON documents that are rendered once and served to anybody.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, request};
use oauth_types::SecretHash;

/// A document with its entity tag.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    body: Bytes,
    headers: HeaderMap,
    etag: HeaderValue,
}

impl Document {
    pub(crate) fn render(value: &impl serde::Serialize) -> Self {
        // proved: the documents are structs of strings and arrays, which JSON always holds.
        let body = Bytes::from(serde_json::to_vec(value).expect("plain structs"));
        let digest = SecretHash::of(&body);
        let tag: String = digest.as_bytes()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // proved: a quoted run of hexadecimal digits is a header value.
        let etag = HeaderValue::from_str(&format!("\"{tag}\"")).expect("hexadecimal");
        let mut headers = HeaderMap::with_capacity(6);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        );
        headers.insert(header::ETAG, etag.clone());
        allow_any_origin(&mut headers);
        Self {
            body,
            headers,
            etag,
        }
    }

    pub(crate) fn answer(&self, request: &request::Parts) -> Response<Bytes> {
        match request.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return preflight("GET, HEAD, OPTIONS"),
            _ => return method_not_allowed("GET, HEAD, OPTIONS"),
        }
        let known = request
            .headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .any(|tags| {
                tags.as_bytes() == b"*"
                    || tags.as_bytes().split(|byte| *byte == b',').any(|tag| {
                        let tag = tag.trim_ascii();
                        tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes()
                    })
            });
        let mut response = Response::new(Bytes::new());
        *response.headers_mut() = self.headers.clone();
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(header::CONTENT_LENGTH);
        } else if request.method == Method::GET {
            *response.body_mut() = self.body.clone();
        }
        response
    }
}

/// Browser-based clients of any origin may read this; cookies play no part in it.
pub(crate) fn allow_any_origin(headers: &mut HeaderMap) {
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    const EXPOSED: HeaderValue = HeaderValue::from_static("WWW-Authenticate, Retry-After");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// What browser-based MCP clients send along.
pub(crate) const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, DPoP";

/// Answers a preflight, which carries no authorization by design.
pub(crate) fn preflight(methods: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    allow_any_origin(headers);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static(methods),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(ALLOWED_HEADERS),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("7200"),
    );
    response
}

/// 405, with what is allowed and a body that says so.
pub(crate) fn method_not_allowed(allow: &'static str) -> Response<Bytes> {
    let mut response = error(
        StatusCode::METHOD_NOT_ALLOWED,
        "invalid_request",
        "the method is not allowed here",
    );
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// A JSON error that nobody may cache.
pub(crate) fn error(status: StatusCode, code: &str, description: &str) -> Response<Bytes> {
    trace_error(code);
    let body = serde_json::json!({ "error": code, "error_description": description });
    let body = Bytes::from(body.to_string());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    no_store(headers);
    allow_any_origin(headers);
    response
}

/// Says in the span of the request how it failed, in the standard's word.
pub(crate) fn trace_error(code: &str) {
    if tracing::enabled!(tracing::Level::INFO) {
        tracing::Span::current().record("oauth.error", code);
    }
}

/// For answers that hold tokens or depend on them.
pub(crate) fn no_store(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    const PRAGMA: HeaderName = header::PRAGMA;
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
}
