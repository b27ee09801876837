//! What callers see of a Redis that is killed, stopped, restarted or lost, and that no write is
//! ever sent twice.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{
    AT_ONCE, BACK, WHILE_OPEN, block_on, current, find, fresh, insert, most, recovery, settings,
    timed,
};
use oauth_storage::{Insert, Replace, Storage, StorageErrorKind};
use oauth_storage_redis::RedisStorage;
use oauth_testkit::contract::samples::{Sample, grant};
use oauth_testkit::servers::{Durability, Redis};

#[test]
fn a_redis_that_is_gone_is_unavailable_at_once_and_then_back_with_everything() {
    let Some(redis) = Redis::start(Durability::Durable) else {
        return;
    };
    let store = block_on(fresh(redis.url())).0;
    for number in 0..20 {
        insert(&store, number).unwrap();
    }
    for round in 0..3 {
        redis.instance().kill();
        let mut times = Vec::new();
        for number in 100..200 {
            let (answer, took) = timed(|| insert(&store, number));
            assert_eq!(answer.unwrap_err().kind(), StorageErrorKind::Unavailable);
            times.push(took);
        }
        assert!(most(times) < AT_ONCE);
        assert_eq!(
            find(&store, 0).unwrap_err().kind(),
            StorageErrorKind::Unavailable
        );
        redis.instance().restart();
        let took = recovery(&store, 0);
        assert!(took < BACK, "{took:?}");
        // What was acknowledged is there, what was refused is not.
        assert!((0..20).all(|number| find(&store, number).unwrap()));
        assert!((100..200).all(|number| !find(&store, number).unwrap()));
        assert_eq!(insert(&store, 1000 + round).unwrap(), Insert::Inserted);
    }
}

/// Writes that were under way when the server died are not known; those it acknowledged are kept.
#[test]
fn a_redis_that_is_killed_under_load_keeps_what_it_acknowledged() {
    let Some(redis) = Redis::start(Durability::Durable) else {
        return;
    };
    let store = block_on(fresh(redis.url())).0;
    let writers: Vec<_> = (0..16u64)
        .map(|writer| {
            let store = store.clone();
            std::thread::spawn(move || {
                let (mut kept, mut kinds) = (Vec::new(), Vec::new());
                for number in writer * 100_000.. {
                    match insert(&store, number) {
                        Ok(_) => kept.push(number),
                        Err(error) => kinds.push(error.kind()),
                    }
                    if !kinds.is_empty() {
                        return (kept, kinds);
                    }
                }
                unreachable!("numbers do not end")
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(700));
    redis.instance().kill();
    let done: Vec<_> = writers
        .into_iter()
        .map(|writer| writer.join().unwrap())
        .collect();
    redis.instance().restart();
    recovery(&store, 0);
    let mut acknowledged = 0;
    for (kept, kinds) in done {
        assert!(kept.iter().all(|number| find(&store, *number).unwrap()));
        acknowledged += kept.len();
        assert!(!kinds.contains(&StorageErrorKind::Corrupt));
    }
    assert!(acknowledged > 100, "{acknowledged}");
}

#[test]
fn a_redis_that_hangs_costs_its_patience_once() {
    let Some(redis) = Redis::start(Durability::Relaxed) else {
        return;
    };
    let patience = Duration::from_millis(500);
    let opened = RedisStorage::connect_with(redis.url(), settings().patience(patience));
    let store = block_on(opened).unwrap();
    insert(&store, 1).unwrap();
    let found = block_on(current(&store, 1));
    // The script is known from here on.
    let first = block_on(store.grants().replace(found.revision, grant(1))).unwrap();
    let Replace::Replaced(revision) = first else {
        panic!("{first:?}")
    };

    redis.instance().pause();
    let replace = store.grants().replace(revision, grant(1).marked(7));
    let (answer, took) = timed(|| block_on(replace));
    assert_eq!(answer.unwrap_err().kind(), StorageErrorKind::Indeterminate);
    assert!(took < patience * 2, "{took:?}");
    std::thread::sleep(Duration::from_millis(50));
    let mut times = Vec::new();
    for _ in 0..100 {
        let (answer, took) = timed(|| find(&store, 1));
        assert_eq!(answer.unwrap_err().kind(), StorageErrorKind::Unavailable);
        times.push(took);
    }
    assert!(most(times) < WHILE_OPEN);
    redis.instance().resume();
    let took = recovery(&store, 1);
    assert!(took < BACK, "{took:?}");
    // It arrives after all, which is why nobody was told that it had not.
    let mark = || {
        let found = block_on(store.grants().find(&grant(1).id));
        found.unwrap().unwrap().record.mark()
    };
    for _ in 0..200 {
        if mark() == 7 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(mark(), 7);
}

/// A line to a server on which answers can be kept back and counted requests seen.
struct Cut {
    url: String,
    /// Commands of a script seen so far.
    asked: Arc<AtomicU32>,
    /// From this command on the line breaks instead of answering.
    breaks_at: Arc<AtomicU32>,
}

impl Cut {
    fn before(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let server = format!("127.0.0.1:{}", redis.instance().port());
        let (asked, breaks_at) = (
            Arc::new(AtomicU32::new(0)),
            Arc::new(AtomicU32::new(u32::MAX)),
        );
        let cut = Self {
            url,
            asked: Arc::clone(&asked),
            breaks_at: Arc::clone(&breaks_at),
        };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&server) else {
                    return;
                };
                let (asked, breaks_at) = (Arc::clone(&asked), Arc::clone(&breaks_at));
                let (mut back, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut back, &mut to));
                std::thread::spawn(move || carry(client, server, &asked, &breaks_at));
            }
        });
        cut
    }
}

