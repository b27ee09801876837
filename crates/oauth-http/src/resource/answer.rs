//! What the layers answer with.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use http_body_util::{Either, Full};

/// An answer of ours, whole, or of the service behind, with its own body.
pub type Answer<B> = Response<Either<Full<Bytes>, B>>;

/// The answer to come.
pub type AnswerFuture<B, E> = Pin<Box<dyn Future<Output = Result<Answer<B>, E>> + Send>>;

/// A whole answer.
pub(super) fn ours<B: Body<Data = Bytes>>(answer: Response<Bytes>) -> Answer<B> {
    answer.map(|body| Either::Left(Full::new(body)))
}

/// The service that was polled ready, which is the one to call; another takes its place.
pub(super) fn ready<S: Clone>(inner: &mut S) -> S {
    let fresh = inner.clone();
    std::mem::replace(inner, fresh)
}
