//! The tables, and how an older database gets them.

use sqlx::migrate::MigrateError;
use sqlx::mysql::MySqlConnection;

use crate::schema::{self, Migrations};
use crate::server::error::ConnectError;

pub(super) const MIGRATIONS: Migrations = &[
    (
        1,
        "grants",
        include_str!("../../migrations/mysql/0001_grants.sql"),
    ),
    (
        2,
        "clients",
        include_str!("../../migrations/mysql/0002_clients.sql"),
    ),
    (
        3,
        "subjects",
        include_str!("../../migrations/mysql/0003_subjects.sql"),
    ),
    (
        4,
        "key_rings",
        include_str!("../../migrations/mysql/0004_key_rings.sql"),
    ),
    (
        5,
        "consents",
        include_str!("../../migrations/mysql/0005_consents.sql"),
    ),
    (
        6,
        "replays",
        include_str!("../../migrations/mysql/0006_replays.sql"),
    ),
    (
        7,
        "registration_pages",
        include_str!("../../migrations/mysql/0007_registration_pages.sql"),
    ),
];

/// Seconds to wait for another process that is at it.
const PATIENCE: i64 = 120;

/// Brings the tables up to date, under a lock that keeps other processes waiting and goes with the
/// connection.
pub(super) async fn run(connection: &mut MySqlConnection, place: &str) -> Result<(), ConnectError> {
    let schema = |source: Box<dyn std::error::Error + Send + Sync>| ConnectError::Schema {
        place: place.to_owned(),
        source,
    };
    let lock = "SELECT GET_LOCK(CONCAT('oauth ', SHA1(DATABASE())), ?)";
    let locked: Result<Option<i64>, _> = sqlx::query_scalar(lock)
        .bind(PATIENCE)
        .fetch_one(&mut *connection)
        .await;
    if locked.map_err(|error| schema(error.into()))? != Some(1) {
        return Err(schema(
            "another process has been at it for two minutes".into(),
        ));
    }
    migrate(connection)
        .await
        .map_err(|error| schema(error.into()))?;
    let applied: Result<Vec<(i64, String)>, _> = sqlx::query_as(schema::APPLIED)
        .fetch_all(&mut *connection)
        .await;
    let applied = applied.map_err(|error| schema(error.into()))?;
    match schema::too_new(MIGRATIONS, &applied) {
        Some(found) => Err(ConnectError::SchemaTooNew {
            place: place.to_owned(),
            found,
            known: schema::newest(MIGRATIONS),
        }),
        None => Ok(()),
    }
}

/// A migration that was interrupted is marked as begun. It can be repeated, so it is.
async fn migrate(connection: &mut MySqlConnection) -> Result<(), MigrateError> {
    let mut migrator = schema::migrator(MIGRATIONS);
    migrator.set_locking(false);
    match migrator.run_direct(None, connection, false).await {
        Err(MigrateError::Dirty(_)) => {
            let forget = "DELETE FROM _sqlx_migrations WHERE success = FALSE";
            sqlx::query(forget).execute(&mut *connection).await?;
            migrator.run_direct(None, connection, false).await
        }
        done => done,
    }
}
