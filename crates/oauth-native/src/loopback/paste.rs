//! What a person pastes, where their browser cannot come back by itself.

use std::io::BufRead;
use std::sync::Arc;

use oauth_client::types::SecretText;
use tokio::sync::{Mutex, mpsc};

use super::serve::Expected;

/// Lines that somebody types.
#[derive(Clone)]
pub(super) struct Pasted(Arc<Mutex<mpsc::Receiver<SecretText>>>);

impl Pasted {
    /// Reads lines in a thread of its own: reading from a terminal cannot be broken off, and must not
    /// keep a program from ending.
    pub(super) fn reading(mut lines: impl BufRead + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut line = String::new();
            while matches!(lines.read_line(&mut line), Ok(read) if read > 0) {
                let text = SecretText::new(std::mem::take(&mut line));
                if sender.blocking_send(text).is_err() {
                    break;
                }
            }
        });
        Self(Arc::new(Mutex::new(receiver)))
    }

    /// Waits for the answer that belongs to a sign-in; once there are no more lines, for ever.
    pub(super) async fn answer(&self, expected: &Expected, unsuited: impl Fn()) -> SecretText {
        let mut lines = self.0.lock().await;
        while let Some(line) = lines.recv().await {
            match query_in(line.expose()) {
                Some(query) if expected.is_answered_by(query) => return SecretText::new(query),
                Some(_) => unsuited(),
                None => {}
            }
        }
        std::future::pending().await
    }
}

/// The query of an address, or what is one without. `None` for an empty line.
fn query_in(line: &str) -> Option<&str> {
    let line = line.trim().trim_matches(['"', '\'', '<', '>']);
    let line = line.split('#').next().unwrap_or_default();
    let query = line.split_once('?').map_or(line, |(_, query)| query);
    (!query.is_empty()).then_some(query)
}
