//! On hyper alone: what is for whom is decided here, all else by `oauth-http`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use oauth_axum::{AccessClaims, ResourceService};
use oauth_http::server::Source;
use tower::{Layer, Service, service_fn};

use super::{Answering, Application};
use crate::mcp::Caller;

type AnyBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

pub(super) fn app(
    application: Application,
) -> impl Fn(Request<Incoming>, SocketAddr) -> Answering<Response<AnyBody>> + Clone + Send + 'static
{
    let (guard, operations) = (application.guard(), application.operations());
    let metadata = ResourceService::new([&application.resource]);
    let tools = guard.layer(operations.layer(application.tools));
    let whoami = guard.layer(service_fn(whoami));
    let service = Arc::clone(&application.service);
    move |request, peer| {
        let (mut tools, mut whoami) = (tools.clone(), whoami.clone());
        let (service, metadata) = (Arc::clone(&service), metadata.clone());
        Box::pin(async move {
            let path = request.uri().path();
            let answer = if path == "/mcp" {
                return tools.call(request).await.map(boxed);
            } else if path == "/whoami" {
                return whoami.call(request).await.map(boxed);
            } else if service.serves(path) {
                service.call(request, Source(Some(peer.ip()))).await
            } else {
                metadata.handle(&request.into_parts().0)
            };
            Ok(boxed(answer.map(Full::new)))
        })
    }
}

/// Reports who called, as far as the token tells.
async fn whoami(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allow = header::HeaderValue::from_static("GET,HEAD");
        response.headers_mut().insert(header::ALLOW, allow);
        return Ok(response);
    }
    let caller = request.extensions().get::<AccessClaims>().map(Caller::from);
    match caller.and_then(|caller| serde_json::to_vec(&caller).ok()) {
        Some(body) => {
            let json = header::HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            *response.body_mut() = Full::from(body);
        }
        None => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
    }
    Ok(response)
}

fn boxed<B>(response: Response<B>) -> Response<AnyBody>
where
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}
