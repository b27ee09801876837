//! Answers that show only the tools that their caller may call.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, Limited};
use oauth_resource::operation::{UnreadableList, hide_tools};
use oauth_types::Scope;
use pin_project_lite::pin_project;

use super::answer::{Answer, ours};
use super::bearer_layer::media_type;
use super::event_stream::{self, Events};
use super::operation_layer::{Shared, rpc_error};

/// Which tools an answer may show.
pub(super) struct Shown {
    pub(super) shared: Arc<Shared>,
    pub(super) held: Scope,
    /// Whether whoever asked knows about caches.
    pub(super) caching: bool,
}

impl Shown {
    /// Cuts an answer down to what may be shown.
    pub(super) async fn cut<B>(self, response: Response<B>) -> Answer<ToolList<B>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (is_json, is_stream) = {
            let media_type = media_type(response.headers());
            let is = |wanted| media_type.eq_ignore_ascii_case(wanted);
            (is(b"application/json"), is(b"text/event-stream"))
        };
        if !is_json && !is_stream {
            return response.map(|body| Either::Right(ToolList::whole(body)));
        }
        if response.headers().contains_key(header::CONTENT_ENCODING) {
            return ours(unreadable());
        }
        if is_stream {
            let mut response = response;
            response.headers_mut().remove(header::CONTENT_LENGTH);
            let events = Events::new(self.shared.most_bytes);
            let cut = |body| {
                ToolList::new(
                    body,
                    Some(Stream {
                        shown: self,
                        events,
                        over: false,
                    }),
                )
            };
            return response.map(|body| Either::Right(cut(body)));
        }
        let (mut parts, body) = response.into_parts();
        let Ok(body) = Limited::new(body, self.shared.most_bytes).collect().await else {
            return ours(unreadable());
        };
        let body = body.to_bytes();
        let body = match self.hide(&body) {
            Ok(None) => body,
            Ok(Some(changed)) => {
                parts.headers.remove(header::CONTENT_LENGTH);
                Bytes::from(changed)
            }
            Err(_) => return ours(unreadable()),
        };
        ours(Response::from_parts(parts, body))
    }

    fn hide(&self, answer: &[u8]) -> Result<Option<String>, UnreadableList> {
        let shows = |name: &str| self.shared.policy.shows_tool(name, &self.held);
        hide_tools(answer, self.caching, shows)
    }

    /// An event as it may be shown; one whose list of tools cannot be read is left out.
    fn event(&self, event: Vec<u8>) -> Vec<u8> {
        match self.hide(&event_stream::data(&event)) {
            Ok(None) => event,
            Ok(Some(changed)) => event_stream::with_data(&event, &changed),
            Err(_) => {
                alarm();
                Vec::new()
            }
        }
    }
}

/// The answer instead of one that cannot be read, or is too long.
fn unreadable() -> Response<Bytes> {
    alarm();
    let mut answer = rpc_error(None, -32603, "the list of tools cannot be read");
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer
}

fn alarm() {
    tracing::error!("a list of tools cannot be read, or is too long: it is shown to nobody");
}

struct Stream {
    shown: Shown,
    events: Events,
    over: bool,
}

impl Stream {
    /// Whatever has become whole by `bytes`, as it may be shown.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.events.push(bytes);
        let mut shown = Vec::new();
        loop {
            match self.events.next() {
                Ok(Some(event)) => shown.append(&mut self.shown.event(event)),
                Ok(None) => return shown,
                Err(_) => {
                    alarm();
                    self.over = true;
                    return shown;
                }
            }
        }
    }

    fn rest(&mut self) -> Vec<u8> {
        self.over = true;
        let rest = self.events.rest();
        self.shown.event(rest)
    }
}

pin_project! {
    /// A response's body, in which tools may be hidden.
    pub struct ToolList<B> {
        #[pin]
        body: B,
        stream: Option<Stream>,
    }
}

impl<B> ToolList<B> {
    const fn new(body: B, stream: Option<Stream>) -> Self {
        Self { body, stream }
    }

    /// A body in which nothing is hidden.
    pub(super) const fn whole(body: B) -> Self {
        Self::new(body, None)
    }
}

impl<B> std::fmt::Debug for ToolList<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToolList").finish_non_exhaustive()
    }
}

impl<B: Body<Data = Bytes>> Body for ToolList<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(stream) = this.stream else {
            return this.body.poll_frame(cx);
        };
        while !stream.over {
            let shown = match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => stream.take(&bytes),
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                Some(Err(error)) => {
                    stream.over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => stream.rest(),
            };
            if !shown.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(shown)))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        match &self.stream {
            None => self.body.is_end_stream(),
            Some(stream) => stream.over,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.stream {
            None => self.body.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}
