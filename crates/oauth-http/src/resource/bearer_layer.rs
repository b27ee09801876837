//! Lets through only requests with a token for this resource: as a tower layer, and step by step
//! for frameworks that have middleware of another kind.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body;
use http_body_util::Either;
use oauth_resource::{
    AccessTokenVerifier, AllowedOrigins, Needs, ProtectedResource, Refusal, bearer_token,
};
use oauth_types::env::Clock;
use oauth_types::{AccessClaims, Scope, Timestamp};
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{Answer, AnswerFuture, ours, ready};
use super::origin;
use super::stream_end::{Lasting, StreamEnd, Timer};
use crate::document::{allow_any_origin, no_store};

/// How often the token of an open stream is verified again.
const LOOK: Duration = Duration::from_secs(30);

/// Puts [`AccessClaims`] into the extensions of requests that bring a good token, and answers all
/// others with the right challenge.
///
/// Preflights are answered before any authorization, and the challenge is exposed to
/// browser-based clients. A request from a web page of another origin goes through only if it is
/// authorized like any other: no cookie plays a part here. Which pages may call at all, and for
/// which host requests have to be meant, says [`origins`](Self::origins).
#[derive(Clone)]
pub struct BearerLayer {
    shared: Arc<Shared>,
}

struct Shared {
    resource: ProtectedResource,
    verifier: Arc<dyn AccessTokenVerifier>,
    needed: Needs,
    optional: bool,
    timer: Option<Timer>,
    origins: Option<AllowedOrigins>,
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
                timer: None,
                origins: None,
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

    /// Refuses requests that name another host, as one does that came by DNS rebinding, and those
    /// of web pages that may not call this, before anybody looks at their token. An answer that any
    /// page could read is then for the page that asked, and `Vary` says so.
    ///
    /// Usually `origins(AllowedOrigins::of(resource.uri()))`. No host, or two: 400. Another host:
    /// 421. A page that may not call: 403. Spec: MCP, Streamable HTTP, Security.
    #[must_use]
    pub fn origins(&self, allowed: AllowedOrigins) -> Self {
        self.but(|shared| shared.origins = Some(allowed))
    }

    /// Ends event streams (`text/event-stream`) with the token they were opened with: when it
    /// expires, and within half a minute of its being revoked, as far as the verifier learns of
    /// that. An outage of the verifier ends none. Other answers are left alone: they are short, or
    /// would be cut off in the middle.
    ///
    /// `sleep` is the runtime's: `ending_streams(SystemClock, tokio::time::sleep)`.
    /// Spec: OAuth 2.1 §5.2.
    #[must_use]
    pub fn ending_streams<S>(
        &self,
        clock: impl Clock + 'static,
        sleep: impl Fn(Duration) -> S + Send + Sync + 'static,
    ) -> Self
    where
        S: Future<Output = ()> + Send + 'static,
    {
        self.but(|shared| shared.timer = Some(Timer::new(clock, sleep)))
    }

    fn but(&self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Shared {
            resource: self.shared.resource.clone(),
            verifier: Arc::clone(&self.shared.verifier),
            needed: self.shared.needed.clone(),
            optional: self.shared.optional,
            timer: self.shared.timer.clone(),
            origins: self.shared.origins.clone(),
        };
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What to answer to a browser's preflight, which carries no token and comes before any;
    /// `None` for a request that is none.
    pub fn preflight(&self, head: &request::Parts) -> Option<Response<Bytes>> {
        let is_one = head.method == Method::OPTIONS
            && head
                .headers
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_one {
            return None;
        }
        let refused = self.shared.refuse_origin(head);
        Some(refused.unwrap_or_else(|| self.shared.narrowed(head, preflight())))
    }

    /// The claims of the token that a request brings, `None` only where tokens are
    /// [optional](Self::optional). A token in the query is none, and beside another one too many.
    ///
    /// # Errors
    /// The answer to a request that is not let through, and to a preflight.
    pub async fn check(
        &self,
        head: &request::Parts,
    ) -> Result<Option<AccessClaims>, Response<Bytes>> {
        let shared = &self.shared;
        if let Some(answer) = self.preflight(head).or_else(|| shared.refuse_origin(head)) {
            return Err(answer);
        }
        match shared.admit(head).await {
            Ok(claims) => Ok(Some(claims)),
            Err(Refusal::NoToken) if shared.optional => Ok(None),
            Err(refusal) => Err(shared.narrowed(head, shared.refuse(&refusal))),
        }
    }

    /// What of a request [`finish`](Self::finish) wants to know, with the claims that
    /// [`check`](Self::check) gave. Without them a token is verified again, once there is a stream
    /// that has to end with it.
    pub fn asked(&self, head: &request::Parts, claims: Option<&AccessClaims>) -> Asked {
        let header = |name, wanted: bool| {
            let found = wanted.then(|| head.headers.get(name));
            found.flatten().cloned()
        };
        Asked {
            origin: header(header::ORIGIN, self.shared.origins.is_some()),
            authorization: header(header::AUTHORIZATION, self.shared.timer.is_some()),
            expiry: claims.map(|claims| claims.expires_at),
        }
    }

    /// Lets browser-based clients read the answer to a request that was let through, unless the
    /// application has rules of its own for that. What it returns is for [`Lasting`]: what ends the
    /// answer, where it is an event stream that [has to end](Self::ending_streams).
    pub fn finish<B: Body>(&self, asked: &Asked, response: &mut Response<B>) -> Option<StreamEnd> {
        let headers = response.headers_mut();
        if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            expose(headers);
        }
        self.shared.narrow(headers, asked.origin.as_ref());
        let timer = self.shared.timer.as_ref()?;
        let token = asked.authorization.as_ref()?;
        let is_open = media_type(response.headers()).eq_ignore_ascii_case(b"text/event-stream")
            && response.body().size_hint().exact().is_none()
            && !response.body().is_end_stream();
        is_open.then(|| {
            let (shared, timer) = (Arc::clone(&self.shared), timer.clone());
            StreamEnd::when(watch(shared, timer, token.clone(), asked.expiry))
        })
    }
}

