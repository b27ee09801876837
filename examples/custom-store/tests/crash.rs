//! What was acknowledged survives the death of the process, and what was not is whole or absent.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::TemporaryFile;
use custom_store::RedbStorage;
use oauth_storage::{Filter, Page, Replace, Storage};
use oauth_testkit::block_on;
use oauth_testkit::contract::samples::{Sample, grant, grant_of};
use oauth_types::{GrantId, Subject};

/// Names the file to the process that is going to be killed.
const VICTIM: &str = "CUSTOM_STORE_VICTIM";
/// Begins a line that says what was acknowledged.
const DONE: &str = "acknowledged ";
const ROUNDS: u64 = 5;

/// Kills a writer again and again, each time after some more of its writes.
#[test]
fn a_killed_writer_loses_nothing_that_it_was_told_is_kept() {
    if let Some(file) = std::env::var_os(VICTIM) {
        return write_for_ever(Path::new(&file));
    }
    let file = TemporaryFile::new();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let enough = acknowledged.len() + 10 + 7 * round as usize;
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "a_killed_writer_loses_nothing_that_it_was_told_is_kept",
            ])
            .env(VICTIM, &file.0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        for line in BufReader::new(victim.stdout.take().unwrap()).lines() {
            // A line may have been cut off by the kill; then its write is not known to be kept.
            if let Some(number) = line.unwrap().strip_prefix(DONE) {
                acknowledged.push(number.parse::<u64>().unwrap());
            }
            if acknowledged.len() == enough {
                victim.kill().unwrap();
            }
        }
        victim.wait().unwrap();
        assert!(acknowledged.len() >= enough, "the writer ended by itself");
        let storage = RedbStorage::open(&file.0).unwrap();
        for number in &acknowledged {
            let found = block_on(storage.grants().find(&grant(*number).id)).unwrap();
            let found = found.unwrap_or_else(|| panic!("{number} was acknowledged, and is lost"));
            assert_eq!(found.record.mark(), 1, "{number} lost its replacement");
        }
        let (first, last) = (acknowledged[0], acknowledged[acknowledged.len() - 1]);
        for number in first..last + 3 {
            indexes_agree(&storage, &grant(number).id);
        }
    }
}

/// Inserts a grant of Alice's, makes it Bob's, and says so.
fn write_for_ever(file: &Path) {
    let storage = RedbStorage::open(file).unwrap();
    for number in 0.. {
        block_on(async {
            if storage
                .grants()
                .find(&grant(number).id)
                .await
                .unwrap()
                .is_some()
            {
                return;
            }
            storage.grants().insert(grant(number)).await.unwrap();
            let found = storage
                .grants()
                .find(&grant(number).id)
                .await
                .unwrap()
                .unwrap();
            let moved = grant_of(number, "bob", "app").marked(1);
            let answer = storage
                .grants()
                .replace(found.revision, moved)
                .await
                .unwrap();
            assert!(matches!(answer, Replace::Replaced(_)));
            println!("{DONE}{number}");
        });
    }
}

/// A record is listed under whom it belongs to, and nobody else; one that is not there, nowhere.
fn indexes_agree(storage: &RedbStorage, id: &GrantId) {
    let found = block_on(storage.grants().find(id)).unwrap();
    for person in ["alice", "bob"] {
        let by = Filter::Subject(Subject::new(person));
        let listed = block_on(storage.grants().list(&by, &Page::first(1000))).unwrap();
        let is_listed = listed.items.iter().any(|item| item.record.id == *id);
        let is_theirs = found
            .as_ref()
            .is_some_and(|found| found.record.subject.as_str() == person);
        assert_eq!(is_listed, is_theirs, "{id} under {person}");
    }
}
