//! A server that is killed, paused, restarted or busy: requests fail quickly and say what they
//! know, and the store recovers by itself.

use std::time::Duration;

use crate::common::both::{Server, on_both};
use crate::common::{block_on, proxy};
use oauth_storage::{Replace, Storage, StorageError, StorageErrorKind};
use oauth_storage_sql::ServerSettings;
use oauth_testkit::contract::samples::{Sample, grant};
use oauth_testkit::servers::{Durability, MariaDb, Postgres};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::time::Instant;

on_both! {
    one_that_is_killed_refuses_at_once_and_is_used_again_when_it_is_back
    one_that_hangs_costs_one_wait_and_then_nothing
    a_restart_in_between_is_not_noticed
    callers_that_hang_up_cost_no_connection
}

async fn first_success(store: &impl Storage) -> Duration {
    let begun = Instant::now();
    while store.grants().find(&grant(1).id).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

fn one_that_is_killed_refuses_at_once_and_is_used_again_when_it_is_back<S: Server>() {
    let Some(server) = S::start(Durability::Durable) else {
        return;
    };
    let database = server.database();
    block_on(async {
        let store = S::connect(S::url(&database), ServerSettings::new())
            .await
            .unwrap();
        for number in 0..10 {
            store.grants().insert(grant(number)).await.unwrap();
        }
        server.instance().kill();
        let mut waits = Vec::new();
        for number in 100..200 {
            let begun = Instant::now();
            let error = store.grants().insert(grant(number)).await.unwrap_err();
            waits.push(begun.elapsed());
            // The first may have met a connection that broke under it.
            let known = error.kind() == StorageErrorKind::Unavailable;
            assert!(known || number == 100, "{error:?}");
        }
        waits.sort();
        assert!(waits[98] < Duration::from_millis(100), "{:?}", waits[98]);
        server.instance().restart();
        let back = first_success(&store).await;
        assert!(back < Duration::from_secs(5), "{back:?}");
        for number in 0..10 {
            let found = store.grants().find(&grant(number).id).await.unwrap();
            assert!(found.is_some(), "acknowledged and lost: {number}");
        }
    });
}

fn one_that_hangs_costs_one_wait_and_then_nothing<S: Server>() {
    let Some(server) = S::start(Durability::Durable) else {
        return;
    };
    let database = server.database();
    let patience = Duration::from_secs(2);
    block_on(async {
        let settings = ServerSettings::new().patience(patience);
        let store = S::connect(S::url(&database), settings).await.unwrap();
        store.grants().insert(grant(1)).await.unwrap();
        let first = store.grants().find(&grant(1).id).await.unwrap().unwrap();
        server.instance().pause();
        let begun = Instant::now();
        let replacing = store.grants().replace(first.revision, grant(1).marked(2));
        let error = replacing.await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Indeterminate);
        let waited = begun.elapsed();
        assert!(waited < patience + Duration::from_millis(300), "{waited:?}");

        // It was asked meanwhile, so whoever looks now what became of it does not wait again.
        for _ in 0..50 {
            let begun = Instant::now();
            let error = store.grants().find(&grant(1).id).await.unwrap_err();
            let waited = begun.elapsed();
            assert_eq!(error.kind(), StorageErrorKind::Unavailable);
            assert!(waited < Duration::from_millis(50), "{waited:?}");
        }
        server.instance().resume();
        let back = first_success(&store).await;
        assert!(back < Duration::from_secs(5), "{back:?}");
        // It was told to replace once, and did so once or not at all.
        let found = store.grants().find(&grant(1).id).await.unwrap().unwrap();
        let changed = found.revision != first.revision;
        assert_eq!(
            found.record.mark(),
            if changed { 2 } else { first.record.mark() }
        );
    });
}

/// Nobody asked while it was down, so nobody may hear of it: idle connections are tried before a
/// write is sent over them.
fn a_restart_in_between_is_not_noticed<S: Server>() {
    let Some(server) = S::start(Durability::Durable) else {
        return;
    };
    let database = server.database();
    block_on(async {
        let store = S::connect(S::url(&database), ServerSettings::new())
            .await
            .unwrap();
        let writes = (0..8).map(|number| store.grants().insert(grant(number)));
        for write in writes {
            write.await.unwrap();
        }
        server.instance().restart();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        for number in 10..20 {
            store.grants().insert(grant(number)).await.unwrap();
        }
    });
}