/// What of a request its answer depends on.
#[derive(Clone, Default)]
pub struct Asked {
    origin: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    expiry: Option<Timestamp>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
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

impl<S, In, Out> Service<Request<In>> for Bearer<S>
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + 'static,
    S::Future: Send,
    In: Send + 'static,
    Out: Body<Data = Bytes>,
{
    type Response = Answer<Lasting<Out>>;
    type Error = S::Error;
    type Future = AnswerFuture<Lasting<Out>, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let mut inner = ready(&mut self.inner);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let claims = match layer.check(&head).await {
                Ok(claims) => claims,
                Err(answer) => return Ok(ours(answer)),
            };
            if let Some(token) = head.headers.get_mut(header::AUTHORIZATION) {
                // Whoever logs the request's headers does not log this one.
                token.set_sensitive(true);
            }
            let asked = layer.asked(&head, claims.as_ref());
            // What was in the extensions before was put there by nobody who checked.
            head.extensions.remove::<AccessClaims>();
            if let Some(claims) = claims {
                head.extensions.insert(claims);
            }
            let mut response = inner.call(Request::from_parts(head, body)).await?;
            let end = layer.finish(&asked, &mut response);
            Ok(response.map(|body| Either::Right(Lasting::new(body, end))))
        })
    }
}

/// Returns when a stream that `token` opened has to end.
async fn watch(
    shared: Arc<Shared>,
    timer: Timer,
    token: HeaderValue,
    mut expiry: Option<Timestamp>,
) {
    loop {
        if let Some(expiry) = expiry
            && timer.reached(expiry, LOOK).await
        {
            return;
        }
        match shared.verify(std::iter::once(token.as_bytes())).await {
            Ok(claims) => expiry = Some(claims.expires_at),
            // Nobody said that the token is no longer good; when it ends is known, mostly.
            Err(Refusal::Unavailable(_)) if expiry.is_some() => {}
            Err(Refusal::Unavailable(_)) => timer.sleep(LOOK).await,
            Err(_) => return,
        }
    }
}

/// Type and subtype, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> &[u8] {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let mut parts = value.unwrap_or_default().split(|byte| *byte == b';');
    parts.next().unwrap_or_default().trim_ascii()
}

impl Shared {
    fn refuse_origin(&self, head: &request::Parts) -> Option<Response<Bytes>> {
        origin::refusal(self.origins.as_ref()?, head)
    }

    fn narrow(&self, headers: &mut HeaderMap, page: Option<&HeaderValue>) {
        let named = self.origins.as_ref();
        if named.is_some_and(|origins| !origins.allows_any_origin()) {
            origin::narrow(headers, page);
        }
    }

    fn narrowed(&self, head: &request::Parts, mut answer: Response<Bytes>) -> Response<Bytes> {
        self.narrow(answer.headers_mut(), head.headers.get(header::ORIGIN));
        answer
    }

    async fn admit(&self, head: &request::Parts) -> Result<AccessClaims, Refusal> {
        let in_query = |query: &str| {
            let mut pairs = query.split('&');
            pairs.any(|pair| pair.starts_with("access_token="))
        };
        let values = head.headers.get_all(header::AUTHORIZATION);
        if head.uri.query().is_some_and(in_query) && values.iter().next().is_some() {
            return Err(Refusal::Malformed);
        }
        self.verify(values.iter().map(HeaderValue::as_bytes)).await
    }

    async fn verify(
        &self,
        authorizations: impl Iterator<Item = &[u8]>,
    ) -> Result<AccessClaims, Refusal> {
        let token = bearer_token(authorizations).map_err(|_| Refusal::Malformed)?;
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
