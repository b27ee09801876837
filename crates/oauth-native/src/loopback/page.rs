//! What the browser shows at the end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest, Sha256};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--ground:#f3f4f6;--good:#1a7f37;--bad:#b42318}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#a0a8b1;--paper:#1d2126;--ground:#121417;--good:#4cc26c;--bad:#ff8a7a}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}\
main{width:100%;max-width:28rem;padding:2rem;border-radius:.75rem;background:var(--paper);text-align:center;overflow-wrap:anywhere}\
.mark{display:block;font-size:2.5rem;line-height:1}.good{color:var(--good)}.bad{color:var(--bad)}\
h1{margin:.75rem 0 .5rem;font-size:1.35rem;line-height:1.3}p{margin:0;color:var(--soft)}";

/// A code came back. Whether it is worth something is not known yet, so the page does not say so.
pub(super) fn done(program: &str) -> Response<Full<Bytes>> {
    let said = "You can close this window. The program goes on by itself.";
    page(
        StatusCode::OK,
        ("good", "✓"),
        &format!("Back to {program}"),
        said,
    )
}

/// The answer is a refusal.
pub(super) fn refused(program: &str) -> Response<Full<Bytes>> {
    let said = "Nothing was allowed. You can close this window; the program says what happened.";
    page(
        StatusCode::OK,
        ("bad", "✕"),
        &format!("{program} was not let in"),
        said,
    )
}

/// An answer that belongs to no sign-in of ours.
pub(super) fn foreign(program: &str) -> Response<Full<Bytes>> {
    let said = "This address belongs to no sign-in that is under way. Nothing was changed.";
    let status = StatusCode::BAD_REQUEST;
    page(status, ("bad", "✕"), &format!("Not for {program}"), said)
}

/// For whatever a browser asks besides.
pub(super) fn nothing(status: StatusCode) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", String::new())
}

fn page(status: StatusCode, mark: (&str, &str), title: &str, said: &str) -> Response<Full<Bytes>> {
    let (kind, mark) = mark;
    let title = escape(title);
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <main>\n<span class=\"mark {kind}\" aria-hidden=\"true\">{mark}</span>\n\
         <h1>{title}</h1>\n<p>{said}</p>\n</main>\n</html>\n"
    );
    respond(status, "text/html; charset=utf-8", body)
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    // The address of the page holds a code: it goes nowhere from here.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let style = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // proved: base64 is visible ASCII.
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
