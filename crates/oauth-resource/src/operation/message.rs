//! JSON-RPC messages, as far as authorization looks at them.

use oauth_types::json;
use serde_json::{Map, Value};

/// Messages of one batch.
const MOST_MESSAGES: usize = 100;
/// The first revision of the protocol whose lists say who may cache them. Revisions are dates.
const FIRST_CACHED: &str = "2026-07-28";

/// One JSON-RPC message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message(Map<String, Value>);

/// The body is no JSON-RPC that can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMessage {
    /// Not JSON in UTF-8, or a member comes twice at any depth.
    #[error("the body is not JSON without repeated members")]
    Json,
    /// Neither an object nor an array of one to a hundred objects, or a method that is no text.
    #[error("the body is not a JSON-RPC message or a batch of them")]
    Message,
}

/// The messages of a body: one, or those of a batch.
///
/// # Errors
/// See [`InvalidMessage`].
pub fn messages(body: &[u8]) -> Result<Vec<Message>, InvalidMessage> {
    let message = |value| match value {
        Value::Object(object) => match object.get("method") {
            None | Some(Value::String(_)) => Ok(Message(object)),
            Some(_) => Err(InvalidMessage::Message),
        },
        _ => Err(InvalidMessage::Message),
    };
    match json::value(body).map_err(|_| InvalidMessage::Json)? {
        Value::Array(batch) if (1..=MOST_MESSAGES).contains(&batch.len()) => {
            batch.into_iter().map(message).collect()
        }
        Value::Array(_) => Err(InvalidMessage::Message),
        one => Ok(vec![message(one)?]),
    }
}

impl Message {
    /// A call of this tool, to ask what it would need.
    pub(super) fn tool_call(name: &str) -> Self {
        let message = serde_json::json!({ "method": "tools/call", "params": { "name": name } });
        match message {
            Value::Object(object) => Self(object),
            _ => Self(Map::new()),
        }
    }

    /// Its method; `None` for a response.
    pub fn method(&self) -> Option<&str> {
        self.0.get("method").and_then(Value::as_str)
    }

    /// Its `id`, to answer it.
    pub fn id(&self) -> Option<&Value> {
        self.0.get("id")
    }

    /// What its method is about.
    pub fn name(&self) -> Option<&str> {
        let member = match self.method()? {
            "tools/call" | "prompts/get" => "name",
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => "uri",
            "tasks/get" | "tasks/result" | "tasks/update" | "tasks/cancel" => "taskId",
            _ => return None,
        };
        self.0.get("params")?.get(member)?.as_str()
    }

    /// An argument of a tool's call.
    pub(super) fn argument(&self, path: &[String]) -> Option<&Value> {
        let arguments = self.0.get("params")?.get("arguments")?;
        path.iter()
            .try_fold(arguments, |held, member| held.get(member))
    }

    /// Whether it asks for tools, and if so, whether by a revision of the protocol in which a list
    /// says who may cache it.
    pub fn lists_tools(&self) -> Option<bool> {
        let cached = |version: &str| version >= FIRST_CACHED;
        (self.method() == Some("tools/list")).then(|| self.protocol_version().is_some_and(cached))
    }

    /// The revision of the protocol that the message itself names.
    pub(super) fn protocol_version(&self) -> Option<&str> {
        let meta = self.0.get("params")?.get("_meta")?;
        meta.get("io.modelcontextprotocol/protocolVersion")?
            .as_str()
    }
}
