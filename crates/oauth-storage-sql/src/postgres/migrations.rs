//! The tables, and how an older database gets them.

use sqlx::postgres::PgConnection;

use crate::schema::{self, Migrations};
use crate::server::error::ConnectError;

pub(super) const MIGRATIONS: Migrations = &[(
    1,
    "records",
    include_str!("../../migrations/postgres/0001_records.sql"),
)];

/// Brings the tables up to date, one transaction for each migration, under a lock that keeps other
/// processes waiting.
pub(super) async fn run(connection: &mut PgConnection, place: &str) -> Result<(), ConnectError> {
    let migrator = schema::migrator(MIGRATIONS);
    let migrated = migrator.run_direct(None, connection, false).await;
    migrated.map_err(|error| ConnectError::schema(place, error))?;
    let applied = sqlx::query_as(schema::APPLIED).fetch_all(connection).await;
    ConnectError::of_later(
        place,
        MIGRATIONS,
        &applied.map_err(|error| ConnectError::schema(place, error))?,
    )
}

#[cfg(test)]
mod tests {
    use oauth_storage::Kind;
    use oauth_testkit::servers::Postgres;
    use sqlx::postgres::PgConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

    use super::*;
    use crate::statements::{self, Dialect};

    #[test]
    fn every_file_of_the_postgres_folder_is_in_the_list() {
        schema::is_the_folder(MIGRATIONS, "postgres");
    }

    /// As a server plans them that has seen no values: the plan that is kept for a statement which
    /// is run often.
    #[test]
    fn every_postgres_statement_has_an_index() {
        let Some(server) = Postgres::shared() else {
            return;
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let database = server.database();
        runtime.block_on(async {
            let options: PgConnectOptions = database.url().parse().unwrap();
            let mut connection = options.connect().await.unwrap();
            run(&mut connection, "here").await.unwrap();
            let settings = "SET plan_cache_mode = force_generic_plan";
            connection.execute(settings).await.unwrap();
            for kind in Kind::ALL {
                fill(&mut connection, kind.as_str()).await;
                let on = statements::of(Dialect::Postgres, kind).unwrap();
                for statement in statements::on_rows(on) {
                    let plan = plan(&mut connection, statement).await;
                    let reads = plan.contains("Index Scan") || plan.contains("Bitmap Index Scan");
                    let is_cheap = !plan.contains("Seq Scan") && !plan.contains("Sort");
                    assert!(reads && is_cheap, "{statement}\n{plan}");
                }
            }
        });
    }

    async fn fill(connection: &mut PgConnection, table: &str) {
        let rows = format!(
            "INSERT INTO {table} SELECT 't' || n % 2, n::text, n, 's' || n % 500, 'c' || n % 500, \
             n, '{{}}' FROM generate_series(1, 20000) n; ANALYZE {table}"
        );
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(rows)))
            .await
            .unwrap();
    }

    async fn plan(connection: &mut PgConnection, statement: &str) -> String {
        let values = statement.matches('$').count();
        let highest = (1..=values)
            .rev()
            .find(|it| statement.contains(&format!("${it}")));
        let nulls = vec!["NULL"; highest.unwrap_or(0)].join(", ");
        let prepare = format!("PREPARE asked AS {statement}");
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(prepare)))
            .await
            .unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN EXECUTE asked({nulls})"));
        let lines: Vec<(String,)> = sqlx::query_as(explain)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        connection.execute("DEALLOCATE asked").await.unwrap();
        let lines: Vec<_> = lines.into_iter().map(|line| line.0).collect();
        lines.join("\n")
    }
}
