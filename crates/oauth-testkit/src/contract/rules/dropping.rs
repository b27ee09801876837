//! A connection that closes drops the future of its request, wherever that stands.

use std::time::Duration;

use oauth_storage::{GrantRecord, Insert, Page, Replace, Storage};
use oauth_types::GrantId;

use crate::contract::samples::{Sample, at, grant, grant_of, retained};
use crate::contract::steps::{by_subject, give_up, listed_ids, put, read, sweep_all, whole};
use crate::contract::{Backend, Trial, Verdict, Violation, ensure};

/// After how many polls, and with how much time in between, a future is dropped.
fn drops() -> impl Iterator<Item = (u64, u32, Duration)> {
    let waits = [0, 50, 400].map(Duration::from_micros);
    let all = waits
        .into_iter()
        .flat_map(|wait| (0..5).map(move |polls| (polls, wait)));
    (0..)
        .zip(all)
        .map(|(number, (polls, wait))| (number, polls, wait))
}

/// A dropped insert leaves the record found and listed, or neither: a grant that no listing shows
/// could not be revoked.
pub fn a_dropped_insert_is_all_or_nothing<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for (number, polls, wait) in drops() {
            let answer = give_up(store.grants().insert(grant(number)), polls, wait).await;
            let state = whole(&store, &grant(number).id, &["alice"]).await?;
            if let Some(answer) = answer {
                ensure!(
                    answer? == Insert::Inserted && state.is_some(),
                    "an insert was not kept"
                );
            }
            // The key is usable afterwards, whichever it was.
            store.grants().insert(grant(number)).await?;
            let state = whole(&store, &grant(number).id, &["alice"]).await?;
            ensure!(
                state.is_some(),
                "after a dropped insert the key cannot be inserted"
            );
        }
        Ok(())
    })
}

/// A dropped replacement happened wholly or not at all, in the record and in the listings.
pub fn a_dropped_replace_is_all_or_nothing<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for (number, polls, wait) in drops() {
            let revision = put(&store, grant(number)).await?;
            let moved = grant_of(number, "bob", "other").marked(1);
            give_up(store.grants().replace(revision, moved), polls, wait).await;
            settled(&store, &grant(number).id).await?;
            write_until_it_holds(&store, grant_of(number, "bob", "app").marked(2)).await?;
            let state = settled(&store, &grant(number).id).await?;
            ensure!(
                state.is_some_and(|record| record.mark() == 2),
                "a dropped replacement overtook a later one"
            );
        }
        Ok(())
    })
}

/// A dropped deletion leaves the record found and listed, or neither.
pub fn a_dropped_delete_is_all_or_nothing<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for (number, polls, wait) in drops() {
            let revision = put(&store, grant(number)).await?;
            give_up(
                store.grants().delete(&grant(number).id, revision),
                polls,
                wait,
            )
            .await;
            settled(&store, &grant(number).id).await?;
            store.grants().delete(&grant(number).id, revision).await?;
            let state = settled(&store, &grant(number).id).await?;
            ensure!(
                state.is_none(),
                "after a dropped deletion the record cannot be deleted"
            );
        }
        Ok(())
    })
}

/// A dropped sweep leaves each record found and listed, or neither, and the next sweep finishes.
pub fn a_dropped_sweep_is_all_or_nothing<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        for (round, polls, wait) in drops() {
            let numbers = round * 10..round * 10 + 3;
            for number in numbers.clone() {
                // Not read again: a sweep that was dropped a round ago may be late, and may take it.
                store.grants().insert(retained(grant(number), -1)).await?;
            }
            give_up(store.grants().sweep(at(0), 2), polls, wait).await;
            for number in numbers.clone() {
                settled(&store, &grant(number).id).await?;
            }
            sweep_all::<GrantRecord>(&store, at(0)).await?;
            for number in numbers {
                let state = settled(&store, &grant(number).id).await?;
                ensure!(
                    state.is_none(),
                    "after a dropped sweep a record stays for ever"
                );
            }
        }
        Ok(())
    })
}

/// Whoever reads after a dropped read is answered what was asked, not what the other would have
/// been: a connection that goes back to its pool with an answer still to come hands one person's
/// grant to the next.
pub fn a_dropped_read_answers_nobody_else<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let store = trial.store();
        put(&store, grant_of(1, "alice", "app").marked(1)).await?;
        put(&store, grant_of(2, "bob", "app").marked(2)).await?;
        for (_, polls, wait) in drops() {
            give_up(store.grants().find(&grant(1).id), polls, wait).await;
            let found = read::<GrantRecord>(&store, &grant(2).id).await?;
            ensure!(
                found.record.id == grant(2).id && found.record.mark() == 2,
                "after a dropped reading of {} that one is found under {}",
                grant(1).id,
                grant(2).id
            );
            give_up(store.grants().find(&grant(1).id), polls, wait).await;
            let found = store.grants().find(&grant(3).id).await?;
            ensure!(
                found.is_none(),
                "after a dropped reading a grant is found that was never inserted"
            );
            let page = Page::first(10);
            give_up(
                store.grants().list(&by_subject("alice"), &page),
                polls,
                wait,
            )
            .await;
            let listed = listed_ids(&store, &by_subject("bob"), 10).await?;
            ensure!(
                listed == [grant(2).id],
                "after a dropped listing bob is listed {listed:?}"
            );
        }
        Ok(())
    })
}

async fn settled(
    store: &dyn Storage,
    id: &GrantId,
) -> Result<Option<std::sync::Arc<GrantRecord>>, Violation> {
    Ok(whole(store, id, &["alice", "bob"])
        .await?
        .map(|found| found.record))
}

/// Writes against the dropped write, which may still arrive once.
async fn write_until_it_holds(store: &dyn Storage, record: GrantRecord) -> Verdict {
    for _ in 0..20 {
        let Some(found) = store.grants().find(&record.id).await? else {
            return Err(Violation::new("a dropped replacement removed the record"));
        };
        let answer = store
            .grants()
            .replace(found.revision, record.clone())
            .await?;
        if matches!(answer, Replace::Replaced(_)) {
            return Ok(());
        }
    }
    Err(Violation::new(
        "after a dropped replacement the record cannot be replaced",
    ))
}
