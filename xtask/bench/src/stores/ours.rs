//! What the authorization server asks of a store, and records to ask for.

use std::sync::Arc;

use oauth_storage::record::decode;
use oauth_storage::{GrantRecord, Replace, Revision, Storage};
use oauth_testkit::contract::samples::{self, Sample};
use oauth_types::{GrantId, Subject};
use tokio::task::JoinSet;

use super::drive::Caller;
use crate::Fallible;

pub(crate) type Store = Arc<dyn Storage>;

/// A grant as it is after an exchange, with a refresh token and two access tokens.
pub(crate) fn grant(number: usize) -> GrantRecord {
    GrantRecord {
        id: samples::grant(number as u64).id,
        subject: Subject::new(format!("person-{}", number % 1000)),
        closed: None,
        ..GrantRecord::full()
    }
}

/// Inserts grants through the store, many at the same time.
pub(crate) async fn fill(store: &Store, grants: usize) -> Fallible<()> {
    const CALLERS: usize = 256;
    let mut running = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(store);
        running.spawn(async move {
            for number in (caller..grants).step_by(CALLERS) {
                store.grants().insert(grant(number)).await?;
            }
            Fallible::Ok(())
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    Ok(())
}

/// A caller's own share of the grants, in an order that jumps about.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    caller: usize,
    callers: usize,
    grants: usize,
    state: u64,
}

impl Share {
    /// One for each caller; no two meet.
    pub(crate) fn each(callers: usize, grants: usize) -> Vec<Self> {
        let share = |caller| Self {
            caller,
            callers,
            grants,
            state: caller as u64 + 1,
        };
        (0..callers).map(share).collect()
    }

    pub(crate) fn next_number(&mut self) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let each = (self.grants / self.callers).max(1);
        self.caller + self.callers * ((self.state >> 33) as usize % each)
    }

    pub(crate) fn next_id(&mut self) -> GrantId {
        samples::grant_id(self.next_number() as u64)
    }
}

/// What a bare caller does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// One read.
    Lookup,
    /// One read, and the record made of the document, as every store has to.
    Reading,
    /// One read and one conditional write.
    Exchange,
}

/// Makes a record of a document.
pub(crate) fn read(document: &[u8]) -> Fallible<()> {
    let record: GrantRecord = decode(document)?;
    std::hint::black_box(&record);
    Ok(())
}

/// One read.
pub(crate) struct Lookup(pub(crate) Store, pub(crate) Share);

impl Caller for Lookup {
    async fn call(&mut self) -> Fallible<()> {
        let found = self.0.grants().find(&self.1.next_id()).await?;
        found.map(drop).ok_or_else(|| "a grant is gone".into())
    }
}

/// One read and one conditional write, as for a code or a refresh token.
pub(crate) struct Exchange(pub(crate) Store, pub(crate) Share);

impl Caller for Exchange {
    async fn call(&mut self) -> Fallible<()> {
        let found = self.0.grants().find(&self.1.next_id()).await?;
        let found = found.ok_or("a grant is gone")?;
        let mut next = GrantRecord::clone(&found.record);
        next.epochs.ring += 1;
        replaced(self.0.grants().replace(found.revision, next).await?).map(drop)
    }
}

/// One conditional write of a grant that nobody else writes.
pub(crate) struct Write {
    store: Store,
    revision: Revision,
    record: GrantRecord,
}

impl Write {
    pub(crate) async fn each(store: &Store, callers: usize) -> Fallible<Vec<Self>> {
        let mut all = Vec::with_capacity(callers);
        for number in 0..callers {
            let found = store.grants().find(&grant(number).id).await?;
            let found = found.ok_or("a grant is gone")?;
            all.push(Self {
                store: Arc::clone(store),
                revision: found.revision,
                record: GrantRecord::clone(&found.record),
            });
        }
        Ok(all)
    }
}

impl Caller for Write {
    async fn call(&mut self) -> Fallible<()> {
        self.record.epochs.ring += 1;
        let answer = self
            .store
            .grants()
            .replace(self.revision, self.record.clone());
        self.revision = replaced(answer.await?)?;
        Ok(())
    }
}

fn replaced(answer: Replace) -> Fallible<Revision> {
    match answer {
        Replace::Replaced(revision) => Ok(revision),
        other => Err(format!("a replacement answers {other:?}").into()),
    }
}

pub(crate) fn lookups(store: &Store, callers: usize, grants: usize) -> Vec<Lookup> {
    let each = Share::each(callers, grants).into_iter();
    each.map(|share| Lookup(Arc::clone(store), share)).collect()
}

pub(crate) fn exchanges(store: &Store, callers: usize, grants: usize) -> Vec<Exchange> {
    let each = Share::each(callers, grants).into_iter();
    each.map(|share| Exchange(Arc::clone(store), share))
        .collect()
}
