//! How do I let one MCP tool need a scope that the others do not?
//!
//! ```sh
//! cargo run -p rmcp-tool-scopes
//! ```
//!
//! then give `http://127.0.0.1:3000/mcp` to an MCP client, such as `npx @modelcontextprotocol/inspector`,
//! and sign in as `alice` / `wonderland`. The client asks for `mcp:tools` and may call `read_note`. When
//! it calls `write_note`, which needs `mcp:write`, it is told so before the tool runs:
//!
//! ```text
//! HTTP/1.1 403 Forbidden
//! WWW-Authenticate: Bearer error="insufficient_scope", …, scope="mcp:tools mcp:write"
//! ```
//!
//! and a client that can step up asks the person once more, and goes on. The tool itself checks nothing:
//! [`OperationPolicy`] says what each tool needs, and what a request calls is read from its body.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use oauth_axum::{BearerLayer, OAuthService, ProtectedResource};
use oauth_core::types::env::{OsEntropy, SystemClock};
use oauth_core::types::{Issuer, ResourceUri, Scope, SecretText};
use oauth_core::{AuthorizationServer, Ports, ResourcePolicy, RootSecret, ServerConfig};
use oauth_http::resource::{OperationLayer, OperationPolicy};
use oauth_storage_memory::MemoryStorage;
use oauth_ui::{Pages, StoredPasswords};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ServerCapabilities, ServerConfig as McpConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use tokio::net::TcpListener;

/// Your tools.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<String>>);

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Note {
    /// The text to keep.
    text: String,
}

#[tool_router]
impl Notes {
    #[tool(description = "Reads the note")]
    fn read_note(&self) -> String {
        self.0.lock().map(|note| note.clone()).unwrap_or_default()
    }

    #[tool(description = "Replaces the note; needs the scope mcp:write")]
    fn write_note(&self, Parameters(Note { text }): Parameters<Note>) -> String {
        if let Ok(mut note) = self.0.lock() {
            *note = text;
        }
        "kept".to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Notes {
    fn get_info(&self) -> McpConfig {
        McpConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

async fn app(origin: &str) -> Result<Router, Box<dyn Error>> {
    let mcp = ResourceUri::parse(&format!("{origin}/mcp"))?;
    let policy = ResourcePolicy::new(mcp.clone())
        .scope("mcp:tools", "Read your note")
        .extra_scope("mcp:write", "Replace your note");
    let config = ServerConfig::new(Issuer::parse(origin)?, policy);
    // What lasts needs a root secret that lasts; these records are gone with the process.
    let root = RootSecret::from_text(SecretText::generate(&OsEntropy)?.expose())?;
    let storage = Arc::new(MemoryStorage::new());
    let ports = Ports::new(SystemClock, OsEntropy);
    let server = AuthorizationServer::open(config, storage.clone(), &root, ports).await?;
    let people = StoredPasswords::new(storage, server.entropy())?;
    people
        .set_password(server.entropy(), "alice", "wonderland")
        .await?;
    let pages = Arc::new(Pages::new(people));
    let service = Arc::new(OAuthService::new(Arc::new(server), pages));

    let notes = Notes::default();
    let host = origin.trim_start_matches("http://");
    let tools: StreamableHttpService<Notes, LocalSessionManager> = StreamableHttpService::new(
        move || Ok(notes.clone()),
        Arc::default(),
        StreamableHttpServerConfig::default().with_allowed_hosts([host]),
    );

    // Every request needs `mcp:tools`, and this tool one scope more.
    let resource = ProtectedResource::new(mcp, origin, Scope::parse("mcp:tools")?);
    let needs = OperationPolicy::new().tool("write_note", Scope::parse("mcp:write")?);
    Ok(Router::new()
        .route_service("/mcp", tools)
        .layer(OperationLayer::new(resource.clone(), needs))
        .layer(BearerLayer::new(resource.clone(), service.clone()))
        .merge(oauth_axum::resource_metadata([&resource]))
        .merge(oauth_axum::authorization_server(service)))
}

async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let origin = format!("http://{}", listener.local_addr()?);
    let app = app(&origin).await?;
    println!("MCP server: {origin}/mcp");
    // Attempts are counted by the peer's address.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, app).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    serve(TcpListener::bind("127.0.0.1:3000").await?).await
}

#[cfg(test)]
mod tests;
