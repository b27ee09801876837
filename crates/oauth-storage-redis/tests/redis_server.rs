//! What the contract cannot ask of every store: what is sent to Redis, how often, and what is said
//! of a server that falls short.

mod common;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use common::{block_on, current, fresh, settings};
use oauth_storage::{
    Delete, Filter, Insert, Page, Replace, ReplayRecord, Storage, StorageErrorKind, SubjectRecord,
};
use oauth_storage_redis::{ConnectError, RedisStorage};
use oauth_testkit::contract::samples::{Sample, at, grant, grant_of, retained};
use oauth_testkit::servers::{Durability, Redis};
use oauth_types::{Subject, TenantId};

fn own(settings: &[&str]) -> Option<Redis> {
    Redis::start_with(Durability::Relaxed, settings)
}

/// How often each command came from outside since the last time. Scripts' own are left out: none
/// of them uses what is counted here.
fn commands(redis: &Redis) -> BTreeMap<String, u64> {
    let said = redis.run(&["INFO", "commandstats"]);
    redis.run(&["CONFIG", "RESETSTAT"]);
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = rest.split_once(',')?.0.parse().ok()?;
        let counted = ["get", "evalsha", "eval", "exists", "zrem", "zrangebyscore"];
        counted.contains(&name).then(|| (name.to_owned(), calls))
    };
    said.lines().filter_map(line).collect()
}

fn sent(redis: &Redis) -> Vec<(String, u64)> {
    commands(redis).into_iter().collect()
}

#[test]
fn each_verb_costs_redis_what_is_documented() {
    let Some(redis) = own(&[]) else { return };
    let only = |name: &str, calls| vec![(name.to_owned(), calls)];
    block_on(async {
        let store = fresh(redis.url()).await.0;
        let grants = store.grants();
        // The scripts are sent once in full.
        let read = async || grants.find(&grant(1).id).await.unwrap().unwrap();
        grants.insert(grant(1)).await.unwrap();
        grants
            .replace(read().await.revision, grant(1))
            .await
            .unwrap();
        sent(&redis);

        let found = read().await;
        assert_eq!(sent(&redis), only("get", 1), "find");
        grants
            .replace(found.revision, grant(1).marked(1))
            .await
            .unwrap();
        assert_eq!(sent(&redis), only("evalsha", 1), "replace");
        grants
            .replace(found.revision, grant(1).marked(2))
            .await
            .unwrap();
        assert_eq!(sent(&redis), only("evalsha", 1), "a replace that lost");
        grants.insert(grant(2)).await.unwrap();
        assert_eq!(
            sent(&redis),
            only("evalsha", 3),
            "insert: two listings, then the record"
        );
        let replay = ReplayRecord::sample(1);
        assert_eq!(
            store.replays().insert(replay.clone()).await.unwrap(),
            Insert::Inserted
        );
        assert_eq!(
            store.replays().insert(replay).await.unwrap(),
            Insert::Exists
        );
        assert_eq!(
            sent(&redis),
            only("evalsha", 2),
            "what nobody lists: once each"
        );
    });
}

/// A server that lost its scripts is given them again; nothing else is ever sent twice.
#[test]
fn redis_is_told_again_only_what_it_says_it_does_not_know() {
    let Some(redis) = own(&[]) else { return };
    block_on(async {
        let store = fresh(redis.url()).await.0;
        store.grants().insert(grant(1)).await.unwrap();
        let found = current(&store, 1).await;
        redis.run(&["SCRIPT", "FLUSH"]);
        sent(&redis);
        let answer = store
            .grants()
            .replace(found.revision, grant(1).marked(1))
            .await
            .unwrap();
        assert!(matches!(answer, Replace::Replaced(_)));
        let told = commands(&redis);
        assert_eq!(told.get("eval"), Some(&1), "{told:?}");
        let found = current(&store, 1).await;
        assert_eq!(found.record.mark(), 1);
    });
}

