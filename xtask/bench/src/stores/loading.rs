//! Rows by the hundred thousand, loaded past the stores.

use std::sync::Arc;
use std::time::Duration;

use oauth_storage::GrantRecord;
use oauth_storage::record::encode;
use oauth_storage_sql::{MySqlStorage, PostgresStorage};
use oauth_testkit::servers::{MariaDbDatabase, PostgresDatabase};
use oauth_types::env::{Clock, SystemClock};
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, MySql, QueryBuilder};
use tokio::time::Instant;

use super::ours::{Store, grant};
use super::servers::{TENANT, connections};
use crate::Fallible;

/// The date of every grant: it may not go for a long time.
const RETAINED: i64 = 4_000_090_000;

/// A grant, as a row holds it.
struct Loaded {
    id: String,
    subject: String,
    client: String,
    doc: String,
}

impl Loaded {
    fn of(number: usize) -> Fallible<Self> {
        let grant: GrantRecord = grant(number);
        Ok(Self {
            id: grant.id.to_string(),
            subject: grant.subject.as_str().to_owned(),
            client: grant.client_id.as_str().to_owned(),
            doc: String::from_utf8(encode(&grant)?)?,
        })
    }

    /// All grants below `grants`, some at a time.
    fn chunks(grants: usize, some: usize) -> impl Iterator<Item = Fallible<Vec<Self>>> {
        (0..grants)
            .step_by(some)
            .map(move |first| (first..grants.min(first + some)).map(Self::of).collect())
    }
}

/// A PostgreSQL store in a database of its own with so many grants.
pub(crate) async fn postgres(database: &PostgresDatabase, grants: usize) -> Fallible<Store> {
    let store = PostgresStorage::connect_with(database.url(), connections(8)).await?;
    let mut connection = PgConnection::connect(database.url()).await?;
    for some in Loaded::chunks(grants, 2_000) {
        let some = some?;
        let column = |pick: fn(&Loaded) -> &String| -> Vec<String> {
            some.iter().map(pick).cloned().collect()
        };
        let insert = sqlx::query(
            "INSERT INTO grants SELECT $1, id, 1, subject, client, $2, doc \
             FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) \
             AS t (id, subject, client, doc)",
        );
        let insert = insert.bind(TENANT).bind(RETAINED);
        let insert = insert
            .bind(column(|it| &it.id))
            .bind(column(|it| &it.subject));
        let insert = insert
            .bind(column(|it| &it.client))
            .bind(column(|it| &it.doc));
        insert.execute(&mut connection).await?;
    }
    connection.execute("VACUUM ANALYZE grants").await?;
    connection.execute("CHECKPOINT").await?;
    Ok(Arc::new(store))
}

/// A MariaDB store in a database of its own with so many grants.
pub(crate) async fn mariadb(database: &MariaDbDatabase, grants: usize) -> Fallible<Store> {
    let store = MySqlStorage::connect_with(database.url(), connections(8)).await?;
    let mut connection = MySqlConnection::connect(database.url()).await?;
    for some in Loaded::chunks(grants, 1_000) {
        let mut insert = QueryBuilder::<MySql>::new("INSERT INTO grants ");
        insert.push_values(some?, |mut row, it| {
            row.push_bind(TENANT).push_bind(it.id).push_bind(1i64);
            row.push_bind(it.subject).push_bind(it.client);
            row.push_bind(RETAINED).push_bind(it.doc);
        });
        insert.build().execute(&mut connection).await?;
    }
    connection.execute("ANALYZE TABLE grants").await?;
    Ok(Arc::new(store))
}

/// Adds expired grants to a table of PostgreSQL until there are so many or the time is up, as
/// copies of one that is there.
pub(crate) async fn expire_postgres(
    database: &PostgresDatabase,
    number: usize,
    time: Duration,
) -> Fallible<usize> {
    let mut connection = PgConnection::connect(database.url()).await?;
    let copy = |from, to, date| {
        format!(
            "INSERT INTO grants SELECT tenant, md5(n::text), 1, subject, client, \
             {date} - n % 500000, doc FROM (SELECT * FROM grants ORDER BY id DESC LIMIT 1) one, \
             generate_series({from}, {to}) n"
        )
    };
    let made = expire(&mut connection, number, time, copy).await?;
    connection.execute("VACUUM ANALYZE grants").await?;
    connection.execute("CHECKPOINT").await?;
    Ok(made)
}

/// The same in MariaDB.
pub(crate) async fn expire_mariadb(
    database: &MariaDbDatabase,
    number: usize,
    time: Duration,
) -> Fallible<usize> {
    let mut connection = MySqlConnection::connect(database.url()).await?;
    let copy = |from, to, date| {
        format!(
            "INSERT INTO grants SELECT tenant, MD5(seq), 1, subject, client, \
             {date} - seq % 500000, doc FROM (SELECT * FROM grants ORDER BY id DESC LIMIT 1) one, \
             seq_{from}_to_{to}"
        )
    };
    let made = expire(&mut connection, number, time, copy).await?;
    connection.execute("ANALYZE TABLE grants").await?;
    Ok(made)
}

async fn expire<C>(
    connection: &mut C,
    number: usize,
    time: Duration,
    copy: impl Fn(usize, usize, u64) -> String,
) -> Fallible<usize>
where
    for<'c> &'c mut C: Executor<'c>,
{
    const AT_ONCE: usize = 25_000;
    let expired = SystemClock.now().as_unix() - 1_000_000;
    let until = Instant::now() + time;
    let mut made = 0;
    while made < number && Instant::now() < until {
        let last = number.min(made + AT_ONCE);
        let copied = AssertSqlSafe(copy(made + 1, last, expired));
        connection.execute(sqlx::raw_sql(copied)).await?;
        made = last;
    }
    Ok(made)
}
