//! An answer is true, an error included: on it the server decides whether a write was its own.

use oauth_storage::{
    Delete, GrantRecord, Insert, Replace, Storage, StorageError, StorageErrorKind,
};

use crate::contract::samples::{Sample, grant};
use crate::contract::steps::{put, read};
use crate::contract::{Backend, Trial, Verdict, Violation, ensure};

/// Writers at once, and how much each of them writes.
const WRITERS: usize = 8;
const EACH: u64 = 12;

/// What is answered is what happened: `Replaced` was written and stays, `Conflict` and
/// `Unavailable` were not written. A server that is told "conflict" of its own write takes it for
/// somebody else's, and ends an honest grant as stolen.
pub fn no_answer_is_untrue<B: Backend>(trial: &Trial<B>) -> Verdict {
    const EACH: usize = 20;
    trial.run(put(&trial.store(), grant(1)))?;
    // Each racer counts up by what it reads; so the last mark is the number of all writes.
    let counts = trial.race(8, |_, store| async move {
        let (mut written, mut unknown) = (0, 0);
        for _ in 0..EACH * 200 {
            if written == EACH {
                break;
            }
            let found = read::<GrantRecord>(&store, &grant(1).id).await?;
            let next = grant(1).marked(found.record.mark() + 1);
            // The others read, too.
            std::thread::yield_now();
            match store.grants().replace(found.revision, next).await {
                Ok(Replace::Replaced(_)) => written += 1,
                Ok(Replace::Conflict) => {}
                Ok(Replace::Missing) => return Err(Violation::new("a record went missing")),
                Err(error) if error.kind() == StorageErrorKind::Unavailable => {}
                Err(error) if error.kind() == StorageErrorKind::Indeterminate => unknown += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok((written, unknown))
    })?;
    let written: usize = counts.iter().map(|count| count.0).sum();
    let unknown: usize = counts.iter().map(|count| count.1).sum();
    let kept = trial
        .run(read::<GrantRecord>(&trial.store(), &grant(1).id))?
        .record
        .mark() as usize;
    ensure!(written > 0, "nobody could write at all");
    ensure!(
        kept >= written,
        "{written} writes were acknowledged, {kept} are kept"
    );
    ensure!(
        kept <= written + unknown,
        "{kept} writes happened, of which {} were answered with \"nothing was written\"",
        kept - written - unknown
    );
    Ok(())
}

/// `Inserted` was written and is found, `Unavailable` was not written, and of a key that nobody
/// else inserts none is told `Exists`: a person who approves once must not be told that this
/// request was answered already.
pub fn no_answer_to_an_insert_is_untrue<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.race(WRITERS, |writer, store| async move {
        for number in numbers_of(writer) {
            let answer = store.grants().insert(grant(number)).await;
            let is_there = store.grants().find(&grant(number).id).await?.is_some();
            match answer {
                Ok(Insert::Inserted) => ensure!(is_there, "what was inserted is not there"),
                Ok(Insert::Exists) => {
                    return Err(Violation::new(
                        "a key exists, says the store, that nobody inserted before",
                    ));
                }
                Err(error) => denied(error, !is_there, "inserted")?,
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// `Deleted` is gone, `Unavailable` is still there, and of a record that nobody else deletes none
/// is told `Missing`: who is told so, takes what became of it for somebody else's doing.
pub fn no_answer_to_a_deletion_is_untrue<B: Backend>(trial: &Trial<B>) -> Verdict {
    let revisions = trial.run(async {
        let (store, mut revisions) = (trial.store(), Vec::new());
        for number in (0..WRITERS).flat_map(numbers_of) {
            revisions.push(put(&store, grant(number)).await?);
        }
        Ok::<_, Violation>(revisions)
    })?;
    let revisions = &revisions;
    trial.race(WRITERS, |writer, store| async move {
        for number in numbers_of(writer) {
            let id = grant(number).id;
            let answer = store.grants().delete(&id, revisions[number as usize]).await;
            let is_there = store.grants().find(&id).await?.is_some();
            match answer {
                Ok(Delete::Deleted) => ensure!(!is_there, "what was deleted is there"),
                Ok(answer) => {
                    return Err(Violation::new(format!(
                        "a deletion that nobody forestalled answers {answer:?}"
                    )));
                }
                Err(error) => denied(error, is_there, "deleted")?,
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// The records that are one writer's alone.
fn numbers_of(writer: usize) -> std::ops::Range<u64> {
    let first = writer as u64 * EACH;
    first..first + EACH
}

/// An error may say that a write did not happen, if it did not; or that nobody knows.
fn denied(error: StorageError, untouched: bool, done: &str) -> Verdict {
    match error.kind() {
        StorageErrorKind::Indeterminate => Ok(()),
        StorageErrorKind::Unavailable if untouched => Ok(()),
        StorageErrorKind::Unavailable => Err(Violation::new(format!(
            "\"nothing was written\", says the store of a record that it has {done}"
        ))),
        _ => Err(error.into()),
    }
}
