//! Lets through only the MCP operations that a token's scope is enough for.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use oauth_resource::operation::{McpHeaders, Message, messages};
use oauth_resource::{AccessClaims, OperationPolicy, ProtectedResource, Refusal};
use oauth_types::Scope;
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{Answer, AnswerFuture, ours, ready};
use super::bearer_layer::refuse;
use super::tool_list::{Shown, ToolList};
use crate::document::no_store;

/// Bytes of a body, unless [`OperationLayer::body_limit`] says otherwise.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Reads the JSON-RPC messages of each POST, and of every request but GET, HEAD, OPTIONS and
/// DELETE, and lets them through when the token's scope is enough for all of them; otherwise it answers 403 with a challenge that names what this operation
/// needs, so that a client can ask for it and try again.
///
/// It goes inside a [`BearerLayer`](super::BearerLayer), whose claims it reads; a request without
/// claims gets 401. The body decides: it is read whole, up to a limit, and handed on as it came.
/// One that is longer is 413; one that is no JSON-RPC, or has a member twice, is 400; so is one
/// whose `Mcp-…` headers say something else, with the JSON-RPC error -32020.
#[derive(Clone)]
pub struct OperationLayer {
    shared: Arc<Shared>,
}

#[derive(Clone)]
pub(super) struct Shared {
    resource: ProtectedResource,
    pub(super) policy: OperationPolicy,
    pub(super) most_bytes: usize,
    hides_tools: bool,
}

impl OperationLayer {
    /// Guards the operations of `resource`.
    pub fn new(resource: ProtectedResource, policy: OperationPolicy) -> Self {
        Self {
            shared: Arc::new(Shared {
                resource,
                policy,
                most_bytes: MOST_BYTES,
                hides_tools: false,
            }),
        }
    }

    /// Reads bodies up to so many bytes. Default 4 MiB.
    #[must_use]
    pub fn body_limit(self, most_bytes: usize) -> Self {
        self.but(|shared| shared.most_bytes = most_bytes)
    }

    /// Shows each caller only the tools that the caller's token is enough for: lists of tools are
    /// cut down in answers as JSON and in event streams, and say to caches that they are private.
    ///
    /// What was hidden can still be called by whoever knows its name, and is refused with the
    /// challenge from which a client learns what to ask for. So this is for lists that would
    /// otherwise be long, or tell too much; it also keeps clients from finding what they could ask
    /// for. A list that cannot be read, or is longer than the limit for bodies, is not passed on.
    #[must_use]
    pub fn hiding_tools(self) -> Self {
        self.but(|shared| shared.hides_tools = true)
    }

    fn but(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }

    /// Judges a request that may carry messages: which tools its answer may show, if that is of
    /// interest, or the answer to one that is not let through.
    #[expect(
        clippy::result_large_err,
        reason = "the answer is moved once, to where it is sent"
    )]
    fn judge(
        &self,
        headers: &HeaderMap,
        claims: Option<&AccessClaims>,
        body: &[u8],
    ) -> Result<Option<Shown>, Response<Bytes>> {
        let Shared {
            resource, policy, ..
        } = &*self.shared;
        let Some(claims) = claims else {
            return Err(refuse(resource, &Refusal::NoToken, resource.required()));
        };
        let messages =
            messages(body).map_err(|error| rpc_error(None, -32700, &error.to_string()))?;
        let named = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        if let Err(mismatch) = policy.compare(&McpHeaders::of(named), &messages) {
            return Err(rpc_error(messages.first(), -32020, &mismatch.to_string()));
        }
        let held = resource.expand(&claims.scope);
        if let Some(asked) = policy.missing(&messages, &held) {
            let asked = asked.union(resource.required());
            return Err(refuse(resource, &Refusal::InsufficientScope, &asked));
        }
        let listed = messages.iter().filter_map(Message::lists_tools);
        // Of a batch, one that knows of caches is enough: the others pass over what it adds.
        let listed = listed.reduce(|one, other| one || other);
        let caching = listed.filter(|_| self.shared.hides_tools);
        Ok(caching.map(|caching| self.shown(held, caching)))
    }

    fn shown(&self, held: Scope, caching: bool) -> Shown {
        Shown {
            shared: Arc::clone(&self.shared),
            held,
            caching,
        }
    }
}

impl std::fmt::Debug for OperationLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperationLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for OperationLayer {
    type Service = Operations<S>;

    fn layer(&self, inner: S) -> Operations<S> {
        Operations {
            inner,
            layer: self.clone(),
        }
    }
}

/// What [`OperationLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct Operations<S> {
    inner: S,
    layer: OperationLayer,
}

impl<S, In, Out> Service<Request<In>> for Operations<S>
where
    S: Service<Request<Either<Full<Bytes>, In>>, Response = Response<Out>> + Clone + Send + 'static,
    S::Future: Send,
    In: Body<Data = Bytes> + Send + 'static,
    In::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Out: Body<Data = Bytes> + Send,
    Out::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Answer<ToolList<Out>>;
    type Error = S::Error;
    type Future = AnswerFuture<ToolList<Out>, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let mut inner = ready(&mut self.inner);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (request, shown) = match layer.admit(request).await {
                Ok(admitted) => admitted,
                Err(answer) => return Ok(ours(answer)),
            };
            let response = inner.call(request).await?;
            match shown {
                None => Ok(response.map(|body| Either::Right(ToolList::whole(body)))),
                Some(shown) => Ok(shown.cut(response).await),
            }
        })
    }
}

/// A request to hand on, and which tools its answer may show, where some are hidden.
type Admitted<In> = (Request<Either<Full<Bytes>, In>>, Option<Shown>);

impl OperationLayer {
    async fn admit<In>(&self, request: Request<In>) -> Result<Admitted<In>, Response<Bytes>>
    where
        In: Body<Data = Bytes>,
        In::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let shared = &self.shared;
        if !may_carry_messages(request.method()) {
            // On a stream that a client comes back to, earlier answers may be told again.
            let shown = (shared.hides_tools && request.method() == Method::GET).then(|| {
                let claims = request.extensions().get::<AccessClaims>();
                let held = claims.map(|claims| shared.resource.expand(&claims.scope));
                self.shown(held.unwrap_or_else(Scope::empty), false)
            });
            return Ok((request.map(Either::Right), shown));
        }
        let (parts, body) = request.into_parts();
        let body = match Limited::new(body, shared.most_bytes).collect().await {
            Ok(body) => {
                let mut body = body.aggregate();
                body.copy_to_bytes(body.remaining())
            }
            Err(cause) if cause.is::<LengthLimitError>() => {
                let mut answer = rpc_error(None, -32600, "the body is too large");
                *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(answer);
            }
            Err(_) => return Err(rpc_error(None, -32700, "the body broke off")),
        };
        let shown = self.judge(&parts.headers, parts.extensions.get(), &body)?;
        let body = Either::Left(Full::new(body));
        Ok((Request::from_parts(parts, body), shown))
    }
}

/// Messages come by POST. What somebody's server makes of other methods with a body is not known
/// here, so these are judged as well.
fn may_carry_messages(method: &Method) -> bool {
    !matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE
    )
}

/// A JSON-RPC error with status 400.
pub(super) fn rpc_error(to: Option<&Message>, code: i32, message: &str) -> Response<Bytes> {
    let body = serde_json::json!({
        "jsonrpc": "2.0",
        "id": to.and_then(Message::id),
        "error": { "code": code, "message": message },
    });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    no_store(headers);
    response
}
