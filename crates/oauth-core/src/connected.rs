//! Who has access, and ending it: for the person, and for operators.
//!
//! Ending a set begins with a barrier, a number that every code and refresh token is compared
//! with; only then the grants under it are listed and closed, so that access tokens end too. Who
//! approves meanwhile has either been listed or stands under the old number. Every step can be
//! repeated: after an error, asking again goes on where it stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use oauth_storage::{
    ClientRecord, ClientRegistration, Delete, Filter, GrantRecord, Insert, Page, Record,
    RecordStore, Replace, StorageError, StorageErrorKind, SubjectRecord,
};
use oauth_types::{ClientId, GrantId, RedirectUri, ResourceUri, Scope, Subject, Timestamp};

use crate::client_metadata::ClientIdUrl;
use crate::event::Event;
use crate::grant::lifecycle::{self, Standing};
use crate::server::AuthorizationServer;

/// Rounds of compare-and-set on one record.
const ROUNDS: usize = 64;
/// Records listed at once.
const PAGE: usize = 100;

/// One grant, as the person who gave it sees it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectedGrant {
    /// Its name, for [`AuthorizationServer::close_own_grant`].
    pub grant: GrantId,
    /// Who has it.
    pub client_id: ClientId,
    /// What that client calls itself; nobody has checked it. `None` also when it is gone.
    pub client_name: Option<String>,
    /// Whether an administrator entered the client, so that its name can be believed.
    pub is_client_vouched_for: bool,
    /// The host that vouches for the client: the one its metadata document came from.
    pub client_host: Option<String>,
    /// Where the client receives codes; empty when it is gone.
    pub redirect_uris: Vec<RedirectUri>,
    /// What was allowed.
    pub scope: Scope,
    /// Where.
    pub resources: Vec<ResourceUri>,
    /// When.
    pub approved_at: Timestamp,
    /// When its newest access token was issued; `None` before the first.
    pub last_used_at: Option<Timestamp>,
}

impl ConnectedGrant {
    fn of(grant: &GrantRecord, client: Option<&ClientRecord>) -> Self {
        Self {
            grant: grant.id,
            client_id: grant.client_id.clone(),
            client_name: client.and_then(|client| client.metadata.client_name.clone()),
            is_client_vouched_for: client
                .is_some_and(|client| client.registration == ClientRegistration::Preregistered),
            client_host: ClientIdUrl::host_of(grant.client_id.as_str()).map(str::to_owned),
            redirect_uris: client.map_or_else(Vec::new, |client| client.redirect_uris.clone()),
            scope: grant.scope.clone(),
            resources: grant.resources.clone(),
            approved_at: grant.created_at,
            last_used_at: grant.access.iter().map(|token| token.issued_at).max(),
        }
    }
}

impl AuthorizationServer {
    /// What clients may still do for a person, a page at a time, and where the next page begins.
    /// A page can hold less than was asked for, and even nothing, with more behind it: grants that
    /// have ended are kept for a while, and left out here.
    ///
    /// # Errors
    /// The store's.
    pub async fn connected_grants(
        &self,
        subject: &Subject,
        page: &Page,
    ) -> Result<(Vec<ConnectedGrant>, Option<String>), StorageError> {
        let now = self.now();
        let filter = Filter::Subject(subject.clone());
        let listed = self.storage.grants().list(&filter, page).await?;
        let mut clients: BTreeMap<ClientId, Option<(Arc<ClientRecord>, Standing)>> =
            BTreeMap::new();
        let mut grants = Vec::with_capacity(listed.items.len());
        for found in listed.items {
            let grant = &*found.record;
            if !lifecycle::is_alive(grant, now) {
                continue;
            }
            if !clients.contains_key(&grant.client_id) {
                let client = match self.storage.clients().find(&grant.client_id).await? {
                    None => None,
                    Some(client) => {
                        let standing = self.standing(subject, &client.record).await?;
                        Some((client.record, standing))
                    }
                };
                clients.insert(grant.client_id.clone(), client);
            }
            let client = clients.get(&grant.client_id).and_then(Option::as_ref);
            // Under a barrier raised since, it is over though its record does not say so.
            if client.is_none_or(|(_, standing)| standing.covers(grant)) {
                grants.push(ConnectedGrant::of(
                    grant,
                    client.map(|(record, _)| &**record),
                ));
            }
        }
        Ok((grants, listed.next))
    }

    /// A person takes back everything from one client, and is asked again if it comes back.
    /// Nobody else's grants to it are touched. See [`Self::withdraw_by_grant`] for a client that the
    /// person's browser names.
    ///
    /// # Errors
    /// The store's.
    pub async fn withdraw(&self, subject: &Subject, client: &ClientId) -> Result<(), StorageError> {
        self.change_person(subject, |person| {
            let epoch = person.clients.entry(client.clone()).or_default();
            *epoch = epoch.saturating_add(1);
        })
        .await?;
        let is_theirs = |grant: &GrantRecord| grant.client_id == *client;
        self.close_all(&Filter::Subject(subject.clone()), is_theirs)
            .await?;
        let consents = self.storage.consents();
        forget(consents, &Filter::Subject(subject.clone()), |held| {
            held.client_id == *client
        })
        .await?;
        self.record(Event::ClientWithdrawn { client, subject });
        Ok(())
    }

