//! How do I put a route of my axum application behind OAuth, and issue its tokens right there?
//!
//! ```sh
//! cargo run -p axum-embedded
//! curl -i http://127.0.0.1:3000/mcp
//! ```
//!
//! answers 401, and its `WWW-Authenticate` names the document from which a client finds everything
//! else: that, and the one it names in turn, are
//!
//! ```sh
//! curl http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp
//! curl http://127.0.0.1:3000/.well-known/oauth-authorization-server
//! ```
//!
//! An OAuth client that starts there registers itself and sends a browser, in which `alice` signs in
//! with `wonderland`; with its token `/mcp` answers `hello alice`. Records are in memory. For sign-in
//! and pages of your own see `embedder`, for an MCP server `rmcp-tool-scopes`.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, routing::any};
use oauth_axum::{BearerLayer, Claims, OAuthService, ProtectedResource};
use oauth_core::types::env::{OsEntropy, SystemClock};
use oauth_core::types::{Issuer, ResourceUri, Scope, SecretText};
use oauth_core::{AuthorizationServer, Ports, ResourcePolicy, RootSecret, ServerConfig};
use oauth_storage_memory::MemoryStorage;
use oauth_ui::{Pages, StoredPasswords};
use tokio::net::TcpListener;

/// What you protect: it learns who calls, and is not reached without a good token.
async fn hello(Claims(claims): Claims) -> String {
    format!("hello {}", claims.subject)
}

async fn app(origin: &str) -> Result<Router, Box<dyn Error>> {
    let mcp = ResourceUri::parse(&format!("{origin}/mcp"))?;
    // What can be granted, in words that people read when they are asked.
    let tools = ResourcePolicy::new(mcp.clone()).scope("mcp:tools", "Use the tools of this server");
    let config = ServerConfig::new(Issuer::parse(origin)?, tools);
    // What lasts needs a root secret that lasts; these records are gone with the process.
    let root = RootSecret::from_text(SecretText::generate(&OsEntropy)?.expose())?;
    let storage = Arc::new(MemoryStorage::new());
    let ports = Ports::new(SystemClock, OsEntropy);
    let server = AuthorizationServer::open(config, storage.clone(), &root, ports).await?;

    let people = StoredPasswords::new(storage, server.entropy())?;
    people
        .set_password(server.entropy(), "alice", "wonderland")
        .await?;
    let service = Arc::new(OAuthService::new(
        Arc::new(server),
        Arc::new(Pages::new(people)),
    ));

    let resource = ProtectedResource::new(mcp, origin, Scope::parse("mcp:tools")?);
    Ok(Router::new()
        .route("/mcp", any(hello))
        .layer(BearerLayer::new(resource.clone(), service.clone()))
        .merge(oauth_axum::resource_metadata([&resource]))
        .merge(oauth_axum::authorization_server(service)))
}

async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let origin = format!("http://{}", listener.local_addr()?);
    let app = app(&origin).await?;
    println!("Protected: {origin}/mcp");
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