fn callers_that_hang_up_cost_no_connection<S: Server>() {
    let Some(server) = S::start(Durability::Durable) else {
        return;
    };
    let database = server.database();
    block_on(async {
        let port = server.instance().port();
        let (url, counts) = proxy::before(S::url(&database), port).await;
        let store = S::connect(&url, ServerSettings::new().connections(2))
            .await
            .unwrap();
        store.grants().insert(grant(0)).await.unwrap();
        let mut given_up = 0;
        counts.take_connections();
        for number in 1..200 {
            let write = store.grants().insert(grant(number));
            let hang_up = async {
                for _ in 0..number % 6 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                biased;
                answer = write => drop(answer.unwrap()),
                () = hang_up => given_up += 1,
            }
        }
        assert!(given_up > 100, "{given_up}");
        let opened = counts.take_connections();
        assert!(
            opened <= 2,
            "{opened} connections for {given_up} callers who gave up"
        );
    });
}

/// Another session holds a row. Only whoever wants it waits, and is told that nothing was written.
async fn held(store: &impl Storage, others: &[u64]) -> StorageError {
    let found = store.grants().find(&grant(1).id).await.unwrap().unwrap();
    let replacing = store.grants().replace(found.revision, grant(1).marked(9));
    let reading = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for number in others.iter().cycle().take(50) {
            store.grants().insert(grant(*number)).await.unwrap();
        }
    };
    let (replaced, ()) = tokio::join!(replacing, reading);
    // One slow statement does not open the circuit for everybody.
    store.grants().find(&grant(1).id).await.unwrap();
    replaced.unwrap_err()
}

#[test]
fn a_row_of_postgres_that_is_held_is_nobody_elses_trouble() {
    let Some(server) = Postgres::shared() else {
        return;
    };
    let database = server.database();
    block_on(async {
        let settings = ServerSettings::new().patience(Duration::from_secs(1));
        let store = <Postgres as Server>::connect(database.url(), settings)
            .await
            .unwrap();
        store.grants().insert(grant(1)).await.unwrap();
        let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
        let mut holder = options.connect().await.unwrap();
        let mut transaction = holder.begin().await.unwrap();
        transaction
            .execute("UPDATE grants SET doc = doc")
            .await
            .unwrap();
        let error = held(&store, &[2, 3]).await;
        assert_eq!(error.kind(), StorageErrorKind::Unavailable);
        transaction.rollback().await.unwrap();
        let found = store.grants().find(&grant(1).id).await.unwrap().unwrap();
        let answer = store
            .grants()
            .replace(found.revision, grant(1).marked(3))
            .await
            .unwrap();
        assert!(
            matches!(answer, Replace::Replaced(_)),
            "nothing had been written"
        );
    });
}

#[test]
fn a_row_of_mariadb_that_is_held_is_nobody_elses_trouble() {
    let Some(server) = MariaDb::shared() else {
        return;
    };
    let database = server.database();
    block_on(async {
        let settings = ServerSettings::new().patience(Duration::from_secs(2));
        let store = <MariaDb as Server>::connect(database.url(), settings)
            .await
            .unwrap();
        store.grants().insert(grant(1)).await.unwrap();
        let options: sqlx::mysql::MySqlConnectOptions = database.url().parse().unwrap();
        let mut holder = options.connect().await.unwrap();
        let row_alone = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
        holder.execute(row_alone).await.unwrap();
        let mut transaction = holder.begin().await.unwrap();
        transaction
            .execute("UPDATE grants SET doc = doc")
            .await
            .unwrap();
        let error = held(&store, &[2, 3]).await;
        assert_eq!(error.kind(), StorageErrorKind::Contended);
        transaction.rollback().await.unwrap();
        let found = store.grants().find(&grant(1).id).await.unwrap().unwrap();
        let answer = store
            .grants()
            .replace(found.revision, grant(1).marked(3))
            .await
            .unwrap();
        assert!(
            matches!(answer, Replace::Replaced(_)),
            "nothing had been written"
        );
    });
}

#[test]
fn a_postgres_session_that_is_ended_in_the_middle_leaves_the_outcome_unknown() {
    let Some(server) = Postgres::shared() else {
        return;
    };
    let database = server.database();
    block_on(async {
        let store = <Postgres as Server>::connect(database.url(), ServerSettings::new()).await;
        let store = store.unwrap();
        store.grants().insert(grant(1)).await.unwrap();
        let found = store.grants().find(&grant(1).id).await.unwrap().unwrap();
        let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
        let mut holder = options.connect().await.unwrap();
        let mut transaction = holder.begin().await.unwrap();
        transaction
            .execute("UPDATE grants SET doc = doc")
            .await
            .unwrap();
        let replacing = store.grants().replace(found.revision, grant(1).marked(9));
        let ending = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'oauth' AND datname = current_database()";
            transaction.execute(end).await.unwrap();
            transaction.rollback().await.unwrap();
        };
        let (replaced, ()) = tokio::join!(replacing, ending);
        assert_eq!(
            replaced.unwrap_err().kind(),
            StorageErrorKind::Indeterminate
        );
        store.grants().find(&grant(1).id).await.unwrap();
    });
}
