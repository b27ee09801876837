//! Work that is finished even if nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that is carried on in the background when it is dropped halfway.
///
/// A connection in the middle of a statement cannot be used again. A caller that hangs up would
/// cost one each time, and whoever hangs up often could keep the server busy with new ones.
pub(crate) struct Finish<T: Send + 'static>(Option<Work<T>>);

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(crate) fn finish<T: Send>(work: impl Future<Output = T> + Send + 'static) -> Finish<T> {
    Finish(Some(Box::pin(work)))
}

impl<T: Send> Future for Finish<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(work) = &mut self.0 else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            self.0 = None;
        }
        polled
    }
}

impl<T: Send> Drop for Finish<T> {
    fn drop(&mut self) {
        // Without a runtime nothing can go on, and the connection is closed.
        if let (Some(work), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}
