//! The verbs, each with its faults.

use async_trait::async_trait;
use oauth_storage::{Delete, Filter, Kind, Listed, Page, StorageErrorKind, Versioned};

use super::*;

#[async_trait]
impl<R: Sample> RecordStore<R> for BrokenStore {
    async fn insert(&self, record: R) -> Result<Insert, StorageError> {
        let record = mangled(self.fault, &record);
        let name = name::<R>(record.id());
        let id = record.id().to_string();
        let owner = format!("{} {name}", self.tenant);
        let claimed = match self.fault {
            Fault::FoldsKeys(fold) => Some(format!(
                "{} {} {}",
                self.tenant,
                R::KIND.as_str(),
                fold.of(&id)
            )),
            Fault::OneTableForAll if R::KIND != Kind::Grant => {
                Some(format!("{} {id}", self.tenant))
            }
            Fault::OneKeySpaceForAllTenants => Some(name.clone()),
            Fault::RunsTenantAndKeyTogether => {
                Some(format!("{} {}{id}", R::KIND.as_str(), self.tenant))
            }
            _ => None,
        };
        if let Some(claimed) = claimed {
            let mut names = self.shared.names.lock().unwrap();
            if *names.entry(claimed).or_insert_with(|| owner.clone()) != owner {
                return Ok(Insert::Exists);
            }
        }
        let document = oauth_storage::record::encode(&record)?;
        match self.fault {
            Fault::RefusesLargeDocuments if document.len() > LARGE => {
                return Err(StorageErrorKind::Unavailable.into());
            }
            Fault::InsertOverwrites => {
                self.overwrite(record).await?;
                return Ok(Insert::Inserted);
            }
            Fault::InsertLooksFirst | Fault::ClaimsLookFirst
                if self.fault == Fault::InsertLooksFirst || R::KIND == Kind::Replay =>
            {
                if self.table::<R>().find(record.id()).await?.is_some() {
                    return Ok(Insert::Exists);
                }
                dawdle();
                self.overwrite(record).await?;
                return Ok(Insert::Inserted);
            }
            Fault::RevisionRestarts => {
                let mut revisions = self.notes.revisions.lock().unwrap();
                let answer = now(self.table().insert(record.clone()))?;
                if answer == Insert::Inserted {
                    let found = now(self.table::<R>().find(record.id()))?.unwrap();
                    revisions.insert(name, vec![found.revision.number()]);
                }
                return Ok(answer);
            }
            Fault::Tears(Verb::Insert) => {
                let is_new = self.table::<R>().find(record.id()).await?.is_none();
                if is_new {
                    self.hide(name.clone());
                }
                let answer = self.table().insert(record).await?;
                pause().await;
                self.unhide(&name);
                return Ok(answer);
            }
            Fault::ListLags => self.index_later(&name),
            Fault::FoldsListings(fold) => {
                let mut alike = self.notes.alike.lock().unwrap();
                let subject = record.subject().map(|it| ("s", it.as_str()));
                let client = record.client().map(|it| ("c", it.as_str()));
                for (kind, name) in subject.into_iter().chain(client) {
                    let names = alike
                        .entry(format!("{kind} {}", fold.of(name)))
                        .or_default();
                    names.entry(name.to_owned()).or_default().insert(id.clone());
                }
            }
            Fault::CachesPerView => {
                self.cache.lock().unwrap().remove(&name);
            }
            Fault::WritesThenErrs(Verb::Insert) | Fault::SendsTwice(Verb::Insert) => {
                let answer = self.table().insert(record.clone()).await?;
                if answer == Insert::Exists || !self.is_unlucky_too() {
                    return Ok(answer);
                }
                if matches!(self.fault, Fault::WritesThenErrs(_)) {
                    return Err(StorageErrorKind::Unavailable.into());
                }
            }
            _ => {}
        }
        let answer = self.table().insert(record).await?;
        if answer == Insert::Inserted {
            self.notes.first.lock().unwrap().insert(name, document);
        }
        Ok(answer)
    }

    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
        let name = name::<R>(id);
        let found = self.table::<R>().find(id).await?;
        match self.fault {
            Fault::LeavesReplies => {
                let left = self.notes.replies.lock().unwrap().pop();
                if let Some(left) = left.and_then(|left| left.downcast::<R>().ok()) {
                    let revision = Revision::new(1);
                    return Ok(Some(Versioned {
                        revision,
                        record: left,
                    }));
                }
                let reply = found.clone().map(|found| found.record as Arc<_>);
                let mut reply = Reply(&self.notes, reply);
                pause().await;
                reply.1 = None;
                Ok(found)
            }
            Fault::FindsByPrefix if found.is_none() => {
                let begins = |record: &R| record.id().to_string().starts_with(&id.to_string());
                for other in self.ever::<R>().into_iter().filter(begins) {
                    if let Some(found) = self.table::<R>().find(other.id()).await? {
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            }
            Fault::CachesPerView => {
                let mut cache = self.cache.lock().unwrap();
                let cached = cache
                    .entry(name)
                    .or_insert_with(|| found.map(|found| (found.revision, found.record as Arc<_>)));
                Ok(cached.clone().map(|(revision, record)| Versioned {
                    revision,
                    record: record.downcast().unwrap(),
                }))
            }
            Fault::RevisionRestarts => {
                let revisions = self.notes.revisions.lock().unwrap();
                let found = now(self.table::<R>().find(id))?;
                Ok(found.map(|found| Versioned {
                    revision: Revision::new(revisions[&name].len() as u64),
                    record: found.record,
                }))
            }
            _ => Ok(found),
        }
    }

    async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError> {
        let record = mangled(self.fault, &record);
        let name = name::<R>(record.id());
        match self.fault {
            Fault::LastWriteWins => {
                dawdle();
                self.replace_any(record).await
            }
            Fault::ReplaceLooksFirst => {
                match self.table::<R>().find(record.id()).await? {
                    None => return Ok(Replace::Missing),
                    Some(found) if found.revision != expected => return Ok(Replace::Conflict),
                    Some(_) => dawdle(),
                }
                self.replace_any(record).await
            }
            Fault::ReplaceUpserts => {
                let answer = self.table().replace(expected, record.clone()).await?;
                if answer != Replace::Missing {
                    return Ok(answer);
                }
                self.table().insert(record.clone()).await?;
                let found = self.table::<R>().find(record.id()).await?;
                Ok(found.map_or(Replace::Missing, |found| Replace::Replaced(found.revision)))
            }
            Fault::ConflictTouchesTheRecord => {
                let answer = self.table().replace(expected, record.clone()).await?;
                if answer == Replace::Conflict
                    && let Some(found) = self.table::<R>().find(record.id()).await?
                {
                    self.table()
                        .replace(found.revision, (*found.record).clone())
                        .await?;
                }
                Ok(answer)
            }
            Fault::GuessesTheRevision => match self.table().replace(expected, record).await? {
                Replace::Replaced(_) => Ok(Replace::Replaced(Revision::new(
                    expected.number() + 1_000_000,
                ))),
                answer => Ok(answer),
            },
            Fault::RevisionRestarts => {
                let mut revisions = self.notes.revisions.lock().unwrap();
                let Some(known) = revisions.get_mut(&name) else {
                    return Ok(Replace::Missing);
                };
                if known.len() as u64 != expected.number() {
                    return Ok(Replace::Conflict);
                }
                let real = Revision::new(*known.last().unwrap());
                match now(self.table().replace(real, record))? {
                    Replace::Replaced(real) => {
                        known.push(real.number());
                        Ok(Replace::Replaced(Revision::new(known.len() as u64)))
                    }
                    answer => Ok(answer),
                }
            }
            Fault::WritesThenErrs(Verb::Replace) => {
                let answer = self.table().replace(expected, record).await?;
                if matches!(answer, Replace::Replaced(_)) && self.is_unlucky(name) {
                    return Err(StorageErrorKind::Unavailable.into());
                }
                Ok(answer)
            }
            Fault::SendsTwice(Verb::Replace) => {
                let answer = self.table().replace(expected, record.clone()).await?;
                if matches!(answer, Replace::Replaced(_)) && self.is_unlucky(name) {
                    return self.table().replace(expected, record).await;
                }
                Ok(answer)
            }
            Fault::Tears(Verb::Replace) | Fault::HidesWhileReplacing => {
                self.hide(name.clone());
                let answer = self.table().replace(expected, record).await?;
                dawdle();
                if self.fault != Fault::HidesWhileReplacing {
                    pause().await;
                }
                self.unhide(&name);
                Ok(answer)
            }
            fault => {
                if fault == Fault::ListLags {
                    self.index_later(&name);
                }
                if fault == Fault::CachesPerView {
                    self.cache.lock().unwrap().remove(&name);
                }
                self.table().replace(expected, record).await
            }
        }
    }

    async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError> {
        let name = name::<R>(id);
        match self.fault {
            Fault::DeletesBlindly => loop {
                let Some(found) = self.table::<R>().find(id).await? else {
                    return Ok(Delete::Missing);
                };
                let answer = self.table::<R>().delete(id, found.revision).await?;
                if answer != Delete::Conflict {
                    return Ok(answer);
                }
            },
            Fault::WritesThenErrs(Verb::Delete) | Fault::SendsTwice(Verb::Delete) => {
                let answer = self.table::<R>().delete(id, expected).await?;
                if answer != Delete::Deleted || !self.is_unlucky_too() {
                    return Ok(answer);
                }
                if matches!(self.fault, Fault::WritesThenErrs(_)) {
                    return Err(StorageErrorKind::Unavailable.into());
                }
                self.table::<R>().delete(id, expected).await
            }
            Fault::DeleteLooksFirst => {
                match self.table::<R>().find(id).await? {
                    None => return Ok(Delete::Missing),
                    Some(found) if found.revision != expected => return Ok(Delete::Conflict),
                    Some(_) => dawdle(),
                }
                while let Some(found) = self.table::<R>().find(id).await? {
                    self.table::<R>().delete(id, found.revision).await?;
                }
                Ok(Delete::Deleted)
            }
            Fault::ListsWhatIsDeleted | Fault::DatesOutliveRecords => {
                let found = self.inner.grants().find(&as_grant::<R>(id)).await?;
                let answer = self.table::<R>().delete(id, expected).await?;
                if answer == Delete::Deleted
                    && let Some(found) = found
                {
                    self.notes
                        .deleted
                        .lock()
                        .unwrap()
                        .push((*found.record).clone());
                }
                Ok(answer)
            }
            Fault::RevisionRestarts => {
                let mut revisions = self.notes.revisions.lock().unwrap();
                let Some(known) = revisions.get(&name) else {
                    return Ok(Delete::Missing);
                };
                if known.len() as u64 != expected.number() {
                    return Ok(Delete::Conflict);
                }
                let real = Revision::new(*known.last().unwrap());
                revisions.remove(&name);
                now(self.table::<R>().delete(id, real))
            }
            Fault::Tears(Verb::Delete) => {
                let found = self.table::<R>().find(id).await?;
                if found.is_none_or(|found| found.revision != expected) {
                    return self.table::<R>().delete(id, expected).await;
                }
                self.hide(name.clone());
                pause().await;
                let answer = self.table::<R>().delete(id, expected).await;
                self.unhide(&name);
                answer
            }
            fault => {
                if fault == Fault::CachesPerView {
                    self.cache.lock().unwrap().remove(&name);
                }
                let answer = self.table::<R>().delete(id, expected).await?;
                if fault == Fault::OneIndexForAllTenants && answer == Delete::Deleted {
                    self.forget_for_all(name);
                }
                Ok(answer)
            }
        }
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError> {
        self.list_wrongly(by, page).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        self.sweep_wrongly::<R>(now, limit).await
    }
}

/// What a store takes that refuses large documents.
const LARGE: usize = 200 * 1024;

/// The key as a grant's; a key of no grant for other kinds.
fn as_grant<R: Sample>(id: &R::Id) -> oauth_types::GrantId {
    id.to_string()
        .parse()
        .unwrap_or(oauth_types::GrantId::from_bytes([0; 16]))
}
