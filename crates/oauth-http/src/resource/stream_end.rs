//! Event streams that end with the token they were opened with.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use oauth_types::Timestamp;
use oauth_types::env::Clock;
use pin_project_lite::pin_project;

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What time it is, and a way to wait. No runtime is known here, so whoever has one brings it.
#[derive(Clone)]
pub(super) struct Timer {
    clock: Arc<dyn Clock>,
    sleep: Arc<dyn Fn(Duration) -> Wait + Send + Sync>,
}

impl Timer {
    pub(super) fn new<S>(
        clock: impl Clock + 'static,
        sleep: impl Fn(Duration) -> S + Send + Sync + 'static,
    ) -> Self
    where
        S: Future<Output = ()> + Send + 'static,
    {
        Self {
            clock: Arc::new(clock),
            sleep: Arc::new(move |time| Box::pin(sleep(time))),
        }
    }

    /// Waits until `moment`, but for no longer than `most`, and says whether it came.
    pub(super) async fn reached(&self, moment: Timestamp, most: Duration) -> bool {
        let left = |now: Timestamp| moment.as_unix().saturating_sub(now.as_unix());
        match left(self.clock.now()) {
            0 => true,
            seconds => {
                (self.sleep)(most.min(Duration::from_secs(seconds))).await;
                left(self.clock.now()) == 0
            }
        }
    }

    pub(super) async fn sleep(&self, time: Duration) {
        (self.sleep)(time).await;
    }
}

/// Comes when a stream has to end.
pub struct StreamEnd(
    /// Never locked: a future is polled by one at a time, and a lock makes it one for all threads.
    Mutex<Wait>,
);

impl StreamEnd {
    pub(super) fn when(reason: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Mutex::new(Box::pin(reason)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.get_mut() {
            Ok(reason) => reason.as_mut().poll(cx),
            Err(_) => Poll::Ready(()),
        }
    }
}

impl fmt::Debug for StreamEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamEnd")
    }
}

pin_project! {
    /// A response's body, which may have to end before its own end.
    #[derive(Debug)]
    pub struct Lasting<B> {
        #[pin]
        body: B,
        end: Option<StreamEnd>,
        over: bool,
    }
}

impl<B> Lasting<B> {
    /// Ends `body` when `end` comes, if there is one.
    pub const fn new(body: B, end: Option<StreamEnd>) -> Self {
        Self {
            body,
            end,
            over: false,
        }
    }
}

impl<B: Body> Body for Lasting<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if let Some(end) = this.end {
            // A stream that is never at a loss for words ends as well: its end is asked first.
            if *this.over || end.poll(cx).is_ready() {
                *this.over = true;
                return Poll::Ready(None);
            }
        }
        this.body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.end {
            None => self.body.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}