    /// Ends everything of a person: all grants, all sign-ins, all consents.
    ///
    /// # Errors
    /// The store's.
    pub async fn sign_out_everywhere(&self, subject: &Subject) -> Result<(), StorageError> {
        self.change_person(subject, |person| {
            person.epoch = person.epoch.saturating_add(1)
        })
        .await?;
        let filter = Filter::Subject(subject.clone());
        self.close_all(&filter, |_| true).await?;
        forget(self.storage.consents(), &filter, |_| true).await?;
        self.record(Event::SubjectSignedOut { subject });
        Ok(())
    }

    /// Shuts a person out, or lets them in again. Shut out, nobody signs in under that name and
    /// nothing is refreshed; what was granted before stays ended.
    ///
    /// # Errors
    /// The store's.
    pub async fn set_disabled(
        &self,
        subject: &Subject,
        disabled: bool,
    ) -> Result<(), StorageError> {
        self.change_person(subject, |person| person.disabled = disabled)
            .await?;
        if disabled {
            self.sign_out_everywhere(subject).await?;
        }
        Ok(())
    }

    /// Ends everything a client was ever granted, by anybody. The client itself stays.
    ///
    /// # Errors
    /// The store's.
    pub async fn revoke_client(&self, client: &ClientId) -> Result<(), StorageError> {
        let clients = self.storage.clients();
        let mut raised = false;
        for _ in 0..ROUNDS {
            let Some(found) = clients.find(client).await? else {
                raised = true;
                break;
            };
            let mut next = ClientRecord::clone(&found.record);
            next.epoch = next.epoch.saturating_add(1);
            if let Replace::Replaced(_) = clients.replace(found.revision, next).await? {
                raised = true;
                break;
            }
        }
        if !raised {
            return Err(StorageErrorKind::Contended.into());
        }
        let filter = Filter::Client(client.clone());
        self.close_all(&filter, |_| true).await?;
        forget(self.storage.consents(), &filter, |_| true).await?;
        self.record(Event::ClientRevoked { client });
        Ok(())
    }

    /// Forgets a person: grants and consents are deleted, and of the person's own record only
    /// its name, its number and whether it is shut out stay, without which an old sign-in would
    /// be good again. Sealed values in browsers end with that number.
    ///
    /// # Errors
    /// The store's.
    pub async fn erase(&self, subject: &Subject) -> Result<(), StorageError> {
        self.sign_out_everywhere(subject).await?;
        let filter = Filter::Subject(subject.clone());
        forget(self.storage.grants(), &filter, |_| true).await?;
        self.change_person(subject, |person| {
            let mut barrier = SubjectRecord::new(subject.clone());
            barrier.epoch = person.epoch;
            barrier.disabled = person.disabled;
            *person = barrier;
        })
        .await?;
        self.record(Event::SubjectErased);
        Ok(())
    }

    async fn change_person(
        &self,
        subject: &Subject,
        change: impl Fn(&mut SubjectRecord),
    ) -> Result<(), StorageError> {
        let subjects = self.storage.subjects();
        for _ in 0..ROUNDS {
            let done = match subjects.find(subject).await? {
                None => {
                    let mut first = SubjectRecord::new(subject.clone());
                    change(&mut first);
                    subjects.insert(first).await? == Insert::Inserted
                }
                Some(found) => {
                    let mut next = SubjectRecord::clone(&found.record);
                    change(&mut next);
                    let written = subjects.replace(found.revision, next).await?;
                    matches!(written, Replace::Replaced(_))
                }
            };
            if done {
                return Ok(());
            }
        }
        Err(StorageErrorKind::Contended.into())
    }

    async fn close_all(
        &self,
        filter: &Filter,
        which: impl Fn(&GrantRecord) -> bool,
    ) -> Result<(), StorageError> {
        let mut page = Page::first(PAGE);
        loop {
            let listed = self.storage.grants().list(filter, &page).await?;
            for found in &listed.items {
                if found.record.closed.is_none() && which(&found.record) {
                    self.close_grant(&found.record.id).await?;
                }
            }
            page.after = listed.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }
}

/// Deletes what is listed. What is written meanwhile is looked at again.
async fn forget<R: Record>(
    store: &dyn RecordStore<R>,
    filter: &Filter,
    which: impl Fn(&R) -> bool,
) -> Result<(), StorageError> {
    let mut page = Page::first(PAGE);
    loop {
        let listed = store.list(filter, &page).await?;
        for found in listed.items {
            let mut found = Some(found);
            for _ in 0..ROUNDS {
                let Some(held) = found.filter(|held| which(&held.record)) else {
                    break;
                };
                let id = held.record.id().clone();
                match store.delete(&id, held.revision).await? {
                    Delete::Deleted | Delete::Missing => break,
                    Delete::Conflict => found = store.find(&id).await?,
                }
            }
        }
        page.after = listed.next;
        if page.after.is_none() {
            return Ok(());
        }
    }
}
