//! An MCP client on the official SDK that signs in: `with_rmcp http://127.0.0.1:3000/mcp`.

use oauth_client::{Client, ClientConfig, Ports};
use oauth_hyper::ClientTransport;
use oauth_native::{FileStore, Loopback};
use oauth_rmcp::Authorized;
use oauth_types::env::{OsEntropy, SystemClock};
use rmcp::transport::StreamableHttpClientTransport as Transport;
use rmcp::{ServiceExt, transport::streamable_http_client::StreamableHttpClientTransportConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args().nth(1).ok_or("which server?")?;
    let ports = Ports::new(ClientTransport::new()?, SystemClock, OsEntropy)
        .store(FileStore::open(".with-rmcp/credentials.json")?)
        .user_agent(Loopback::new("Example"));
    let client = Client::new(ClientConfig::new(&server, "Example")?, ports);
    let http = Authorized::new(reqwest::Client::new(), client);
    let config = StreamableHttpClientTransportConfig::with_uri(server);
    let service = ().serve(Transport::with_client(http, config)).await?;

    println!("{} tools", service.list_all_tools().await?.len());
    Ok(())
}
