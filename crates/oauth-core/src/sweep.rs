//! Forgetting what nothing can present any more, off the path of requests.

use oauth_storage::{Kind, Record, RecordStore, StorageError};
use oauth_types::Timestamp;

use crate::event::Event;
use crate::server::AuthorizationServer;

/// What one call of [`AuthorizationServer::sweep`] forgot, and what it could not.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use]
pub struct Swept {
    /// Grants forgotten, with all their tokens.
    pub grants: usize,
    /// Clients forgotten that nobody used for long.
    pub clients: usize,
    /// Remembered consents forgotten.
    pub consents: usize,
    /// Claims forgotten of what can no longer be presented.
    pub replays: usize,
    /// Whether some kind reached the limit, so that another call would find more.
    pub more: bool,
    /// The kinds that could not be swept, each with why; the others were.
    pub failed: Vec<(Kind, StorageError)>,
}

impl Swept {
    /// Records forgotten, of all kinds.
    pub const fn total(&self) -> usize {
        self.grants + self.clients + self.consents + self.replays
    }
}

impl AuthorizationServer {
    /// Forgets records that nothing can present any more, at most `limit` of each kind, and
    /// records an [`Event::Swept`] for each kind of which some went.
    ///
    /// Meant for a task that wakes up once a minute and calls it until there is no
    /// [`Swept::more`]; a few hundred at a time keep each statement short. Any number of replicas
    /// may do so at once. A backend that is down keeps no other from being swept. Stores that
    /// expire records by themselves answer 0.
    pub async fn sweep(&self, limit: usize) -> Swept {
        let (now, storage, mut swept) = (self.now(), self.storage(), Swept::default());
        let grants = self.sweep_kind(storage.grants(), now, limit, &mut swept);
        swept.grants = grants.await;
        let clients = self.sweep_kind(storage.clients(), now, limit, &mut swept);
        swept.clients = clients.await;
        let consents = self.sweep_kind(storage.consents(), now, limit, &mut swept);
        swept.consents = consents.await;
        let replays = self.sweep_kind(storage.replays(), now, limit, &mut swept);
        swept.replays = replays.await;
        swept
    }

    async fn sweep_kind<R: Record>(
        &self,
        table: &dyn RecordStore<R>,
        now: Timestamp,
        limit: usize,
        swept: &mut Swept,
    ) -> usize {
        match table.sweep(now, limit).await {
            Ok(0) => 0,
            Ok(forgotten) => {
                let kind = R::KIND;
                self.record(Event::Swept { kind, forgotten });
                swept.more |= forgotten >= limit;
                forgotten
            }
            Err(error) => {
                swept.failed.push((R::KIND, error));
                0
            }
        }
    }
}
