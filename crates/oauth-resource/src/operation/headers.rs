//! The headers in which a client repeats what its message's body says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::message::Message;

/// The `Mcp-…` headers of a request.
#[derive(Debug, Clone, Default)]
pub struct McpHeaders<'a>(Vec<(String, &'a [u8])>);

/// A header says something else than the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderMismatch {
    /// `MCP-Protocol-Version`.
    #[error("MCP-Protocol-Version does not match the body")]
    ProtocolVersion,
    /// `Mcp-Method`.
    #[error("Mcp-Method does not match the body")]
    Method,
    /// `Mcp-Name`.
    #[error("Mcp-Name does not match the body")]
    Name,
    /// A declared `Mcp-Param-…`.
    #[error("an Mcp-Param header does not match the body")]
    Argument,
}

impl<'a> McpHeaders<'a> {
    /// Takes what is its own from all headers of a request, whose names may be in any case.
    pub fn of(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let own = headers.into_iter().filter_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            name.starts_with("mcp-").then_some((name, value))
        });
        Self(own.collect())
    }

    /// A header's text, decoded; `Err` for one that comes twice or cannot be read.
    fn text(&self, name: &str) -> Result<Option<String>, ()> {
        let mut values = self.0.iter().filter(|(held, _)| held == name);
        let Some((_, value)) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(());
        }
        let text = std::str::from_utf8(value).map_err(|_| ())?.trim();
        let encoded = text
            .strip_prefix("=?base64?")
            .and_then(|rest| rest.strip_suffix("?="));
        let Some(encoded) = encoded else {
            return Ok(Some(text.to_owned()));
        };
        let bytes = STANDARD.decode(encoded).map_err(|_| ())?;
        String::from_utf8(bytes).map(Some).map_err(|_| ())
    }

    /// Whether a header that is there says `expected`.
    fn agrees(&self, name: &str, expected: Option<&str>) -> bool {
        match self.text(name) {
            Ok(None) => true,
            Ok(Some(said)) => expected == Some(&*said),
            Err(()) => false,
        }
    }

    pub(super) fn compare<'p>(
        &self,
        messages: &[Message],
        declared: impl Fn(&str) -> &'p [(String, Vec<String>)],
    ) -> Result<(), HeaderMismatch> {
        for message in messages {
            // Older clients name the revision in the header only.
            let version = message.protocol_version();
            if version.is_some() && !self.agrees("mcp-protocol-version", version) {
                return Err(HeaderMismatch::ProtocolVersion);
            }
            if !self.agrees("mcp-method", message.method()) {
                return Err(HeaderMismatch::Method);
            }
            if !self.agrees("mcp-name", message.name()) {
                return Err(HeaderMismatch::Name);
            }
            let tool = message
                .name()
                .filter(|_| message.method() == Some("tools/call"));
            for (header, path) in tool.map_or(&[][..], &declared) {
                let argument = message.argument(path).and_then(text_of);
                if !self.agrees(&format!("mcp-param-{header}"), argument.as_deref()) {
                    return Err(HeaderMismatch::Argument);
                }
            }
        }
        Ok(())
    }
}

/// An argument as a header repeats it.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(held) => Some(held.to_string()),
        Value::Number(held) => Some(held.to_string()),
        _ => None,
    }
}
