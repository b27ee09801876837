//! Authorizes requests of [`reqwest`] with [`oauth_client`].
//!
//! **Promise.** [`Authorized`] sends a request with the right token. Refused, it renews, signs in, or
//! asks for more scope, and sends the request again; requests to other servers go out untouched.
//!
//! **Absences.** Whoever makes the [`reqwest::Client`] chooses its TLS, proxies and time limits, and how
//! it follows redirects: it takes the token along to other paths of the same origin, and no further. What
//! another origin answers, to which a redirect led, is the answer, whatever it asks for. A body that is a stream cannot be sent twice and is refused.
//!
//! ```
//! use oauth_client::{Client, ClientConfig, Ports};
//! use oauth_reqwest::Authorized;
//! # async fn program(ports: Ports) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientConfig::new("https://api.example/", "Example")?, ports);
//! let http = Authorized::new(reqwest::Client::new(), client);
//! let answer = http.send(http.inner().get("https://api.example/whoami")).await?;
//! println!("{}", answer.text().await?);
//! # Ok(()) }
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use oauth_client::{Authorize, AuthorizeError, AuthorizeLayer, Client, ClientError};
use tower_layer::Layer;
use tower_service::Service;

/// A [`reqwest::Client`] whose requests are authorized. Clones share everything.
#[derive(Clone, Debug)]
pub struct Authorized {
    inner: reqwest::Client,
    service: Authorize<Sender>,
}

/// The request was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no token.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is no answer, or the request could not be built.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// Its body is a stream, which cannot be sent again. Nothing was sent.
    #[error("a body that is a stream cannot be sent again")]
    Stream,
    /// Its address is no URI. Nothing was sent.
    #[error(transparent)]
    Address(#[from] http::Error),
}

impl Authorized {
    /// Sends with `inner`, authorized by `client`.
    pub fn new(inner: reqwest::Client, client: Client) -> Self {
        let service = AuthorizeLayer::new(client).layer(Sender(inner.clone()));
        Self { inner, service }
    }

    /// What sends, to build requests with.
    pub const fn inner(&self) -> &reqwest::Client {
        &self.inner
    }

    /// Builds a request and sends it as [`Self::execute`] does.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Error> {
        self.execute(request.build()?).await
    }

    /// Sends a request, more than once where that helps, and gives the last answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, Error> {
        let mut head = http::Request::builder()
            .method(request.method().clone())
            .uri(request.url().as_str())
            .body(())?;
        if let Some(own) = request.headers().get(AUTHORIZATION) {
            head.headers_mut().insert(AUTHORIZATION, own.clone());
        }
        if request.try_clone().is_none() {
            return Err(Error::Stream);
        }
        let request = head.map(|()| Arc::new(request));
        match self.service.clone().call(request).await {
            Ok(answer) => Ok(answer.into_body()),
            Err(AuthorizeError::Client(error)) => Err(error.into()),
            Err(AuthorizeError::Inner(Unread::Failed(error))) => Err(error),
            Err(AuthorizeError::Inner(Unread::Elsewhere(answer))) => Ok(*answer),
            // proved: there are these two.
            Err(_) => unreachable!("the client or the sender"),
        }
    }
}

/// Why there is no answer of the server.
enum Unread {
    /// There is none at all.
    Failed(Error),
    /// A redirect led to another origin, and this came from there. It speaks for nobody else: a refusal
    /// of its own says nothing about our token, and its challenge is not one to follow.
    Elsewhere(Box<reqwest::Response>),
}

/// Sends what a request was made of, with the `Authorization` header that it has by now. The answer is
/// the body, so that nothing of it is lost on the way.
#[derive(Clone, Debug)]
struct Sender(reqwest::Client);

impl Service<http::Request<Arc<reqwest::Request>>> for Sender {
    type Response = http::Response<reqwest::Response>;
    type Error = Unread;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unread>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unread>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Arc<reqwest::Request>>) -> Self::Future {
        let (mut head, original) = request.into_parts();
        let client = self.0.clone();
        Box::pin(async move {
            let request = original.try_clone();
            let mut request = request.ok_or(Unread::Failed(Error::Stream))?;
            if let Some(authorization) = head.headers.remove(AUTHORIZATION) {
                request.headers_mut().insert(AUTHORIZATION, authorization);
            }
            let answer = client.execute(request).await;
            let answer = answer.map_err(|error| Unread::Failed(error.into()))?;
            if answer.url().origin() != original.url().origin() {
                return Err(Unread::Elsewhere(Box::new(answer)));
            }
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut answer = http::Response::new(answer);
            *answer.status_mut() = status;
            *answer.headers_mut() = headers;
            Ok(answer)
        })
    }
}
