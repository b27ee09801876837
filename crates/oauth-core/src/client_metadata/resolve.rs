//! Which client a request names, however it is known.

use std::sync::Arc;

use oauth_storage::{
    ClientRecord, ClientRegistration, Insert, Replace, StorageError, StorageErrorKind, Versioned,
};
use oauth_types::{ClientId, Timestamp};

use super::cache::Again;
use super::{ClientIdUrl, DocumentError, MetadataDocumentRules, document};
use crate::event::Event;
use crate::limit::Limit;
use crate::server::AuthorizationServer;
use oauth_types::outbound::{Fetch, OutboundError};

/// Rounds of compare-and-set on one client.
const ROUNDS: usize = 16;

/// No client can be named by this request.
pub(crate) enum ClientLookupError {
    /// Its document makes no client.
    Document,
    /// The store failed.
    Storage(StorageError),
}

impl From<StorageError> for ClientLookupError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl AuthorizationServer {
    /// The client that an authorization request names: as stored, or as its document says now.
    /// What an administrator entered under an address is not fetched.
    pub(crate) async fn client_now(
        &self,
        id: &ClientId,
    ) -> Result<Option<Arc<ClientRecord>>, ClientLookupError> {
        let stored = self
            .storage
            .clients()
            .find(id)
            .await?
            .map(|found| found.record);
        let by_document = stored.as_ref().map_or_else(
            || ClientIdUrl::looks_like(id.as_str()),
            |stored| stored.registration == ClientRegistration::MetadataDocument,
        );
        if !by_document {
            return Ok(stored);
        }
        let Some(rules) = &self.policy().metadata_documents else {
            return Ok(None);
        };
        let document = self.document(id, rules).await;
        let document = document.map_err(|_| ClientLookupError::Document)?;
        Ok(Some(match stored {
            None => document,
            Some(stored) => Arc::new(renewed(&stored, &document)),
        }))
    }

    /// The client that a token request names, as it was when somebody last said yes to it.
    pub(crate) async fn client_stored(
        &self,
        id: &ClientId,
    ) -> Result<Option<Arc<ClientRecord>>, StorageError> {
        let found = self
            .storage
            .clients()
            .find(id)
            .await?
            .map(|found| found.record);
        let off = self.policy().metadata_documents.is_none();
        Ok(found
            .filter(|client| !(off && client.registration == ClientRegistration::MetadataDocument)))
    }

    /// The same, with the keys of its document as they are now. A document that says anything
    /// else about how the client proves itself waits for the next yes, and until then the client
    /// is nobody. Nothing is stored: nobody has proved anything yet.
    ///
    /// # Errors
    /// [`ClientLookupError::Document`] when the keys cannot be had. Old ones are not used instead:
    /// a key is taken out of a document for a reason.
    pub(crate) async fn client_with_keys(
        &self,
        id: &ClientId,
    ) -> Result<Option<Arc<ClientRecord>>, ClientLookupError> {
        let Some(stored) = self.client_stored(id).await? else {
            return Ok(None);
        };
        let rules = self.policy().metadata_documents.as_ref();
        let by_document = stored.registration == ClientRegistration::MetadataDocument;
        let Some(rules) = rules.filter(|_| by_document && stored.is_confidential()) else {
            return Ok(Some(stored));
        };
        let document = self.document(id, rules).await;
        let document = document.map_err(|_| ClientLookupError::Document)?;
        if document.token_endpoint_auth_method != stored.token_endpoint_auth_method {
            return Ok(None);
        }
        let mut current = ClientRecord::clone(&stored);
        current.jwks.clone_from(&document.jwks);
        current.jwks_uri.clone_from(&document.jwks_uri);
        Ok(Some(Arc::new(current)))
    }

    /// Stores what a person has said yes to; from now on it stands for the document. Keeps the
    /// barrier and the dates of what was stored before.
    pub(crate) async fn keep_document(
        &self,
        document: &ClientRecord,
    ) -> Result<Versioned<ClientRecord>, StorageError> {
        let clients = self.storage.clients();
        for _ in 0..ROUNDS {
            match clients.find(&document.id).await? {
                None => {
                    let mut first = document.clone();
                    let until = self.now().plus(self.policy().unused_client_lifetime);
                    first.retain_until = Some(until);
                    if clients.insert(first).await? == Insert::Inserted {
                        self.record(Event::MetadataDocumentAccepted {
                            client: &document.id,
                        });
                    }
                }
                Some(stored) => {
                    let next = renewed(&stored.record, document);
                    if says_the_same(&next, &stored.record) {
                        return Ok(stored);
                    }
                    if let Replace::Replaced(_) = clients.replace(stored.revision, next).await? {
                        self.record(Event::MetadataDocumentAccepted {
                            client: &document.id,
                        });
                    }
                }
            }
        }
        Err(StorageErrorKind::Contended.into())
    }

