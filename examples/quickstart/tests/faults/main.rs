//! The fault campaign: the server under load while its backend is killed, hangs, is restarted, cut
//! off, full or slow. It is never restarted itself, and keeps every promise. `docs/faults.md` has
//! the table that `cargo test -p quickstart --test faults -- --nocapture` prints, line by line.

#[path = "../common/mod.rs"]
mod common;

mod backends;
mod campaign;
mod client;
mod disk;

use std::time::{Duration, Instant};

use oauth_testkit::servers::{
    Durability, MariaDb, MariaDbDatabase, Passing, Postgres, PostgresDatabase, Proxy, Redis,
    RedisCluster,
};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::backends::Backend;
use crate::campaign::{Effect, Fault, survives};
use crate::common::{Client, Folder};
use crate::disk::SmallDisk;

/// What the stores wait for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[expect(
    clippy::disallowed_methods,
    reason = "how long a server takes is what is told"
)]
fn now() -> Instant {
    Instant::now()
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

fn lasting(time: Duration) -> Box<dyn FnOnce(&Client)> {
    Box::new(move |_| std::thread::sleep(time))
}

/// The same faults on each server, as tests of its own.
macro_rules! on_each {
    ($($fault:ident)*) => {
        mod postgres {
            $(#[test] fn $fault() { super::$fault::<super::PostgresDatabase>(); })*
        }
        mod mariadb {
            $(#[test] fn $fault() { super::$fault::<super::MariaDbDatabase>(); })*
        }
        mod redis {
            $(#[test] fn $fault() { super::$fault::<super::Redis>(); })*
        }
    };
}

on_each! {
    is_killed_and_started_again
    hangs_for_longer_than_anybody_waits
    is_restarted_in_order
    loses_answers_in_the_middle
    has_no_connection_left
    is_slow
}

fn is_killed_and_started_again<B: Backend>() {
    let Some(backend) = B::start() else { return };
    let fault = Fault {
        backend: B::NAME,
        name: "killed, started again",
        effect: Effect::Refused,
        begin: Box::new(|_| backend.instance().kill()),
        meanwhile: lasting(Duration::from_millis(1500)),
        end: Box::new(|| backend.instance().restart()),
    };
    survives(&backend.url(), fault);
}

fn hangs_for_longer_than_anybody_waits<B: Backend>() {
    let Some(backend) = B::start() else { return };
    let fault = Fault {
        backend: B::NAME,
        name: "hangs for 6 s",
        effect: Effect::Hanging(PATIENCE),
        begin: Box::new(|_| backend.instance().pause()),
        meanwhile: lasting(PATIENCE * 3),
        end: Box::new(|| backend.instance().resume()),
    };
    survives(&backend.url(), fault);
}

fn is_restarted_in_order<B: Backend>() {
    let Some(backend) = B::start() else { return };
    let fault = Fault {
        backend: B::NAME,
        name: "restarted in order",
        effect: Effect::Refused,
        begin: Box::new(|_| backend.instance().shut_down()),
        meanwhile: lasting(Duration::from_millis(200)),
        end: Box::new(|| backend.instance().restart()),
    };
    survives(&backend.url(), fault);
}

/// The server carries out what it was asked, and the connection breaks before it can say so.
fn loses_answers_in_the_middle<B: Backend>() {
    let Some(backend) = B::start() else { return };
    let proxy = Proxy::before(backend.instance().port());
    let fault = Fault {
        backend: B::NAME,
        name: "one answer in 23 lost, with its connection",
        effect: Effect::Disturbed,
        begin: Box::new(|_| proxy.passes(Passing::Losing { every: 23 })),
        meanwhile: lasting(Duration::from_secs(3)),
        end: Box::new(|| proxy.passes(Passing::Through)),
    };
    survives(&proxy.url(&backend.url()), fault);
}

/// All connections break, and others are there before us.
fn has_no_connection_left<B: Backend>() {
    let Some(backend) = B::start_small() else {
        return;
    };
    let proxy = Proxy::before(backend.instance().port());
    let others = std::cell::RefCell::new(Vec::new());
    let fault = Fault {
        backend: B::NAME,
        name: "no connection left",
        effect: Effect::Refused,
        begin: Box::new(|_| {
            proxy.passes(Passing::Nothing);
            for _ in 0..3 {
                std::thread::sleep(Duration::from_millis(150));
                others.borrow_mut().extend(backend.take_all());
            }
            proxy.passes(Passing::Through);
        }),
        meanwhile: lasting(Duration::from_secs(2)),
        end: Box::new(|| others.borrow_mut().clear()),
    };
    survives(&proxy.url(&backend.url()), fault);
}

fn is_slow<B: Backend>() {
    let Some(backend) = B::start() else { return };
    let proxy = Proxy::before(backend.instance().port());
    let fault = Fault {
        backend: B::NAME,
        name: "each answer takes 300 ms",
        effect: Effect::Slower,
        begin: Box::new(|_| proxy.passes(Passing::Slowly(Duration::from_millis(300)))),
        meanwhile: lasting(Duration::from_secs(3)),
        end: Box::new(|| proxy.passes(Passing::Through)),
    };
    survives(&proxy.url(&backend.url()), fault);
}

fn full(backend: &'static str, disk: &SmallDisk, url: &str) {
    let fault = Fault {
        backend,
        name: "disk full",
        effect: Effect::Refused,
        begin: Box::new(|_| disk.fill()),
        meanwhile: lasting(Duration::from_secs(3)),
        end: Box::new(|| disk.free()),
    };
    survives(url, fault);
}

#[test]
fn postgres_has_a_full_disk() {
    let Some(server) = Postgres::start(Durability::Durable) else {
        return;
    };
    let folder = server.instance().folder().join("small");
    let Some(disk) = SmallDisk::over(&folder, 24, Some("postgres")) else {
        return;
    };
    let database = server.database();
    let place = format!("CREATE TABLESPACE small LOCATION '{}'", folder.display());
    server.run(database.url(), &place);
    let (elsewhere, name) = database.url().rsplit_once('/').unwrap();
    let to = format!("ALTER DATABASE {name} SET TABLESPACE small");
    server.run(&format!("{elsewhere}/postgres"), &to);
    full("PostgreSQL", &disk, database.url());
}

/// What cannot be logged ends PostgreSQL, which does not come back while the disk is full.
#[test]
fn postgres_has_no_room_for_its_log() {
    let Some(server) = Postgres::start(Durability::Durable) else {
        return;
    };
    let database = server.database();
    server.instance().shut_down();
    let folder = server.instance().folder().join("data/pg_wal");
    let Some(disk) = SmallDisk::over_full(&folder, 48, "postgres") else {
        return;
    };
    server.instance().restart();
    let next_file = async {
        let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
        while let Ok(mut connection) = options.connect().await {
            connection.execute("SELECT pg_switch_wal()").await.ok();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let fault = Fault {
        backend: "PostgreSQL",
        name: "disk of its log full, which ends it",
        effect: Effect::Refused,
        begin: Box::new(|_| {
            disk.fill();
            runtime().block_on(next_file);
        }),
        meanwhile: lasting(Duration::from_secs(1)),
        end: Box::new(|| {
            disk.free();
            server.instance().restart();
        }),
    };
    survives(database.url(), fault);
}

/// What cannot be logged ends Redis.
#[test]
fn redis_has_no_room_for_its_log() {
    let Some(redis) = Redis::start(Durability::Durable) else {
        return;
    };
    redis.instance().shut_down();
    let folder = redis.instance().folder().join("appendonlydir");
    let Some(disk) = SmallDisk::over_full(&folder, 8, "root") else {
        return;
    };
    redis.instance().restart();
    let fault = Fault {
        backend: "Redis",
        name: "disk of its log full, which ends it",
        effect: Effect::Refused,
        begin: Box::new(|_| disk.fill()),
        meanwhile: lasting(Duration::from_secs(2)),
        end: Box::new(|| {
            disk.free();
            redis.instance().restart();
        }),
    };
    survives(redis.url(), fault);
}

#[test]
fn mariadb_has_a_full_disk() {
    let Some(server) = MariaDb::start(Durability::Durable) else {
        return;
    };
    let database = server.database();
    let folder = server
        .instance()
        .folder()
        .join("data")
        .join(database.name());
    let Some(disk) = SmallDisk::over(&folder, 8, Some("mysql")) else {
        return;
    };
    full("MariaDB", &disk, database.url());
}

#[test]
fn sqlite_has_a_full_disk() {
    let folder = Folder::new("full");
    if let Some(disk) = SmallDisk::over(&folder.0, 8, None) {
        let file = folder.0.join("oauth.sqlite");
        full("SQLite", &disk, &format!("sqlite:{}", file.display()));
    }
}

/// What an administrator does who copies the file under a lock, or has left a transaction open.
#[test]
fn sqlite_is_locked_by_another_process() {
    let folder = Folder::new("locked");
    let file = folder.0.join("oauth.sqlite");
    let runtime = runtime();
    let holder = std::cell::RefCell::new(None);
    let begin = async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let options = options.busy_timeout(Duration::from_secs(5));
        let mut connection = options.connect().await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        connection
    };
    let end = async {
        let connection: sqlx::SqliteConnection = holder.borrow_mut().take().unwrap();
        connection.close().await.unwrap();
    };
    let fault = Fault {
        backend: "SQLite",
        name: "locked by another process for 6 s",
        effect: Effect::Hanging(PATIENCE),
        begin: Box::new(|_| *holder.borrow_mut() = Some(runtime.block_on(begin))),
        meanwhile: lasting(Duration::from_secs(6)),
        end: Box::new(|| runtime.block_on(end)),
    };
    survives(&format!("sqlite:{}", file.display()), fault);
}

#[test]
fn redis_has_no_memory_left() {
    let Some(redis) = Redis::start(Durability::Durable) else {
        return;
    };
    let most = |bytes: &str| {
        let said = redis.run(&["CONFIG", "SET", "maxmemory", bytes]);
        assert!(said.contains("OK"), "{said}");
    };
    let fault = Fault {
        backend: "Redis",
        name: "no memory left",
        effect: Effect::Refused,
        begin: Box::new(|_| most("1")),
        meanwhile: lasting(Duration::from_secs(2)),
        end: Box::new(|| most("0")),
    };
    survives(redis.url(), fault);
}

/// Its records are unavailable; those of the others are served as ever.
#[test]
fn a_redis_cluster_loses_a_node_and_regains_it() {
    let Some(cluster) = RedisCluster::start_with(Durability::Durable) else {
        return;
    };
    let lost = cluster.nodes()[1].instance();
    let tokens = std::cell::RefCell::new(Vec::new());
    let fault = Fault {
        backend: "Redis cluster",
        name: "one node of three lost",
        effect: Effect::Refused,
        begin: Box::new(|client| {
            for _ in 0..30 {
                let answer = client.redeem(&client.code().unwrap()).unwrap();
                tokens.borrow_mut().push(answer.member("access_token"));
            }
            lost.kill();
        }),
        meanwhile: Box::new(|client| {
            // The servers take a while to agree that it is lost; the answers stay the same.
            for _ in 0..3 {
                let tokens = tokens.borrow();
                let status = |token: &String| client.whoami(token).unwrap().status;
                let (served, others): (Vec<_>, Vec<_>) =
                    tokens.iter().map(status).partition(|status| *status == 200);
                assert!(served.len() >= 8, "{} of 30 are served", served.len());
                assert!(!others.is_empty() && others.iter().all(|status| *status == 503));
                std::thread::sleep(Duration::from_millis(800));
            }
        }),
        end: Box::new(|| {
            lost.restart();
            cluster.wait_until_whole();
        }),
    };
    survives(&cluster.url(), fault);
}
