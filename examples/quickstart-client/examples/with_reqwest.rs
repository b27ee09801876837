//! A plain HTTP program that signs in: `with_reqwest http://127.0.0.1:3000/mcp`.

use oauth_client::{Client, ClientConfig, Ports};
use oauth_hyper::ClientTransport;
use oauth_native::{FileStore, Loopback};
use oauth_reqwest::Authorized;
use oauth_types::env::{OsEntropy, SystemClock};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args().nth(1).ok_or("which server?")?;
    let ports = Ports::new(ClientTransport::new()?, SystemClock, OsEntropy)
        .store(FileStore::open(".with-reqwest/credentials.json")?)
        .user_agent(Loopback::new("Example"));
    let client = Client::new(ClientConfig::new(&server, "Example")?, ports);
    let http = Authorized::new(reqwest::Client::new(), client);

    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let request = http.inner().post(&server).body(ping);
    let answer = http
        .send(request.header("content-type", "application/json"))
        .await?;
    println!("{}", answer.status());
    Ok(())
}
