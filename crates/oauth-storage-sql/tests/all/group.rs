//! Writes to SQLite that share a commit: fewer waits for the disk, the same promises.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oauth_storage::{Insert, Replace, Storage, StorageErrorKind};
use oauth_storage_sql::{SqliteSettings, SqliteStorage};
use oauth_testkit::contract::samples::{Sample, at, grant, retained};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::task::JoinSet;

use crate::common::{TemporaryFile, block_on};

async fn plain(file: &TemporaryFile) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(&file.0);
    options.connect().await.unwrap()
}

/// How many pages and commits the log beside the file holds, as long as it was not begun again: a frame that ends a transaction names the
/// size of the database (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>).
fn logged(file: &TemporaryFile) -> (usize, usize) {
    let log = std::fs::read(format!("{}-wal", file.0.display())).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let (page, salt) = (number(8) as usize, number(16));
    let frames = (32..log.len()).step_by(24 + page);
    let frames: Vec<_> = frames.filter(|at| number(at + 8) == salt).collect();
    let commits = frames.iter().filter(|at| number(*at + 4) != 0).count();
    (frames.len(), commits)
}

fn commits(file: &TemporaryFile) -> usize {
    logged(file).1
}

#[test]
fn writes_that_wait_for_a_sqlite_commit_share_the_next_and_one_alone_waits_for_nobody() {
    let file = TemporaryFile::new();
    block_on(async {
        let store = SqliteStorage::open(&file.0).await.unwrap();
        let before = commits(&file);
        for number in 0..10 {
            store.grants().insert(grant(number)).await.unwrap();
        }
        assert_eq!(commits(&file) - before, 10, "each alone");

        let before = commits(&file);
        let mut writes = JoinSet::new();
        for number in 100..160 {
            let store = store.clone();
            writes.spawn(async move { store.grants().insert(grant(number)).await });
        }
        for answer in writes.join_all().await {
            assert_eq!(answer.unwrap(), Insert::Inserted);
        }
        let shared = commits(&file) - before;
        assert!(shared < 40, "{shared} commits for 60 writes");
        for number in 100..160 {
            let found = store.grants().find(&grant(number).id).await.unwrap();
            assert!(found.is_some(), "acknowledged and lost: {number}");
        }
    });
}

/// Each write of a round gets its own answer: who won, who lost, who was not even there.
#[test]
fn each_write_of_a_shared_sqlite_commit_gets_its_own_answer() {
    let file = TemporaryFile::new();
    block_on(async {
        let store = SqliteStorage::open(&file.0).await.unwrap();
        for round in 0..20 {
            let contested = grant(round);
            store.grants().insert(contested.clone()).await.unwrap();
            let found = store.grants().find(&contested.id).await.unwrap().unwrap();
            let mut replacing = JoinSet::new();
            let mut inserting = JoinSet::new();
            for racer in 0..20 {
                let (store, next) = (store.clone(), contested.clone().marked(racer));
                let revision = found.revision;
                replacing.spawn(async move { store.grants().replace(revision, next).await });
            }
            for racer in 0..20 {
                let store = store.clone();
                let new = grant(1000 + round * 10 + racer % 10);
                inserting.spawn(async move { store.grants().insert(new).await });
            }
            let replaced = replacing.join_all().await;
            let won = |answer: &Result<Replace, _>| matches!(answer, Ok(Replace::Replaced(_)));
            assert_eq!(replaced.iter().filter(|it| won(it)).count(), 1);
            let lost = |answer: &Result<Replace, _>| matches!(answer, Ok(Replace::Conflict));
            assert_eq!(replaced.iter().filter(|it| lost(it)).count(), 19);
            let inserted = inserting.join_all().await;
            let new = |answer: &Result<Insert, _>| matches!(answer, Ok(Insert::Inserted));
            assert_eq!(inserted.iter().filter(|it| new(it)).count(), 10);
        }
    });
}

#[test]
fn a_write_that_sqlite_refuses_takes_no_other_with_it() {
    let file = TemporaryFile::new();
    block_on(async {
        let store = SqliteStorage::open(&file.0).await.unwrap();
        let refuse =
            "CREATE TRIGGER refuse BEFORE INSERT ON grants WHEN new.doc LIKE '%\"mallory\"%'
             BEGIN SELECT RAISE(ABORT, 'not this one'); END";
        plain(&file).await.execute(refuse).await.unwrap();
        let mut writes = JoinSet::new();
        for number in 0..100 {
            let store = store.clone();
            let mut record = grant(number);
            if number % 10 == 3 {
                record.subject = oauth_types::Subject::new("mallory");
            }
            writes.spawn(async move { (number, store.grants().insert(record).await) });
        }
        for (number, answer) in writes.join_all().await {
            let kept = store
                .grants()
                .find(&grant(number).id)
                .await
                .unwrap()
                .is_some();
            match answer {
                Ok(answer) => assert!(answer == Insert::Inserted && kept && number % 10 != 3),
                Err(error) => {
                    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
                    assert!(!kept && number % 10 == 3, "{number}");
                }
            }
        }
    });
}

