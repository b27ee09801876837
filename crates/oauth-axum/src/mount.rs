//! Routers to merge into an application's own.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::any;

/// The authorization server's endpoints, at the paths its issuer gives them.
///
/// The peer's address, by which attempts are counted, is taken from axum's `ConnectInfo`: serve
/// the application with `into_make_service_with_connect_info::<SocketAddr>()`. No forwarded
/// header is believed, unless [`OAuthService::behind`](oauth_http::server::OAuthService::behind)
/// names the proxies.
#[cfg(feature = "server")]
pub fn authorization_server<S>(
    service: std::sync::Arc<oauth_http::server::OAuthService>,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    use axum::extract::ConnectInfo;
    use oauth_http::server::Source;
    use std::net::SocketAddr;
    use std::sync::Arc;

    let paths: Vec<String> = service.paths().map(str::to_owned).collect();
    let answer = move |request: Request| {
        let service = Arc::clone(&service);
        async move {
            let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let source = Source(peer.map(|ConnectInfo(peer)| peer.ip()));
            service.call(request, source).await.map(Body::from)
        }
    };
    paths.iter().fold(Router::new(), |router, path| {
        router.route(path, any(answer.clone()))
    })
}

/// The metadata documents of a host's resources, at their well-known paths. Name all of them at
/// once: which of them also answers at the root depends on whether it is alone.
#[cfg(feature = "resource")]
pub fn resource_metadata<'a, S>(
    resources: impl IntoIterator<Item = &'a oauth_http::resource::ProtectedResource>,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let service = oauth_http::resource::ResourceService::new(resources);
    let paths: Vec<String> = service.paths().map(str::to_owned).collect();
    let answer = move |request: Request| {
        let response = service.handle(&request.into_parts().0).map(Body::from);
        async move { response }
    };
    paths.iter().fold(Router::new(), |router, path| {
        router.route(path, any(answer.clone()))
    })
}
