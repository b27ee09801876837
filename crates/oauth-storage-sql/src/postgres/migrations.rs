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
    let schema = |source: Box<dyn std::error::Error + Send + Sync>| ConnectError::Schema {
        place: place.to_owned(),
        source,
    };
    let migrator = schema::migrator(MIGRATIONS);
    let migrated = migrator.run_direct(None, connection, false).await;
    migrated.map_err(|error| schema(error.into()))?;
    let applied = sqlx::query_as(schema::APPLIED).fetch_all(connection).await;
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
