//! PostgreSQL and MariaDB: our stores beside a loop that does one read by key and one conditional
//! update by key, over as many connections of the same crate.

use std::sync::Arc;
use std::time::Duration;

use oauth_storage_sql::{MySqlStorage, PostgresStorage, ServerSettings};
use oauth_testkit::servers::{Durability, MariaDb, MariaDbDatabase, Postgres, PostgresDatabase};
use sqlx::Connection;
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;

use super::drive::{Caller, beside, drive};
use super::ours::{Share, Store, Work, exchanges, fill, lookups, read};
use super::pgbench::Pgbench;
use super::rows::{Row, Rows};
use crate::Fallible;

const GRANTS: usize = 10_000;
pub(crate) const TENANT: &str = "default";

/// A caller with a connection of its own.
macro_rules! bare {
    ($name:ident, $connection:ty, $find:literal, $replace:literal) => {
        pub(crate) struct $name {
            connection: $connection,
            share: Share,
            work: Work,
        }

        impl $name {
            pub(crate) async fn each(
                url: &str,
                callers: usize,
                grants: usize,
                work: Work,
            ) -> Fallible<Vec<Self>> {
                let mut all = Vec::with_capacity(callers);
                for share in Share::each(callers, grants) {
                    let connection = <$connection>::connect(url).await?;
                    all.push(Self {
                        connection,
                        share,
                        work,
                    });
                }
                Ok(all)
            }
        }

        impl Caller for $name {
            async fn call(&mut self) -> Fallible<()> {
                let id = self.share.next_id().to_string();
                let found = sqlx::query_as::<_, (i64, String)>($find);
                let found = found.bind(TENANT).bind(&id);
                let (revision, doc) = found.fetch_one(&mut self.connection).await?;
                match self.work {
                    Work::Lookup => return Ok(()),
                    Work::Reading => return read(doc.as_bytes()),
                    Work::Exchange => {}
                }
                let replace = sqlx::query($replace).bind(doc).bind(4_000_000_000i64);
                let replace = replace.bind(TENANT).bind(&id).bind(revision);
                let done = replace.execute(&mut self.connection).await?;
                match done.rows_affected() {
                    1 => Ok(()),
                    _ => Err("a row changed".into()),
                }
            }
        }
    };
}

bare!(
    BarePostgres,
    PgConnection,
    "SELECT revision, doc FROM grants WHERE tenant = $1 AND id = $2",
    "UPDATE grants SET doc = $1, retain_until = $2, revision = revision + 1 \
     WHERE tenant = $3 AND id = $4 AND revision = $5"
);
bare!(
    BareMySql,
    MySqlConnection,
    "SELECT revision, doc FROM grants WHERE tenant = ? AND id = ?",
    "UPDATE grants SET doc = ?, retain_until = ?, revision = revision + 1 \
     WHERE tenant = ? AND id = ? AND revision = ?"
);

/// A store with as many connections as there are callers.
pub(crate) fn connections(callers: usize) -> ServerSettings {
    let patient = ServerSettings::new().patience(Duration::from_secs(30));
    patient.connections(callers)
}

pub(crate) struct OnPostgres {
    database: PostgresDatabase,
    stores: [(usize, Store); 2],
}

impl OnPostgres {
    pub(crate) async fn prepare() -> Fallible<Option<Self>> {
        let Some(server) = Postgres::start(Durability::Durable) else {
            return Ok(None);
        };
        let database = server.database();
        let [few, many] = [8, 32].map(|it| (it, connections(it)));
        let stores: [(usize, Store); 2] = [
            (
                few.0,
                Arc::new(PostgresStorage::connect_with(database.url(), few.1).await?),
            ),
            (
                many.0,
                Arc::new(PostgresStorage::connect_with(database.url(), many.1).await?),
            ),
        ];
        fill(&stores[1].1, GRANTS).await?;
        server.run(database.url(), &Pgbench::prepare(GRANTS));
        server.run(database.url(), "VACUUM ANALYZE grants");
        Ok(Some(Self { database, stores }))
    }

