//! A web of documents in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError};

/// Answers from a table, and counts how often it was asked. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Documents(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    documents: HashMap<String, Fetched>,
    asked: usize,
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
        self.held().documents.insert(url.to_owned(), document);
    }

    /// Takes an address off the web: it does not answer any more.
    pub fn remove(&self, url: &str) {
        self.held().documents.remove(url);
    }

    /// How often anything was asked for since the last call.
    pub fn take_asked(&self) -> usize {
        std::mem::take(&mut self.held().asked)
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
        let mut held = self.held();
        held.asked += 1;
        match held.documents.get(fetch.url) {
            Some(document) if document.body.len() > fetch.most_bytes => {
                Err(OutboundError::TooLarge)
            }
            Some(document) => Ok(document.clone()),
            None => Err(OutboundError::Failed("nobody answers".into())),
        }
    }
}