#[test]
fn a_full_redis_refuses_writes_and_goes_on_reading() {
    let Some(redis) = own(&[]) else { return };
    block_on(async {
        let store = fresh(redis.url()).await.0;
        store.grants().insert(grant(1)).await.unwrap();
        let found = current(&store, 1).await;
        redis.run(&["CONFIG", "SET", "maxmemory", "1"]);
        let refused = store.grants().insert(grant(2)).await.unwrap_err();
        assert_eq!(refused.kind(), StorageErrorKind::Unavailable);
        let refused = store
            .grants()
            .replace(found.revision, grant(1))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), StorageErrorKind::Unavailable);
        assert!(
            refused.source().unwrap().to_string().contains("OOM"),
            "{refused:?}"
        );
        let still = current(&store, 1).await;
        assert_eq!(still.revision, found.revision);
        redis.run(&["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(
            store.grants().insert(grant(2)).await.unwrap(),
            Insert::Inserted
        );
    });
}

#[test]
fn what_is_not_ours_in_redis_is_corrupt_and_left_alone() {
    let Some(redis) = own(&[]) else { return };
    block_on(async {
        let store = RedisStorage::connect(redis.url()).await.unwrap();
        let alice = SubjectRecord::new(Subject::new("alice"));
        store.subjects().insert(alice.clone()).await.unwrap();
        let revision = store
            .subjects()
            .find(&alice.id)
            .await
            .unwrap()
            .unwrap()
            .revision;
        let key = redis.run(&["KEYS", "*:alice"]).trim().to_owned();
        let value = redis.run(&["GET", &key]);
        let value = value.trim_end();
        for damaged in [
            value.replace("\"v\":1", "\"v\":2"),
            value.replace("\"v\":1", "\"v\":1,\"needs\":[\"x\"]"),
            value[..50].to_owned(),
            value[..5].to_owned(),
            value.replace("\"id\":\"alice\"", "\"id\":\"bob\""),
        ] {
            assert_ne!(damaged, value);
            redis.run(&["SET", &key, &damaged]);
            let error = store.subjects().find(&alice.id).await.unwrap_err();
            assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{damaged}");
        }
        redis.run(&["DEL", &key]);
        redis.run(&["SADD", &key, "x"]);
        let error = store.subjects().find(&alice.id).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Corrupt);
        let error = store.subjects().replace(revision, alice).await.unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Corrupt);
        assert_eq!(redis.run(&["SCARD", &key]).trim(), "1");
    });
}

