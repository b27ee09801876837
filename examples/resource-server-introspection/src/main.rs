//! How do I protect my application when somebody else's authorization server issues opaque tokens?
//!
//! ```sh
//! export CLIENT_SECRET=…
//! cargo run -p resource-server-introspection -- https://idp.example/realms/main mcp-server
//! curl -i http://127.0.0.1:3000/mcp
//! ```
//!
//! where `mcp-server` is the client as which the issuer lets this server introspect tokens (RFC 7662).
//! First it says what it found at the issuer, and what is wrong with that. `/mcp` answers 401, and the
//! challenge leads a client to the issuer; with a token that the issuer calls active, for
//! `http://127.0.0.1:3000/mcp` and with the scope `mcp:tools`, it answers `hello` and the subject.
//! What the issuer said is believed for half a minute, so a token that is revoked is good for so much
//! longer; when the issuer cannot be asked, the answer is 503.
//!
//! The issuer is written as it calls itself, to the letter.

use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::{Router, routing::any};
use oauth_axum::{BearerLayer, Claims, ProtectedResource};
use oauth_hyper::GuardedTransport;
use oauth_resource::issuer::DiscoveredIssuer;
use oauth_resource::{ClientCredentials, Introspection, VerificationCache};
use oauth_types::env::{Clock, SystemClock};
use oauth_types::outbound::Outbound;
use oauth_types::{ClientId, Issuer, ResourceUri, Scope, SecretText};
use tokio::net::TcpListener;

/// What you protect.
async fn hello(Claims(claims): Claims) -> String {
    format!("hello {}", claims.subject)
}

async fn app(issuer: &str, own: ClientCredentials, origin: &str) -> Result<Router, Box<dyn Error>> {
    let issuer = Issuer::parse(issuer)?;
    let mut outbound = GuardedTransport::new()?;
    if issuer.is_loopback_http() {
        // For trying it out with an issuer on this machine.
        outbound = outbound.danger_allow_origin(issuer.origin())?;
    }
    let outbound: Arc<dyn Outbound> = Arc::new(outbound);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metadata = DiscoveredIssuer::new(issuer.clone(), outbound.clone(), clock.clone());
    // An issuer that is away now is asked again when a token needs it.
    println!("{}", metadata.examine().await);
    let asking = Introspection::new(Arc::new(metadata), own, outbound, clock.clone());
    let verifier = VerificationCache::new(asking, clock);

    let mcp = ResourceUri::parse(&format!("{origin}/mcp"))?;
    let resource = ProtectedResource::new(mcp, issuer.as_str(), Scope::parse("mcp:tools")?);
    Ok(Router::new()
        .route("/mcp", any(hello))
        .layer(BearerLayer::new(resource.clone(), Arc::new(verifier)))
        .merge(oauth_axum::resource_metadata([&resource])))
}

async fn serve(
    listener: TcpListener,
    issuer: &str,
    own: ClientCredentials,
) -> Result<(), Box<dyn Error>> {
    let origin = format!("http://{}", listener.local_addr()?);
    let app = app(issuer, own, &origin).await?;
    println!("Protected: {origin}/mcp");
    Ok(axum::serve(listener, app).await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [issuer, client, listen @ ..] = &words[..] else {
        return Err("usage: resource-server-introspection ISSUER CLIENT-ID [LISTEN]".into());
    };
    let secret = env::var("CLIENT_SECRET").map_err(|_| "CLIENT_SECRET is not set")?;
    let own = ClientCredentials::basic(&ClientId::new(client.as_str()), &SecretText::new(secret));
    let listen = listen.first().map_or("127.0.0.1:3000", String::as_str);
    serve(TcpListener::bind(listen).await?, issuer, own).await
}

#[cfg(test)]
mod tests;
