//! Requests, put together.

use super::Request;

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// What an MCP server answers that is asked for its tools.
pub const TOOLS: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"read"},{"name":"write"}],"ttlMs":0}}"#;

/// The same in an event stream, among other events.
pub const EVENTS: [&str; 3] = [
    ": hello\n\n",
    "id: 1\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"result\":{\"tools\":[{\"name\":\"read\"},",
    "{\"name\":\"write\"}]}}\n\ndata: bye\n\n",
];

pub(super) fn request(about: &str, method: &'static str, target: &str) -> Request {
    Request {
        about: about.to_owned(),
        method,
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        chunked: false,
    }
}

impl Request {
    pub(super) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(super) fn holding(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

pub(super) fn form(about: &str, target: &str, body: impl Into<Vec<u8>>) -> Request {
    request(about, "POST", target)
        .with("Content-Type", FORM)
        .holding(body)
}

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        for (part, after) in [(name, "="), (value, "")] {
            for byte in part.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    text.push(char::from(byte));
                } else {
                    text.push_str(&format!("%{byte:02X}"));
                }
            }
            text.push_str(after);
        }
    }
    text
}
