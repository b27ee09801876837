//! How do I protect my application when somebody else's authorization server signs the tokens?
//!
//! ```sh
//! cargo run -p resource-server-jwt -- https://idp.example/realms/main
//! curl -i http://127.0.0.1:3000/mcp
//! ```
//!
//! First it says what it found at the issuer, and what is wrong with that. `/mcp` answers 401, and the
//! challenge leads a client to the issuer; with a signed token of the issuer for
//! `http://127.0.0.1:3000/mcp` and with the scope `mcp:tools` it answers `hello` and the subject.
//! Keys are found through the issuer's metadata, fetched when a token first needs them, kept while
//! the issuer is away, and fetched anew when it signs with another.
//!
//! The issuer is written as it calls itself, to the letter. What else it may need (an audience that is
//! no address, tokens that do not say `at+jwt`) is in `docs/guides/identity-providers.md`.

use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::{Router, routing::any};
use oauth_axum::{BearerLayer, Claims, ProtectedResource};
use oauth_hyper::GuardedTransport;
use oauth_resource::issuer::DiscoveredIssuer;
use oauth_resource::jwt::{JwtVerifier, TrustedIssuer};
use oauth_types::env::SystemClock;
use oauth_types::{Issuer, ResourceUri, Scope};
use tokio::net::TcpListener;

/// What you protect.
async fn hello(Claims(claims): Claims) -> String {
    format!("hello {}", claims.subject)
}

async fn app(issuer: &str, origin: &str) -> Result<Router, Box<dyn Error>> {
    let issuer = Issuer::parse(issuer)?;
    let mut outbound = GuardedTransport::new()?;
    if issuer.is_loopback_http() {
        // For trying it out with an issuer on this machine.
        outbound = outbound.danger_allow_origin(issuer.origin())?;
    }
    let metadata = DiscoveredIssuer::new(
        issuer.clone(),
        Arc::new(outbound.clone()),
        Arc::new(SystemClock),
    );
    // An issuer that is away now is asked again when a token needs it.
    println!("{}", metadata.examine().await);
    let trusted = TrustedIssuer::with_keys_at(issuer.clone(), Arc::new(metadata));
    let verifier = JwtVerifier::new(SystemClock)
        .fetching(outbound)
        .trusting(trusted);

    let mcp = ResourceUri::parse(&format!("{origin}/mcp"))?;
    let resource = ProtectedResource::new(mcp, issuer.as_str(), Scope::parse("mcp:tools")?);
    Ok(Router::new()
        .route("/mcp", any(hello))
        .layer(BearerLayer::new(resource.clone(), Arc::new(verifier)))
        .merge(oauth_axum::resource_metadata([&resource])))
}

async fn serve(listener: TcpListener, issuer: &str) -> Result<(), Box<dyn Error>> {
    let origin = format!("http://{}", listener.local_addr()?);
    let app = app(issuer, &origin).await?;
    println!("Protected: {origin}/mcp");
    Ok(axum::serve(listener, app).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let issuer = words.next();
    let issuer = issuer.ok_or("usage: resource-server-jwt ISSUER [LISTEN]")?;
    let listen = words.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    serve(TcpListener::bind(listen).await?, &issuer).await
}

#[cfg(test)]
mod tests;
