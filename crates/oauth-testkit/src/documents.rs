//! A web of documents in memory.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use async_trait::async_trait;
use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError};

/// Answers from a table, and remembers what it was asked. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Documents(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    documents: HashMap<String, Fetched>,
    otherwise: Option<Fetched>,
    pauses: usize,
    heard: Vec<Heard>,
}

/// One request, as it arrived. Its members are secrets.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heard {
    /// The address.
    pub url: String,
    /// What was posted.
    pub form: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// `If-None-Match`.
    pub etag: Option<String>,
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heard")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Documents {
    /// Puts a document at an address, with status 200.
    pub fn put(&self, url: &str, body: impl Into<Vec<u8>>, cache_control: Option<&str>) {
        let document = Fetched {
            status: 200,
            content_type: Some("application/json".to_owned()),
            cache_control: cache_control.map(str::to_owned),
            body: body.into(),
            ..Fetched::default()
        };
        self.answer(url, document);
    }

    /// Gives this answer at an address, whatever is asked for.
    pub fn answer(&self, url: &str, answer: Fetched) {
        self.held().documents.insert(url.to_owned(), answer);
    }

    /// Gives an answer with this status and an empty HTML page at every address of which nothing
    /// else was said.
    pub fn otherwise(&self, status: u16) {
        self.held().otherwise = Some(Fetched {
            status,
            content_type: Some("text/html".to_owned()),
            body: b"<html></html>".to_vec(),
            ..Fetched::default()
        });
    }

    /// Lets every other future of the task run so many times before an answer comes.
    pub fn pause(&self, turns: usize) {
        self.held().pauses = turns;
    }

    /// Takes an address off the web: it does not answer any more.
    pub fn remove(&self, url: &str) {
        self.held().documents.remove(url);
    }

    /// How often anything was asked for since the last call.
    pub fn take_asked(&self) -> usize {
        self.take_heard().len()
    }

    /// What was asked for since the last call.
    pub fn take_heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.held().heard)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Outbound for Documents {
    async fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, OutboundError> {
        // Others get their turn, as they do while a network is waited for.
        std::thread::yield_now();
        let mut pauses = {
            let mut held = self.held();
            held.heard.push(Heard {
                url: fetch.url.to_owned(),
                form: fetch.form.map(str::to_owned),
                authorization: fetch.authorization.map(str::to_owned),
                etag: fetch.validators.and_then(|known| known.etag.clone()),
            });
            held.pauses
        };
        poll_fn(|context| {
            if pauses == 0 {
                return Poll::Ready(());
            }
            pauses -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        let held = self.held();
        match held.documents.get(fetch.url).or(held.otherwise.as_ref()) {
            Some(document) if document.body.len() > fetch.most_bytes => {
                Err(OutboundError::TooLarge)
            }
            Some(document) => Ok(document.clone()),
            None => Err(OutboundError::Failed("nobody answers".into())),
        }
    }
}
