//! Documents as they were judged, for as long as they are fresh.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oauth_storage::ClientRecord;
use oauth_types::{Lifetime, Timestamp};

use super::DocumentError;
use oauth_types::outbound::Validators;

/// Documents kept at once, failures included. With those of the default size, some megabytes.
const MOST: usize = 1000;

/// What became of a document, and until when that is believed.
#[derive(Clone)]
struct Known {
    outcome: Result<Arc<ClientRecord>, DocumentError>,
    until: Timestamp,
    again: Option<Again>,
}

/// How to ask whether a document still stands.
#[derive(Clone)]
pub(super) struct Again {
    pub(super) validators: Validators,
    /// How long it is good by its own word, once that is confirmed.
    pub(super) freshness: Option<Lifetime>,
}

/// One address: what is known of it, and the turn of whoever fetches it.
#[derive(Default)]
struct Slot {
    known: Option<Known>,
    turn: Arc<async_lock::Mutex<()>>,
}

/// The documents of this process, bounded in number. An address is fetched by one request at a
/// time; the others wait for its outcome, and when that one is given up the next takes its turn.
#[derive(Default)]
pub(crate) struct Documents(Mutex<HashMap<String, Slot>>);

impl Documents {
    /// What is known and still believed.
    pub(super) fn known(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Option<Result<Arc<ClientRecord>, DocumentError>> {
        let slots = self.lock();
        let known = slots.get(id)?.known.as_ref()?;
        (now < known.until).then(|| known.outcome.clone())
    }

    /// A document that was good, fresh or not, and how to ask whether it still is.
    pub(super) fn held(&self, id: &str) -> Option<(Arc<ClientRecord>, Again)> {
        let slots = self.lock();
        let known = slots.get(id)?.known.as_ref()?;
        let record = known.outcome.as_ref().ok()?;
        Some((Arc::clone(record), known.again.clone()?))
    }

    /// The turn to wait for before fetching.
    pub(super) fn turn(&self, id: &str) -> Arc<async_lock::Mutex<()>> {
        let mut slots = self.lock();
        make_room(&mut slots, id);
        Arc::clone(&slots.entry(id.to_owned()).or_default().turn)
    }

    /// Notes what became of a document.
    pub(super) fn note(
        &self,
        id: &str,
        outcome: Result<Arc<ClientRecord>, DocumentError>,
        until: Timestamp,
        again: Option<Again>,
    ) {
        let mut slots = self.lock();
        make_room(&mut slots, id);
        slots.entry(id.to_owned()).or_default().known = Some(Known {
            outcome,
            until,
            again,
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for one more: the half that ends first goes, so that the work is seldom.
fn make_room(slots: &mut HashMap<String, Slot>, id: &str) {
    if slots.len() < MOST || slots.contains_key(id) {
        return;
    }
    // Somebody is fetching it: then it ends last, or another would fetch it at the same time.
    let until = |slot: &Slot| match Arc::strong_count(&slot.turn) {
        1 => slot.known.as_ref().map_or(0, |known| known.until.as_unix()),
        _ => u64::MAX,
    };
    let mut ends: Vec<u64> = slots.values().map(until).collect();
    let middle = ends.len() / 2;
    let median = *ends.select_nth_unstable(middle).1;
    let mut left = MOST / 2;
    slots.retain(|_, slot| {
        let until = until(slot);
        let stays = until == u64::MAX || (until >= median && left > 0);
        left = left.saturating_sub(usize::from(stays));
        stays
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_documents_is_bounded_and_the_longest_stay() {
        let documents = Documents::default();
        let failed = Err(DocumentError::Status);
        for number in 0..10_000u64 {
            let until = Timestamp::from_unix(100 + number);
            documents.note(
                &format!("https://a.example/{number}"),
                failed.clone(),
                until,
                None,
            );
            drop(documents.turn(&format!("https://b.example/{number}")));
        }
        assert!(documents.lock().len() <= MOST);
        let now = Timestamp::from_unix(50);
        assert!(documents.known("https://a.example/9999", now).is_some());
        assert!(documents.known("https://a.example/0", now).is_none());
        let later = Timestamp::from_unix(100 + 9999);
        assert!(
            documents.known("https://a.example/9999", later).is_none(),
            "no longer believed"
        );
    }
}