/// Another process holds the file. Whoever waits is told that nothing was written, and whoever has
/// gone was never begun.
#[test]
fn a_held_sqlite_file_fails_the_whole_round_as_not_written() {
    let file = TemporaryFile::new();
    block_on(async {
        let settings = SqliteSettings::new().patience(Duration::from_millis(300));
        let store = SqliteStorage::open_with(&file.0, settings).await.unwrap();
        let mut holder = plain(&file).await;
        let transaction = holder.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let (mut writes, mut gone) = (JoinSet::new(), JoinSet::new());
        for number in 0..20 {
            let store = store.clone();
            writes.spawn(async move { store.grants().insert(grant(number)).await });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        for number in 100..120 {
            let store = store.clone();
            gone.spawn(async move { store.grants().insert(grant(number)).await });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        gone.shutdown().await;
        for answer in writes.join_all().await {
            assert_eq!(answer.unwrap_err().kind(), StorageErrorKind::Unavailable);
        }
        transaction.rollback().await.unwrap();
        // The store waits for the file by itself, and notices.
        while store.grants().insert(grant(50)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for number in (0..20).chain(100..120) {
            let found = store.grants().find(&grant(number).id).await.unwrap();
            assert!(found.is_none(), "{number} was said not to be written");
        }
    });
}

/// A sweep is many short transactions, and whoever writes meanwhile need not wait for its end.
#[test]
fn writes_come_between_the_slices_of_a_sqlite_sweep() {
    const DUE: usize = 700;
    let file = TemporaryFile::new();
    block_on(async {
        let store = SqliteStorage::open(&file.0).await.unwrap();
        let mut inserts = JoinSet::new();
        for number in 0..DUE {
            let (store, record) = (store.clone(), retained(grant(number as u64), -5));
            inserts.spawn(async move { store.grants().insert(record).await });
        }
        inserts.join_all().await;
        // An empty log, which then holds what follows.
        store.close().await;
        let store = SqliteStorage::open(&file.0).await.unwrap();
        let swept = AtomicBool::new(false);
        let sweep = async {
            let gone = store.grants().sweep(at(0), DUE).await.unwrap();
            swept.store(true, Ordering::SeqCst);
            gone
        };
        let write = async {
            let mut written = 0;
            while !swept.load(Ordering::SeqCst) {
                let new = grant(100_000 + written);
                store.grants().insert(new).await.unwrap();
                written += 1;
            }
            written
        };
        let (gone, written) = tokio::join!(sweep, write);
        assert_eq!(gone, DUE);
        assert!(written > 10, "{written} writes while {DUE} records went");
        assert_eq!(store.grants().sweep(at(0), DUE).await.unwrap(), 0);
    });
}

/// Nearly every refresh keeps the date of its grant, and need not write its entry again.
#[test]
fn a_sqlite_record_that_keeps_its_date_leaves_the_index_by_date_alone() {
    let file = TemporaryFile::new();
    block_on(async {
        let store = SqliteStorage::open(&file.0).await.unwrap();
        let Insert::Inserted = store.grants().insert(grant(1)).await.unwrap() else {
            panic!("inserted")
        };
        let found = store.grants().find(&grant(1).id).await.unwrap().unwrap();
        let mut revision = found.revision;
        let mut pages = Vec::new();
        for next in [grant(1).marked(7), retained(grant(1), 77), grant(1)] {
            let before = logged(&file).0;
            let Replace::Replaced(now) = store.grants().replace(revision, next).await.unwrap()
            else {
                panic!("replaced")
            };
            revision = now;
            pages.push(logged(&file).0 - before);
        }
        let [keeps, moves, back] = pages[..] else {
            panic!("{pages:?}")
        };
        assert!(keeps < moves && moves == back, "{pages:?}");
    });
}

/// A program may stop its runtime in the middle, and start another on the same store.
#[test]
fn a_runtime_that_ends_in_the_middle_leaves_a_sqlite_store_that_works() {
    let file = TemporaryFile::new();
    let store = block_on(SqliteStorage::open(&file.0)).unwrap();
    for round in 0..20 {
        let short = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for number in 0..10 {
            let store = store.clone();
            short.spawn(async move { store.grants().insert(grant(round * 10 + number)).await });
        }
        short.block_on(async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
        });
        drop(short);
        block_on(store.grants().insert(grant(1000 + round))).unwrap();
    }
}