/// M10: whoever runs a server that loses, evicts or fails over is told, and so is whoever may not
/// know.
#[test]
fn a_redis_that_promises_less_is_named() {
    let Some(good) = Redis::start(Durability::Durable) else {
        return;
    };
    let weaknesses = |url: &str| -> Vec<String> {
        let store = block_on(RedisStorage::connect(url)).unwrap();
        let named = store.weaknesses().iter();
        named
            .map(|weakness| {
                assert!(!weakness.means.is_empty());
                assert!(weakness.to_string().contains(weakness.setting));
                format!("{} {}", weakness.setting, weakness.value)
            })
            .collect()
    };
    assert!(weaknesses(good.url()).is_empty());
    good.run(&["CONFIG", "SET", "appendfsync", "everysec"]);
    good.run(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let found = weaknesses(good.url());
    assert_eq!(
        found,
        ["appendfsync everysec", "maxmemory-policy allkeys-lru"]
    );

    let follows = format!("replicaof 127.0.0.1 {}", good.instance().port());
    let Some(replica) = own(&[&follows]) else {
        return;
    };
    let refused = block_on(RedisStorage::connect(replica.url())).unwrap_err();
    assert!(matches!(refused, ConnectError::Replica { .. }), "{refused}");
    let followed = || weaknesses(good.url()).contains(&"connected_slaves 1".to_owned());
    for _ in 0..100 {
        if followed() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(followed());

    let rights = ["on", ">p@ss", "~*", "+@all", "-config"];
    good.run(&[&["ACL", "SETUSER", "app"], &rights[..]].concat());
    let found = weaknesses(&good.url().replace("redis://", "redis://app:p%40ss@"));
    for setting in ["appendonly", "appendfsync", "maxmemory-policy"] {
        assert!(found.contains(&format!("{setting} unknown")), "{found:?}");
    }
}

/// A record leaves by itself a day after its time at the earliest, whatever the sweep does; one
/// without a date stays.
#[test]
fn records_in_redis_outlive_their_date_by_a_day() {
    let Some(redis) = own(&[]) else { return };
    const DAY: i64 = 86_400_000;
    let left = |pattern: &str| {
        let key = redis.run(&["KEYS", pattern]).trim().to_owned();
        assert!(!key.is_empty() && !key.contains('\n'), "{key}");
        redis.run(&["PTTL", &key]).trim().parse::<i64>().unwrap()
    };
    block_on(async {
        let clock = oauth_testkit::FixedClock::at(at(0).as_unix());
        let settings = settings().clock(clock);
        let store = RedisStorage::connect_with(redis.url(), settings)
            .await
            .unwrap();
        let person = SubjectRecord::new(Subject::new("alice"));
        store.subjects().insert(person).await.unwrap();
        assert_eq!(left("*subjects*:alice"), -1);
        for (seconds, expected) in [(3600, DAY + 3_600_000), (-3600, DAY)] {
            let record = retained(grant(7), seconds);
            store.grants().insert(record.clone()).await.unwrap();
            let found = left(&format!("*:{}", record.id));
            assert!((expected - 60_000..=expected).contains(&found), "{found}");
            let revision = store
                .grants()
                .find(&record.id)
                .await
                .unwrap()
                .unwrap()
                .revision;
            store
                .grants()
                .replace(revision, retained(grant(7), seconds + 60))
                .await
                .unwrap();
            let found = left(&format!("*:{}", record.id));
            assert!(
                found >= expected - 60_000,
                "a replacement is dated, too: {found}"
            );
            let revision = store
                .grants()
                .find(&record.id)
                .await
                .unwrap()
                .unwrap()
                .revision;
            store.grants().delete(&record.id, revision).await.unwrap();
        }
    });
}

/// What is left of records that left by themselves does not stay in the way, nor uncounted.
#[test]
fn what_left_redis_by_itself_is_not_counted_as_swept() {
    let Some(redis) = own(&[]) else { return };
    block_on(async {
        let store = RedisStorage::connect(redis.url()).await.unwrap();
        for number in 0..40 {
            store
                .grants()
                .insert(retained(grant(number), -1))
                .await
                .unwrap();
        }
        let keys = redis.run(&["KEYS", "*grants*:*"]);
        let records = keys
            .lines()
            .filter(|key| !key.contains("/subject/") && !key.contains("/client/"));
        let gone: Vec<&str> = records
            .filter(|key| !key.ends_with("/due"))
            .take(30)
            .collect();
        redis.run(&[&["DEL"], &*gone].concat());
        assert_eq!(store.grants().sweep(at(0), 5).await.unwrap(), 5);
        assert_eq!(store.grants().sweep(at(0), 100).await.unwrap(), 5);
        assert_eq!(store.grants().sweep(at(0), 100).await.unwrap(), 0);
        assert!(
            !redis.run(&["KEYS", "*/due"]).contains("due"),
            "dates are left over"
        );
    });
}

/// Entries of a listing that stand for nothing go, once they are old enough for their record to
/// be there: with a listing, and a few with every write.
#[test]
fn listings_in_redis_do_not_fill_with_what_is_gone() {
    let Some(redis) = own(&[]) else { return };
    let listing = |who: &str| {
        format!(
            "oauth:{{{}/grants/subject/{who}}}",
            TenantId::single().as_str()
        )
    };
    let count = |who: &str| -> u64 { redis.run(&["ZCARD", &listing(who)]).trim().parse().unwrap() };
    let plant = |who: &str, number: u64, age: u64| {
        let now: u64 = redis
            .run(&["TIME"])
            .lines()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let stamp = format!("{:011}000000", now - age);
        let script = "return redis.call('ZADD', KEYS[1], 0, ARGV[1] .. '\\0' .. ARGV[2])";
        let id = grant(number).id.to_string();
        redis.run(&["EVAL", script, "1", &listing(who), &id, &stamp]);
    };
    block_on(async {
        let store = RedisStorage::connect(redis.url()).await.unwrap();
        store
            .grants()
            .insert(grant_of(1, "alice", "app"))
            .await
            .unwrap();
        for number in 100..200 {
            plant("alice", number, 400);
        }
        for number in 200..203 {
            plant("alice", number, 200);
        }
        let by = Filter::Subject(Subject::new("alice"));
        let page = store.grants().list(&by, &Page::first(10)).await.unwrap();
        assert_eq!((page.items.len(), page.next), (1, None));
        // Its own, and the three whose record may be on its way.
        assert_eq!(count("alice"), 4);

        for number in 300..400 {
            plant("bob", number, 400);
        }
        for number in 400..500 {
            store
                .grants()
                .insert(grant_of(number, "bob", "app"))
                .await
                .unwrap();
        }
        assert!(count("bob") < 130, "{}", count("bob"));
        let mut page = Page::first(7);
        let mut shown = 0;
        loop {
            let listed = store
                .grants()
                .list(&Filter::Subject(Subject::new("bob")), &page)
                .await
                .unwrap();
            shown += listed.items.len();
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        assert_eq!(shown, 100);

        // A record that is listed twice loses the older entry, never both; one that is deleted
        // loses what is old enough.
        plant("carol", 600, 500);
        plant("carol", 600, 400);
        store
            .grants()
            .insert(grant_of(600, "carol", "app"))
            .await
            .unwrap();
        let by = Filter::Subject(Subject::new("carol"));
        for _ in 0..2 {
            let listed = store.grants().list(&by, &Page::first(10)).await.unwrap();
            assert_eq!(listed.items.len(), 1);
        }
        assert_eq!(count("carol"), 1);
        redis.run(&["DEL", &listing("carol")]);
        plant("carol", 600, 400);
        let found = current(&store, 600).await;
        let answer = store
            .grants()
            .delete(&grant(600).id, found.revision)
            .await
            .unwrap();
        assert_eq!(answer, Delete::Deleted);
        for _ in 0..100 {
            if count("carol") == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(count("carol"), 0);
    });
}

/// The layout is for ever: another version has to find what this one wrote.
#[test]
fn what_lies_in_redis_lies_where_it_always_did() {
    let Some(redis) = own(&[]) else { return };
    block_on(async {
        let store = RedisStorage::connect(redis.url()).await;
        let store = store.unwrap().tenant(&TenantId::new("acme"));
        let record = grant_of(1, "alice", "https://app.example/{}");
        store.grants().insert(record).await.unwrap();
        let person = SubjectRecord::new(Subject::new("alice"));
        store.subjects().insert(person).await.unwrap();
    });
    let keys = redis.run(&["KEYS", "*"]);
    let mut keys: Vec<&str> = keys.lines().collect();
    keys.sort_unstable();
    let client = "#sha256:15111e327389f2a3f7b3b96986b93cfcd57059d1e24b71e55ff9f5ecddc0509a";
    let expected = [
        "oauth:{acme/grants/3da}/due",
        "oauth:{acme/grants/3da}:5BgVNOlnTru0bPELAU4eqF",
        &format!("oauth:{{acme/grants/client/{client}}}"),
        "oauth:{acme/grants/subject/alice}",
        "oauth:{acme/subjects/2ed}:alice",
    ];
    assert_eq!(keys, expected);
    let value = redis.run(&["GET", expected[1]]);
    let (head, document) = value.split_at(48);
    let (revision, listing) = head.split_at(16);
    assert!(u64::from_str_radix(revision, 16).is_ok_and(|number| number >> 62 == 0));
    assert_eq!(listing, "5aB1moUN-SH0mdmkPngxt_n7WCpWK6Bf");
    assert!(document.starts_with("{\"v\":1,\"id\":\"5BgV"), "{document}");
    assert_eq!(
        redis.run(&["ZRANGE", expected[0], "0", "-1"]).trim(),
        "5BgVNOlnTru0bPELAU4eqF"
    );
    assert_eq!(redis.run(&["TYPE", expected[3]]).trim(), "zset");
}
