//! How do I run several processes behind one name? With warp, and with records in Redis.
//!
//! ```sh
//! redis-server --appendonly yes --appendfsync always &
//! export OAUTH_ROOT_SECRET=$(head -c 32 /dev/urandom | base64)
//! cargo run -p warp-redis -- redis://127.0.0.1:6379 127.0.0.1:3000 http://127.0.0.1:3000 &
//! cargo run -p warp-redis -- redis://127.0.0.1:6379 127.0.0.1:3001 http://127.0.0.1:3000 &
//! curl -i http://127.0.0.1:3000/hello
//! ```
//!
//! answers 401 with the challenge. A client that signs `alice` in (`wonderland`) at one of the
//! processes is known to the other: records, keys and the counts of attempts are shared. Put a proxy
//! in front that speaks for the public address, the last argument, and it does not matter which of
//! them answers. When Redis is away, requests that need it are told 503 and `Retry-After`.

use std::env;
use std::error::Error;
use std::sync::Arc;

use oauth_core::types::env::{OsEntropy, SystemClock};
use oauth_core::types::{Issuer, ResourceUri, Scope};
use oauth_core::{AuthorizationServer, Ports, ResourcePolicy, RootSecret, ServerConfig};
use oauth_storage_redis::RedisStorage;
use oauth_ui::{Pages, StoredPasswords};
use oauth_warp::{AccessClaims, BearerLayer, OAuthService, ProtectedResource};
use tokio::net::TcpListener;
use warp::reply::Response;
use warp::{Filter, Rejection};

/// The routes of one process. Each of them has the same `origin`, `redis` and `root`.
async fn routes(
    origin: &str,
    redis: &str,
    root: &RootSecret,
) -> Result<impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<>, Box<dyn Error>> {
    let uri = ResourceUri::parse(&format!("{origin}/hello"))?;
    let policy = ResourcePolicy::new(uri.clone()).scope("hello", "Be greeted by name");
    let config = ServerConfig::new(Issuer::parse(origin)?, policy);
    let storage = RedisStorage::connect(redis).await?;
    for weakness in storage.weaknesses() {
        eprintln!("{}: {weakness}", storage.place());
    }
    // Who guesses at both processes in turn gets no further than at one.
    let ports = Ports::new(SystemClock, OsEntropy).limiter(storage.clone());
    let storage = Arc::new(storage);
    let server = AuthorizationServer::open(config, storage.clone(), root, ports).await?;

    let people = StoredPasswords::new(storage, server.entropy())?;
    people
        .set_password(server.entropy(), "alice", "wonderland")
        .await?;
    let pages = Arc::new(Pages::new(people));
    let service = Arc::new(OAuthService::new(Arc::new(server), pages));

    let resource = ProtectedResource::new(uri, origin, Scope::parse("hello")?);
    let guard = BearerLayer::new(resource.clone(), service.clone());
    let hello = warp::path!("hello")
        .and(oauth_warp::claims(&guard))
        .map(|claims: AccessClaims| format!("hello {}", claims.subject));
    Ok(oauth_warp::guarded(&guard, hello)
        .or(oauth_warp::resource_metadata([&resource]))
        .unify()
        .or(oauth_warp::authorization_server(service))
        .unify())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [redis, listen, origin] = &words[..] else {
        return Err("usage: warp-redis REDIS LISTEN PUBLIC-ADDRESS".into());
    };
    let root = RootSecret::from_text(&env::var("OAUTH_ROOT_SECRET")?)?;
    let routes = routes(origin, redis, &root).await?;
    let listener = TcpListener::bind(listen).await?;
    println!("Listening on {listen} for {origin}");
    warp::serve(routes).incoming(listener).run().await;
    Ok(())
}

#[cfg(test)]
mod tests;
