//! An event with its circumstances, and as a line of an audit log.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_jose::MacKey;
use oauth_types::{Subject, Timestamp};
use serde_json::{Map, Value as Json};

use super::{Event, Value};
use crate::context::{Context, RequestId};

/// Characters of any one text in a line; a stranger's identifier can be as long as a request.
const LONGEST_TEXT: usize = 300;

/// An event, when it happened, and in which request.
#[derive(Clone, Copy)]
pub struct Noted<'a> {
    at: Timestamp,
    context: Context,
    event: Event<'a>,
    names: &'a MacKey,
}

/// How a line shows what is personal data: who somebody is, and where they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Personal {
    /// People under pseudonyms, addresses as their neighbourhood (an IPv4 /24, an IPv6 /56).
    #[default]
    Pseudonyms,
    /// As they are: for a log that is kept as personal data has to be.
    Clear,
}

impl<'a> Noted<'a> {
    pub(crate) const fn new(
        at: Timestamp,
        context: Context,
        event: Event<'a>,
        names: &'a MacKey,
    ) -> Self {
        Self {
            at,
            context,
            event,
            names,
        }
    }

    /// What happened.
    pub const fn event(&self) -> &Event<'a> {
        &self.event
    }

    /// When, by the server's clock.
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// In which request; `None` when none caused it.
    pub const fn request(&self) -> Option<RequestId> {
        self.context.request
    }

    /// The neighbourhood that the request came from, as in `203.0.113.0/24` or
    /// `2001:db8:0:100::/56`. Whole households share one.
    pub fn network(&self) -> Option<String> {
        self.address().map(|_| self.context.source.neighbourhood())
    }

    /// The address that the request came from. Personal data: whoever writes it down answers for
    /// it.
    pub const fn address(&self) -> Option<IpAddr> {
        self.context.source.0
    }

    /// The event as one JSON object: `at` (Unix seconds), `event`, `request` and `source` where
    /// known, and the event's own members. One line, whatever a client calls itself.
    pub fn to_json(&self, personal: Personal) -> String {
        let mut line = Map::new();
        line.insert("at".to_owned(), self.at.as_unix().into());
        line.insert("event".to_owned(), self.event.name().into());
        if let Some(request) = self.request() {
            line.insert("request".to_owned(), request.to_string().into());
        }
        let source = match personal {
            Personal::Pseudonyms => self.network(),
            Personal::Clear => self.address().map(|address| address.to_string()),
        };
        if let Some(source) = source {
            line.insert("source".to_owned(), source.into());
        }
        self.event.visit(&mut |name, value| {
            let value: Json = match value {
                Value::Subject(subject) => match personal {
                    Personal::Pseudonyms => pseudonym(self.names, subject).into(),
                    Personal::Clear => short(subject.as_str()).into(),
                },
                Value::Client(client) => short(client.as_str()).into(),
                Value::Scope(scope) => short(scope.as_str()).into(),
                Value::Grant(grant) => grant.to_string().into(),
                Value::Word(word) => word.into(),
                Value::Number(number) => number.into(),
            };
            line.insert(name.to_owned(), value);
        });
        Json::Object(line).to_string()
    }
}

/// Shows no address: what prints an event by mistake must not keep one.
impl fmt::Debug for Noted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Noted")
            .field("at", &self.at)
            .field("request", &self.request())
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// The same name gives the same sixteen characters, and only whoever holds the root secret can
/// tell which.
pub(crate) fn pseudonym(names: &MacKey, subject: &Subject) -> String {
    let mac = names.mac("subject", &[subject.as_str().as_bytes()]);
    URL_SAFE_NO_PAD.encode(&mac[..12])
}

/// A stranger's text as far as it is written down.
pub(crate) fn short(text: &str) -> &str {
    text.char_indices()
        .nth(LONGEST_TEXT)
        .map_or(text, |(end, _)| &text[..end])
}
