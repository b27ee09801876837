//! Further scopes for a part of what a bearer layer guards.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Either;
use oauth_resource::{AccessClaims, Needs, ProtectedResource, Refusal};
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{Answer, AnswerFuture, ours, ready};
use super::bearer_layer::refuse;

/// Lets through what needs more than the [`BearerLayer`](super::BearerLayer) around it asks for, by
/// the claims that it found: the token is not verified again.
///
/// A token that lacks something is answered with 403, and a challenge that names all that is
/// needed here. Without claims it is 401: where tokens are optional they are not here, and without
/// a bearer layer nobody gets in.
#[derive(Debug, Clone)]
pub struct RequireScopes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    resource: ProtectedResource,
    needed: Needs,
}

impl RequireScopes {
    /// Needs this beside what every request to `resource` needs: a scope, or one of several
    /// ([`Needs::any_of`]).
    pub fn new(resource: &ProtectedResource, needs: impl Into<Needs>) -> Self {
        let required = Needs::from(resource.required().clone());
        Self {
            shared: Arc::new(Shared {
                resource: resource.clone(),
                needed: required.and(&needs.into()),
            }),
        }
    }

    /// The answer to a request that is not let through, or `None`.
    pub fn refuse(&self, claims: Option<&AccessClaims>) -> Option<Response<Bytes>> {
        let Shared { resource, needed } = &*self.shared;
        let refusal = match claims {
            Some(claims) if resource.is_met(needed, &claims.scope) => return None,
            Some(_) => Refusal::InsufficientScope,
            None => Refusal::NoToken,
        };
        Some(refuse(resource, &refusal, needed.asked()))
    }
}

impl<S> Layer<S> for RequireScopes {
    type Service = ScopesRequired<S>;

    fn layer(&self, inner: S) -> ScopesRequired<S> {
        ScopesRequired {
            inner,
            layer: self.clone(),
        }
    }
}

/// What [`RequireScopes`] makes of a service.
#[derive(Debug, Clone)]
pub struct ScopesRequired<S> {
    inner: S,
    layer: RequireScopes,
}

impl<S, In, Out> Service<Request<In>> for ScopesRequired<S>
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

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let refused = self.layer.refuse(request.extensions().get());
        let mut inner = ready(&mut self.inner);
        Box::pin(async move {
            match refused {
                Some(answer) => Ok(ours(answer)),
                None => Ok(inner.call(request).await?.map(Either::Right)),
            }
        })
    }
}
