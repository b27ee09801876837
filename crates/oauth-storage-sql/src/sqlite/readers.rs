//! Connections that read, each on its own thread.

use std::io;
use std::time::Duration;

use oauth_storage::{StorageError, StorageErrorKind};
use rusqlite::Connection;

use super::error::{is_broken, meaning_of_read};
use super::file::{File, Purpose, Values, fetch};
use super::queue::{Queue, Workers};
use crate::driver::{Row, Value};

type Rows = Vec<Row>;

/// Threads that read.
pub(super) struct Readers {
    workers: Workers<Read, Rows>,
    patience: Duration,
}

struct Read {
    statement: &'static str,
    values: Values,
}

impl Readers {
    /// Starts a thread for each connection.
    pub(super) fn start(file: &File, connections: Vec<Connection>) -> io::Result<Self> {
        let works = connections.into_iter().map(|connection| {
            let file = file.clone();
            move |queue: &Queue<Read, Rows>| read(&file, connection, queue)
        });
        let lost = StorageErrorKind::Unavailable;
        Ok(Self {
            workers: Workers::start(works.collect(), "oauth-sqlite-reads", lost)?,
            patience: file.patience,
        })
    }

    pub(super) async fn read(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> Result<Rows, StorageError> {
        let values = Values::of(values);
        let read = Read { statement, values };
        self.workers.ask(read, self.patience).await
    }

    pub(super) async fn close(&self) {
        self.workers.close().await;
    }
}

fn read(file: &File, connection: Connection, queue: &Queue<Read, Rows>) {
    let (mut kept, mut next) = (Some(connection), Vec::with_capacity(1));
    while queue.take(&mut next, 1, None) {
        for asked in next.drain(..) {
            let read = &asked.job;
            let mut run = || {
                let opened = match kept.take() {
                    Some(connection) => connection,
                    None => file.open(Purpose::Reading)?,
                };
                let rows = fetch(&opened, read.statement, &read.values);
                if !rows.as_ref().is_err_and(is_broken) {
                    kept = Some(opened);
                }
                rows
            };
            let answer = run().map_err(|error| StorageError::new(meaning_of_read(&error), error));
            asked.reply.answer(answer);
        }
    }
}
