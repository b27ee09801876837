//! Steps that many rules take.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use oauth_storage::record::encode;
use oauth_storage::{
    Delete, Filter, GrantRecord, Insert, Page, Record, Replace, Revision, Storage, Versioned,
};
use oauth_types::{ClientId, GrantId, Subject, Timestamp};

use crate::contract::samples::Sample;
use crate::contract::{Verdict, Violation, ensure};

/// Runs a check for each kind of record.
macro_rules! each_kind {
    ($check:ident($($argument:expr),*)) => {
        $check::<oauth_storage::GrantRecord>($($argument),*).await?;
        $check::<oauth_storage::ClientRecord>($($argument),*).await?;
        $check::<oauth_storage::SubjectRecord>($($argument),*).await?;
        $check::<oauth_storage::KeyRingRecord>($($argument),*).await?;
        $check::<oauth_storage::ConsentRecord>($($argument),*).await?;
        $check::<oauth_storage::ReplayRecord>($($argument),*).await?;
        $check::<oauth_storage::RegistrationPageRecord>($($argument),*).await?;
    };
}
pub(crate) use each_kind;

/// Inserts a record that is not there yet, and says under which revision it is found.
pub(crate) async fn put<R: Sample>(store: &dyn Storage, record: R) -> Result<Revision, Violation> {
    let id = record.id().clone();
    let answer = R::table(store).insert(record).await?;
    ensure!(
        answer == Insert::Inserted,
        "insert of the new key {id} answers {answer:?}"
    );
    Ok(read::<R>(store, &id).await?.revision)
}

/// Reads a record that must be there.
pub(crate) async fn read<R: Sample>(
    store: &dyn Storage,
    id: &R::Id,
) -> Result<Versioned<R>, Violation> {
    let found = R::table(store).find(id).await?;
    found.ok_or_else(|| Violation::new(format!("{} {id} is not found", R::KIND.as_str())))
}

/// Replaces a record that nobody else writes.
pub(crate) async fn change<R: Sample>(
    store: &dyn Storage,
    revision: Revision,
    record: R,
) -> Result<Revision, Violation> {
    let id = record.id().clone();
    match R::table(store).replace(revision, record).await? {
        Replace::Replaced(_) => Ok(read::<R>(store, &id).await?.revision),
        answer => Err(Violation::new(format!(
            "replace of the current {id} answers {answer:?}"
        ))),
    }
}

/// Deletes a record that nobody else writes.
pub(crate) async fn remove<R: Sample>(
    store: &dyn Storage,
    id: &R::Id,
    revision: Revision,
) -> Verdict {
    let answer = R::table(store).delete(id, revision).await?;
    ensure!(
        answer == Delete::Deleted,
        "delete of the current {id} answers {answer:?}"
    );
    Ok(())
}

/// Sweeps until nothing is left to sweep, and says how many went.
pub(crate) async fn sweep_all<R: Sample>(
    store: &dyn Storage,
    now: Timestamp,
) -> Result<usize, Violation> {
    let mut swept = 0;
    for _ in 0..1000 {
        match R::table(store).sweep(now, 7).await? {
            0 => return Ok(swept),
            some => swept += some,
        }
    }
    Err(Violation::new("a sweep finds more without end"))
}

/// Whether two records are the same document.
pub(crate) fn same<R: Record>(left: &R, right: &R) -> Result<bool, Violation> {
    Ok(encode(left)? == encode(right)?)
}

pub(crate) fn by_subject(subject: &str) -> Filter {
    Filter::Subject(Subject::new(subject))
}

pub(crate) fn by_client(client: &str) -> Filter {
    Filter::Client(ClientId::new(client))
}

/// Everything listed, page by page. No page may exceed `limit`, nothing may appear twice, and the
/// run must end.
pub(crate) async fn list(
    store: &dyn Storage,
    by: &Filter,
    limit: usize,
) -> Result<Vec<Versioned<GrantRecord>>, Violation> {
    let mut all: Vec<Versioned<GrantRecord>> = Vec::new();
    let mut page = Page::first(limit);
    for _ in 0..1000 {
        let listed = store.grants().list(by, &page).await?;
        let answered = listed.items.len();
        ensure!(
            answered <= limit,
            "a page of at most {limit} has {answered} records"
        );
        for item in listed.items {
            let id = item.record.id;
            ensure!(
                all.iter().all(|seen| seen.record.id != id),
                "{id} is listed twice"
            );
            all.push(item);
        }
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return Ok(all),
        }
    }
    Err(Violation::new("a listing does not end"))
}

/// The sorted keys of everything listed.
pub(crate) async fn listed_ids(
    store: &dyn Storage,
    by: &Filter,
    limit: usize,
) -> Result<Vec<GrantId>, Violation> {
    let mut ids: Vec<_> = list(store, by, limit)
        .await?
        .iter()
        .map(|item| item.record.id)
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

/// Demands that what is found under a key and what is listed are the same state, and answers it.
/// `people` are all under whom the record may be listed.
///
/// Tolerates a write that still happens in the background: only a listing between two equal
/// readings counts, and since no revision returns, the record stood still meanwhile.
pub(crate) async fn whole(
    store: &dyn Storage,
    id: &GrantId,
    people: &[&str],
) -> Result<Option<Versioned<GrantRecord>>, Violation> {
    for _ in 0..100 {
        let before = store.grants().find(id).await?;
        let mut shown = Vec::new();
        for person in people {
            let listed = list(store, &by_subject(person), 100).await?;
            shown.push(listed.into_iter().find(|item| item.record.id == *id));
        }
        let after = store.grants().find(id).await?;
        if before.as_ref().map(|found| found.revision) != after.as_ref().map(|found| found.revision)
        {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        for (person, shown) in people.iter().zip(shown) {
            let expected = after
                .as_ref()
                .filter(|found| found.record.subject.as_str() == *person);
            ensure!(
                shown.map(|item| item.revision) == expected.map(|found| found.revision),
                "{id} is found in one state and listed under {person} in another"
            );
        }
        return Ok(after);
    }
    Err(Violation::new(format!("{id} changes without end")))
}

/// Polls a future so often, waiting a moment in between, then drops it.
pub(crate) async fn give_up<F: Future>(future: F, polls: u32, wait: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() {
            context.waker().wake_by_ref();
            std::thread::sleep(wait);
        }
        polled
    })
    .await
}
