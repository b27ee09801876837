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
    let failed = |error: sqlx::Error| ConnectError::schema(place, error);
    let lock = "SELECT GET_LOCK(CONCAT('oauth ', SHA1(DATABASE())), ?)";
    let locking = sqlx::query_scalar(lock).bind(PATIENCE);
    let locked: Option<i64> = locking.fetch_one(&mut *connection).await.map_err(failed)?;
    if locked != Some(1) {
        let why = "another process has been at it for two minutes";
        return Err(ConnectError::schema(place, why));
    }
    let migrated = migrate(connection).await;
    migrated.map_err(|error| ConnectError::schema(place, error))?;
    let applied = sqlx::query_as(schema::APPLIED).fetch_all(connection).await;
    ConnectError::of_later(place, MIGRATIONS, &applied.map_err(failed)?)
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

#[cfg(test)]
mod tests {
    use oauth_storage::Kind;
    use oauth_testkit::servers::MariaDb;
    use sqlx::mysql::{MySqlConnectOptions, MySqlRow};
    use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};

    use super::*;
    use crate::statements::{self, Dialect};

    #[test]
    fn every_file_of_the_mysql_folder_is_in_the_list() {
        schema::is_the_folder(MIGRATIONS, "mysql");
    }

    #[test]
    fn every_mariadb_statement_has_an_index() {
        let Some(server) = MariaDb::shared() else {
            return;
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let database = server.database();
        runtime.block_on(async {
            let options: MySqlConnectOptions = database.url().parse().unwrap();
            let mut connection = options.connect().await.unwrap();
            run(&mut connection, "here").await.unwrap();
            for kind in Kind::ALL {
                fill(&mut connection, kind.as_str()).await;
                let on = statements::of(Dialect::MySql, kind).unwrap();
                for statement in statements::on_rows(on) {
                    let steps = plan(&mut connection, statement).await;
                    let is_cheap = steps.iter().all(|(key, extra)| {
                        key.is_some() && !extra.contains("filesort") && !extra.contains("temporary")
                    });
                    let by_date = Some(format!("{}_by_date", kind.as_str()));
                    let is_right = !statement.contains("ORDER BY retain_until")
                        || steps.iter().any(|(key, _)| *key == by_date);
                    assert!(is_right && is_cheap, "{statement}: {steps:?}");
                }
            }
        });
    }

    async fn fill(connection: &mut MySqlConnection, table: &str) {
        let rows = format!(
            "INSERT INTO {table} SELECT '7', seq, seq, seq % 500, seq % 500, seq, '{{}}' \
             FROM seq_1_to_20000; ANALYZE TABLE {table}"
        );
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(rows)))
            .await
            .unwrap();
    }

    /// Of each table that is read, the index that is used and what else has to be done.
    async fn plan(
        connection: &mut MySqlConnection,
        statement: &str,
    ) -> Vec<(Option<String>, String)> {
        let mut text = statement.to_owned();
        for _ in 0..statement.matches('?').count() {
            let before = text.split('?').next().unwrap();
            let value = match before.rsplit(' ').nth(1) {
                Some("LIMIT") => "10",
                Some("<") => "'9000'",
                _ => "'7'",
            };
            text = text.replacen('?', value, 1);
        }
        let explain = AssertSqlSafe(format!("EXPLAIN {text}"));
        let rows = sqlx::raw_sql(explain).fetch_all(connection).await.unwrap();
        let is_made_up = |row: &MySqlRow| row.get::<String, _>("table").starts_with('<');
        let step = |row: &MySqlRow| {
            let extra: Option<String> = row.get("Extra");
            (row.get("key"), extra.unwrap_or_default())
        };
        let rows = rows.iter().filter(|row| !is_made_up(row));
        rows.map(step).collect()
    }
}
