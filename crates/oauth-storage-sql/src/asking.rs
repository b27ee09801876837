//! Somebody who asks a backend whether it is there, on behalf of everybody.

use std::sync::Arc;

use oauth_storage::Circuit;

/// Held by whoever asks. When it is dropped, because the backend has answered or because the
/// runtime has ended, requests try for themselves again.
pub(crate) struct Asking(pub(crate) Arc<Circuit>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.answered(true);
    }
}
