//! The same application on three frameworks. Each answers to the last header as the others do.

mod on_axum;
mod on_hyper;
mod on_warp;

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use oauth_axum::{AllowedOrigins, BearerLayer, OAuthService, ProtectedResource};
use oauth_core::types::Scope;
use oauth_core::types::env::SystemClock;
use oauth_http::resource::{OperationLayer, OperationPolicy};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::mcp::ToolService;
use crate::serve;

/// Which framework serves the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Adapter {
    Axum,
    Warp,
    Hyper,
}

/// The answer to come to one request.
type Answering<R> = Pin<Box<dyn Future<Output = Result<R, Infallible>> + Send>>;

/// What is to be served.
pub(crate) struct Application {
    pub(crate) service: Arc<OAuthService>,
    pub(crate) resource: ProtectedResource,
    pub(crate) tools: ToolService,
    /// Where this process listens.
    pub(crate) bound: SocketAddr,
}

impl Application {
    /// Every request needs a token for this resource, is meant for this host or, by a proxy that says
    /// so, for this very process, and comes from no web page but those of programs on this machine, such
    /// as the MCP Inspector. A stream ends with the token that opened it.
    fn guard(&self) -> BearerLayer {
        let origins = AllowedOrigins::of(self.resource.uri()).host(&self.bound.to_string());
        BearerLayer::new(self.resource.clone(), self.service.clone())
            .origins(origins)
            .ending_streams(SystemClock, tokio::time::sleep)
    }

    /// One tool needs more than the others: a client that lacks it is told so before the tool
    /// runs, and can ask for it.
    fn operations(&self) -> OperationLayer {
        let write: Scope = ["mcp:write"].into_iter().collect();
        let policy = OperationPolicy::new().tool("write_note", write);
        OperationLayer::new(self.resource.clone(), policy)
    }
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) async fn serve(
    adapter: Adapter,
    application: Application,
    listener: TcpListener,
    stop_tools: CancellationToken,
) -> Result<(), Box<dyn Error>> {
    match adapter {
        Adapter::Axum => serve::until_signal(listener, on_axum::app(application), stop_tools).await,
        Adapter::Warp => serve::until_signal(listener, on_warp::app(application), stop_tools).await,
        Adapter::Hyper => {
            serve::until_signal(listener, on_hyper::app(application), stop_tools).await
        }
    }
}
