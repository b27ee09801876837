//! The whole concurrency story, written once.

use oauth_storage::{GrantRecord, RecordStore, Replace, StorageError, StorageErrorKind, Versioned};
use oauth_types::GrantId;

/// What a decision wants done.
pub(crate) enum Step<T, E> {
    /// Nothing changes; this is the answer.
    Keep(Result<T, E>),
    /// The record already is as this request would make it. If an earlier attempt of its own may
    /// have done that, that attempt's answer holds; if not, this one.
    Done(Result<T, E>),
    /// The record becomes this, and if that stands, this is the answer.
    Replace(Box<GrantRecord>, Result<T, E>),
}

/// Rounds for a request that can fail without harm. Identical racers keep after the first write,
/// so honest races settle in three.
pub(crate) const ROUNDS: usize = 16;
/// Rounds for a request that must win: ending a grant against somebody who keeps refreshing it.
pub(crate) const CLOSING_ROUNDS: usize = 256;

/// Finds, decides, replaces if the revision still stands, and else looks again.
///
/// Whoever loses a race decides afresh on what the winner left. The answer is complete, signature
/// and all, before the record is replaced, so that what fails leaves the record as it was. When
/// the store does not know whether a write happened, the decision is made again on the same drawn
/// secrets, and recognises its own work. No pause between rounds: a lost race means that somebody
/// got ahead, so deciding again makes progress.
///
/// # Errors
/// The decision's own; the store's; `Contended` after `rounds` lost races.
pub(crate) async fn step<T, E, F>(
    store: &dyn RecordStore<GrantRecord>,
    id: &GrantId,
    rounds: usize,
    mut decide: impl FnMut(Option<Versioned<GrantRecord>>) -> F,
) -> Result<T, E>
where
    E: From<StorageError>,
    F: Future<Output = Result<Step<T, E>, E>>,
{
    let mut uncertain = None;
    for _ in 0..rounds {
        let found = store.find(id).await?;
        let revision = found.as_ref().map(|found| found.revision);
        let is_closed = found
            .as_ref()
            .is_some_and(|found| found.record.closed.is_some());
        let (next, answer) = match decide(found).await? {
            Step::Keep(answer) => return answer,
            // A closed record is nobody's issuing, nor is an open one anybody's closing.
            Step::Done(answer) => {
                return match uncertain {
                    Some((closing, earlier)) if closing == is_closed => earlier,
                    _ => answer,
                };
            }
            Step::Replace(next, answer) => (next, answer),
        };
        // Only a decision that has seen a record can replace it.
        let Some(revision) = revision else {
            return Err(StorageError::from(StorageErrorKind::Corrupt).into());
        };
        let closing = next.closed.is_some();
        match store.replace(revision, *next).await {
            Ok(Replace::Replaced(_)) => return answer,
            Ok(Replace::Conflict | Replace::Missing) => {}
            Err(error) if error.kind() == StorageErrorKind::Indeterminate => {
                uncertain = Some((closing, answer));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(StorageError::from(StorageErrorKind::Contended).into())
}
