//! Stores that are right in all but one small thing, so small that a single rule notices.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use oauth_storage::{Delete, Filter, Kind, Listed, Page, Versioned};

use super::*;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Slip {
    /// The empty key finds whatever comes first.
    FindsSomethingUnderNothing,
    /// `ON CONFLICT DO UPDATE SET revision = revision + 1`.
    ExistsTouchesTheRevision,
    /// Looks whether the key is free, then writes; only claims are spared.
    LooksBeforeInserting,
    /// The key ring lies in the table of clients.
    RingAmongClients,
    /// The new revision is made up, except of grants.
    GuessesTheRevision,
    /// A replacement inserts what was never there.
    UpsertsTheUnknown,
    /// A conflict is noted in the record, except in a grant.
    ConflictTouchesTheRecord,
    /// With many at once the revision is compared on a replica.
    LooksFirstUnderLoad,
    /// Whatever has been deleted can be deleted again, except a grant.
    DeletesAgain,
    /// `WHERE revision >= ?`, except for grants.
    DeletesWhatWasOlder,
    /// With many at once all are told that it was they who deleted.
    DeletesAgainUnderLoad,
    /// What is deleted while it is being replaced is inserted again.
    ReplaceBringsBack,
    /// Under a new owner a record is listed a moment later.
    RelistsInTwoSteps,
    /// The index has a copy of the document, made at the insertion.
    ListsTheFirstDocument,
    /// A large page does not see that one more record is to come.
    LargePagesEndEarly,
    /// The record at which a page ended must still be there.
    CursorMustExist,
    /// Pages follow the revision.
    PagesByRevision,
    /// The index of clients is written at the insertion only.
    KeepsTheFirstClient,
    /// An insertion is listed after the next one.
    InsertsAreListedLater,
    /// Deleting one record hides another for a moment.
    HidesWhileDeleting,
    /// Clients that are swept are not counted.
    CountsNoClients,
    /// A limit of 0 is none.
    ZeroIsNoLimit,
    /// A client that is inserted without a date has none for ever.
    DatesClientsOnce,
    /// The end of time is −1 in a signed column.
    FarDatesWrap,
    /// Deleting takes everybody's record of that name, except grants.
    DeletesForAllTenants,
    /// What a tenant does not have is looked for elsewhere, except grants.
    FindsForAllTenants,
}

/// A store with a slip, for several tenants.
pub(crate) struct SlippedBackend {
    inner: MemoryStorage,
    slip: Slip,
    seen: Arc<Seen>,
}

/// One tenant's view.
#[derive(Clone)]
pub(crate) struct SlippedStore {
    inner: MemoryStorage,
    slip: Slip,
    seen: Arc<Seen>,
}

/// What slips know.
#[derive(Default)]
struct Seen {
    /// By kind and key: the document that was inserted last.
    first: Mutex<HashMap<String, Vec<u8>>>,
    /// Kinds and keys that were deleted once.
    gone: Mutex<HashSet<String>>,
    /// By key: the kind that has it.
    taken: Mutex<HashMap<String, Kind>>,
    /// Kinds and keys that no listing shows at the moment.
    hidden: Mutex<HashSet<String>>,
    /// Who inserted last.
    writer: Mutex<Option<ThreadId>>,
    /// How many are at it.
    busy: AtomicUsize,
    views: Mutex<Vec<MemoryStorage>>,
}

impl SlippedBackend {
    pub(crate) fn new(slip: Slip) -> Self {
        let (inner, seen) = (MemoryStorage::new(), Arc::default());
        Self { inner, slip, seen }
    }
}

impl Backend for SlippedBackend {
    type Store = SlippedStore;

    fn tenant(&self, tenant: &TenantId) -> SlippedStore {
        let inner = self.inner.tenant(tenant);
        self.seen.views.lock().unwrap().push(inner.clone());
        let (slip, seen) = (self.slip, Arc::clone(&self.seen));
        SlippedStore { inner, slip, seen }
    }
}

#[rustfmt::skip]
impl Storage for SlippedStore {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> { self }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> { self }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> { self }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> { self }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> { self }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> { self }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> { self }
}

impl SlippedStore {
    fn table<R: Sample>(&self) -> &dyn RecordStore<R> {
        R::table(&self.inner)
    }

    /// Writes, whatever stands there; the answer of the last step.
    async fn overwrite<R: Sample>(&self, record: R) -> Result<Replace, StorageError> {
        loop {
            match self.table::<R>().find(record.id()).await? {
                None if self.table().insert(record.clone()).await? == Insert::Inserted => {}
                None => continue,
                Some(found) => {
                    let answer = self.table().replace(found.revision, record.clone()).await?;
                    if matches!(answer, Replace::Replaced(_)) {
                        return Ok(answer);
                    }
                }
            }
        }
    }

    /// Takes its time, and says how many others did meanwhile.
    fn crowd(&self, time: Duration) -> usize {
        self.seen.busy.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(time);
        self.seen.busy.fetch_sub(1, Ordering::SeqCst)
    }

