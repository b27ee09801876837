//! On warp. `warp::serve` would do as well; its filters run in our own accept loop here, which ends
//! silent connections.

use std::net::SocketAddr;

use hyper::Request;
use hyper::body::Incoming;
use oauth_http::server::Source;
use oauth_warp::AccessClaims;
use tower::{Layer, Service};
use warp::reply::{Reply, Response};
use warp::{Filter, reply};

use super::{Answering, Application};
use crate::mcp::Caller;

pub(super) fn app(
    application: Application,
) -> impl Fn(Request<Incoming>, SocketAddr) -> Answering<Response> + Clone + Send + 'static {
    let (guard, operations) = (application.guard(), application.operations());
    let tools = guard.layer(operations.layer(application.tools));
    let whoami = warp::path!("whoami")
        .and(warp::get())
        .and(oauth_warp::claims(&guard))
        .map(|claims: AccessClaims| reply::json(&Caller::from(&claims)).into_response());
    let routes = oauth_warp::guarded(&guard, whoami)
        .or(oauth_warp::service("/mcp", tools))
        .unify()
        .or(oauth_warp::resource_metadata([&application.resource]))
        .unify()
        .or(oauth_warp::authorization_server(application.service))
        .unify();
    let routes = warp::service(routes);
    move |mut request, peer| {
        request.extensions_mut().insert(Source(Some(peer.ip())));
        Box::pin(routes.clone().call(request))
    }
}
