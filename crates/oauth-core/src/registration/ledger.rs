//! The ledger of open registrations: it bounds the clients that nobody ever used, and finds the
//! client that was registered in the same words before.
//!
//! A page belongs to what is registered by a keyed digest, so nobody can crowd a page of their
//! choice. An entry is written before its client, and an entry whose place is needed is struck
//! out after its client is gone: so there are never more unused clients than entries. A client
//! that gets its first grant meanwhile is not deleted, since its revision has changed.

use oauth_storage::{
    ClientRecord, Delete, DigestId, Insert, PageNumber, RegistrationEntry, RegistrationPageRecord,
    Replace, StorageError, StorageErrorKind, Versioned,
};
use oauth_types::{ClientId, Lifetime, Timestamp};

use super::RegistrationError;
use crate::event::Event;
use crate::limit::{Limit, Limited};
use crate::server::AuthorizationServer;

/// Pages of the ledger, at most.
const PAGES: usize = 100;
/// Rounds of compare-and-set. Identical registrations settle in two.
const ROUNDS: usize = 64;
/// For how long an entry without its client is a registration on its way.
const ON_ITS_WAY: Lifetime = Lifetime::seconds(60);
/// How exactly a date is kept that is written at every use.
const DAY: Lifetime = Lifetime::days(1);

/// Where a registration stands.
pub(super) enum Entered {
    /// Registered before, in the same words.
    Before(Box<Versioned<ClientRecord>>),
    /// The client of this identifier may be stored.
    Now(ClientId),
}

impl AuthorizationServer {
    /// Enters an open registration, or finds it: `same` is the digest of what is registered when
    /// it may be shared, `fresh` the identifier of a new client. Only what is new is counted
    /// against its source.
    pub(super) async fn enter(
        &self,
        same: Option<DigestId>,
        fresh: ClientId,
        now: Timestamp,
    ) -> Result<Entered, RegistrationError> {
        let rules = &self.policy().registration;
        let pages = rules.unused_clients.clamp(1, PAGES);
        let room = rules.unused_clients.max(1).div_ceil(pages);
        let place = same.map_or_else(|| fresh.to_string(), |digest| digest.to_string());
        let mac = self
            .ring()
            .active()
            .derive
            .mac("registration page", &[place.as_bytes()]);
        let drawn = mac
            .first_chunk()
            .map_or(0, |first| u64::from_be_bytes(*first));
        let number = PageNumber(drawn % pages as u64);

        let store = self.storage.registrations();
        let mut counted = false;
        for _ in 0..ROUNDS {
            let found = store.find(&number).await?;
            let mut page = match &found {
                Some(found) => RegistrationPageRecord::clone(&found.record),
                None => RegistrationPageRecord::new(number),
            };
            let at = page
                .entries
                .iter()
                .position(|held| same.is_some() && held.same == same);
            if let Some(at) = at
                && let Some(client) = self.still_shared(&page.entries[at].client, now).await?
            {
                return Ok(Entered::Before(Box::new(client)));
            }
            if !counted {
                let key = self.source().key();
                self.count(&Limit::REGISTRATION, &key, now).await?;
                counted = true;
            }
            if let Some(at) = at {
                let entry = &page.entries[at];
                // Another request has entered it and not stored it yet, or was cut off there.
                if !entry.used && now.since(entry.since) < ON_ITS_WAY {
                    return Ok(Entered::Now(entry.client.clone()));
                }
                page.entries.remove(at);
            }
            self.make_room(&mut page, room, now).await?;
            page.entries.push(RegistrationEntry {
                client: fresh.clone(),
                since: now,
                same,
                used: false,
            });
            let stands = match &found {
                None => store.insert(page).await? == Insert::Inserted,
                Some(found) => {
                    matches!(
                        store.replace(found.revision, page).await?,
                        Replace::Replaced(_)
                    )
                }
            };
            if stands {
                return Ok(Entered::Now(fresh));
            }
        }
        Err(StorageError::from(StorageErrorKind::Contended).into())
    }

    /// The shared client that an entry names, if it is there, kept for a while from now on.
    async fn still_shared(
        &self,
        id: &ClientId,
        now: Timestamp,
    ) -> Result<Option<Versioned<ClientRecord>>, StorageError> {
        let Some(found) = self.storage.clients().find(id).await? else {
            return Ok(None);
        };
        let until = now.plus(self.policy().registration.unused_client_lifetime);
        let held = found.record.retain_until;
        if held.is_none_or(|held| held.plus(DAY) >= until) {
            return Ok(Some(found));
        }
        let mut next = ClientRecord::clone(&found.record);
        next.retain_until = Some(until);
        Ok(
            match self.storage.clients().replace(found.revision, next).await? {
                // Whoever else wrote has kept it too.
                Replace::Replaced(_) | Replace::Conflict => Some(found),
                Replace::Missing => None,
            },
        )
    }

    /// Strikes out the oldest until fewer than `room` unused clients are on the page. Clients so
    /// young that a person may be signing in to them stay; then there is no room.
    async fn make_room(
        &self,
        page: &mut RegistrationPageRecord,
        room: usize,
        now: Timestamp,
    ) -> Result<(), RegistrationError> {
        let spared = self.policy().transaction_lifetime;
        let entries = &mut page.entries;
        while entries.iter().filter(|held| !held.used).count() >= room {
            let Some(at) = entries.iter().position(|held| !held.used) else {
                break;
            };
            let age = now.since(entries[at].since);
            if age < spared {
                let left = spared.as_seconds() - age.as_seconds();
                let retry_after = Lifetime::seconds(left);
                return Err(Limited { retry_after }.into());
            }
            if self.forget_unused(&entries[at].client).await? {
                entries.remove(at);
            } else {
                entries[at].used = true;
            }
        }
        // What was used is only remembered so that it can be shared.
        while entries.iter().filter(|held| held.used).count() > room {
            let Some(at) = entries.iter().position(|held| held.used) else {
                break;
            };
            entries.remove(at);
        }
        Ok(())
    }

    /// Deletes a client that never had a grant. `false` means that it had one, and stays.
    async fn forget_unused(&self, id: &ClientId) -> Result<bool, StorageError> {
        for _ in 0..ROUNDS {
            let Some(found) = self.storage.clients().find(id).await? else {
                return Ok(true);
            };
            if found.record.last_used_at.is_some() {
                return Ok(false);
            }
            match self.storage.clients().delete(id, found.revision).await? {
                Delete::Deleted => {
                    self.record(Event::UnusedClientForgotten { client: id });
                    return Ok(true);
                }
                Delete::Missing => return Ok(true),
                Delete::Conflict => {}
            }
        }
        Err(StorageErrorKind::Contended.into())
    }
}
