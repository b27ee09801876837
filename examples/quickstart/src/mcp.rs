//! Three small tools on the official SDK: one says who called, two keep a note.

use std::sync::{Arc, Mutex};

use hyper::http::request::Parts;
use oauth_axum::AccessClaims;
use oauth_types::{Audience, ClientId};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, Extensions, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, schemars, tool, tool_handler, tool_router};
use tokio_util::sync::CancellationToken;

/// The tools. One value per session; the note is shared.
#[derive(Clone)]
pub(crate) struct Tools {
    note: Arc<Mutex<String>>,
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Note {
    /// The text to keep.
    text: String,
}

#[tool_router]
impl Tools {
    #[tool(description = "Reports who is calling, through which client and with which scopes")]
    fn whoami(&self, extensions: Extensions) -> Result<String, ErrorData> {
        let caller = Caller::from(caller(&extensions)?);
        serde_json::to_string(&caller)
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }

    #[tool(description = "Reads the note that this server keeps")]
    fn read_note(&self) -> String {
        self.note
            .lock()
            .map(|note| note.clone())
            .unwrap_or_default()
    }

    #[tool(description = "Replaces the note that this server keeps; needs the scope mcp:write")]
    fn write_note(
        &self,
        Parameters(Note { text }): Parameters<Note>,
    ) -> Result<CallToolResult, ErrorData> {
        // Who lacks the scope does not get as far as here.
        if let Ok(mut note) = self.note.lock() {
            *note = text;
        }
        Ok(CallToolResult::success(vec![ContentBlock::text("kept")]))
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_instructions("A note, and a mirror for access tokens")
    }
}

/// What the bearer layer learned about this very request.
fn caller(extensions: &Extensions) -> Result<&AccessClaims, ErrorData> {
    extensions
        .get::<Parts>()
        .and_then(|parts| parts.extensions.get::<AccessClaims>())
        .ok_or_else(|| ErrorData::internal_error("the request was not authorized", None))
}

/// A caller in words.
#[derive(serde::Serialize)]
pub(crate) struct Caller<'a> {
    subject: &'a str,
    client_id: Option<&'a str>,
    scope: &'a str,
    audience: &'a Audience,
    issuer: &'a str,
    expires_at: u64,
}

impl<'a> From<&'a AccessClaims> for Caller<'a> {
    fn from(claims: &'a AccessClaims) -> Self {
        Self {
            subject: claims.subject.as_str(),
            client_id: claims.client_id.as_ref().map(ClientId::as_str),
            scope: claims.scope.as_str(),
            audience: &claims.audience,
            issuer: claims.issuer.as_str(),
            expires_at: claims.expires_at.as_unix(),
        }
    }
}

/// The MCP endpoint.
pub(crate) type ToolService = StreamableHttpService<Tools, LocalSessionManager>;

/// The MCP endpoint, and what ends its open streams.
pub(crate) fn service() -> (ToolService, CancellationToken) {
    let stop = CancellationToken::new();
    // The guard in front has compared hosts, and looked where pages come from.
    let config = StreamableHttpServerConfig::default()
        .with_cancellation_token(stop.clone())
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let tools = Tools {
        note: Arc::default(),
    };
    let service = StreamableHttpService::new(move || Ok(tools.clone()), Arc::default(), config);
    (service, stop)
}
