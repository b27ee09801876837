//! Authorizes any HTTP client: a tower layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::challenge::BearerChallenge;
use crate::client::{Client, Rejection};
use crate::error::ClientError;

/// Shows the right token with every request to the protected server, and goes on by itself when it
/// is refused: renews, signs in, asks for more scope, and sends the request again.
///
/// Bodies are cloned to be sent again, so they are types that hold all of theirs, as `Bytes`,
/// `String` or `Full<Bytes>` do, and whoever makes them bounds them; responses are passed on as
/// they come, streams too.
///
/// Requests to other places, and such as bring an `Authorization` of their own, go through
/// untouched (CL-TOK-2). What wraps this layer sees no token; what it wraps sees it in a header
/// that is marked sensitive.
#[derive(Debug, Clone)]
pub struct AuthorizeLayer {
    client: Client,
}

impl AuthorizeLayer {
    /// Authorizes with this client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }
}

impl<S> Layer<S> for AuthorizeLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        Authorize {
            client: self.client.clone(),
            inner,
        }
    }
}

/// What [`AuthorizeLayer`] makes.
#[derive(Debug, Clone)]
pub struct Authorize<S> {
    client: Client,
    inner: S,
}

/// Names what a request wants to do, in its extensions, where method and path do not tell: the name
/// of an MCP tool, say. More scope is asked for a few times for each.
#[derive(Debug, Clone)]
pub struct Operation(pub String);

/// The request was not answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthorizeError<E> {
    /// There is no token.
    Client(ClientError),
    /// The inner service failed.
    Inner(E),
}

impl<E: fmt::Display> fmt::Display for AuthorizeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for AuthorizeError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Client(error) => error.source(),
            Self::Inner(error) => error.source(),
        }
    }
}

impl<S, B, R> Service<Request<B>> for Authorize<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Clone + Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = AuthorizeError<S::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner
            .poll_ready(context)
            .map_err(AuthorizeError::Inner)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        // The one that is ready is the one that was polled.
        let inner = std::mem::replace(&mut self.inner, clone);
        let client = self.client.clone();
        Box::pin(send(client, inner, request))
    }
}

async fn send<S, B, R>(
    client: Client,
    mut inner: S,
    request: Request<B>,
) -> Result<Response<R>, AuthorizeError<S::Error>>
where
    S: Service<Request<B>, Response = Response<R>>,
    B: Clone,
{
    let elsewhere = !client.may_show_to(&request.uri().to_string());
    if elsewhere || request.headers().contains_key(AUTHORIZATION) {
        return inner.call(request).await.map_err(AuthorizeError::Inner);
    }
    let named = request.extensions().get::<Operation>();
    let operation = named.map_or_else(
        || format!("{} {}", request.method(), request.uri().path()),
        |operation| operation.0.clone(),
    );
    let mut token = client
        .access_token()
        .await
        .map_err(AuthorizeError::Client)?;
    for before in 0..Client::MOST_TRIES {
        let mut attempt = request.clone();
        if let Some(token) = &token {
            attempt.headers_mut().insert(AUTHORIZATION, token.header());
        }
        if before > 0 {
            let ready = std::future::poll_fn(|context| inner.poll_ready(context));
            ready.await.map_err(AuthorizeError::Inner)?;
        }
        let response = inner.call(attempt).await.map_err(AuthorizeError::Inner)?;
        let status = response.status();
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            if token.is_some() {
                client.accepted(&operation);
            }
            return Ok(response);
        }
        let challenge = BearerChallenge::read(response.headers());
        let rejection = Rejection::new(status, challenge, token.as_ref(), &operation).after(before);
        match client.rejected(&rejection).await {
            Ok(Some(next)) => token = Some(next),
            Ok(None) => return Ok(response),
            Err(error) => return Err(AuthorizeError::Client(error)),
        }
    }
    // proved: the last refusal is never followed by another token.
    unreachable!("a refusal too many is the answer")
}
