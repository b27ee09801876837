//! What the contract cannot ask of every store: several openers of one file, files that are
//! opened again, and files that are locked, damaged or not ours.

use std::error::Error;
use std::sync::Barrier;
use std::time::Duration;

use crate::common::{TemporaryFile, block_on};
use oauth_storage::{Filter, Insert, Page, Replace, Storage, StorageErrorKind, SubjectRecord};
use oauth_storage_sql::{OpenError, SqliteSettings, SqliteStorage};
use oauth_testkit::contract::samples::{Sample, grant};
use oauth_types::{Subject, TenantId};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::time::Instant;

fn open(file: &TemporaryFile) -> SqliteStorage {
    block_on(SqliteStorage::open(&file.0)).unwrap()
}

/// A connection such as an administrator or another program has.
async fn plain(file: &TemporaryFile) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(&file.0);
    options.connect().await.unwrap()
}

#[test]
fn two_openers_of_one_file_race_for_one_revision() {
    let file = TemporaryFile::new();
    let stores = [open(&file), open(&file)];
    for round in 0..10 {
        let record = grant(round);
        block_on(stores[0].grants().insert(record.clone())).unwrap();
        let found = block_on(stores[1].grants().find(&record.id)).unwrap();
        let revision = found.unwrap().revision;
        let start = Barrier::new(16);
        let won: Vec<bool> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..16)
                .map(|racer| {
                    let (store, start, next) = (&stores[racer % 2], &start, record.clone());
                    scope.spawn(move || {
                        start.wait();
                        let next = next.marked(racer as u64);
                        let answer = block_on(store.grants().replace(revision, next)).unwrap();
                        matches!(answer, Replace::Replaced(_))
                    })
                })
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = won.iter().position(|won| *won).unwrap() as u64;
        for store in &stores {
            let kept = block_on(store.grants().find(&record.id)).unwrap().unwrap();
            assert_eq!(kept.record.mark(), winner);
        }
    }
}

#[test]
fn many_open_a_new_file_at_once() {
    for _ in 0..3 {
        let file = TemporaryFile::new();
        let start = Barrier::new(8);
        let inserted: usize = std::thread::scope(|scope| {
            let openers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        let store = open(&file);
                        let answer = block_on(store.grants().insert(grant(1))).unwrap();
                        usize::from(answer == Insert::Inserted)
                    })
                })
                .collect();
            openers
                .into_iter()
                .map(|opener| opener.join().unwrap())
                .sum()
        });
        assert_eq!(inserted, 1);
    }
}

#[test]
fn what_was_acknowledged_is_there_when_the_file_is_opened_again() {
    let file = TemporaryFile::new();
    let store = open(&file);
    let revision = block_on(async {
        store.grants().insert(grant(1)).await.unwrap();
        let first = store
            .grants()
            .find(&grant(1).id)
            .await
            .unwrap()
            .unwrap()
            .revision;
        let other = store.tenant(&TenantId::new("other"));
        other.grants().insert(grant(2)).await.unwrap();
        store
            .grants()
            .replace(first, grant(1).marked(7))
            .await
            .unwrap();
        store
            .grants()
            .find(&grant(1).id)
            .await
            .unwrap()
            .unwrap()
            .revision
    });
    block_on(store.close());
    let left = std::fs::read_dir(file.0.parent().unwrap())
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
            name.starts_with(file.0.file_name().unwrap().to_str().unwrap())
        });
    assert_eq!(left.count(), 1, "a closed store is a single file");
    let closed = block_on(store.grants().find(&grant(1).id)).unwrap_err();
    assert_eq!(closed.kind(), StorageErrorKind::Unavailable);

    let by_url = format!("sqlite://{}", file.0.display());
    let again = block_on(SqliteStorage::open(by_url)).unwrap();
    let found = block_on(again.grants().find(&grant(1).id))
        .unwrap()
        .unwrap();
    assert_eq!((found.record.mark(), found.revision), (7, revision));
    let other = again.tenant(&TenantId::new("other"));
    assert!(
        block_on(other.grants().find(&grant(2).id))
            .unwrap()
            .is_some()
    );
}

#[test]
fn a_file_that_another_program_holds_is_unavailable_and_then_available_again() {
    let file = TemporaryFile::new();
    let settings = SqliteSettings::new().patience(Duration::from_millis(50));
    let store = block_on(SqliteStorage::open_with(&file.0, settings)).unwrap();
    block_on(async {
        let mut holder = plain(&file).await;
        let transaction = holder.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let refused = store.grants().insert(grant(1)).await.unwrap_err();
        assert_eq!(refused.kind(), StorageErrorKind::Unavailable);
        assert!(refused.source().unwrap().to_string().contains("locked"));
        // From then on nobody waits but the store itself.
        for _ in 0..50 {
            let begun = Instant::now();
            let refused = store.grants().insert(grant(1)).await.unwrap_err();
            assert_eq!(refused.kind(), StorageErrorKind::Unavailable);
            let waited = begun.elapsed();
            assert!(waited < Duration::from_millis(40), "{waited:?}");
        }
        assert!(
            store.grants().find(&grant(1).id).await.unwrap().is_none(),
            "reading goes on"
        );
        transaction.rollback().await.unwrap();
        assert_eq!(when_free(&store, 1).await, Insert::Inserted);
    });
}

