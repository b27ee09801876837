//! What callers see of a Redis that is killed, stopped, restarted or lost, and that no write is
//! ever sent twice.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{block_on, fresh, settings};
use oauth_storage::{Insert, Replace, Storage, StorageError, StorageErrorKind};
use oauth_storage_redis::RedisStorage;
use oauth_testkit::contract::samples::{Sample, grant};
use oauth_testkit::servers::{Durability, Redis, RedisCluster};

/// Design of the store: refused at once, hanging no longer than its patience, back within five
/// seconds.
const AT_ONCE: Duration = Duration::from_millis(100);
const WHILE_OPEN: Duration = Duration::from_millis(50);
const BACK: Duration = Duration::from_secs(5);

#[expect(
    clippy::disallowed_methods,
    reason = "how long it took is what is tested"
)]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

fn find(store: &RedisStorage, number: u64) -> Result<bool, StorageError> {
    block_on(store.grants().find(&grant(number).id)).map(|found| found.is_some())
}

fn insert(store: &RedisStorage, number: u64) -> Result<Insert, StorageError> {
    block_on(store.grants().insert(grant(number)))
}

/// How long it takes until a reading works again.
fn recovery(store: &RedisStorage, number: u64) -> Duration {
    let (_, took) = timed(|| {
        while find(store, number).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    took
}

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
        let mut slowest = Duration::ZERO;
        for number in 100..200 {
            let (answer, took) = timed(|| insert(&store, number));
            assert_eq!(answer.unwrap_err().kind(), StorageErrorKind::Unavailable);
            slowest = slowest.max(took);
        }
        assert!(slowest < AT_ONCE, "{slowest:?}");
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
    let opened = RedisStorage::open_with(redis.url(), settings().patience(patience));
    let store = block_on(opened).unwrap();
    insert(&store, 1).unwrap();
    let found = block_on(store.grants().find(&grant(1).id))
        .unwrap()
        .unwrap();
    // The script is known from here on.
    let first = block_on(store.grants().replace(found.revision, grant(1))).unwrap();
    let Replace::Replaced(revision) = first else {
        panic!("{first:?}")
    };

    redis.instance().pause();
    let replace = store.grants().replace(revision, grant(1).marked(7));
    let (answer, took) = timed(|| block_on(replace));
    assert_eq!(answer.unwrap_err().kind(), StorageErrorKind::Indeterminate);
    assert!(took < patience + AT_ONCE, "{took:?}");
    std::thread::sleep(Duration::from_millis(50));
    for _ in 0..100 {
        let (answer, took) = timed(|| find(&store, 1));
        assert_eq!(answer.unwrap_err().kind(), StorageErrorKind::Unavailable);
        assert!(took < WHILE_OPEN, "{took:?}");
    }
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
    let store = block_on(RedisStorage::open_with(&cut.url, settings().connections(1))).unwrap();
    insert(&store, 1).unwrap();
    let found = block_on(store.grants().find(&grant(1).id))
        .unwrap()
        .unwrap();
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
    let now = block_on(store.grants().find(&grant(1).id))
        .unwrap()
        .unwrap();
    assert_eq!(
        (now.record.mark(), now.revision.number()),
        (2, revision.number() + 1)
    );
}

/// A cluster without one of its servers: that one's records are unavailable at once, the others
/// are served, and everything is back when it is.
#[test]
fn a_redis_cluster_loses_a_node_and_regains_it() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let store = block_on(fresh(&cluster.url())).0;
    let numbers = 0..60;
    for number in numbers.clone() {
        insert(&store, number).unwrap();
    }
    // Each server has some of them.
    let lost = &cluster.nodes()[1];
    lost.instance().kill();
    let served = |store: &RedisStorage| -> Vec<u64> {
        numbers
            .clone()
            .filter(|number| find(store, *number).is_ok())
            .collect()
    };
    let (first, took) = timed(|| served(&store));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(
        (20..=55).contains(&first.len()),
        "{} of 60 are served",
        first.len()
    );
    // The servers take a while to agree that it is lost; the answer stays the same.
    for _ in 0..30 {
        let (answers, took) = timed(|| {
            let asked = numbers.clone().map(|number| (number, find(&store, number)));
            asked.collect::<Vec<_>>()
        });
        assert!(took < Duration::from_secs(2), "{took:?}");
        for (number, answer) in answers {
            match answer {
                Ok(found) => assert!(found && first.contains(&number), "{number}"),
                Err(error) => {
                    assert_eq!(error.kind(), StorageErrorKind::Unavailable);
                    assert!(!first.contains(&number), "{number}: {error:?}");
                }
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for number in &first {
        let found = block_on(store.grants().find(&grant(*number).id))
            .unwrap()
            .unwrap();
        let answer = block_on(
            store
                .grants()
                .replace(found.revision, grant(*number).marked(1)),
        );
        assert!(matches!(answer.unwrap(), Replace::Replaced(_)));
    }
    lost.instance().restart();
    let (_, took) = timed(|| cluster.wait_until_whole());
    let missing = numbers
        .clone()
        .find(|number| !first.contains(number))
        .unwrap();
    assert!(
        recovery(&store, missing) < BACK,
        "the cluster was whole after {took:?}"
    );
    for number in first {
        let found = block_on(store.grants().find(&grant(number).id))
            .unwrap()
            .unwrap();
        assert_eq!(found.record.mark(), 1);
    }
    assert_eq!(insert(&store, 1000).unwrap(), Insert::Inserted);
}

/// Slots that move to another server while requests come are followed, and no request fails.
#[test]
fn a_redis_cluster_moves_slots_under_load() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let store = block_on(fresh(&cluster.url())).0;
    for number in 0..200 {
        insert(&store, number).unwrap();
    }
    let stop = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4u64)
            .map(|worker| {
                let (store, stop) = (&store, &stop);
                scope.spawn(move || {
                    let mut done = 0;
                    while stop.load(Ordering::SeqCst) == 0 || done < 50 {
                        let number = worker * 50 + done % 50;
                        done += 1;
                        let found = block_on(store.grants().find(&grant(number).id)).unwrap();
                        let found = found.expect("moved, not lost");
                        let next = grant(number).marked(found.record.mark() + 1);
                        let answer = block_on(store.grants().replace(found.revision, next));
                        assert!(matches!(answer.unwrap(), Replace::Replaced(_)));
                    }
                    done
                })
            })
            .collect();
        let from = cluster.nodes()[0]
            .run(&["CLUSTER", "MYID"])
            .trim()
            .to_owned();
        let to = cluster.nodes()[1]
            .run(&["CLUSTER", "MYID"])
            .trim()
            .to_owned();
        let host = format!("127.0.0.1:{}", cluster.nodes()[0].instance().port());
        let mut reshard = std::process::Command::new("redis-cli");
        reshard.args(["--cluster", "reshard", &host, "--cluster-from", &from]);
        reshard.args([
            "--cluster-to",
            &to,
            "--cluster-slots",
            "2000",
            "--cluster-yes",
        ]);
        let moved = reshard.output().unwrap();
        assert!(
            moved.status.success(),
            "{}",
            String::from_utf8_lossy(&moved.stdout)
        );
        stop.store(1, Ordering::SeqCst);
        for worker in workers {
            assert!(worker.join().unwrap() >= 50);
        }
    });
    assert!((0..200).all(|number| find(&store, number).unwrap()));
}
