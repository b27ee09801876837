//! Room for another grant: what one person gives one client does not grow without end.
//!
//! A client that signs people in again and again, in silence where a yes is remembered, gets a grant
//! each time. So one approval in [`TURNS`], which one nobody can foresee, looks at the person's
//! grants and ends those of this client that are the longest unused beyond the cap. A look reads
//! at most [`PAGES`] pages and ends at most [`MOST_ENDED`] grants, however many there are; what it
//! leaves, the next one finds. What it ends has, in what it has read, as many grants used since as
//! the cap allows: a longer list would not have saved it.

use oauth_storage::{ClosedReason, Filter, GrantRecord, Page, StorageError, Versioned};
use oauth_types::{ClientId, GrantId, Subject, Timestamp};

use super::lifecycle::{self, Standing};
use super::step::{ROUNDS, Step, step};
use crate::event::Event;
use crate::server::AuthorizationServer;

/// One approval in so many looks.
const TURNS: u8 = 16;
/// Pages read by one look, and records on each.
const PAGES: usize = 10;
const PAGE: usize = 100;
/// Grants ended by one look: more than come between two.
const MOST_ENDED: usize = 64;

impl AuthorizationServer {
    /// Ends what is too much, if it is this grant's turn to look.
    ///
    /// # Errors
    /// The store's. Nobody's approval fails for it.
    pub(crate) async fn end_longest_unused(
        &self,
        grant: &GrantId,
        subject: &Subject,
        client: &ClientId,
        standing: &Standing,
    ) -> Result<(), StorageError> {
        let cap = self.policy().grants_per_client;
        // The name was drawn here and nobody has seen it yet.
        if cap == usize::MAX || !grant.as_bytes()[0].is_multiple_of(TURNS) {
            return Ok(());
        }
        let now = self.now();
        let counts = |held: &GrantRecord| {
            held.client_id == *client
                && held.id != *grant
                && lifecycle::is_alive(held, now)
                && standing.covers(held)
        };
        let mut live: Vec<(Timestamp, GrantId)> = Vec::new();
        let filter = Filter::Subject(subject.clone());
        let mut page = Page::first(PAGE);
        for _ in 0..PAGES {
            let listed = self.storage.grants().list(&filter, &page).await?;
            let held = listed.items.iter().map(|found| &*found.record);
            live.extend(
                held.filter(|held| counts(held))
                    .map(|held| (lifecycle::last_used(held), held.id)),
            );
            page.after = listed.next;
            if page.after.is_none() {
                break;
            }
        }
        // This very grant is one of them.
        let kept = cap.saturating_sub(1);
        let excess = live.len().saturating_sub(kept).min(MOST_ENDED);
        live.sort_unstable();
        for (used, id) in live.into_iter().take(excess) {
            self.end_unused(&id, used, now).await?;
        }
        Ok(())
    }

    /// Ends a grant, unless it was used after all.
    async fn end_unused(
        &self,
        grant: &GrantId,
        used: Timestamp,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let policy = self.policy();
        let decide = move |found: Option<Versioned<GrantRecord>>| async move {
            let still = found.filter(|found| {
                found.record.closed.is_none() && lifecycle::last_used(&found.record) == used
            });
            Ok(match still {
                None => Step::Done(Ok::<bool, StorageError>(false)),
                Some(found) => {
                    let next = Box::new(lifecycle::make_room(&found.record, policy, now));
                    Step::Replace(next, Ok(true))
                }
            })
        };
        if step(self.storage.grants(), grant, ROUNDS, decide).await? {
            let (grant, reason) = (*grant, ClosedReason::MadeRoom);
            self.record(Event::GrantClosed { grant, reason });
        }
        Ok(())
    }
}
