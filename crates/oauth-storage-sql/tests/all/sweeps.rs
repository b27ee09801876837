//! Sweeping a server in slices, each of which begins where the last one did.

use std::time::Duration;

use oauth_storage::Storage;
use oauth_storage_sql::{PostgresStorage, ServerSettings};
use oauth_testkit::contract::samples::{at, grant, retained};
use oauth_testkit::servers::{Durability, Postgres};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use tokio::time::Instant;

use crate::common::both::{Server, on_both};
use crate::common::{block_on, proxy};

on_both! {
    a_sweep_is_many_short_transactions
    a_slice_is_followed_by_a_rest
    what_is_written_with_an_earlier_date_is_swept_too
}

/// Grants that may go, each with a date of its own.
async fn due<S: Storage + Clone + 'static>(store: &S, number: u64) {
    let mut inserts = tokio::task::JoinSet::new();
    for caller in 0..20 {
        let store = store.clone();
        inserts.spawn(async move {
            for number in (caller..number).step_by(20) {
                let record = retained(grant(number), -1 - number as i64);
                store.grants().insert(record).await.unwrap();
            }
        });
    }
    inserts.join_all().await;
}

fn a_sweep_is_many_short_transactions<S: Server>() {
    let Some(server) = S::start(Durability::Relaxed) else {
        return;
    };
    let database = server.database();
    block_on(async {
        let port = server.instance().port();
        let (url, counts) = proxy::before(S::url(&database), port).await;
        let store = S::connect(&url, ServerSettings::new()).await.unwrap();
        due(&store, 1000).await;
        counts.take_turns();
        assert_eq!(store.grants().sweep(at(0), 999).await.unwrap(), 999);
        let turns = counts.take_turns();
        assert!(turns > 6, "999 grants went in {turns} statements");
        assert_eq!(store.grants().sweep(at(0), 999).await.unwrap(), 1);
        assert_eq!(store.grants().sweep(at(0), 999).await.unwrap(), 0);
    });
}

/// Seven times as long as it took, in which others have the server for themselves.
fn a_slice_is_followed_by_a_rest<S: Server>() {
    let Some(server) = S::shared() else { return };
    let database = server.database();
    block_on(async {
        let settings = ServerSettings::new();
        let store = S::connect(S::url(&database), settings).await.unwrap();
        due(&store, 20).await;
        let mut took = [Duration::ZERO; 2];
        for time in &mut took {
            let begun = Instant::now();
            assert_eq!(store.grants().sweep(at(0), 10).await.unwrap(), 10);
            *time = begun.elapsed();
        }
        let [first, second] = took;
        assert!(second > first * 5, "{first:?}, then {second:?}");
    });
}

/// A clock that was set back, or a write that was long under way.
fn what_is_written_with_an_earlier_date_is_swept_too<S: Server>() {
    let Some(server) = S::shared() else { return };
    let database = server.database();
    block_on(async {
        let settings = ServerSettings::new();
        let store = S::connect(S::url(&database), settings).await.unwrap();
        due(&store, 100).await;
        for _ in 0..2 {
            assert_eq!(store.grants().sweep(at(0), 25).await.unwrap(), 25);
        }
        let late = retained(grant(1000), -10_000);
        store.grants().insert(late).await.unwrap();
        assert_eq!(store.grants().sweep(at(0), 100).await.unwrap(), 51);
        let found = store.grants().find(&grant(1000).id).await.unwrap();
        assert!(found.is_none(), "the earliest of all stays");
    });
}

/// Even while a transaction as old as the sweep, as of a backup, keeps the server from marking
/// anything as dead: the last rows of a sweep cost what the first did.
#[test]
fn postgres_reads_what_was_swept_before_a_few_times_only() {
    const DUE: u64 = 2000;
    let Some(server) = Postgres::shared() else {
        return;
    };
    let database = server.database();
    block_on(async {
        let settings = ServerSettings::new().connections(4);
        let store = PostgresStorage::connect_with(database.url(), settings);
        let store = store.await.unwrap();
        due(&store, DUE).await;
        let mut backup = PgConnection::connect(database.url()).await.unwrap();
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
        backup.execute(begin).await.unwrap();
        backup.execute("SELECT count(*) FROM grants").await.unwrap();
        let mut swept = 0;
        loop {
            match store.grants().sweep(at(0), 40).await.unwrap() {
                0 => break,
                some => swept += some,
            }
        }
        assert_eq!(swept, DUE as usize);
        // A server says how much was read when the session that read ends.
        store.close().await;
        let read = "SELECT idx_tup_read FROM pg_stat_user_indexes \
                    WHERE indexrelname = 'grants_by_date'";
        let mut watch = PgConnection::connect(database.url()).await.unwrap();
        let mut entries = 0i64;
        for _ in 0..200 {
            entries = sqlx::query_scalar(read)
                .fetch_one(&mut watch)
                .await
                .unwrap();
            if entries >= DUE as i64 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let most = 6 * DUE as i64;
        assert!(
            (DUE as i64..most).contains(&entries),
            "{entries} entries were read to sweep {DUE}"
        );
        backup.close().await.ok();
    });
}
