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
use tower_layer::Layer;
use tower_service::Service;

use super::bearer_layer::{Answer, AnswerFuture, ours, refuse};
use crate::document::no_store;

/// Bytes of a request's body, unless [`OperationLayer::body_limit`] says otherwise.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Reads the JSON-RPC messages of each POST, and of every request but GET, HEAD, OPTIONS and DELETE, and lets them through when the token's scope is enough
/// for all of them; otherwise it answers 403 with a challenge that names what this operation
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

struct Shared {
    resource: ProtectedResource,
    policy: OperationPolicy,
    most_bytes: usize,
}

impl OperationLayer {
    /// Guards the operations of `resource`.
    pub fn new(resource: ProtectedResource, policy: OperationPolicy) -> Self {
        Self {
            shared: Arc::new(Shared {
                resource,
                policy,
                most_bytes: MOST_BYTES,
            }),
        }
    }

    /// Reads bodies up to so many bytes. Default 4 MiB.
    #[must_use]
    pub fn body_limit(self, most_bytes: usize) -> Self {
        let Shared {
            resource, policy, ..
        } = &*self.shared;
        Self {
            shared: Arc::new(Shared {
                resource: resource.clone(),
                policy: policy.clone(),
                most_bytes,
            }),
        }
    }

    /// Judges a request whose body is here already, as the layer does: the answer to one that is
    /// not let through, or `None`.
    pub fn refuse(
        &self,
        method: &Method,
        headers: &HeaderMap,
        claims: Option<&AccessClaims>,
        body: &[u8],
    ) -> Option<Response<Bytes>> {
        let Shared {
            resource, policy, ..
        } = &*self.shared;
        if !may_carry_messages(method) {
            return None;
        }
        let Some(claims) = claims else {
            return Some(refuse(resource, &Refusal::NoToken, resource.required()));
        };
        let messages = match messages(body) {
            Ok(messages) => messages,
            Err(error) => return Some(rpc_error(None, -32700, &error.to_string())),
        };
        let named = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        if let Err(mismatch) = policy.compare(&McpHeaders::of(named), &messages) {
            return Some(rpc_error(messages.first(), -32020, &mismatch.to_string()));
        }
        let asked = policy.missing(&messages, &resource.expand(&claims.scope))?;
        let asked = asked.union(resource.required());
        Some(refuse(resource, &Refusal::InsufficientScope, &asked))
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
    Out: Body<Data = Bytes>,
{
    type Response = Answer<Out>;
    type Error = S::Error;
    type Future = AnswerFuture<Out, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        // The service that was polled ready is the one to call.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let layer = self.layer.clone();
        Box::pin(async move {
            if !may_carry_messages(request.method()) {
                let response = inner.call(request.map(Either::Right)).await?;
                return Ok(response.map(Either::Right));
            }
            let (parts, body) = request.into_parts();
            let body = match Limited::new(body, layer.shared.most_bytes).collect().await {
                Ok(body) => {
                    let mut body = body.aggregate();
                    body.copy_to_bytes(body.remaining())
                }
                Err(cause) if cause.is::<LengthLimitError>() => {
                    let text = "the body is too large";
                    let mut answer = rpc_error(None, -32600, text);
                    *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                    return Ok(ours(answer));
                }
                Err(_) => {
                    return Ok(ours(rpc_error(None, -32700, "the body broke off")));
                }
            };
            let claims = parts.extensions.get::<AccessClaims>();
            match layer.refuse(&parts.method, &parts.headers, claims, &body) {
                None => {
                    let body = Either::Left(Full::new(body));
                    let response = inner.call(Request::from_parts(parts, body)).await?;
                    Ok(response.map(Either::Right))
                }
                Some(answer) => Ok(ours(answer)),
            }
        })
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
fn rpc_error(to: Option<&Message>, code: i32, message: &str) -> Response<Bytes> {
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