    /// The document as it is now, from the cache while it is fresh. One request at a time fetches
    /// an address.
    async fn document(
        &self,
        id: &ClientId,
        rules: &MetadataDocumentRules,
    ) -> Result<Arc<ClientRecord>, DocumentError> {
        let url = ClientIdUrl::parse(id.as_str(), rules)?;
        let now = self.now();
        if let Some(known) = self.documents.known(url.as_str(), now) {
            return known;
        }
        let turn = self.documents.turn(url.as_str());
        let _mine = turn.lock().await;
        if let Some(known) = self.documents.known(url.as_str(), now) {
            return known;
        }
        let host = url.host();
        let limited = self.count(&Limit::METADATA_DOCUMENTS, host, now).await;
        if limited.is_err() {
            let reason = DocumentError::TooOften;
            self.record(Event::MetadataDocumentRefused { client: id, reason });
            return Err(reason);
        }
        let fetched = self.fetch(&url, rules, now).await;
        let (outcome, until, again) = match fetched {
            Ok((record, until, again)) => (Ok(record), until, again),
            Err(error) => {
                let reason = error;
                self.record(Event::MetadataDocumentRefused { client: id, reason });
                // That we were busy says nothing about the document.
                if error == DocumentError::TooOften {
                    return Err(error);
                }
                (Err(error), now.plus(rules.shortest_freshness), None)
            }
        };
        self.documents
            .note(url.as_str(), outcome.clone(), until, again);
        outcome
    }

    /// The document as its address answers it: anew, or that what was good still stands. Also
    /// until when that is believed, and how to ask again.
    async fn fetch(
        &self,
        url: &ClientIdUrl<'_>,
        rules: &MetadataDocumentRules,
        now: Timestamp,
    ) -> Result<(Arc<ClientRecord>, Timestamp, Option<Again>), DocumentError> {
        let held = self.documents.held(url.as_str());
        let mut fetch = Fetch::of(url.as_str(), rules.most_bytes);
        fetch.validators = held.as_ref().map(|(_, again)| &again.validators);
        let fetched = self.outbound().fetch(&fetch).await;
        let fetched = fetched.map_err(|error| match error {
            OutboundError::TooLarge => DocumentError::TooLarge,
            OutboundError::Busy => DocumentError::TooOften,
            _ => DocumentError::Unreachable,
        })?;
        let said = fetched.freshness(now);
        let own = Again {
            validators: fetched.validators.clone(),
            freshness: said,
        };
        let (record, again) = match held {
            // RFC 9111 §4.3.4: what the confirmation says of these counts from now on, and where
            // it says nothing, what was said before.
            Some((record, before)) if fetched.status == 304 => {
                let kept = match own.validators.are_of_use() {
                    true => own.validators,
                    false => before.validators,
                };
                let again = Again {
                    validators: kept,
                    freshness: said.or(before.freshness),
                };
                (record, again)
            }
            _ => {
                let record = document::judge(url, &fetched, rules, &self.config, now)?;
                (Arc::new(record), own)
            }
        };
        let fresh = again.freshness.unwrap_or(rules.default_freshness);
        let fresh = fresh
            .min(rules.longest_freshness)
            .max(rules.shortest_freshness);
        let of_use = fetched.may_be_kept() && again.validators.are_of_use();
        Ok((record, now.plus(fresh), of_use.then_some(again)))
    }
}

/// A stored client with the words of a newer document.
fn renewed(stored: &ClientRecord, document: &ClientRecord) -> ClientRecord {
    let mut next = document.clone();
    next.epoch = stored.epoch;
    next.created_at = stored.created_at;
    next.last_used_at = stored.last_used_at;
    next.retain_until = stored.retain_until;
    next.unknown.clone_from(&stored.unknown);
    next
}

fn says_the_same(a: &ClientRecord, b: &ClientRecord) -> bool {
    a.redirect_uris == b.redirect_uris
        && a.token_endpoint_auth_method == b.token_endpoint_auth_method
        && a.grant_types == b.grant_types
        && a.scope == b.scope
        && a.metadata == b.metadata
        && a.jwks == b.jwks
        && a.jwks_uri == b.jwks_uri
}
