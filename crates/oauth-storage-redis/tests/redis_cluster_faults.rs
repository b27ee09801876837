//! A cluster that loses one of its servers, and one whose slots move under load.

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::{BACK, block_on, current, find, fresh, insert, recovery, timed};
use oauth_storage::{Insert, Replace, Storage, StorageErrorKind};
use oauth_storage_redis::RedisStorage;
use oauth_testkit::contract::samples::{Sample, grant};
use oauth_testkit::servers::{Redis, RedisCluster};

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
        let found = block_on(current(&store, *number));
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
        let found = block_on(current(&store, number));
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
    // So much beside each record that a slot is moved in several steps, and its keys are for a while
    // here and there.
    let fill = "for _, key in ipairs(redis.call('KEYS', '*/due')) do
        for i = 1, 60 do redis.call('SET', key .. ':' .. i, 'x') end end";
    for node in cluster.nodes() {
        node.run(&["EVAL", fill, "0"]);
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

/// One slot moves key by key: what has moved is asked for where it is, what is just between the
/// two is waited for, and the rest stays where it was.
#[test]
fn a_redis_cluster_moves_one_record_at_a_time() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let store = block_on(fresh(&cluster.url())).0;
    insert(&store, 1).unwrap();
    let nodes = cluster.nodes();
    let id = grant(1).id.to_string();
    let keys = |node: &Redis| node.run(&["KEYS", &format!("*:{id}")]).trim().to_owned();
    let from = nodes.iter().find(|node| !keys(node).is_empty()).unwrap();
    let to = nodes.iter().find(|node| keys(node).is_empty()).unwrap();
    let record = keys(from);
    let due = format!("{}/due", record.strip_suffix(&format!(":{id}")).unwrap());
    let slot = from.run(&["CLUSTER", "KEYSLOT", &record]).trim().to_owned();
    assert_eq!(slot, from.run(&["CLUSTER", "KEYSLOT", &due]).trim());
    let name = |node: &Redis| node.run(&["CLUSTER", "MYID"]).trim().to_owned();
    let set = |node: &Redis, what: &str, other: &str| {
        let said = node.run(&["CLUSTER", "SETSLOT", &slot, what, other]);
        assert!(said.contains("OK"), "{said}");
    };
    let port = to.instance().port().to_string();
    let carry = |key: &str| {
        let said = from.run(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]);
        assert!(said.contains("OK"), "{said}");
    };
    let replace = |mark| {
        let found = block_on(current(&store, 1));
        let answer = block_on(
            store
                .grants()
                .replace(found.revision, grant(1).marked(mark)),
        );
        assert!(matches!(answer.unwrap(), Replace::Replaced(_)));
    };
    replace(1);
    set(to, "IMPORTING", &name(from));
    set(from, "MIGRATING", &name(to));
    replace(2);
    carry(&record);
    assert!(keys(from).is_empty());
    let found = block_on(current(&store, 1));
    assert_eq!(
        found.record.mark(),
        2,
        "it has moved, and is asked for there"
    );
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(150));
            carry(&due);
        });
        let (_, took) = timed(|| replace(3));
        assert!(took > Duration::from_millis(100), "{took:?}");
    });
    replace(4);
    for node in [to, from] {
        set(node, "NODE", &name(to));
    }
    replace(5);
    let found = block_on(current(&store, 1));
    assert_eq!(found.record.mark(), 5);
}

/// One server of a cluster that hangs costs whoever needs it their patience once, and nobody else
/// anything.
#[test]
fn a_redis_cluster_with_a_node_that_hangs_serves_the_others() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let patience = Duration::from_millis(400);
    let settings = common::settings().patience(patience);
    let store = block_on(RedisStorage::connect_with(&cluster.url(), settings)).unwrap();
    for number in 0..60 {
        insert(&store, number).unwrap();
    }
    cluster.nodes()[2].instance().pause();
    let (answers, times): (Vec<_>, Vec<_>) =
        (0..60).map(|number| timed(|| find(&store, number))).unzip();
    let (served, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!(
        served.len() >= 20 && lost.len() >= 5,
        "{} are served",
        served.len()
    );
    for answer in lost {
        assert_eq!(answer.unwrap_err().kind(), StorageErrorKind::Unavailable);
    }
    let waited = times.iter().filter(|took| **took >= patience).count();
    assert!(waited <= 2, "{waited} waited: {times:?}");
    cluster.nodes()[2].instance().resume();
    cluster.wait_until_whole();
    for number in 0..60 {
        assert!(recovery(&store, number) < BACK);
    }
}
