//! axum, warp and bare hyper answer as the neutral service does: status, every header, body.

mod common;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use common::PlainPages;
use http::{Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use oauth_axum::Claims;
use oauth_http::resource::{
    AccessClaims, AllowedOrigins, BearerLayer, OperationLayer, OperationPolicy, ProtectedResource,
    RequireScopes, ResourceService,
};
use oauth_http::server::{OAuthService, Source};
use oauth_testkit::flows::World;
use oauth_testkit::parity::{self, Answer, Transcript};
use oauth_types::{ResourceUri, Scope};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_layer::Layer;
use tower_service::Service;

/// What the adapters serve.
#[derive(Clone)]
struct Application {
    service: Arc<OAuthService>,
    resource: ProtectedResource,
}

impl Application {
    fn new() -> Self {
        let server = World::new(42).server;
        let service = Arc::new(OAuthService::new(Arc::new(server), Arc::new(PlainPages)));
        let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
        let tools = Scope::parse("mcp:tools").unwrap();
        let resource = ProtectedResource::new(uri, "https://mcp.example", tools);
        Self { service, resource }
    }

    fn guard(&self) -> BearerLayer {
        BearerLayer::new(self.resource.clone(), self.service.clone())
    }

    fn writing(&self) -> BearerLayer {
        self.guard().requiring(write())
    }

    fn further(&self) -> RequireScopes {
        RequireScopes::new(&self.resource, write())
    }

    fn own(&self) -> BearerLayer {
        self.guard()
            .origins(AllowedOrigins::of(self.resource.uri()))
    }

    fn operations(&self) -> OperationLayer {
        let policy = OperationPolicy::new().tool("write", write());
        OperationLayer::new(self.resource.clone(), policy).hiding_tools()
    }
}

fn write() -> Scope {
    Scope::parse("mcp:write").unwrap()
}

/// An MCP server whose only answer is its list of tools.
#[derive(Clone)]
struct Tools;

impl<B> Service<Request<B>> for Tools {
    type Response = Response<Either<Full<Bytes>, Pieces>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = request.headers().get(header::ACCEPT);
        let streams = asked.is_some_and(|asked| asked == "text/event-stream");
        let (media_type, body) = match streams {
            true => ("text/event-stream", Either::Right(Pieces(0))),
            false => ("application/json", Either::Left(Full::from(parity::TOOLS))),
        };
        let mut response = Response::new(body);
        let media_type = header::HeaderValue::from_static(media_type);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        std::future::ready(Ok(response))
    }
}

/// An event stream in pieces.
struct Pieces(usize);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = parity::EVENTS.get(self.0);
        self.0 += 1;
        Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }
}

fn greeting(claims: Option<&AccessClaims>) -> String {
    claims.map_or("nobody".to_owned(), |claims| claims.subject.to_string())
}

/// The application's handler, as a service.
#[derive(Clone)]
struct Greet;

impl<B> Service<Request<B>> for Greet {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let body = greeting(request.extensions().get());
        let mut response = Response::new(Full::new(Bytes::from(body)));
        let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        std::future::ready(Ok(response))
    }
}

/// The whole application over `http` types: what each adapter must not differ from.
async fn neutral(
    app: Application,
    request: Request<Full<Bytes>>,
    source: Source,
) -> Response<Bytes> {
    let path = request.uri().path();
    let guard = match path {
        "/mcp" => app.guard(),
        "/mcp/write" => app.writing(),
        "/mcp/anybody" => app.guard().optional(),
        "/mcp/own" => app.own(),
        "/mcp/further" => {
            let mut service = app.guard().layer(app.further().layer(Greet));
            return whole(service.call(request).await).await;
        }
        "/mcp/rpc" => {
            let mut service = app.own().layer(app.operations().layer(Tools));
            return whole(service.call(request).await).await;
        }
        _ if app.service.serves(path) => return app.service.call(request, source).await,
        _ => {
            let metadata = ResourceService::new([&app.resource]);
            return metadata.handle(&request.into_parts().0);
        }
    };
    whole(guard.layer(Greet).call(request).await).await
}

async fn whole<B: Body<Data = Bytes, Error: std::fmt::Debug>>(
    answer: Result<Response<B>, Infallible>,
) -> Response<Bytes> {
    let Ok(response) = answer;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, body)
}

/// Answers without any socket.
fn expected() -> Transcript {
    expected_but(|response| response)
}

