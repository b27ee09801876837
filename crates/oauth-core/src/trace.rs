//! What the span of a request learns here: which client it is about, and which grant.
//!
//! The span is its owner's; `oauth_http` opens one with these fields. One without them, or none,
//! is left as it is.

use oauth_types::ClientId;
use tracing::field::display;
use tracing::{Level, Span};

use crate::event::{Event, Value, short};

/// Names the client that asks. Its identifier is public, and cut short: it may be anybody's words.
pub(crate) fn client(client: &ClientId) {
    if tracing::enabled!(Level::INFO) {
        Span::current().record("oauth.client", short(client.as_str()));
    }
}

/// Names the client and the grant of an event.
pub(crate) fn event(event: &Event<'_>) {
    if tracing::enabled!(Level::INFO) {
        event.visit(&mut |_, value| match value {
            Value::Client(id) => client(id),
            Value::Grant(grant) => {
                Span::current().record("oauth.grant", display(grant));
            }
            _ => {}
        });
    }
}
