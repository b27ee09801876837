//! Lets through only requests with a token for this resource: as a tower layer, and step by step
//! for frameworks that have middleware of another kind.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{Either, Full};
use oauth_resource::{AccessTokenVerifier, Needs, ProtectedResource, Refusal, bearer_token};
use oauth_types::{AccessClaims, Scope};
use tower_layer::Layer;
use tower_service::Service;

use crate::document::{allow_any_origin, no_store};

/// Puts [`AccessClaims`] into the extensions of requests that bring a good token, and answers all
/// others with the right challenge.
///
/// Preflights are answered before any authorization, and the challenge is exposed to
/// browser-based clients. A request from a web page of another origin goes through only if it is
/// authorized like any other: no cookie plays a part here.
#[derive(Clone)]
pub struct BearerLayer {
    shared: Arc<Shared>,
}

struct Shared {
    resource: ProtectedResource,
    verifier: Arc<dyn AccessTokenVerifier>,
    needed: Needs,
    optional: bool,
}

impl BearerLayer {
    /// Guards `resource`, whose required scope every request needs.
    pub fn new(resource: ProtectedResource, verifier: Arc<dyn AccessTokenVerifier>) -> Self {
        let needed = resource.required().clone().into();
        Self {
            shared: Arc::new(Shared {
                resource,
                verifier,
                needed,
                optional: false,
            }),
        }
    }

    /// Guards a part of the resource that needs more: a scope, or one of several
    /// ([`Needs::any_of`]).
    #[must_use]
    pub fn requiring(&self, needs: impl Into<Needs>) -> Self {
        let needs = needs.into();
        self.but(|shared| shared.needed = shared.needed.and(&needs))
    }

    /// Lets requests through that bring no token at all, without claims. A token that is brought
    /// has to be good all the same.
    #[must_use]
    pub fn optional(&self) -> Self {
        self.but(|shared| shared.optional = true)
    }

    fn but(&self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Shared {
            resource: self.shared.resource.clone(),
            verifier: Arc::clone(&self.shared.verifier),
            needed: self.shared.needed.clone(),
            optional: self.shared.optional,
        };
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What to answer to a browser's preflight, which carries no token and comes before any;
    /// `None` for a request that is none.
    pub fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Bytes>> {
        let is_one = method == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        is_one.then(preflight)
    }

    /// The claims of the token that a request's headers bring, `None` only where tokens are
    /// [optional](Self::optional).
    ///
    /// # Errors
    /// The answer to a request that is not let through.
    pub async fn check(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<AccessClaims>, Response<Bytes>> {
        match self.shared.admit(headers).await {
            Ok(claims) => Ok(Some(claims)),
            Err(Refusal::NoToken) if self.shared.optional => Ok(None),
            Err(refusal) => Err(self.shared.refuse(&refusal)),
        }
    }

    /// Lets browser-based clients read the answer to a request that was let through, unless the
    /// application has rules of its own for that.
    pub fn finish<B>(&self, response: &mut Response<B>) {
        let headers = response.headers_mut();
        if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            expose(headers);
        }
    }
}

impl std::fmt::Debug for BearerLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BearerLayer")
            .field("needed", &self.shared.needed)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = Bearer<S>;

    fn layer(&self, inner: S) -> Bearer<S> {
        Bearer {
            inner,
            layer: self.clone(),
        }
    }
}

/// What [`BearerLayer`] makes of a service.
#[derive(Clone)]
pub struct Bearer<S> {
    inner: S,
    layer: BearerLayer,
}

impl<S: std::fmt::Debug> std::fmt::Debug for Bearer<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// An answer of ours, whole, or of the service behind, with its own body.
pub type Answer<B> = Response<Either<Full<Bytes>, B>>;

/// The answer to come.
pub type AnswerFuture<B, E> = Pin<Box<dyn Future<Output = Result<Answer<B>, E>> + Send>>;

impl<S, In, Out> Service<Request<In>> for Bearer<S>
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + 'static,
    S::Future: Send,
    In: Send + 'static,
    Out: Body<Data = Bytes>,
{
    type Response = Answer<Out>;
    type Error = S::Error;
    type Future = AnswerFuture<Out, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        // The service that was polled ready is the one to call.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            if let Some(answer) = layer.preflight(request.method(), request.headers()) {
                return Ok(ours(answer));
            }
            match layer.check(request.headers()).await {
                Ok(claims) => {
                    // What was in the extensions before was put there by nobody who checked.
                    request.extensions_mut().remove::<AccessClaims>();
                    if let Some(claims) = claims {
                        request.extensions_mut().insert(claims);
                    }
                    let mut response = inner.call(request).await?;
                    layer.finish(&mut response);
                    Ok(response.map(Either::Right))
                }
                Err(answer) => Ok(ours(answer)),
            }
        })
    }
}

/// A whole answer.
pub(super) fn ours<B: Body<Data = Bytes>>(answer: Response<Bytes>) -> Answer<B> {
    answer.map(|body| Either::Left(Full::new(body)))
}

impl Shared {
    async fn admit(&self, headers: &HeaderMap) -> Result<AccessClaims, Refusal> {
        let values = headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .map(HeaderValue::as_bytes);
        let token = bearer_token(values).map_err(|_| Refusal::Malformed)?;
        let token = token.ok_or(Refusal::NoToken)?;
        self.resource
            .admit(&*self.verifier, token, &self.needed)
            .await
    }

    fn refuse(&self, refusal: &Refusal) -> Response<Bytes> {
        note(refusal);
        refuse(&self.resource, refusal, self.needed.asked())
    }
}

/// Tells the operator what the answer does not say.
fn note(refusal: &Refusal) {
    match refusal {
        Refusal::InvalidToken(why) => {
            tracing::debug!(reason = %why, "access token refused");
        }
        Refusal::Unavailable(outage) => {
            let mut causes = String::new();
            let mut cause = std::error::Error::source(outage);
            while let Some(error) = cause {
                let colon = if causes.is_empty() { "" } else { ": " };
                causes = format!("{causes}{colon}{error}");
                cause = error.source();
            }
            tracing::warn!(causes, "{outage}");
        }
        _ => {}
    }
}

/// The answer to a request that is not let through to something that needs `needed`.
pub(super) fn refuse(
    resource: &ProtectedResource,
    refusal: &Refusal,
    needed: &Scope,
) -> Response<Bytes> {
    let (status, code) = match refusal {
        Refusal::NoToken => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Refusal::Malformed => (StatusCode::BAD_REQUEST, "invalid_request"),
        Refusal::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient_scope"),
        Refusal::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        _ => (StatusCode::UNAUTHORIZED, "invalid_token"),
    };
    let mut response = crate::document::error(status, code, &refusal.to_string());
    let headers = response.headers_mut();
    no_store(headers);
    expose(headers);
    let challenge = resource.challenge(refusal, needed);
    if let Some(value) = challenge.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::WWW_AUTHENTICATE, value);
    }
    if let Refusal::Unavailable(outage) = refusal {
        let seconds = HeaderValue::from(outage.retry_after().as_seconds());
        headers.insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn preflight() -> Response<Bytes> {
    let mut response = crate::document::preflight("GET, POST, DELETE, OPTIONS");
    expose(response.headers_mut());
    response
}

/// Without this a browser hides the challenge, and a client there could never begin.
fn expose(headers: &mut HeaderMap) {
    allow_any_origin(headers);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("WWW-Authenticate, Mcp-Session-Id, Retry-After"),
    );
}
