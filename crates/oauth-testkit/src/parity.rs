//! Shows that an adapter answers as the neutral service does: status, every header, body.
//!
//! [`transcript`] is a long conversation with a server. What is sent depends only on what was
//! answered, so two servers from the same seed that answer alike give the same transcript, and
//! [`Transcript::differences`] says where they do not. Serve the usual [`World`](crate::flows::World)
//! and its resource twice, once through `oauth_http::server::OAuthService::handle` and once through
//! the adapter on a real socket, for which [`over`] is the client.
//!
//! The server under test has the issuer `https://mcp.example`, the resource
//! `https://mcp.example/mcp` with the scopes `mcp:tools` (needed by every request) and `mcp:write`,
//! pages as in [`Script`], and guarded routes that take any method and answer the caller's name:
//! `/mcp`, `/mcp/write`, which needs `mcp:write`, `/mcp/further`, which needs it beyond what the
//! route around it needs, `/mcp/anybody`, where tokens are optional, and `/mcp/own`, which compares
//! host and origin with the resource's. `/mcp/rpc` does that too; it answers every request with
//! [`TOOLS`], as JSON or in the event stream [`EVENTS`], as is asked for by `Accept`, hides the tools
//! that the caller may not call, and of its tools `write` needs `mcp:write`.

pub(crate) mod asking;
mod guarded;
mod script;
mod wire;

pub use asking::{EVENTS, TOOLS};
pub use script::{Script, transcript};
pub use wire::over;

/// A request as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it is there to show.
    pub about: String,
    /// Its method.
    pub method: &'static str,
    /// Path and query, character for character.
    pub target: String,
    /// Its headers, in order; whoever sends it adds `Host`, if none is there.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the body is sent in chunks, without saying how long it is.
    pub chunked: bool,
}

impl Request {
    /// Whether a `Host` is among the headers.
    pub fn names_its_host(&self) -> bool {
        self.headers.iter().any(|(name, _)| name == "Host")
    }
}

/// An answer, as far as two servers can be compared by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, sorted, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Sorts the headers, and leaves out those that belong to the connection or repeat the
    /// length of the body.
    pub fn new(status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> Self {
        let length = body.len().to_string();
        let mut headers: Vec<(String, Vec<u8>)> = headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .filter(|(name, value)| match name.as_str() {
                "date" | "connection" | "transfer-encoding" | "keep-alive" => false,
                "content-length" => *value != length.as_bytes(),
                _ => true,
            })
            .collect();
        headers.sort();
        Self {
            status,
            headers,
            body,
        }
    }

    /// A header's first value, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(held, _)| held == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The body, as far as it is text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Everything that was asked and answered.
#[derive(Debug, Clone, Default)]
pub struct Transcript(Vec<(Request, Answer)>);

impl Transcript {
    /// How many requests were sent.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The requests and their answers.
    pub fn iter(&self) -> impl Iterator<Item = &(Request, Answer)> {
        self.0.iter()
    }

    /// Where another server answered differently, in words.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for ((asked, ours), (asked_there, theirs)) in self.0.iter().zip(&other.0) {
            let name = format!("{}: {} {}", asked.about, asked.method, asked.target);
            if asked != asked_there {
                // What is asked follows from what was answered before.
                found.push(format!("{name}: the conversation went another way"));
                break;
            }
            if ours.status != theirs.status {
                found.push(format!(
                    "{name}: {} here, {} there",
                    ours.status, theirs.status
                ));
            }
            for (name_of, value) in &ours.headers {
                if !theirs.headers.contains(&(name_of.clone(), value.clone())) {
                    let value = String::from_utf8_lossy(value);
                    found.push(format!("{name}: only here {name_of}: {value}"));
                }
            }
            for (name_of, value) in &theirs.headers {
                if !ours.headers.contains(&(name_of.clone(), value.clone())) {
                    let value = String::from_utf8_lossy(value);
                    found.push(format!("{name}: only there {name_of}: {value}"));
                }
            }
            if ours.body != theirs.body {
                found.push(format!(
                    "{name}: {:?} here, {:?} there",
                    ours.text(),
                    theirs.text()
                ));
            } else if ours.headers.len() != theirs.headers.len() {
                found.push(format!("{name}: a header is repeated"));
            }
        }
        if self.0.len() != other.0.len() {
            found.push(format!(
                "{} requests here, {} there",
                self.0.len(),
                other.0.len()
            ));
        }
        found
    }
}
