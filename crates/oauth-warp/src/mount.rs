//! Filters to put beside an application's own.

use std::convert::Infallible;
use std::future::poll_fn;

use bytes::{Buf, Bytes};
use futures_util::{Stream, TryStreamExt};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt, StreamBody};
use tower_service::Service;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

/// A request's body, as the filters hand it on.
pub type Body = UnsyncBoxBody<Bytes, warp::Error>;

/// The authorization server's endpoints, at the paths its issuer gives them. Rejects a request for
/// any other path as not found.
///
/// The peer's address, by which attempts are counted, is the one that `warp::serve` reports.
/// Whoever serves `warp::service` otherwise puts a [`Source`](oauth_http::server::Source) into each
/// request's extensions. No forwarded header is believed, unless
/// [`OAuthService::behind`](oauth_http::server::OAuthService::behind) names the proxies.
#[cfg(feature = "server")]
pub fn authorization_server(
    service: std::sync::Arc<oauth_http::server::OAuthService>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use oauth_http::server::Source;

    let known = Arc::clone(&service);
    matching(move |path| known.serves(path))
        .and(warp::addr::remote())
        .and(warp::ext::optional::<Source>())
        .and(body())
        .and_then(
            move |head: Request<()>, peer: Option<SocketAddr>, told: Option<Source>, body: Body| {
                let service = Arc::clone(&service);
                async move {
                    let peer = Source(peer.map(|peer| peer.ip()));
                    let source = told.unwrap_or(peer);
                    let answer = service.call(head.map(|()| body), source).await;
                    Ok::<_, Rejection>(answer.into_response())
                }
            },
        )
}

/// A tower service at one path, such as an MCP endpoint below a
/// [`BearerLayer`](oauth_http::resource::BearerLayer). Answers stream. Rejects a request for any
/// other path as not found.
pub fn service<S, B>(
    path: &str,
    service: S,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + use<S, B>
where
    S: Service<Request<Body>, Response = http::Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + Sync + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let path = path.to_owned();
    matching(move |asked| asked == path).and(body()).and_then(
        move |head: Request<()>, body: Body| {
            let mut service = service.clone();
            async move {
                let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
                let Ok(answer) = service.call(head.map(|()| body)).await;
                let (parts, body) = answer.into_parts();
                // What is whole keeps its length.
                if body.size_hint().exact().is_none() {
                    return Ok(streaming(parts, body));
                }
                match body.collect().await {
                    Ok(body) => {
                        let body = http::Response::new(body.to_bytes());
                        Ok(with_head(parts, body.into_response()))
                    }
                    Err(_) => Err(warp::reject::custom(BrokeOff)),
                }
            }
        },
    )
}

/// An answer whose body is sent as it comes.
pub(crate) fn streaming<B>(head: http::response::Parts, body: B) -> Response
where
    B: http_body::Body<Data = Bytes> + Send + Sync + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let body = warp::reply::stream(BodyDataStream::new(body));
    with_head(head, body.into_response())
}

fn with_head(head: http::response::Parts, mut response: Response) -> Response {
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// The service's answer broke off before any of it was sent. Answers 500.
#[derive(Debug)]
struct BrokeOff;

impl warp::reject::Reject for BrokeOff {}

fn body() -> impl Filter<Extract = (Body,), Error = Rejection> + Clone + Send + Sync {
    fn of<S, B>(stream: S) -> Body
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
        B: Buf,
    {
        let frames = stream
            .map_ok(|mut chunk| http_body::Frame::data(chunk.copy_to_bytes(chunk.remaining())));
        UnsyncBoxBody::new(StreamBody::new(frames))
    }
    warp::body::stream().map(of)
}

/// The metadata documents of a host's resources, at their well-known paths. Name all of them at
/// once: which of them also answers at the root depends on whether it is alone. Rejects a request
/// for any other path as not found.
#[cfg(feature = "resource")]
pub fn resource_metadata<'a>(
    resources: impl IntoIterator<Item = &'a oauth_http::resource::ProtectedResource>,
) -> warp::filters::BoxedFilter<(Response,)> {
    let service = oauth_http::resource::ResourceService::new(resources);
    let known = service.clone();
    matching(move |path| known.paths().any(|held| held == path))
        .map(move |head: Request<()>| service.handle(&head.into_parts().0).into_response())
        .boxed()
}

/// The head of a request whose path is served.
fn matching(
    serves: impl Fn(&str) -> bool + Clone + Send + Sync + 'static,
) -> impl Filter<Extract = (Request<()>,), Error = Rejection> + Clone + Send + Sync {
    warp::path::full()
        .and_then(move |path: warp::path::FullPath| {
            let found = serves(path.as_str());
            async move { found.then_some(()).ok_or_else(warp::reject::not_found) }
        })
        .untuple_one()
        .and(head())
}

/// The head of a request, rebuilt from what warp tells of it.
pub(crate) fn head()
-> impl Filter<Extract = (Request<()>,), Error = Rejection> + Clone + Send + Sync {
    let query = warp::query::raw()
        .map(Some)
        .or(warp::any().map(|| None))
        .unify();
    // A host that cannot be read is judged where every other header is, not refused here.
    let host = warp::host::optional().or(warp::any().map(|| None)).unify();
    warp::path::full()
        .and(query)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(host)
        .and_then(rebuild)
}

async fn rebuild(
    path: warp::path::FullPath,
    query: Option<String>,
    method: Method,
    headers: HeaderMap,
    host: Option<warp::host::Authority>,
) -> Result<Request<()>, Rejection> {
    let target = match &query {
        None => path.as_str().to_owned(),
        Some(query) => format!("{}?{query}", path.as_str()),
    };
    let mut uri = Uri::builder().path_and_query(target);
    // HTTP/2 names the host there instead of in a header.
    if let Some(host) = host.filter(|_| !headers.contains_key(http::header::HOST)) {
        uri = uri.scheme("http").authority(host.as_str());
    }
    let uri = uri.build().map_err(|_| warp::reject::not_found())?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}