fn carry(mut client: TcpStream, mut server: TcpStream, asked: &AtomicU32, breaks_at: &AtomicU32) {
    let mut bytes = [0; 65536];
    while let Ok(read @ 1..) = client.read(&mut bytes) {
        let scripts = bytes[..read]
            .windows(7)
            .filter(|word| *word == b"EVALSHA")
            .count();
        let before = asked.fetch_add(scripts as u32, Ordering::SeqCst);
        if before + scripts as u32 >= breaks_at.load(Ordering::SeqCst) && scripts > 0 {
            // The server gets it, the client never learns what came of it.
            client.shutdown(std::net::Shutdown::Both).ok();
            server.write_all(&bytes[..read]).ok();
            std::thread::sleep(Duration::from_millis(200));
            return;
        }
        if server.write_all(&bytes[..read]).is_err() {
            return;
        }
    }
}

/// B2: a write whose answer was lost is not known to the caller, was sent once, and is not sent
/// again when the connection is.
#[test]
fn a_write_whose_answer_redis_lost_is_never_sent_again() {
    let Some(redis) = Redis::start(Durability::Relaxed) else {
        return;
    };
    let cut = Cut::before(&redis);
    let store = block_on(RedisStorage::connect_with(
        &cut.url,
        settings().connections(1),
    ))
    .unwrap();
    insert(&store, 1).unwrap();
    let found = block_on(current(&store, 1));
    let first = block_on(store.grants().replace(found.revision, grant(1).marked(1))).unwrap();
    let Replace::Replaced(revision) = first else {
        panic!("{first:?}")
    };

    let before = cut.asked.load(Ordering::SeqCst);
    cut.breaks_at.store(before + 1, Ordering::SeqCst);
    let lost = block_on(store.grants().replace(revision, grant(1).marked(2))).unwrap_err();
    assert_eq!(lost.kind(), StorageErrorKind::Indeterminate);
    cut.breaks_at.store(u32::MAX, Ordering::SeqCst);
    recovery(&store, 1);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(cut.asked.load(Ordering::SeqCst), before + 1, "sent once");
    let now = block_on(current(&store, 1));
    assert_eq!(
        (now.record.mark(), now.revision.number()),
        (2, revision.number() + 1)
    );
}

/// A server that has become a replica takes no write, and is not read from either once the
/// connection is made anew.
#[test]
fn a_redis_that_is_demoted_is_unavailable_until_it_is_a_primary_again() {
    let (Some(redis), Some(other)) = (
        Redis::start(Durability::Relaxed),
        Redis::start(Durability::Relaxed),
    ) else {
        return;
    };
    let store = block_on(fresh(redis.url())).0;
    insert(&store, 1).unwrap();
    let port = other.instance().port().to_string();
    redis.run(&["REPLICAOF", "127.0.0.1", &port]);
    let refused = insert(&store, 2).unwrap_err();
    assert_eq!(refused.kind(), StorageErrorKind::Unavailable);
    for _ in 0..50 {
        insert(&store, 2).unwrap_err();
        std::thread::sleep(Duration::from_millis(10));
    }
    let refused = find(&store, 1).unwrap_err();
    assert_eq!(refused.kind(), StorageErrorKind::Unavailable);
    redis.run(&["REPLICAOF", "NO", "ONE"]);
    assert!(recovery(&store, 1) < BACK);
    assert_eq!(insert(&store, 2).unwrap(), Insert::Inserted);
}