fn expected_but(change: impl Fn(Response<Bytes>) -> Response<Bytes>) -> Transcript {
    let app = Application::new();
    parity::transcript(|asked| {
        let mut request = Request::builder().method(asked.method).uri(&asked.target);
        for (name, value) in &asked.headers {
            request = request.header(name, value.as_slice());
        }
        if !asked.names_its_host() {
            request = request.header(header::HOST, "mcp.example");
        }
        let request = request
            .body(Full::new(Bytes::from(asked.body.clone())))
            .unwrap();
        let answer = RUNTIME.block_on(neutral(app.clone(), request, Source::default()));
        let answer = change(answer);
        let headers = answer.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        let mut headers: Vec<(String, Vec<u8>)> = headers.collect();
        let mut body = answer.body().to_vec();
        // What every server does with the answer to HEAD: its length is told, its body is not sent.
        if asked.method == "HEAD" {
            if !answer.headers().contains_key(header::CONTENT_LENGTH) {
                headers.push((
                    "content-length".to_owned(),
                    body.len().to_string().into_bytes(),
                ));
            }
            body.clear();
        }
        Answer::new(answer.status().as_u16(), headers, body)
    })
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn listener() -> (TcpListener, SocketAddr) {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The conversation over a socket, compared with the one without.
fn compare(server: SocketAddr) {
    let (expected, there) = (
        expected(),
        parity::transcript(|request| parity::over(server, request)),
    );
    let differences = expected.differences(&there);
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
    println!("{} requests, answered alike", there.len());
}

#[test]
fn axum_answers_as_the_neutral_service_does() {
    use axum::Router;
    use axum::routing::any;

    async fn greet(Claims(claims): Claims) -> String {
        greeting(Some(&claims))
    }
    async fn greet_anybody(claims: Option<Claims>) -> String {
        greeting(claims.as_ref().map(|Claims(claims)| claims))
    }
    let app = Application::new();
    let router = Router::new()
        .route("/mcp", any(greet).layer(app.guard()))
        .route("/mcp/write", any(greet).layer(app.writing()))
        .route(
            "/mcp/anybody",
            any(greet_anybody).layer(app.guard().optional()),
        )
        .route("/mcp/own", any(greet).layer(app.own()))
        .merge(
            Router::new()
                .route("/mcp/further", any(greet).layer(app.further()))
                .layer(app.guard()),
        )
        .route_service("/mcp/rpc", app.own().layer(app.operations().layer(Tools)))
        .merge(oauth_axum::resource_metadata([&app.resource]))
        .merge(oauth_axum::authorization_server(app.service));
    let (listener, address) = listener();
    RUNTIME.spawn(async move {
        let make = router.into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, make).await.unwrap();
    });
    compare(address);
}

#[test]
fn warp_answers_as_the_neutral_service_does() {
    use warp::Filter;

    let app = Application::new();
    let guarded = |path: &'static str, guard: BearerLayer| {
        let claims = oauth_warp::optional_claims(&guard);
        let greet = claims.map(|claims: Option<AccessClaims>| greeting(claims.as_ref()));
        let here = warp::path::full().and_then(move |full: warp::path::FullPath| {
            let found = full.as_str() == path;
            async move { found.then_some(()).ok_or_else(warp::reject::not_found) }
        });
        oauth_warp::guarded(&guard, here.untuple_one().and(greet))
    };
    let routes = guarded("/mcp", app.guard())
        .or(guarded("/mcp/write", app.writing()))
        .or(guarded("/mcp/anybody", app.guard().optional()))
        .or(guarded("/mcp/own", app.own()))
        .or(oauth_warp::service(
            "/mcp/further",
            app.guard().layer(app.further().layer(Greet)),
        ))
        .or(oauth_warp::service(
            "/mcp/rpc",
            app.own().layer(app.operations().layer(Tools)),
        ))
        .or(oauth_warp::resource_metadata([&app.resource]))
        .or(oauth_warp::authorization_server(app.service));
    let (listener, address) = listener();
    RUNTIME.spawn(warp::serve(routes).incoming(listener).run());
    compare(address);
}

#[test]
fn hyper_answers_as_the_neutral_service_does() {
    let app = Application::new();
    let (listener, address) = listener();
    RUNTIME.spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let app = app.clone();
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                let app = app.clone();
                async move {
                    let source = Source(Some(peer.ip()));
                    // Only the service reads bodies, under its own limit.
                    let response = if app.service.serves(request.uri().path()) {
                        app.service.call(request, source).await
                    } else {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        neutral(app, Request::from_parts(parts, Full::new(body)), source).await
                    };
                    Ok::<_, hyper::Error>(response.map(Full::new))
                }
            });
            tokio::spawn(async move {
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, answer)
                    .await;
            });
        }
    });
    compare(address);
}

/// The comparison itself: one header less, another status, other words, and it tells. And the
/// conversation is a long one, which reaches every kind of answer.
#[test]
fn an_adapter_that_differs_is_found_out() {
    let expected = expected();
    assert!(expected.len() >= 150, "{} requests", expected.len());
    let statuses: std::collections::BTreeSet<u16> =
        expected.iter().map(|(_, answer)| answer.status).collect();
    for reached in [200, 201, 303, 304, 400, 401, 403, 405, 413, 414, 421] {
        assert!(
            statuses.contains(&reached),
            "no request is answered with {reached}"
        );
    }
    let again = self::expected();
    assert_eq!(expected.differences(&again), Vec::<String>::new());

    type Change = fn(Response<Bytes>) -> Response<Bytes>;
    let changes: [(&str, Change); 4] = [
        ("forgets a header", |mut response| {
            response.headers_mut().remove(header::CACHE_CONTROL);
            response
        }),
        ("adds a header", |mut response| {
            let value = header::HeaderValue::from_static("deny");
            response.headers_mut().insert("x-frame-options-2", value);
            response
        }),
        ("turns 413 into 500", |mut response| {
            if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            response
        }),
        ("has words of its own for 405", |response| {
            match response.status() {
                StatusCode::METHOD_NOT_ALLOWED => response.map(|_| Bytes::from_static(b"no")),
                _ => response,
            }
        }),
    ];
    for (name, change) in changes {
        let differences = expected.differences(&expected_but(change));
        assert!(!differences.is_empty(), "an adapter that {name}");
    }
}
