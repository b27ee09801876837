//! Replacing is the one conditional write on which single use, rotation and revocation rest.

use std::collections::HashSet;

use oauth_storage::{
    ClientRecord, ConsentRecord, Delete, GrantRecord, KeyRingRecord, RegistrationPageRecord,
    Replace, ReplayRecord, Storage, SubjectRecord,
};

use crate::contract::samples::{Sample, grant};
use crate::contract::steps::{change, each_kind, put, read, remove};
use crate::contract::{Backend, Trial, Verdict, Violation, ensure};

/// A replacement answers the revision under which it is then read, and that one is new: with it
/// the caller may write again without reading.
pub fn replace_gives_a_new_revision<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let mut revision = put(store, R::sample(1)).await?;
        let mut seen = HashSet::from([revision]);
        for mark in 1..=5 {
            let answer = R::table(store)
                .replace(revision, R::sample(1).marked(mark))
                .await?;
            let Replace::Replaced(next) = answer else {
                return Err(Violation::new(format!(
                    "replace of the current answers {answer:?}"
                )));
            };
            let found = read::<R>(store, R::sample(1).id()).await?;
            ensure!(
                found.record.mark() == mark,
                "another record is found than the one written"
            );
            ensure!(
                found.revision == next,
                "replace answers another revision than find"
            );
            ensure!(
                seen.insert(next),
                "replace gives a revision that was there before"
            );
            revision = next;
        }
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        Ok(())
    })
}

/// Replacing what is not there says so and creates nothing: a request that is still under way
/// must not bring back a grant that was erased.
pub fn replacing_nothing_creates_nothing<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let revision = put(store, R::sample(1)).await?;
        remove::<R>(store, R::sample(1).id(), revision).await?;
        let answer = R::table(store)
            .replace(revision, R::sample(1).marked(1))
            .await?;
        ensure!(
            answer == Replace::Missing,
            "replace of a deleted record answers {answer:?}"
        );
        let found = R::table(store).find(R::sample(1).id()).await?;
        ensure!(
            found.is_none(),
            "replace of a deleted record brought it back"
        );
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        let revision = put(&store, grant(1)).await?;
        let answer = store.grants().replace(revision, grant(2)).await?;
        ensure!(
            answer == Replace::Missing,
            "replace of an unknown key answers {answer:?}"
        );
        ensure!(
            store.grants().find(&grant(2).id).await?.is_none(),
            "replace created a record"
        );
        Ok(())
    })
}

/// A replacement with an outdated revision says so and changes nothing, not even the revision:
/// whoever lost a race decides again on what the winner left.
pub fn a_conflict_changes_nothing<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let first = put(store, R::sample(1)).await?;
        let second = change(store, first, R::sample(1).marked(1)).await?;
        let answer = R::table(store)
            .replace(first, R::sample(1).marked(2))
            .await?;
        ensure!(
            answer == Replace::Conflict,
            "replace of an outdated state answers {answer:?}"
        );
        let found = read::<R>(store, R::sample(1).id()).await?;
        ensure!(
            found.record.mark() == 1,
            "a replacement that conflicts was written"
        );
        ensure!(
            found.revision == second,
            "a replacement that conflicts changed the revision"
        );
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        each_kind!(kind(&store));
        Ok(())
    })
}

/// Of 64 callers that replace one state at once exactly one is told `Replaced`, and its record
/// stays: this is what makes a code good for one redemption.
pub fn one_of_64_replacers_wins<B: Backend>(trial: &Trial<B>) -> Verdict {
    for round in 0..3 {
        let revision = trial.run(put(&trial.store(), grant(round)))?;
        let answers = trial.race(64, |racer, store| async move {
            Ok(store
                .grants()
                .replace(revision, grant(round).marked(racer as u64 + 1))
                .await?)
        })?;
        let mut winners = (1..)
            .zip(&answers)
            .filter_map(|(mark, answer)| match answer {
                Replace::Replaced(revision) => Some((mark, *revision)),
                _ => None,
            });
        let (winner, others) = (winners.next(), winners.count());
        let Some((mark, revision)) = winner else {
            return Err(Violation::new("none of 64 replaced the current state"));
        };
        ensure!(others == 0, "{} of 64 replaced one state", others + 1);
        ensure!(
            !answers.contains(&Replace::Missing),
            "a record that is there is called missing"
        );
        let found = trial.run(read::<GrantRecord>(&trial.store(), &grant(round).id))?;
        ensure!(
            found.record.mark() == mark && found.revision == revision,
            "another record is kept than the one that won"
        );
    }
    Ok(())
}

/// A key that is deleted and inserted again shows no revision it had before: otherwise a request
/// that was decided on the old record wins against the new one.
pub fn a_revision_never_returns<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(store: &dyn Storage) -> Verdict {
        let mut seen = HashSet::new();
        let mut stale = None;
        for round in 0..8 {
            let first = put(store, R::sample(1).marked(round)).await?;
            ensure!(
                seen.insert(first),
                "a new record has a revision of its predecessor"
            );
            if let Some(stale) = stale {
                let answer = R::table(store)
                    .replace(stale, R::sample(1).marked(99))
                    .await?;
                ensure!(
                    answer == Replace::Conflict,
                    "a stale replacement answers {answer:?}"
                );
                let answer = R::table(store).delete(R::sample(1).id(), stale).await?;
                ensure!(
                    answer == Delete::Conflict,
                    "a stale deletion answers {answer:?}"
                );
            }
            let second = change(store, first, R::sample(1).marked(round + 1)).await?;
            ensure!(
                seen.insert(second),
                "a replacement has a revision of its predecessors"
            );
            remove::<R>(store, R::sample(1).id(), second).await?;
            stale = Some(first);
        }
        Ok(())
    }
    trial.run(async {
        let store = trial.store();
        kind::<ClientRecord>(&store).await?;
        kind::<SubjectRecord>(&store).await?;
        kind::<KeyRingRecord>(&store).await?;
        kind::<ConsentRecord>(&store).await?;
        kind::<ReplayRecord>(&store).await?;
        kind::<RegistrationPageRecord>(&store).await?;
        kind::<GrantRecord>(&store).await
    })
}
