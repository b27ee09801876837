//! Event streams that end with the token they were opened with, on each framework.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use oauth_http::resource::{
    AccessClaims, AccessTokenVerifier, BearerLayer, ProtectedResource, TokenRefused,
    VerificationError, VerifierUnavailable,
};
use oauth_testkit::parity::{self, Answer};
use oauth_testkit::{FixedClock, block_on};
use oauth_types::env::{Clock, SystemClock};
use oauth_types::{ClientId, Issuer, Lifetime, ResourceUri, Scope, Subject, Timestamp};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower_layer::Layer;
use tower_service::Service;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Knows one token.
struct Known {
    expires_at: Timestamp,
    asked: AtomicUsize,
    /// What it says instead, from the given question on.
    instead: Mutex<HashMap<usize, VerificationError>>,
}

impl Known {
    fn until(expires_at: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            expires_at,
            asked: AtomicUsize::new(0),
            instead: Mutex::default(),
        })
    }

    fn from(&self, question: usize, error: impl Into<VerificationError>) {
        self.instead.lock().unwrap().insert(question, error.into());
    }
}

#[async_trait]
impl AccessTokenVerifier for Known {
    async fn verify(&self, token: &str) -> Result<AccessClaims, VerificationError> {
        let question = self.asked.fetch_add(1, Ordering::SeqCst);
        let instead = self.instead.lock().unwrap();
        let latest = instead.keys().filter(|from| **from <= question).max();
        if let Some(error) = latest.map(|from| instead[from].clone()) {
            return Err(error);
        }
        if token != "known" {
            return Err(TokenRefused::Inactive.into());
        }
        Ok(AccessClaims::new(
            Issuer::parse("https://auth.example").unwrap(),
            Subject::new("alice"),
            ClientId::new("app"),
            Scope::parse("mcp:tools").unwrap(),
            ResourceUri::parse("https://mcp.example/mcp").unwrap(),
            (Timestamp::from_unix(0), self.expires_at),
        ))
    }
}

fn guard(known: Arc<Known>) -> BearerLayer {
    let uri = ResourceUri::parse("https://mcp.example/mcp").unwrap();
    let tools = Scope::parse("mcp:tools").unwrap();
    BearerLayer::new(
        ProtectedResource::new(uri, "https://auth.example", tools),
        known,
    )
}

/// An answer that says something `left` times more, at once or every so often, and stays open when
/// it has nothing more to say, or ends.
struct Talk {
    left: usize,
    every: Option<tokio::time::Interval>,
    stays: bool,
}

impl Body for Talk {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return match self.stays {
                true => Poll::Pending,
                false => Poll::Ready(None),
            };
        }
        if let Some(every) = &mut self.every {
            std::task::ready!(every.poll_tick(cx));
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(
            b"data: hello\n\n",
        )))))
    }
}

fn talk(path: &str) -> (&'static str, Talk) {
    let every = |time| Some(tokio::time::interval(Duration::from_millis(time)));
    let (media_type, left, every, stays) = match path {
        "/idle" => ("text/event-stream", 1, None, true),
        "/busy" => (
            "Text/Event-Stream; charset=utf-8",
            usize::MAX,
            every(1),
            true,
        ),
        "/short" => ("text/event-stream", 3, None, false),
        // Longer than the token, and no event stream: it would be cut off in the middle.
        _ => ("text/plain", 7, every(500), false),
    };
    (media_type, Talk { left, every, stays })
}

/// The application's own service.
#[derive(Clone)]
struct Talking;

impl<B> Service<Request<B>> for Talking {
    type Response = Response<Talk>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (media_type, talk) = talk(request.uri().path());
        let mut response = Response::new(talk);
        let media_type = header::HeaderValue::from_static(media_type);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        std::future::ready(Ok(response))
    }
}

