//! How do I mount it without a framework, or in one for which there is no adapter?
//!
//! ```sh
//! cargo run -p hyper-minimal
//! curl -i http://127.0.0.1:3000/hello
//! curl http://127.0.0.1:3000/.well-known/oauth-protected-resource/hello
//! ```
//!
//! The first answers 401 with the challenge, the second is the document that it names. An OAuth client
//! that starts there sends a browser, in which `alice` signs in with `wonderland`, and with its token
//! `/hello` answers `hello alice`.
//!
//! Three things are mounted, and [`Application::answer`] is all there is to an adapter: paths of the
//! authorization server go to [`OAuthService::call`], what is protected stands behind a [`BearerLayer`]
//! (a tower layer, whatever the body), and [`ResourceService::handle`] answers the rest: the metadata,
//! and 404.

use std::convert::Infallible;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Request, Response, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use oauth_core::types::env::{OsEntropy, SystemClock};
use oauth_core::types::{Issuer, ResourceUri, Scope, SecretText};
use oauth_core::{AuthorizationServer, Ports, ResourcePolicy, RootSecret, ServerConfig};
use oauth_http::resource::{AccessClaims, Bearer, BearerLayer, ProtectedResource, ResourceService};
use oauth_http::server::{OAuthService, Source};
use oauth_storage_memory::MemoryStorage;
use oauth_ui::{Pages, StoredPasswords};
use tokio::net::TcpListener;
use tower_layer::Layer;
use tower_service::Service;

/// The body of any answer.
type AnyBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// What you protect: a tower service. Whoever gets here brought a good token.
#[derive(Clone)]
struct Hello;

impl Service<Request<Incoming>> for Hello {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let caller = request.extensions().get::<AccessClaims>();
        let text = caller.map_or_else(String::new, |claims| format!("hello {}", claims.subject));
        std::future::ready(Ok(Response::new(Full::from(text))))
    }
}

#[derive(Clone)]
struct Application {
    server: Arc<OAuthService>,
    hello: Bearer<Hello>,
    metadata: ResourceService,
}

impl Application {
    async fn open(origin: &str) -> Result<Self, Box<dyn Error>> {
        let uri = ResourceUri::parse(&format!("{origin}/hello"))?;
        let policy = ResourcePolicy::new(uri.clone()).scope("hello", "Be greeted by name");
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
        let server = Arc::new(OAuthService::new(Arc::new(server), pages));
        let resource = ProtectedResource::new(uri, origin, Scope::parse("hello")?);
        let metadata = ResourceService::new([&resource]);
        let hello = BearerLayer::new(resource, server.clone()).layer(Hello);
        Ok(Self {
            server,
            hello,
            metadata,
        })
    }

    async fn answer(
        mut self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<AnyBody>, Infallible> {
        let path = request.uri().path();
        if path == "/hello" {
            return self.hello.call(request).await.map(boxed);
        }
        let answer = if self.server.serves(path) {
            self.server.call(request, Source(Some(peer.ip()))).await
        } else {
            self.metadata.handle(&request.into_parts().0)
        };
        Ok(boxed(answer.map(Full::new)))
    }
}

fn boxed<B>(answer: Response<B>) -> Response<AnyBody>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    answer.map(|body| body.map_err(Into::into).boxed_unsync())
}

async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let origin = format!("http://{}", listener.local_addr()?);
    let application = Application::open(&origin).await?;
    println!("Protected: {origin}/hello");
    loop {
        let (stream, peer) = listener.accept().await?;
        let application = application.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| application.clone().answer(request, peer));
            let mut connection = http1::Builder::new();
            // Ends connections that never finish saying what they want.
            connection.timer(TokioTimer::new());
            // A connection that breaks is nobody's loss but its own.
            let _ = connection
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    serve(TcpListener::bind("127.0.0.1:3000").await?).await
}

#[cfg(test)]
mod tests;