    pub(crate) async fn round(&self, time: Duration, rows: &mut Rows) -> Fallible<()> {
        let (url, server) = (self.database.url(), Some(self.database.server().instance()));
        for (callers, store) in &self.stores {
            let row = Row {
                store: "PostgreSQL",
                what: "exchange",
                callers: *callers,
                limit: "sqlx",
                must: None,
            };
            let bare = BarePostgres::each(url, *callers, GRANTS, Work::Exchange).await?;
            let ours = exchanges(store, *callers, GRANTS);
            let (ours, bare) = beside(rows.rounds(row), ours, bare, time, server).await?;
            let pgbench = Pgbench::exchanges(url, *callers, GRANTS);
            match pgbench.drive(time, server)? {
                Some(limit) => {
                    let (limit_name, must) = ("pgbench", Some(0.8));
                    rows.add(
                        Row {
                            limit: limit_name,
                            must,
                            ..row
                        },
                        ours,
                        limit,
                    );
                    rows.add(row, ours, bare);
                }
                None => rows.add(
                    Row {
                        must: Some(0.8),
                        ..row
                    },
                    ours,
                    bare,
                ),
            }
            let row = Row {
                what: "lookup",
                must: Some(0.9),
                ..row
            };
            let bare = BarePostgres::each(url, *callers, GRANTS, Work::Lookup).await?;
            let ours = lookups(store, *callers, GRANTS);
            let (ours, bare) = beside(rows.rounds(row), ours, bare, time, server).await?;
            rows.add(row, ours, bare);
            let row = Row {
                limit: "sqlx, read",
                must: None,
                ..row
            };
            let bare = BarePostgres::each(url, *callers, GRANTS, Work::Reading).await?;
            rows.add(row, ours, drive(bare, time, server).await?);
        }
        Ok(())
    }
}

pub(crate) struct OnMariaDb {
    server: MariaDb,
    database: MariaDbDatabase,
    stores: [(usize, Store); 2],
}

impl OnMariaDb {
    pub(crate) async fn prepare() -> Fallible<Option<Self>> {
        let Some(server) = MariaDb::start(Durability::Durable) else {
            return Ok(None);
        };
        let database = server.database();
        let [few, many] = [8, 32].map(|it| (it, connections(it)));
        let stores: [(usize, Store); 2] = [
            (
                few.0,
                Arc::new(MySqlStorage::connect_with(database.url(), few.1).await?),
            ),
            (
                many.0,
                Arc::new(MySqlStorage::connect_with(database.url(), many.1).await?),
            ),
        ];
        fill(&stores[1].1, GRANTS).await?;
        Ok(Some(Self {
            server,
            database,
            stores,
        }))
    }

    pub(crate) async fn round(&self, time: Duration, rows: &mut Rows) -> Fallible<()> {
        let (url, server) = (self.database.url(), Some(self.server.instance()));
        for (callers, store) in &self.stores {
            let row = Row {
                store: "MariaDB",
                what: "exchange",
                callers: *callers,
                limit: "sqlx",
                must: None,
            };
            let bare = BareMySql::each(url, *callers, GRANTS, Work::Exchange).await?;
            let ours = exchanges(store, *callers, GRANTS);
            let (ours, bare) = beside(rows.rounds(row), ours, bare, time, server).await?;
            rows.add(row, ours, bare);
            let row = Row {
                what: "lookup",
                ..row
            };
            let bare = BareMySql::each(url, *callers, GRANTS, Work::Lookup).await?;
            let ours = lookups(store, *callers, GRANTS);
            let (ours, bare) = beside(rows.rounds(row), ours, bare, time, server).await?;
            rows.add(row, ours, bare);
            let row = Row {
                limit: "sqlx, read",
                must: None,
                ..row
            };
            let bare = BareMySql::each(url, *callers, GRANTS, Work::Reading).await?;
            rows.add(row, ours, drive(bare, time, server).await?);
        }
        Ok(())
    }
}