/// A guard whose token is good for two or three seconds more.
fn soon() -> BearerLayer {
    let now = SystemClock.now();
    guard(Known::until(now.plus(Lifetime::seconds(3))))
        .ending_streams(SystemClock, tokio::time::sleep)
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// All of an answer, and the second in which it was over.
fn hear(server: SocketAddr, path: &str) -> (Answer, Timestamp) {
    let request = parity::Request {
        about: path.to_owned(),
        method: "GET",
        target: path.to_owned(),
        headers: vec![("Authorization".to_owned(), b"Bearer known".to_vec())],
        body: Vec::new(),
        chunked: false,
    };
    (parity::over(server, &request), SystemClock.now())
}

/// Every stream of a server ends as it should.
fn listen(server: SocketAddr) {
    let began = SystemClock.now();
    let paths = ["/idle", "/busy", "/short", "/text"];
    let heard = paths.map(|path| std::thread::spawn(move || hear(server, path)));
    let [idle, busy, short, text] = heard.map(|heard| heard.join().unwrap());
    let events = |answer: &Answer| answer.text().matches("data: hello\n\n").count();
    for (answer, ended) in [&idle, &busy] {
        assert_eq!(answer.status, 200);
        let lasted = ended.as_unix() - began.as_unix();
        assert!((2..=5).contains(&lasted), "{lasted} seconds");
    }
    assert_eq!(events(&idle.0), 1);
    assert!(events(&busy.0) > 100, "{}", events(&busy.0));
    assert_eq!(events(&short.0), 3);
    assert!(
        short.1.as_unix() - began.as_unix() <= 1,
        "it was over before"
    );
    assert_eq!(events(&text.0), 7, "what is no event stream is not cut off");
}

/// RS-TOK-16.
#[test]
fn on_axum_a_stream_ends_with_its_token() {
    let router = axum::Router::new().fallback_service(Talking).layer(soon());
    let (listener, address) = listener();
    RUNTIME.spawn(async move { axum::serve(listener, router).await.unwrap() });
    listen(address);
}

/// RS-TOK-16: a service, and a reply of a filter.
#[test]
fn on_warp_a_stream_ends_with_its_token() {
    use warp::{Filter, Reply};

    let guard = soon();
    let claims = oauth_warp::claims(&guard);
    let reply = |path: warp::path::FullPath, _: AccessClaims| {
        let (media_type, talk) = talk(path.as_str());
        let body = warp::reply::stream(http_body_util::BodyDataStream::new(talk));
        warp::reply::with_header(body, header::CONTENT_TYPE, media_type).into_response()
    };
    let filter = warp::path!("busy").or(warp::path!("text")).unify();
    let filter = filter.and(warp::path::full()).and(claims).map(reply);
    let service = |path| oauth_warp::service(path, guard.layer(Talking));
    let routes = oauth_warp::guarded(&guard, filter)
        .or(service("/idle"))
        .or(service("/short"));
    let (listener, address) = listener();
    RUNTIME.spawn(warp::serve(routes).incoming(listener).run());
    listen(address);
}

/// RS-TOK-16.
#[test]
fn on_hyper_a_stream_ends_with_its_token() {
    let service = soon().layer(Talking);
    let (listener, address) = listener();
    RUNTIME.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service.clone();
            let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                service.clone().call(request)
            });
            tokio::spawn(async move {
                let io = hyper_util::rt::TokioIo::new(stream);
                let connection = hyper::server::conn::http1::Builder::new();
                let _ = connection.serve_connection(io, answer).await;
            });
        }
    });
    listen(address);
}

/// A clock that moves by as much as somebody sleeps.
fn sleeper(clock: &FixedClock) -> impl Fn(Duration) -> std::future::Ready<()> + use<> {
    let clock = clock.clone();
    move |time| {
        clock.advance(Lifetime::seconds(time.as_secs()));
        std::future::ready(())
    }
}

/// How long an idle stream lasts whose token expires after an hour, and how often its token is
/// verified.
fn lasts(known: &Arc<Known>) -> (u64, usize) {
    let clock = FixedClock::at(1_000);
    let guard = guard(Arc::clone(known)).ending_streams(clock.clone(), sleeper(&clock));
    let request = Request::get("/idle").header(header::AUTHORIZATION, "Bearer known");
    let called = guard.layer(Talking).call(request.body(()).unwrap());
    let response = block_on(called).unwrap();
    block_on(response.into_body().collect()).unwrap();
    (
        clock.now().as_unix() - 1_000,
        known.asked.load(Ordering::SeqCst),
    )
}

/// RS-TOK-16: who took a grant back is not listened to any more half a minute later.
#[test]
fn a_stream_ends_soon_after_its_token_is_revoked() {
    let hour = Timestamp::from_unix(1_000 + 3_600);
    let (lasted, _) = lasts(&Known::until(hour));
    assert_eq!(lasted, 3_600, "with the token, when nothing happens");

    let revoked = Known::until(hour);
    revoked.from(4, TokenRefused::Inactive);
    assert_eq!(lasts(&revoked), (120, 5));

    // An outage is no revocation, and prolongs nothing.
    let away = Known::until(hour);
    away.from(2, VerifierUnavailable::new("away"));
    assert_eq!(lasts(&away).0, 3_600);
    let back = Known::until(hour);
    back.from(2, VerifierUnavailable::new("away"));
    back.from(5, TokenRefused::Inactive);
    assert_eq!(lasts(&back), (150, 6));
}

/// What is finished, or was never open, is not watched: its answer is the service's own.
#[test]
fn nobody_waits_for_an_answer_that_is_whole() {
    let known = Known::until(Timestamp::from_unix(2_000));
    let clock = FixedClock::at(1_000);
    let guard = guard(Arc::clone(&known)).ending_streams(clock.clone(), sleeper(&clock));
    let answer = |media_type: &'static str| {
        let mut response = Response::new(http_body_util::Full::new(Bytes::from("data: x\n\n")));
        let media_type = header::HeaderValue::from_static(media_type);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        let request = Request::get("/").header(header::AUTHORIZATION, "Bearer known");
        let asked = guard.asked(&request.body(()).unwrap().into_parts().0, None);
        guard.finish(&asked, &mut response).is_some()
    };
    assert!(!answer("text/event-stream"));
    assert!(!answer("application/json"));
    assert_eq!(known.asked.load(Ordering::SeqCst), 0);
}

/// Ending streams has to be asked for, since no runtime is known here.
#[test]
fn without_a_timer_no_stream_is_watched() {
    let guard = guard(Known::until(Timestamp::from_unix(0)));
    let request = Request::get("/idle").header(header::AUTHORIZATION, "Bearer known");
    let response = block_on(guard.layer(Talking).call(request.body(()).unwrap())).unwrap();
    let mut body = response.into_body();
    assert!(block_on(body.frame()).is_some());
    let mut pending = std::pin::pin!(body.frame());
    let waker = std::task::Waker::noop();
    let mut context = Context::from_waker(waker);
    assert!(pending.as_mut().poll(&mut context).is_pending());
}
