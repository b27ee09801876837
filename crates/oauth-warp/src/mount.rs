//! Filters to put beside an application's own.

use http::{HeaderMap, Method, Request, Uri};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

/// The authorization server's endpoints, at the paths its issuer gives them. Rejects a request for
/// any other path as not found.
///
/// The peer's address, by which attempts are counted, is the one that `warp::serve` reports. No
/// forwarded header is believed, unless
/// [`OAuthService::behind`](oauth_http::server::OAuthService::behind) names the proxies.
#[cfg(feature = "server")]
pub fn authorization_server(
    service: std::sync::Arc<oauth_http::server::OAuthService>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use bytes::{Buf, Bytes};
    use futures_util::{Stream, TryStreamExt};
    use http_body_util::StreamBody;
    use http_body_util::combinators::UnsyncBoxBody;
    use oauth_http::server::Source;

    fn body<S, B>(stream: S) -> UnsyncBoxBody<Bytes, warp::Error>
    where
        S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
        B: Buf,
    {
        let frames = stream
            .map_ok(|mut chunk| http_body::Frame::data(chunk.copy_to_bytes(chunk.remaining())));
        UnsyncBoxBody::new(StreamBody::new(frames))
    }

    let known = Arc::clone(&service);
    matching(move |path| known.serves(path))
        .and(warp::addr::remote())
        .and(warp::body::stream().map(body))
        .and_then(
            move |head: Request<()>, peer: Option<SocketAddr>, body: UnsyncBoxBody<_, _>| {
                let service = Arc::clone(&service);
                async move {
                    let source = Source(peer.map(|peer| peer.ip()));
                    let answer = service.call(head.map(|()| body), source).await;
                    Ok::<_, Rejection>(answer.into_response())
                }
            },
        )
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

/// The head of a request whose path is served, rebuilt from what warp tells of it.
fn matching(
    serves: impl Fn(&str) -> bool + Clone + Send + Sync + 'static,
) -> impl Filter<Extract = (Request<()>,), Error = Rejection> + Clone + Send + Sync {
    let query = warp::query::raw()
        .map(Some)
        .or(warp::any().map(|| None))
        .unify();
    // A host that cannot be read is judged where every other header is, not refused here.
    let host = warp::host::optional().or(warp::any().map(|| None)).unify();
    warp::path::full()
        .and_then(move |path: warp::path::FullPath| {
            let found = serves(path.as_str());
            async move { found.then_some(path).ok_or_else(warp::reject::not_found) }
        })
        .and(query)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(host)
        .and_then(head)
}

async fn head(
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