/// The runtime that waited for a file is gone: whoever comes next tries for himself.
#[test]
fn a_runtime_that_ends_while_an_sqlite_file_is_held_does_not_leave_it_refused() {
    let file = TemporaryFile::new();
    let settings = SqliteSettings::new().patience(Duration::from_millis(50));
    let store = block_on(SqliteStorage::open_with(&file.0, settings)).unwrap();
    block_on(async {
        let mut holder = plain(&file).await;
        let transaction = holder.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let (of_short, short) = (store.clone(), tokio::runtime::Runtime::new().unwrap());
        let asked = short.spawn(async move { of_short.grants().insert(grant(1)).await });
        asked.await.unwrap().unwrap_err();
        short.shutdown_background();
        transaction.rollback().await.unwrap();
        assert_eq!(when_free(&store, 1).await, Insert::Inserted);
    });
}

/// Inserts when the store has noticed that the file is free, which it must within five seconds.
async fn when_free(store: &SqliteStorage, number: u64) -> Insert {
    let begun = Instant::now();
    loop {
        match store.grants().insert(grant(number)).await {
            Ok(inserted) => return inserted,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(5), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_document_that_cannot_be_read_is_corrupt() {
    let file = TemporaryFile::new();
    let store = open(&file);
    let alice = SubjectRecord::new(Subject::new("alice"));
    block_on(async {
        store.subjects().insert(alice.clone()).await.unwrap();
        let mut other = plain(&file).await;
        for damage in [
            "UPDATE subjects SET doc = replace(doc, '\"v\":1', '\"v\":2')",
            "UPDATE subjects SET doc = replace(doc, '\"v\":2', '\"v\":1,\"needs\":[\"x\"]')",
            "UPDATE subjects SET doc = substr(doc, 1, 9)",
            "UPDATE subjects SET doc = '{\"v\":1,\"id\":\"bob\"}'",
        ] {
            other.execute(damage).await.unwrap();
            let error = store.subjects().find(&alice.id).await.unwrap_err();
            assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{damage}");
        }
    });
}

#[test]
fn a_file_that_cannot_be_opened_says_why() {
    let opened = |path: &str| block_on(SqliteStorage::open(path)).unwrap_err();
    for memory in [":memory:", "sqlite::memory:", "", "sqlite:"] {
        assert!(matches!(opened(memory), OpenError::NotAFile), "{memory}");
    }
    let missing = opened("/nowhere/at/all/oauth.sqlite").to_string();
    assert!(
        missing.contains("/nowhere/at/all/oauth.sqlite"),
        "{missing}"
    );
    assert!(missing.contains("No such file"), "{missing}");

    let file = TemporaryFile::new();
    std::fs::write(&file.0, "This is a letter to my aunt. ".repeat(500)).unwrap();
    let error = block_on(SqliteStorage::open(&file.0)).unwrap_err();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
}

#[test]
fn a_newer_schema_is_refused_and_named() {
    let file = TemporaryFile::new();
    let store = open(&file);
    block_on(async {
        store.close().await;
        let mut newer = plain(&file).await;
        let later = "INSERT INTO _sqlx_migrations
            (version, description, success, checksum, execution_time)
            VALUES (9, 'later', TRUE, x'00', 0)";
        newer.execute(later).await.unwrap();
    });
    let error = block_on(SqliteStorage::open(&file.0)).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::SchemaTooNew {
                found: 9,
                known: 3,
                ..
            }
        ),
        "{error}"
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_a_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let file = TemporaryFile::new();
    let store = open(&file);
    block_on(store.grants().insert(grant(1))).unwrap();
    for end in ["", "-wal", "-shm"] {
        let beside = format!("{}{end}", file.0.display());
        let mode = std::fs::metadata(&beside).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{beside}");
    }
}

#[test]
fn a_caller_that_gives_up_leaves_whole_records() {
    let file = TemporaryFile::new();
    let store = open(&file);
    block_on(async {
        for number in 0..50 {
            let write = store.grants().insert(grant(number));
            let limit = Duration::from_micros(number * 10);
            tokio::time::timeout(limit, write).await.ok();
        }
        // Whatever was still under way is finished before this.
        store.grants().insert(grant(50)).await.unwrap();
        let by = Filter::Subject(Subject::new("alice"));
        let listed = store.grants().list(&by, &Page::first(100)).await.unwrap();
        for number in 0..=50 {
            let id = grant(number).id;
            let found = store.grants().find(&id).await.unwrap().is_some();
            let shown = listed.items.iter().any(|item| item.record.id == id);
            assert_eq!(found, shown);
        }
    });
}