    fn first<R: Record>(&self, id: &R::Id) -> Option<R> {
        let first = self.seen.first.lock().unwrap();
        let document = first.get(&name::<R>(id))?;
        Some(oauth_storage::record::decode(document).unwrap())
    }

    /// All records of this kind that were ever inserted.
    fn ever<R: Record>(&self) -> Vec<R> {
        let first = self.seen.first.lock().unwrap();
        let prefix = name_of_kind::<R>();
        let of_kind = first.iter().filter(|(name, _)| name.starts_with(&prefix));
        let decoded = of_kind.map(|(_, text)| oauth_storage::record::decode(text).unwrap());
        decoded.collect()
    }
}

#[async_trait]
impl<R: Sample> RecordStore<R> for SlippedStore {
    async fn insert(&self, record: R) -> Result<Insert, StorageError> {
        let (name, id) = (name::<R>(record.id()), record.id().to_string());
        let document = oauth_storage::record::encode(&record)?;
        match self.slip {
            Slip::LooksBeforeInserting if R::KIND != Kind::Replay => {
                if self.table::<R>().find(record.id()).await?.is_some() {
                    return Ok(Insert::Exists);
                }
                dawdle();
                if self.table().insert(record.clone()).await? == Insert::Exists {
                    self.overwrite(record).await?;
                }
                return Ok(Insert::Inserted);
            }
            Slip::RingAmongClients if matches!(R::KIND, Kind::Client | Kind::KeyRing) => {
                let mut taken = self.seen.taken.lock().unwrap();
                if *taken.entry(id).or_insert(R::KIND) != R::KIND {
                    return Ok(Insert::Exists);
                }
            }
            Slip::InsertsAreListedLater => {
                let me = std::thread::current().id();
                let mut hidden = self.seen.hidden.lock().unwrap();
                let before = self.seen.writer.lock().unwrap().replace(me);
                hidden.clear();
                if before.is_some_and(|before| before != me) {
                    hidden.insert(name.clone());
                }
            }
            _ => {}
        }
        let answer = self.table().insert(record.clone()).await?;
        if answer == Insert::Inserted {
            self.seen.first.lock().unwrap().insert(name, document);
        } else if self.slip == Slip::ExistsTouchesTheRevision
            && let Some(found) = self.table::<R>().find(record.id()).await?
        {
            let same = (*found.record).clone();
            self.table().replace(found.revision, same).await?;
        }
        Ok(answer)
    }

    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
        let found = self.table::<R>().find(id).await?;
        if found.is_some() {
            return Ok(found);
        }
        if self.slip == Slip::FindsSomethingUnderNothing && id.to_string().is_empty() {
            for other in self.ever::<R>() {
                if let Some(found) = self.table::<R>().find(other.id()).await? {
                    return Ok(Some(found));
                }
            }
        }
        if self.slip == Slip::FindsForAllTenants && R::KIND != Kind::Grant {
            let views = self.seen.views.lock().unwrap().clone();
            for view in &views {
                if let Some(found) = R::table(view).find(id).await? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError> {
        let (name, id) = (name::<R>(record.id()), record.id().clone());
        let found = self.table::<R>().find(&id).await?;
        let is_current = found
            .as_ref()
            .is_some_and(|found| found.revision == expected);
        let moves = found.is_some_and(|found| found.record.subject() != record.subject());
        match self.slip {
            Slip::LooksFirstUnderLoad if self.crowd(Duration::from_millis(3)) > 8 => {
                if !is_current {
                    return Ok(Replace::Conflict);
                }
                dawdle();
                return self.overwrite(record).await;
            }
            Slip::RelistsInTwoSteps if is_current && moves => {
                self.seen.hidden.lock().unwrap().insert(name.clone());
            }
            Slip::ReplaceBringsBack if is_current => std::thread::sleep(Duration::from_millis(3)),
            _ => {}
        }
        let answer = self.table().replace(expected, record.clone()).await?;
        match (self.slip, answer) {
            (Slip::GuessesTheRevision, Replace::Replaced(new)) if R::KIND != Kind::Grant => {
                return Ok(Replace::Replaced(Revision::new(new.number() + 1_000_000)));
            }
            (Slip::UpsertsTheUnknown, Replace::Missing) if self.first::<R>(&id).is_none() => {
                self.table().insert(record).await?;
            }
            (Slip::ReplaceBringsBack, Replace::Missing) if is_current => {
                self.table().insert(record.clone()).await?;
                return self.overwrite(record).await;
            }
            (Slip::ConflictTouchesTheRecord, Replace::Conflict)
                if R::KIND != Kind::Grant && !self.seen.gone.lock().unwrap().contains(&name) =>
            {
                let found = self.table::<R>().find(&id).await?;
                let same = found.map(|found| (*found.record).clone());
                self.overwrite(same.unwrap_or(record)).await?;
            }
            (Slip::RelistsInTwoSteps, _) if is_current && moves => {
                pause().await;
                self.seen.hidden.lock().unwrap().remove(&name);
            }
            _ => {}
        }
        Ok(answer)
    }

    async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError> {
        let (name, table) = (name::<R>(id), self.table::<R>());
        let crowd = match self.slip {
            Slip::DeletesAgainUnderLoad => self.crowd(Duration::from_millis(3)),
            Slip::HidesWhileDeleting => self.crowd(Duration::from_micros(300)),
            _ => 0,
        };
        let answer = table.delete(id, expected).await?;
        let was_gone = self.seen.gone.lock().unwrap().contains(&name);
        if answer == Delete::Deleted {
            self.seen.gone.lock().unwrap().insert(name);
        }
        match (self.slip, answer) {
            (Slip::DeletesAgain, Delete::Missing) if R::KIND != Kind::Grant && was_gone => {
                Ok(Delete::Deleted)
            }
            (Slip::DeletesAgainUnderLoad, Delete::Missing) if crowd > 8 => Ok(Delete::Deleted),
            (Slip::DeletesWhatWasOlder, Delete::Conflict)
                if R::KIND != Kind::Grant && !was_gone =>
            {
                match table.find(id).await? {
                    Some(found) if found.revision.number() > expected.number() => {
                        table.delete(id, found.revision).await
                    }
                    _ => Ok(answer),
                }
            }
            (Slip::DeletesForAllTenants, Delete::Deleted) if R::KIND != Kind::Grant => {
                let views = self.seen.views.lock().unwrap().clone();
                for view in &views {
                    if let Some(found) = R::table(view).find(id).await? {
                        R::table(view).delete(id, found.revision).await?;
                    }
                }
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError> {
        let table = self.table::<R>();
        match self.slip {
            // Not on the smallest pages: those are asked for while others write.
            Slip::CursorMustExist if page.limit > 2 => {
                let cursor = page.after.as_ref().and_then(|after| after.parse().ok());
                if let Some(cursor) = cursor
                    && table.find(&cursor).await?.is_none()
                {
                    let (items, next) = (Vec::new(), None);
                    return Ok(Listed { items, next });
                }
            }
            Slip::PagesByRevision if page.limit > 2 => {
                let mut items = table.list(by, &Page::first(1000)).await?.items;
                items.sort_by_key(|item| item.revision.number());
                let after = page.after.as_ref().map_or(0, |at| at.parse().unwrap());
                items.retain(|item| item.revision.number() > after);
                let more = items.len() > page.limit;
                items.truncate(page.limit);
                let last = items.last().map(|item| item.revision.number().to_string());
                let next = last.filter(|_| more);
                return Ok(Listed { items, next });
            }
            _ => {}
        }
        let mut listed = table.list(by, page).await?;
        match self.slip {
            Slip::ListsTheFirstDocument => {
                for item in &mut listed.items {
                    if let Some(first) = self.first::<R>(item.record.id()) {
                        item.record = Arc::new(first);
                    }
                }
            }
            Slip::LargePagesEndEarly if page.limit > 20 => {
                let (after, limit) = (listed.next.clone(), 2);
                let rest = table.list(by, &Page { after, limit }).await?;
                listed.next = listed.next.filter(|_| rest.items.len() > 1);
            }
            Slip::KeepsTheFirstClient if matches!(by, Filter::Client(_)) => {
                let stayed = |item: &Versioned<R>| {
                    let first = self.first::<R>(item.record.id());
                    first.is_none_or(|first| first.client() == item.record.client())
                };
                listed.items.retain(stayed);
            }
            Slip::HidesWhileDeleting if self.seen.busy.load(Ordering::SeqCst) > 0 => {
                listed.items.pop();
            }
            Slip::InsertsAreListedLater | Slip::RelistsInTwoSteps => {
                let hidden = self.seen.hidden.lock().unwrap();
                let shown = |item: &Versioned<R>| !hidden.contains(&name::<R>(item.record.id()));
                listed.items.retain(shown);
            }
            _ => {}
        }
        Ok(listed)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let table = self.table::<R>();
        match self.slip {
            Slip::CountsNoClients if R::KIND == Kind::Client => {
                table.sweep(now, limit).await?;
                Ok(0)
            }
            Slip::ZeroIsNoLimit if limit == 0 => table.sweep(now, usize::MAX).await,
            Slip::DatesClientsOnce if R::KIND == Kind::Client => {
                let mut swept = 0;
                for first in self.ever::<R>() {
                    let id = first.id();
                    if first.retain_until().is_some()
                        && let Some(found) = table.find(id).await?
                        && found.record.retain_until().is_some_and(|date| date < now)
                        && swept < limit
                    {
                        table.delete(id, found.revision).await?;
                        swept += 1;
                    }
                }
                Ok(swept)
            }
            Slip::FarDatesWrap => {
                for record in self.ever::<R>() {
                    if record.retain_until() == Some(Timestamp::from_unix(u64::MAX))
                        && let Some(found) = table.find(record.id()).await?
                    {
                        table.delete(record.id(), found.revision).await?;
                        return Ok(1);
                    }
                }
                table.sweep(now, limit).await
            }
            _ => table.sweep(now, limit).await,
        }
    }
}
