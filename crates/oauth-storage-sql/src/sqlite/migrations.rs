//! The tables, and how an older file gets them.

use std::path::Path;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, SqlSafeStr};

use super::error::{BUSY, OpenError, code};

/// In order. A migration that was ever released is never changed: its digest is in every file.
const MIGRATIONS: &[(i64, &str, &str)] = &[
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
            Err(error) if code(&error) == Some(BUSY) && attempt < ATTEMPTS => {
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
    let migrated = migrator().run_direct(None, &mut *transaction, false).await;
    migrated.map_err(|error| explain(file, error))?;
    transaction.commit().await.map_err(failed)?;
    Ok(connection)
}

fn migrator() -> Migrator {
    let migration = |(version, name, sql): &(i64, &'static str, &'static str)| {
        let text = sql.into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, text, false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect())
}

fn explain(file: &Path, error: MigrateError) -> OpenError {
    let known = MIGRATIONS.last().map_or(0, |migration| migration.0);
    match error {
        MigrateError::VersionMissing(found) if found > known => OpenError::SchemaTooNew {
            file: file.to_owned(),
            found,
            known,
        },
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
    use crate::statements;

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
                let on = statements::of(kind).unwrap();
                let lists = [on.by_subject, on.by_client];
                for statement in [on.find, on.replace, on.relist, on.delete, on.sweep]
                    .into_iter()
                    .chain(lists)
                {
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

    #[test]
    fn every_file_of_the_folder_is_in_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<_> = MIGRATIONS
            .iter()
            .map(|(version, name, _)| format!("{version:04}_{name}.sql"))
            .collect();
        assert_eq!(files, listed);
        assert!(
            MIGRATIONS
                .iter()
                .zip(1..)
                .all(|(migration, number)| migration.0 == number)
        );
    }
}
