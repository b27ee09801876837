//! An MCP server behind OAuth 2.1, in one command.
//!
//! Everything a server of your own needs is in this file; the others hold what is particular to
//! the example: its flags, its tools, its listener.

mod adapter;
mod cli;
mod commands;
mod data;
mod look;
mod mcp;
mod serve;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use oauth_axum::{Interaction, OAuthService, ProtectedResource};
use oauth_core::types::env::{OsEntropy, SystemClock};
use oauth_core::types::{Issuer, Lifetime, ResourceUri, Scope};
use oauth_core::{
    AuthorizationServer, DangerNoLimits, EventSink, MetadataDocumentRules, Noted, Personal, Ports,
    ResourcePolicy, ServerConfig,
};
use oauth_hyper::GuardedTransport;
use oauth_ui::{DangerAutoApprove, Pages, StoredPasswords};
use tokio::net::TcpListener;

use crate::adapter::Application;
use crate::cli::Flags;

/// Many small allocations per request are what a token server does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The person who can sign in.
const USER: &str = "alice";
const PASSWORD: &str = "wonderland";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(flags.log_filter()))
        .with_writer(std::io::stderr)
        .init();
    if let Err(error) = run(flags).await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
    Ok(())
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let listener = match flags.command {
        None => Some(
            TcpListener::bind(flags.listen)
                .await
                .map_err(|error| format!("cannot listen on {}: {error}", flags.listen))?,
        ),
        Some(_) => None,
    };
    let bound = listener
        .as_ref()
        .map_or(Ok(flags.listen), TcpListener::local_addr)?;
    let origin = flags.origin(bound)?;
    let issuer = Issuer::parse(&format!(
        "{origin}{}",
        flags.issuer_path.as_deref().unwrap_or("")
    ))?;
    let mcp = ResourceUri::parse(&format!("{origin}/mcp"))?;

    let store = data::open(&flags.data).await?;
    let root = data::root_secret(&flags)?;

    // What can be granted, in words that the consent page shows.
    let tools = ResourcePolicy::new(mcp.clone())
        .named("Quickstart tools")
        .scope("mcp:tools", "Use the tools of this server")
        .extra_scope("mcp:write", "Change the notes that this server keeps");
    let mut config = ServerConfig::new(issuer.clone(), tools);
    if let Some(seconds) = flags.access_token_lifetime {
        config.policy.access_token_lifetime = Lifetime::seconds(seconds);
    }
    if let Some(seconds) = flags.retry_window {
        config.policy.retry_window = Lifetime::seconds(seconds);
    }
    let mut ports = Ports::new(SystemClock, OsEntropy).events(LoggedEvents);
    if flags.danger_no_rate_limits {
        ports = ports.limiter(DangerNoLimits);
        config.policy.grants_per_client = usize::MAX;
    } else if let Some(limiter) = &store.limiter {
        ports = ports.limiter(Arc::clone(limiter));
    }
    // Clients may bring a document about themselves instead of registering.
    match documents(&flags, &issuer) {
        Ok(transport) => {
            config.policy.metadata_documents = Some(MetadataDocumentRules::default());
            ports = ports.outbound(transport);
        }
        Err(why) => tracing::warn!("client metadata documents are off: {why}"),
    }
    let server =
        Arc::new(AuthorizationServer::open(config, store.storage.clone(), &root, ports).await?);
    if let Some(command) = flags.command {
        return commands::run(command, flags.whom.as_deref(), &server).await;
    }
    let Some(listener) = listener else {
        return Ok(());
    };
    server.preregister(&data::service_client(&mcp)).await?;

    let passwords = StoredPasswords::new(store.storage.clone(), server.entropy())?;
    passwords
        .set_password(server.entropy(), USER, PASSWORD)
        .await?;
    let interaction: Arc<dyn Interaction> = if flags.danger_auto_approve {
        Arc::new(DangerAutoApprove::new(USER))
    } else {
        Arc::new(Pages::new(passwords).themed(flags.look.theme()?))
    };
    let service = Arc::new(OAuthService::new(server.clone(), interaction));

    // The resource server's half: every request below needs a token for it.
    let resource = ProtectedResource::new(mcp, issuer.as_str(), Scope::parse("mcp:tools")?)
        .named("Quickstart tools");
    let (tools, stop_tools) = mcp::service();
    let application = Application {
        service,
        resource,
        tools,
        bound,
    };

    tokio::spawn(tend(server));
    flags.announce(&origin, &issuer, &store, (USER, PASSWORD));
    adapter::serve(flags.adapter, application, listener, stop_tools).await
}

/// How documents of strangers are fetched.
fn documents(flags: &Flags, issuer: &Issuer) -> Result<GuardedTransport, Box<dyn Error>> {
    let transport = GuardedTransport::new()?;
    Ok(match flags.danger_allow_loopback_metadata {
        true => transport.danger_allow_loopback(issuer)?,
        false => transport,
    })
}

/// Now and then reads the keys again, and forgets what nothing can present any more.
async fn tend(server: Arc<AuthorizationServer>) {
    const BATCH: usize = 100;
    // Whoever waits to write comes in between.
    const PAUSE: Duration = Duration::from_millis(20);
    loop {
        tokio::time::sleep(Duration::from_secs(60)).await;
        // What was done to the keys elsewhere counts here from now on.
        if let Err(error) = server.refresh_keys().await {
            tracing::warn!("the keys cannot be read again: {error}");
        }
        loop {
            let swept = server.sweep(BATCH).await;
            for (kind, error) in &swept.failed {
                tracing::warn!("{} cannot be swept: {error}", kind.as_str());
            }
            if !swept.more {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Writes events to the log, each as one JSON object. They cannot hold secrets, and name nobody.
struct LoggedEvents;

impl EventSink for LoggedEvents {
    fn record(&self, noted: &Noted<'_>) {
        tracing::info!(target: "quickstart::events", "{}", noted.to_json(Personal::Pseudonyms));
    }
}
