//! Requests that are meant for another host, and pages that may not call: refused, and never told
//! anything.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode, request};
use oauth_resource::{AllowedOrigins, OriginRefusal};

use crate::document;

/// Judges a request by its target and headers: the answer to one that is not let through.
pub(super) fn refusal(allowed: &AllowedOrigins, head: &request::Parts) -> Option<Response<Bytes>> {
    let all = |name| head.headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let authority = head.uri.authority().map(|named| named.as_str().as_bytes());
    let judged = allowed.judge(all(header::HOST), authority, all(header::ORIGIN));
    let refusal = judged.err()?;
    let (status, code) = match refusal {
        OriginRefusal::NoHost => (StatusCode::BAD_REQUEST, "invalid_request"),
        OriginRefusal::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "misdirected_request"),
        OriginRefusal::Origin => (StatusCode::FORBIDDEN, "origin_not_allowed"),
    };
    let mut response = document::error(status, code, &refusal.to_string());
    let headers = response.headers_mut();
    headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
    vary(headers);
    Some(response)
}

/// Lets the page that asked read an answer that any page could read, and no other page.
pub(super) fn narrow(headers: &mut HeaderMap, page: Option<&HeaderValue>) {
    vary(headers);
    let readable_by = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    if readable_by.is_some_and(|pages| pages == "*") {
        match page {
            Some(page) => headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page.clone()),
            None => headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN),
        };
    }
}

fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
