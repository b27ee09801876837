//! Attempts are counted by Redis for all replicas together.

mod common;

use common::{block_on, fresh};
use oauth_storage::{Attempt, Hit, RateLimiter};
use oauth_testkit::servers::{Redis, RedisCluster};
use oauth_types::{Lifetime, TenantId, Timestamp};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn attempt<'a>(what: &'a str, by: &'a str, seconds: u64) -> Attempt<'a> {
    let per = Lifetime::seconds(seconds);
    Attempt {
        what,
        by,
        allowed: 5,
        per,
    }
}

/// Two replicas, sixteen attempts of each at once: together five are allowed.
#[test]
fn redis_counts_for_all_replicas_together() {
    let urls = [
        Redis::shared().map(|redis| redis.url().to_owned()),
        RedisCluster::shared().map(RedisCluster::url),
    ];
    for url in urls.into_iter().flatten() {
        block_on(async {
            let one = fresh(&url).await.0;
            let other = one.tenant(&TenantId::single());
            let tries = (0..32).map(|turn| {
                let store = if turn % 2 == 0 {
                    one.clone()
                } else {
                    other.clone()
                };
                tokio::spawn(async move { store.hit(attempt("sign_in", "alice", 60), NOW).await })
            });
            let (mut allowed, mut refused) = (0, 0);
            for tried in tries.collect::<Vec<_>>() {
                match tried.await.unwrap().unwrap() {
                    Hit::Allowed => allowed += 1,
                    Hit::TooMany { retry_after } => {
                        assert!((1..=60).contains(&retry_after.as_seconds()));
                        refused += 1;
                    }
                }
            }
            assert_eq!((allowed, refused), (5, 27));
            for fresh in [
                attempt("sign_in", "bob", 60),
                attempt("registration", "alice", 60),
            ] {
                assert_eq!(one.hit(fresh, NOW).await.unwrap(), Hit::Allowed);
            }
            let elsewhere = one.tenant(&TenantId::new("other"));
            let hit = elsewhere.hit(attempt("sign_in", "alice", 60), NOW).await;
            assert_eq!(hit.unwrap(), Hit::Allowed);
        });
    }
}

/// A window ends by itself, and what was refused in it does not lengthen it.
#[test]
fn a_window_in_redis_ends_by_itself() {
    let Some(redis) = Redis::shared() else { return };
    block_on(async {
        let store = fresh(redis.url()).await.0;
        for _ in 0..5 {
            assert_eq!(
                store.hit(attempt("x", "y", 1), NOW).await.unwrap(),
                Hit::Allowed
            );
        }
        let retry_after = Lifetime::seconds(1);
        for _ in 0..3 {
            let hit = store.hit(attempt("x", "y", 1), NOW).await.unwrap();
            assert_eq!(hit, Hit::TooMany { retry_after });
        }
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert_eq!(
            store.hit(attempt("x", "y", 1), NOW).await.unwrap(),
            Hit::Allowed
        );
    });
}

/// Nobody who looks into the server learns whose attempts were counted.
#[test]
fn redis_is_not_told_whose_attempts_it_counts() {
    let Some(redis) = Redis::start(oauth_testkit::servers::Durability::Relaxed) else {
        return;
    };
    block_on(async {
        let store = fresh(redis.url()).await.0;
        store
            .hit(attempt("sign_in", "alice|10.0.0.1", 60), NOW)
            .await
            .unwrap();
    });
    let keys = redis.run(&["KEYS", "*"]);
    assert!(
        keys.contains("sign_in") && !keys.contains("alice"),
        "{keys}"
    );
}
