//! Getting in: passwords, certificates, and the rights that the documentation asks for.

mod common;

use common::{block_on, settings};
use oauth_storage::{
    Attempt, Delete, Filter, Hit, Page, RateLimiter, Replace, Storage, StorageErrorKind,
};
use oauth_storage_redis::{ConnectError, RedisStorage, Weakness};
use oauth_testkit::contract::samples::{Sample, at, grant, grant_of, retained};
use oauth_testkit::servers::{Durability, Redis, RedisCluster};
use oauth_types::{Lifetime, Subject};

fn own(settings: &[&str]) -> Option<Redis> {
    Redis::start_with(Durability::Relaxed, settings)
}

#[test]
fn a_redis_that_cannot_be_opened_says_why_and_no_password() {
    let Some(redis) = own(&["requirepass swordfish"]) else {
        return;
    };
    let open = |url: &str| block_on(RedisStorage::connect(url));
    let with = |password: &str| {
        redis
            .url()
            .replace("redis://", &format!("redis://:{password}@"))
    };
    for wrong in [redis.url().to_owned(), with("guessed")] {
        let refused = open(&wrong).unwrap_err();
        assert!(
            matches!(refused, ConnectError::Unreachable { .. }),
            "{refused}"
        );
        assert!(!format!("{refused} {refused:?}").contains("guessed"));
    }
    let store = open(&with("swordfish")).unwrap();
    assert!(!format!("{store:?}").contains("swordfish"));
    let nobody = open("redis://127.0.0.1:1").unwrap_err().to_string();
    assert!(
        nobody.contains("127.0.0.1:1") && nobody.contains("refused"),
        "{nobody}"
    );
    assert!(matches!(
        open("http://x").unwrap_err(),
        ConnectError::Address(_)
    ));
    if let Some(cluster) = RedisCluster::shared() {
        let database = format!("{}/1", cluster.nodes()[0].url());
        let refused = open(&database).unwrap_err().to_string();
        assert!(refused.contains("cluster"), "{refused}");
        // The first of several that answers is enough.
        let one = format!("redis://127.0.0.1:1,{}", &cluster.url()["redis://".len()..]);
        open(&one).unwrap();
    }
}

#[test]
fn redis_over_tls_is_believed_only_by_its_certificate() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let Some(redis) = Redis::start_tls(&certificate, &key) else {
        return;
    };
    let trusted = redis.instance().folder().join("certificate.pem");
    block_on(async {
        let stranger = RedisStorage::connect_with(redis.url(), settings())
            .await
            .unwrap_err();
        assert!(
            matches!(
                stranger,
                ConnectError::Unreachable { .. } | ConnectError::Certificates(_)
            ),
            "{stranger}"
        );
        let plain = redis.url().replace("rediss", "redis");
        assert!(
            RedisStorage::connect_with(&plain, settings())
                .await
                .is_err()
        );
        let settings = settings().trusting(&trusted);
        let store = RedisStorage::connect_with(redis.url(), settings)
            .await
            .unwrap();
        store.grants().insert(grant(1)).await.unwrap();
        assert!(store.grants().find(&grant(1).id).await.unwrap().is_some());
    });
}

/// The rights in `docs/operations.md`, read from there.
fn documented_rights() -> Vec<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| line.starts_with("~oauth:*") || line.starts_with("+eval "));
    let rights: Vec<String> = lines
        .flat_map(|line| line.split(' '))
        .map(str::to_owned)
        .collect();
    assert!(rights.len() > 20, "{rights:?}");
    rights
}

/// Whoever may do what the documentation says may do everything, and whoever may not write gets a
/// refusal that changed nothing.
#[test]
fn the_documented_rights_in_redis_are_enough() {
    let (Some(redis), Some(cluster)) = (Redis::start(Durability::Durable), RedisCluster::start())
    else {
        return;
    };
    let rights = documented_rights();
    let rights: Vec<&str> = rights.iter().map(|right| &**right).collect();
    for server in std::iter::once(&redis).chain(cluster.nodes()) {
        let said = server.run(&[&["ACL", "SETUSER", "app", "on", ">pw"], &*rights].concat());
        assert!(said.contains("OK"), "{said}");
    }
    let as_app = |url: &str| url.replace("redis://", "redis://app:pw@");
    for url in [as_app(redis.url()), as_app(&cluster.url())] {
        block_on(async {
            let store = RedisStorage::connect(&url).await.unwrap();
            let unknown = |weakness: &Weakness| weakness.value == "unknown";
            let weak = store.weaknesses();
            assert!(!weak.iter().any(unknown), "{weak:?}");
            assert!(!store.place().contains("pw"));
            let grants = store.grants();
            grants.insert(grant(1)).await.unwrap();
            let found = grants.find(&grant(1).id).await.unwrap().unwrap();
            let moved = retained(grant_of(1, "bob", "app"), -5).marked(1);
            let answer = grants.replace(found.revision, moved).await.unwrap();
            assert!(matches!(answer, Replace::Replaced(_)));
            let by = Filter::Subject(Subject::new("bob"));
            assert_eq!(
                grants.list(&by, &Page::first(5)).await.unwrap().items.len(),
                1
            );
            assert_eq!(grants.sweep(at(0), 5).await.unwrap(), 1);
            grants.insert(grant(2)).await.unwrap();
            let found = grants.find(&grant(2).id).await.unwrap().unwrap();
            let answer = grants.delete(&grant(2).id, found.revision).await.unwrap();
            assert_eq!(answer, Delete::Deleted);
            let attempt = Attempt {
                what: "x",
                by: "y",
                allowed: 1,
                per: Lifetime::minutes(1),
            };
            assert_eq!(store.hit(attempt, at(0)).await.unwrap(), Hit::Allowed);
            let again = store.hit(attempt, at(0)).await.unwrap();
            assert!(matches!(again, Hit::TooMany { .. }));
        });
    }
    redis.run(&["ACL", "SETUSER", "app", "-set"]);
    block_on(async {
        let store = RedisStorage::connect(&as_app(redis.url())).await.unwrap();
        let refused = store.grants().insert(grant(3)).await.unwrap_err();
        assert_ne!(refused.kind(), StorageErrorKind::Corrupt);
        assert!(store.grants().find(&grant(3).id).await.unwrap().is_none());
    });
}
