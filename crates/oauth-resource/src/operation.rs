//! What a request to an MCP endpoint asks for, by the words of its body, and what that needs.
//!
//! The body decides, always: headers that name method and tool are for routing, and a request
//! whose headers say something else than its body is refused, since what stands between here and
//! the handler may believe either. Spec: MCP 2026-07-28, Streamable HTTP.

mod headers;
mod listing;
mod message;

use std::collections::HashMap;

use oauth_types::Scope;

use crate::needs::Needs;

pub use headers::{HeaderMismatch, McpHeaders};
pub use listing::{UnreadableList, hide_tools};
pub use message::{InvalidMessage, Message, messages};

/// Which scopes each MCP operation needs, beyond what any request to the resource needs.
///
/// What is not named needs nothing more; [`Self::other_tools`] changes that for tools.
#[derive(Debug, Clone, Default)]
pub struct OperationPolicy {
    methods: HashMap<String, Needs>,
    named: HashMap<(String, String), Needs>,
    other_tools: Option<Needs>,
    /// By tool: the header's name behind `mcp-param-`, and the argument's path.
    declared: HashMap<String, Vec<(String, Vec<String>)>>,
}

impl OperationPolicy {
    /// Nothing needs anything more.
    pub fn new() -> Self {
        Self::default()
    }

    /// A method, whatever it is about: `resources/read`, `tools/list`.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>, needs: impl Into<Needs>) -> Self {
        self.methods.insert(method.into(), needs.into());
        self
    }

    /// Calling the tool of this name.
    #[must_use]
    pub fn tool(self, name: impl Into<String>, needs: impl Into<Needs>) -> Self {
        self.named("tools/call", name, needs)
    }

    /// Calling a tool that [`Self::tool`] does not name.
    #[must_use]
    pub fn other_tools(mut self, needs: impl Into<Needs>) -> Self {
        self.other_tools = Some(needs.into());
        self
    }

    /// A method when it is about this one thing: for `tools/call` and `prompts/get` its `name`,
    /// for `resources/…` its `uri`, for `tasks/…` its `taskId`.
    #[must_use]
    pub fn named(
        mut self,
        method: impl Into<String>,
        name: impl Into<String>,
        needs: impl Into<Needs>,
    ) -> Self {
        self.named
            .insert((method.into(), name.into()), needs.into());
        self
    }

    /// Declares that a tool's argument also comes as the header `Mcp-Param-` and `header`, as the
    /// tool's schema says by `x-mcp-header`. Headers that nobody declared are not compared.
    #[must_use]
    pub fn argument_header<'a>(
        mut self,
        tool: impl Into<String>,
        header: &str,
        argument: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let path = argument.into_iter().map(str::to_owned).collect();
        let declared = self.declared.entry(tool.into()).or_default();
        declared.push((header.to_ascii_lowercase(), path));
        self
    }

    /// What a message needs.
    pub fn needs(&self, message: &Message) -> Vec<&Needs> {
        let Some(method) = message.method() else {
            return Vec::new();
        };
        let mut needs: Vec<&Needs> = self.methods.get(method).into_iter().collect();
        // A tool without a name is nobody's, and gets no less than the strictest rule for others.
        let name = message.name().unwrap_or_default();
        let named = self.named.get(&(method.to_owned(), name.to_owned()));
        needs.extend(named);
        if method == "tools/call" && named.is_none() {
            needs.extend(&self.other_tools);
        }
        needs
    }

    /// Whether a list of tools should show this one to somebody who holds `held`.
    pub fn shows_tool(&self, name: &str, held: &Scope) -> bool {
        let message = Message::tool_call(name);
        self.needs(&message)
            .iter()
            .all(|needs| needs.are_met_by(held))
    }

    /// What all of `messages` together need and `held` does not give: everything to ask for in
    /// one go, with what is needed and held already, or `None` when it is enough.
    pub fn missing(&self, messages: &[Message], held: &Scope) -> Option<Scope> {
        let mut asked = Scope::empty();
        let mut enough = true;
        for needs in messages.iter().flat_map(|message| self.needs(message)) {
            let met = needs.are_met_by(held);
            enough &= met;
            // Of several alternatives the one that is held need not be asked for in other words.
            if !met || needs.asked().is_subset(held) {
                asked = asked.union(needs.asked());
            }
        }
        (!enough).then_some(asked)
    }

    /// Compares what a single message's headers say with what its body says.
    ///
    /// # Errors
    /// [`HeaderMismatch`], which names what differs and quotes nothing.
    pub fn compare(
        &self,
        headers: &McpHeaders<'_>,
        messages: &[Message],
    ) -> Result<(), HeaderMismatch> {
        headers.compare(messages, |tool| {
            self.declared.get(tool).map_or(&[][..], Vec::as_slice)
        })
    }
}

#[cfg(test)]
mod tests;
