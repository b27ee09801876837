//! The tables, and how an older file gets them.

use std::path::Path;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::error::{BUSY, Coded, OpenError};
use crate::schema::{self, Migrations};

const MIGRATIONS: Migrations = &[
    (
        1,
        "records",
        include_str!("../../migrations/sqlite/0001_records.sql"),
    ),
    (
        2,
        "consents_and_replays",
        include_str!("../../migrations/sqlite/0002_consents_and_replays.sql"),
    ),
    (
        3,
        "registration_pages",
        include_str!("../../migrations/sqlite/0003_registration_pages.sql"),
    ),
];

/// Processes that open a new file at once get in each other's way while the first of them turns
/// on the write-ahead log, and SQLite does not wait there.
const ATTEMPTS: u32 = 50;

/// Opens a first connection and brings the tables up to date, in one transaction that keeps other
/// processes out.
pub(super) async fn connect_and_migrate(
    options: &SqliteConnectOptions,
    file: &Path,
) -> Result<SqliteConnection, OpenError> {
    let mut attempt = 0;
    let mut connection = loop {
        match options.connect().await {
            Ok(connection) => break connection,
            Err(error) if error.code() == Some(BUSY) && attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(error) => return Err(OpenError::of(file, error)),
        }
    };
    let failed = |error| OpenError::of(file, error);
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog {
            file: file.to_owned(),
        });
    }
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(failed)?;
    let migrator = schema::migrator(MIGRATIONS);
    let migrated = migrator.run_direct(None, &mut *transaction, false).await;
    migrated.map_err(|error| explain(file, error))?;
    let applied = sqlx::query_as(schema::APPLIED)
        .fetch_all(&mut *transaction)
        .await;
    if let Some(found) = schema::too_new(MIGRATIONS, &applied.map_err(failed)?) {
        return Err(OpenError::SchemaTooNew {
            file: file.to_owned(),
            found,
            known: schema::newest(MIGRATIONS),
        });
    }
    transaction.commit().await.map_err(failed)?;
    Ok(connection)
}

fn explain(file: &Path, error: MigrateError) -> OpenError {
    match error {
        MigrateError::Execute(error) => OpenError::of(file, error),
        error => OpenError::Schema {
            file: file.to_owned(),
            source: error.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use oauth_storage::Kind;
    use sqlx::Executor;

    use super::*;
    use crate::statements::{self, Dialect};

    #[test]
    fn no_statement_scans_a_table() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().in_memory(true);
            let mut connection = options.connect().await.unwrap();
            for (_, _, sql) in MIGRATIONS {
                connection.execute(*sql).await.unwrap();
            }
            for kind in Kind::ALL {
                let on = statements::of(Dialect::Sqlite, kind).unwrap();
                for statement in statements::on_rows(on) {
                    let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
                    let plan = sqlx::query_as::<_, (i64, i64, i64, String)>(explain);
                    for (.., step) in plan.fetch_all(&mut connection).await.unwrap() {
                        let is_cheap = !step.starts_with("SCAN") && !step.contains("TEMP B-TREE");
                        assert!(is_cheap, "{statement}: {step}");
                    }
                }
            }
        });
    }

    /// A batch costs what it deletes, however many rows have had their time: the rows to delete
    /// are found by date, once, in the index alone, and deleted by their numbers.
    #[test]
    fn a_sweep_deletes_by_number() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().in_memory(true);
            let mut connection = options.connect().await.unwrap();
            for (_, _, sql) in MIGRATIONS {
                connection.execute(*sql).await.unwrap();
            }
            let sweep = &statements::of(Dialect::Sqlite, Kind::Grant).unwrap().sweep;
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sweep}"));
            let plan = sqlx::query_as::<_, (i64, i64, i64, String)>(explain);
            let plan = plan.fetch_all(&mut connection).await.unwrap();
            let step = |at_top: bool| {
                let found = plan.iter().find(|(_, parent, _, step)| {
                    (*parent == 0) == at_top && step.starts_with("SEARCH")
                });
                found.map(|(.., step)| step.as_str()).unwrap_or_default()
            };
            assert!(
                step(true).ends_with("USING INTEGER PRIMARY KEY (rowid=?)"),
                "{plan:?}"
            );
            assert!(
                step(false).contains("COVERING INDEX grants_by_date"),
                "{plan:?}"
            );
        });
    }

    #[test]
    fn every_file_of_the_folder_is_in_the_list() {
        schema::is_the_folder(MIGRATIONS, "sqlite");
    }
}
