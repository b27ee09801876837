//! Deleting is conditional too.

use std::time::Duration;

use oauth_storage::{Delete, GrantRecord, Replace, Storage};

use crate::contract::samples::{Sample, grant};
use crate::contract::steps::{
    by_client, by_subject, change, each_kind, listed_ids, put, read, remove,
};
use crate::contract::{Backend, Trial, Verdict, ensure};

/// Deleting with an outdated revision says so and changes nothing: "delete the client that nobody
/// ever used" must lose against its first use.
pub fn delete_needs_the_revision<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let record = R::sample(1);
        let first = put(store, record.clone()).await?;
        let second = change(store, first, record.clone().marked(1)).await?;
        let answer = R::table(store).delete(record.id(), first).await?;
        ensure!(
            answer == Delete::Conflict,
            "delete of an outdated state answers {answer:?}"
        );
        let found = read::<R>(store, record.id()).await?;
        ensure!(
            found.revision == second && found.record.mark() == 1,
            "a deletion that conflicts changed the record"
        );
        remove::<R>(store, record.id(), second).await
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        Ok(())
    })
}

/// What was deleted is found and listed nowhere, and its key is free: erasing a person must
/// erase.
pub fn a_deleted_record_is_gone<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let record = R::sample(1);
        let revision = put(store, record.clone()).await?;
        remove::<R>(store, record.id(), revision).await?;
        ensure!(
            R::table(store).find(record.id()).await?.is_none(),
            "a deleted record is found"
        );
        let answer = R::table(store).delete(record.id(), revision).await?;
        ensure!(
            answer == Delete::Missing,
            "the second deletion answers {answer:?}"
        );
        let answer = R::table(store).replace(revision, record.clone()).await?;
        ensure!(
            answer == Replace::Missing,
            "replace of a deleted record answers {answer:?}"
        );
        put(store, record.marked(1)).await?;
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        let stays = put(&store, grant(2)).await?;
        let found = read::<GrantRecord>(&store, &grant(1).id).await?;
        remove::<GrantRecord>(&store, &grant(1).id, found.revision).await?;
        for by in [by_subject("alice"), by_client("app")] {
            let listed = listed_ids(&store, &by, 10).await?;
            ensure!(
                listed == [grant(2).id],
                "after a deletion {by:?} lists {listed:?}"
            );
        }
        let found = read::<GrantRecord>(&store, &grant(2).id).await?;
        ensure!(
            found.revision == stays,
            "deleting one record touched another"
        );
        Ok(())
    })
}

/// Of many that delete one state at once exactly one is told `Deleted`: whoever is told so may
/// act on it, for instance count the record as gone.
pub fn one_delete_wins<B: Backend>(trial: &Trial<B>) -> Verdict {
    for round in 0..4 {
        let revision = trial.run(put(&trial.store(), grant(round)))?;
        let answers = trial.race(16, |_, store| async move {
            Ok(store.grants().delete(&grant(round).id, revision).await?)
        })?;
        let winners = answers
            .iter()
            .filter(|answer| **answer == Delete::Deleted)
            .count();
        ensure!(winners == 1, "{winners} of 16 deleted one record");
        let rest = answers
            .iter()
            .filter(|answer| **answer == Delete::Missing)
            .count();
        ensure!(
            rest == 15,
            "a deleter is told of a conflict, but nobody wrote"
        );
    }
    Ok(())
}

/// Of those that replace and those that delete one state at once exactly one wins: otherwise a
/// token is issued under a grant that is gone.
pub fn delete_and_replace_exclude_each_other<B: Backend>(trial: &Trial<B>) -> Verdict {
    for round in 0..12 {
        let id = grant(round).id;
        let revision = trial.run(put(&trial.store(), grant(round)))?;
        let won = trial.race(8, |racer, store| async move {
            // Now and then one side gets ahead; mostly the machine decides.
            if round % 3 == racer as u64 % 2 {
                std::thread::sleep(Duration::from_millis(1));
            }
            if racer % 2 == 0 {
                let answer = store
                    .grants()
                    .replace(revision, grant(round).marked(1))
                    .await?;
                Ok((matches!(answer, Replace::Replaced(_)), false))
            } else {
                let answer = store.grants().delete(&id, revision).await?;
                Ok((false, answer == Delete::Deleted))
            }
        })?;
        let replaced = won.iter().filter(|won| won.0).count();
        let deleted = won.iter().filter(|won| won.1).count();
        ensure!(
            replaced + deleted == 1,
            "one state was replaced {replaced} and deleted {deleted} times"
        );
        let found = trial.run(async { trial.store().grants().find(&id).await })?;
        let mark = found.map(|found| found.record.mark());
        let expected = (replaced == 1).then_some(1);
        ensure!(
            mark == expected,
            "replaced {replaced}, deleted {deleted}, then found {mark:?}"
        );
    }
    Ok(())
}
