//! What a flood of sign-ins may take.
#![cfg(feature = "passwords")]

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use oauth_storage_memory::MemoryStorage;
use oauth_testkit::SeededEntropy;
use oauth_ui::{SignIn, StoredPasswords};

/// The most memory this process ever had, in MiB.
fn high_water() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// AS-SEC-8: a digest takes 19 MiB. A thousand people who knock at once, and hang up at once,
/// take no more than a few of them.
#[tokio::test]
async fn a_flood_of_sign_ins_takes_bounded_memory_and_is_told_to_come_back() {
    let entropy = SeededEntropy::new(5);
    let passwords = StoredPasswords::new(Arc::new(MemoryStorage::new()), &entropy).unwrap();
    passwords
        .set_password(&entropy, "alice", "wonderland")
        .await
        .unwrap();
    let before = high_water();

    // Each begins its digest and is dropped there, as when a connection breaks.
    for _ in 0..1000 {
        let mut knock = std::pin::pin!(passwords.authenticate("alice", "guess"));
        let _ = knock.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    let busy = (0..1000).map(|_| passwords.authenticate("mallory", "guess"));
    let mut answers = Vec::new();
    for attempt in busy {
        let mut attempt = Box::pin(attempt);
        let poll = attempt
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        answers.push((attempt, poll));
    }
    let refused = answers.iter().filter(|(_, poll)| poll.is_ready()).count();
    assert!(refused >= 900, "only {refused} were told to come back");
    for (attempt, poll) in answers {
        if poll.is_pending() {
            assert!(attempt.await.unwrap().is_none());
        }
    }
    // As much as the digests that are computed at once, one for every two processors.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let most = 19 * (processors as u64 / 2).clamp(1, 8) + 16;
    let grown = high_water() - before;
    assert!(grown < most, "grew by {grown} MiB, more than {most}");

    // Those who hung up leave with the digest that is under way; then all is as before.
    for _ in 0..1000 {
        if let Ok(alice) = passwords.authenticate("alice", "wonderland").await {
            assert_eq!(alice.unwrap().subject.as_str(), "alice");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("nobody is let in any more");
}

/// AS-SEC-8: whoever asks for a token goes before whoever guesses passwords.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_threads_that_digest_give_way_to_all_others() {
    let entropy = SeededEntropy::new(6);
    let passwords = StoredPasswords::new(Arc::new(MemoryStorage::new()), &entropy).unwrap();
    let nobody = passwords.authenticate("nobody", "guess").await.unwrap();
    assert!(nobody.is_none());
    let mut digesting = Vec::new();
    let mut others = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        let (name, fields) = stat.split_once(") ").unwrap();
        // proc(5): the nineteenth field, of which two stand before.
        let nice: i32 = fields.split(' ').nth(16).unwrap().parse().unwrap();
        let digests = name.ends_with("(passwords");
        if digests { &mut digesting } else { &mut others }.push(nice);
    }
    let others = others.into_iter().max().unwrap();
    assert!(
        digesting.iter().any(|nice| *nice > others),
        "{digesting:?}, {others}"
    );
}
