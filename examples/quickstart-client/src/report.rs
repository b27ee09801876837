//! What is printed, step by step: for people, or one JSON object a line.

use oauth_client::Step;
use rmcp::service::ClientInitializeError;
use serde_json::{Value, json};

/// Prints on standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    json: bool,
}

impl Report {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Something that the client did. None of it is secret.
    pub(crate) fn step(self, step: &Step<'_>) {
        let (name, facts) = described(step);
        self.print(name, facts);
    }

    /// There was nothing to sign out of.
    pub(crate) fn not_signed_in(self) {
        self.print("not signed in", json!({}));
    }

    /// The server was asked for the first time.
    pub(crate) fn asked(self, status: u16) {
        self.print("authorized", json!({ "status": status }));
    }

    pub(crate) fn tools<'a>(self, names: impl Iterator<Item = &'a str>) {
        let names: Vec<&str> = names.collect();
        self.print("tools", json!({ "names": names }));
    }

    pub(crate) fn called(self, tool: &str, failed: bool, texts: &[String]) {
        let facts = json!({ "tool": tool, "failed": failed, "texts": texts });
        self.print("called", facts);
    }

    pub(crate) fn failed(self, why: &str) {
        if self.json {
            println!("{}", json!({ "step": "failed", "why": why }));
        } else {
            eprintln!("failed: {}", harmless(why));
        }
    }

    fn print(self, step: &str, facts: Value) {
        let facts = match facts {
            Value::Object(facts) => facts,
            _ => serde_json::Map::new(),
        };
        if self.json {
            let mut line = json!({ "step": step });
            if let Some(line) = line.as_object_mut() {
                line.extend(facts);
            }
            println!("{line}");
            return;
        }
        let facts = facts.iter().filter(|(_, value)| !value.is_null());
        let facts: Vec<String> = facts
            .map(|(name, value)| format!("{name} {}", plain(value)))
            .collect();
        println!("{step:<20} {}", facts.join(", "));
    }
}

/// A value as people read it. Servers chose many of them: nothing steers the terminal.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => harmless(text),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn harmless(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn described(step: &Step<'_>) -> (&'static str, Value) {
    match step {
        Step::Looked(attempt) => ("looked", json!({ "at": attempt.to_string() })),
        Step::Discovered { resource, issuer } => (
            "discovered",
            json!({ "resource": resource.as_str(), "issuer": issuer.as_str() }),
        ),
        Step::IssuerChanged { from, to } => (
            "issuer changed",
            json!({ "from": from.as_str(), "to": to.as_str() }),
        ),
        Step::Client {
            client_id,
            provenance,
            method,
        } => (
            "client",
            json!({
                "client_id": client_id.as_str(),
                "by": format!("{provenance:?}"),
                "authenticates": method.as_str(),
            }),
        ),
        Step::RegistrationDropped(issuer) => {
            ("registration lost", json!({ "issuer": issuer.as_str() }))
        }
        Step::Authorizing { grant, scope } => (
            "signing in",
            json!({ "grant": format!("{grant:?}"), "scope": scope.map(|scope| scope.as_str()) }),
        ),
        Step::Issued {
            scope,
            expires_in,
            refreshable,
        } => (
            "signed in",
            json!({
                "scope": scope.map(|scope| scope.as_str()),
                "seconds": expires_in.map(|lifetime| lifetime.as_seconds()),
                "refreshable": refreshable,
            }),
        ),
        Step::Refreshed { expires_in } => (
            "refreshed",
            json!({ "seconds": expires_in.map(|lifetime| lifetime.as_seconds()) }),
        ),
        Step::Adopted => ("adopted", json!({})),
        Step::RefreshFailed(error) => ("refresh failed", json!({ "why": error.to_string() })),
        Step::StepUp { scope } => ("more scope needed", json!({ "scope": scope.as_str() })),
        Step::SignedOut { revoked } => ("signed out", json!({ "revoked": revoked })),
        _ => ("went on", json!({})),
    }
}

/// An error and all that caused it, as far as it does not repeat what was said.
pub(crate) fn all_of(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(found) = oauth_rmcp::client_error(error) {
        return chain(found);
    }
    // Its own text names types of the library, and nothing of the server.
    if let Some(ClientInitializeError::TransportError { error, .. }) = error.downcast_ref() {
        let why = chain(error.error.as_ref());
        return format!("this does not answer as an MCP server: {why}");
    }
    chain(error)
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        next = cause.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use rmcp::transport::DynamicTransportError;

    use super::*;

    /// An error may repeat what the server said, and so may not steer the terminal any more than a step.
    #[test]
    fn what_a_server_said_does_not_steer_the_terminal() {
        assert_eq!(
            harmless("no tool \u{1b}[2Jof that\r\nname"),
            "no tool [2Jof thatname"
        );
        assert_eq!(plain(&json!(["a\u{7}", "b\u{9b}"])), "a b");
    }

    /// Somebody who mistyped an address reads what is there, and no names of types.
    #[test]
    fn a_server_that_speaks_no_mcp_is_called_so() {
        struct Transport;
        let error = ClientInitializeError::TransportError {
            error: DynamicTransportError::from_parts(
                std::any::type_name::<Transport>(),
                std::any::TypeId::of::<Transport>(),
                "HTTP 404".into(),
            ),
            context: "send initialize request".into(),
        };
        let said = "this does not answer as an MCP server: HTTP 404";
        assert_eq!(all_of(&error), said);
    }
}
