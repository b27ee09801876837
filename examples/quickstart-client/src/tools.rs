//! A conversation with an MCP server, on the official SDK.

use oauth_client::Client;
use oauth_rmcp::Authorized;
use rmcp::model::{CallToolRequestParams, CallToolResult, JsonObject, ProtocolVersion, Tool};
use rmcp::service::{RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};

/// An MCP server that is spoken with.
pub struct Conversation(RunningService<RoleClient, ()>);

/// How a conversation begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// As the server likes; the newest revision is tried first, and given ten seconds to answer.
    Either,
    /// With `initialize`, as until revision 2025-11-25.
    Sessions,
    /// Each request by itself, as from revision 2026-07-28 on.
    Stateless,
}

impl Conversation {
    /// Begins one. Whether somebody is signed in is found out by the way.
    ///
    /// # Errors
    /// When the server does not answer as MCP asks, or authorization fails:
    /// [`oauth_rmcp::client_error`] tells the two apart.
    pub async fn begin(
        client: Client,
        http: reqwest::Client,
        lifecycle: Lifecycle,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let uri = client.config().server().as_str().to_owned();
        let config = StreamableHttpClientTransportConfig::with_uri(uri);
        let authorized = Authorized::new(http, client);
        let transport = StreamableHttpClientTransport::with_client(authorized, config);
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        let mode = match lifecycle {
            Lifecycle::Either => ClientLifecycleMode::Auto {
                preferred_versions,
                legacy_version: None,
            },
            Lifecycle::Sessions => ClientLifecycleMode::Initialize,
            Lifecycle::Stateless => ClientLifecycleMode::Discover { preferred_versions },
        };
        Ok(Self(().serve_with_lifecycle(transport, mode).await?))
    }

    /// The tools that there are.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn tools(&self) -> Result<Vec<Tool>, ServiceError> {
        self.0.list_all_tools().await
    }

    /// Calls one.
    ///
    /// # Errors
    /// See [`ServiceError`].
    pub async fn call(
        &self,
        tool: &str,
        arguments: JsonObject,
    ) -> Result<CallToolResult, ServiceError> {
        let params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        self.0.call_tool(params).await
    }

    /// Ends it.
    pub async fn end(self) {
        // The server forgets a session by itself if it is not told.
        let _ = self.0.cancel().await;
    }
}

/// Whether a tool can be called to see what happens: it needs no argument and does not say that it
/// destroys anything.
pub fn is_harmless(tool: &Tool) -> bool {
    let required = tool.input_schema.get("required");
    let needs_none = required
        .and_then(|required| required.as_array())
        .is_none_or(Vec::is_empty);
    let destroys = tool
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.destructive_hint)
        .unwrap_or_default();
    needs_none && !destroys
}

/// The texts of a result.
pub fn texts(result: &CallToolResult) -> Vec<String> {
    let texts = result.content.iter().filter_map(|block| block.as_text());
    texts.map(|text| text.text.clone()).collect()
}
