//! The client that the MCP project's conformance suite runs.
//!
//! Its contract: the server's address is the last argument; `MCP_CONFORMANCE_SCENARIO`,
//! `MCP_CONFORMANCE_PROTOCOL_VERSION` and `MCP_CONFORMANCE_CONTEXT` (JSON) say what else a user of the
//! program would have configured. What is done then is the same for every scenario: connect, list the
//! tools, call one.

use std::process::ExitCode;

use oauth_client::id_jag::{IdentityAssertion, SubjectTokenType};
use oauth_client::types::{ClientId, SecretText};
use oauth_client::{
    AuthMethod, Client, ClientConfig, Grant, Leniency, Ports, Preregistered, PrivateKey,
};
use oauth_hyper::ClientTransport;
use oauth_types::env::{OsEntropy, SystemClock};
use quickstart_client::headless::Headless;
use quickstart_client::tools::{Conversation, Lifecycle};
use serde_json::Value;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The document that the suite expects its clients to name.
const CLIENT_METADATA_URL: &str = "https://conformance-test.local/client-metadata.json";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let mut next = error.source();
            while let Some(cause) = next {
                eprintln!("because: {cause}");
                next = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let server = std::env::args().next_back().unwrap_or_default();
    let ports = Ports::new(ClientTransport::new()?, SystemClock, OsEntropy)
        .user_agent(Headless::new()?)
        .observer(|step: &oauth_client::Step<'_>| eprintln!("{step:?}"));
    let client = Client::new(configured(&server)?, ports);
    let version = std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").unwrap_or_default();
    let lifecycle = if version.as_str() >= "2026-07-28" {
        Lifecycle::Stateless
    } else {
        Lifecycle::Sessions
    };
    let conversation = Conversation::begin(client, reqwest::Client::new(), lifecycle).await?;
    let tools = conversation.tools().await?;
    if let Some(tool) = tools.first() {
        conversation.call(&tool.name, Default::default()).await?;
    }
    conversation.end().await;
    Ok(())
}

/// What somebody who was given this context would configure.
fn configured(server: &str) -> Result<ClientConfig, Failure> {
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
    let config = ClientConfig::new(server, "Conformance client")?
        .client_metadata_url(CLIENT_METADATA_URL)
        .leniency(Leniency::STRICT.legacy_2025_03_26(scenario.contains("2025-03-26")));
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
    let Ok(context) = serde_json::from_str::<Value>(&context) else {
        return Ok(config);
    };
    let text = |name: &str| context.get(name).and_then(Value::as_str);
    let Some(client_id) = text("client_id") else {
        return Ok(config);
    };
    let mut client = Preregistered::new(client_id);
    if let Some(secret) = text("client_secret") {
        client = client.secret(SecretText::new(secret));
    }
    if let Some(assertion) = text("valid_jwt") {
        // A platform's token is all that a workload has.
        let grant = Grant::JwtBearer(std::sync::Arc::new(SecretText::new(assertion)));
        return Ok(config
            .preregistered(client.by(AuthMethod::None))
            .grant(grant));
    }
    if let (Some(endpoint), Some(id_token), Some(idp_client)) = (
        text("idp_token_endpoint"),
        text("idp_id_token"),
        text("idp_client_id"),
    ) {
        let source = IdentityAssertion::new(
            endpoint,
            ClientId::new(idp_client),
            SecretText::new(id_token),
            SubjectTokenType::IdToken,
        );
        let grant = Grant::JwtBearer(std::sync::Arc::new(source));
        return Ok(config.preregistered(client).grant(grant));
    }
    let for_itself = scenario.contains("client-credentials");
    let mut config = config.preregistered(client);
    if let Some(pem) = text("private_key_pem") {
        config = config.key(PrivateKey::from_pem(pem)?);
    }
    if for_itself {
        config = config.grant(Grant::ClientCredentials);
    }
    Ok(config)
}
