//! Whether a store gets slower as it grows, beside bare statements that grow with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::servers::{Durability, Instance, MariaDb, Postgres, Redis};

use super::drive::{Caller, Measured, beside, drive};
use super::ours::{Store, Work, exchanges, fill, lookups};
use super::redis::Bare as BareRedis;
use super::servers::{BareMySql, BarePostgres};
use super::sqlite::Folder;
use super::{Wanted, loading, redis, sqlite};
use crate::{Fallible, median};

const CALLERS: usize = 8;
/// How far the ratio to bare statements may fall.
const MUST: f64 = 0.9;
/// How far the rate may fall where there are none.
const ALONE: f64 = 0.85;
/// What an operator of so many grants gives the servers: room for most of a million in memory, and
/// as much log between two checkpoints.
const POSTGRES: [&str; 2] = ["shared_buffers=2GB", "max_wal_size=4GB"];
pub(crate) const MARIADB: [&str; 2] = ["innodb-buffer-pool-size=2G", "innodb-log-file-size=1G"];

/// What bare callers need to ask for the same.
enum Bare {
    Nobody,
    Sqlite(PathBuf),
    Postgres(String),
    MariaDb(String),
    Redis(MultiplexedConnection),
}

/// Ours, and the bare statements if there are any.
type Pair = (Measured, Option<Measured>);

/// One store with so many live grants.
struct Grown<'a> {
    grants: usize,
    store: Store,
    bare: Bare,
    server: Option<&'a Instance>,
    lookups: Vec<Pair>,
    exchanges: Vec<Pair>,
}

impl<'a> Grown<'a> {
    fn new(grants: usize, store: Store, bare: Bare, server: Option<&'a Instance>) -> Self {
        Self {
            grants,
            store,
            bare,
            server,
            lookups: Vec::new(),
            exchanges: Vec::new(),
        }
    }

    async fn round(&mut self, round: usize, time: Duration) -> Fallible<()> {
        let grants = self.grants;
        match &self.bare {
            Bare::Nobody => {
                let ours = lookups(&self.store, CALLERS, grants);
                let found = drive(ours, time, self.server).await?;
                self.lookups.push((found, None));
                let ours = exchanges(&self.store, CALLERS, grants);
                let replaced = drive(ours, time, self.server).await?;
                self.exchanges.push((replaced, None));
                Ok(())
            }
            Bare::Sqlite(file) => {
                let reading = sqlite::readings(file, CALLERS, grants).await?;
                let writing = sqlite::exchanges(file, CALLERS, grants).await?;
                self.beside(round, time, reading, writing).await
            }
            Bare::Postgres(url) => {
                let reading = BarePostgres::each(url, CALLERS, grants, Work::Lookup).await?;
                let writing = BarePostgres::each(url, CALLERS, grants, Work::Exchange).await?;
                self.beside(round, time, reading, writing).await
            }
            Bare::MariaDb(url) => {
                let reading = BareMySql::each(url, CALLERS, grants, Work::Lookup).await?;
                let writing = BareMySql::each(url, CALLERS, grants, Work::Exchange).await?;
                self.beside(round, time, reading, writing).await
            }
            Bare::Redis(connection) => {
                let reading = BareRedis::each(connection, CALLERS, grants, Work::Lookup);
                let writing = BareRedis::each(connection, CALLERS, grants, Work::Exchange);
                self.beside(round, time, reading, writing).await
            }
        }
    }

    async fn beside(
        &mut self,
        round: usize,
        time: Duration,
        reading: Vec<impl Caller>,
        writing: Vec<impl Caller>,
    ) -> Fallible<()> {
        let ours = lookups(&self.store, CALLERS, self.grants);
        let (ours, bare) = beside(round, ours, reading, time, self.server).await?;
        self.lookups.push((ours, Some(bare)));
        let ours = exchanges(&self.store, CALLERS, self.grants);
        let (ours, bare) = beside(round, ours, writing, time, self.server).await?;
        self.exchanges.push((ours, Some(bare)));
        Ok(())
    }
}

/// Measures every store at every size, the sizes in turn, and prints the table; says whether the
/// must is held everywhere.
pub(crate) async fn measure(
    stores: &Wanted,
    sizes: &[usize],
    rounds: usize,
    time: Duration,
) -> Fallible<bool> {
    println!(
        "| store | grants | what | ours/s | bare/s | ours ÷ bare | ÷ smallest | must | | CPU µs | \
         bare ÷ ours by CPU | ÷ smallest |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut held = true;
    if stores.has("memory") {
        let mut all = Vec::new();
        for grants in sizes {
            let store: Store = Arc::new(MemoryStorage::new());
            fill(&store, *grants).await?;
            all.push(Grown::new(*grants, store, Bare::Nobody, None));
        }
        held &= rounds_of("memory", all, rounds, time).await?;
    }
    if stores.has("SQLite") {
        let folder = Folder::make("growth")?;
        let mut all = Vec::new();
        for grants in sizes {
            let file = folder.file(&grants.to_string());
            let store = sqlite::open(file.clone()).await?;
            fill(&store, *grants).await?;
            all.push(Grown::new(*grants, store, Bare::Sqlite(file), None));
        }
        held &= rounds_of("SQLite", all, rounds, time).await?;
    }
    if let Some(server) = stores
        .has("PostgreSQL")
        .then(|| Postgres::start_with(Durability::Durable, &POSTGRES))
        .flatten()
    {
        let databases: Vec<_> = sizes.iter().map(|_| server.database()).collect();
        let mut all = Vec::new();
        for (grants, database) in sizes.iter().zip(&databases) {
            let store = loading::postgres(database, *grants).await?;
            let bare = Bare::Postgres(database.url().to_owned());
            all.push(Grown::new(*grants, store, bare, Some(server.instance())));
        }
        held &= rounds_of("PostgreSQL", all, rounds, time).await?;
    }
    if let Some(server) = stores
        .has("MariaDB")
        .then(|| MariaDb::start_with(Durability::Durable, &MARIADB))
        .flatten()
    {
        let databases: Vec<_> = sizes.iter().map(|_| server.database()).collect();
        let mut all = Vec::new();
        for (grants, database) in sizes.iter().zip(&databases) {
            let store = loading::mariadb(database, *grants).await?;
            let bare = Bare::MariaDb(database.url().to_owned());
            all.push(Grown::new(*grants, store, bare, Some(server.instance())));
        }
        held &= rounds_of("MariaDB", all, rounds, time).await?;
    }
    if stores.has("Redis") {
        // A server for each size: it has one table of keys for everybody.
        let start = |_: &usize| Redis::start(Durability::Durable);
        let servers: Vec<_> = sizes.iter().filter_map(start).collect();
        let mut all = Vec::new();
        for (grants, server) in sizes.iter().zip(&servers) {
            let store = redis::grown(server, *grants).await?;
            let bare = Bare::Redis(redis::bare_values(server, *grants).await?);
            all.push(Grown::new(*grants, store, bare, Some(server.instance())));
        }
        held &= rounds_of("Redis", all, rounds, time).await?;
    }
    println!();
    Ok(held)
}

async fn rounds_of(
    name: &str,
    mut all: Vec<Grown<'_>>,
    rounds: usize,
    time: Duration,
) -> Fallible<bool> {
    eprintln!("  {name} is filled");
    for round in 0..rounds {
        for grown in &mut all {
            grown.round(round, time).await?;
        }
    }
    let mut held = true;
    let Some(first) = all.first() else {
        return Ok(held);
    };
    type Of = for<'a> fn(&'a Grown<'a>) -> &'a [Pair];
    let each: [(&str, Of); 2] = [
        ("lookup", |it| &it.lookups),
        ("exchange", |it| &it.exchanges),
    ];
    for (what, of) in each {
        let smallest = Compared::of(of(first));
        for grown in &all {
            let now = Compared::of(of(grown));
            let (must, fall) = match now.bare {
                Some(_) => (MUST, now.ratio / smallest.ratio),
                None => (ALONE, now.rate / smallest.rate),
            };
            held &= fall >= must;
            let (bare, ratio, cpu) = match now.bare {
                Some(bare) => (
                    format!("{bare:.0}"),
                    format!("{:.2}", now.ratio),
                    format!("{:.2} | {:.2}", now.by_cpu, now.by_cpu / smallest.by_cpu),
                ),
                None => (String::new(), String::new(), " | ".to_owned()),
            };
            println!(
                "| {name} | {} | {what} | {:.0} | {bare} | {ratio} | {fall:.2} | {must} | {} | \
                 {:.1} | {cpu} |",
                grown.grants,
                now.rate,
                if fall >= must { "held" } else { "missed" },
                now.cpu,
            );
        }
    }
    Ok(held)
}

/// The medians of the rounds, and those of each round's ratio.
struct Compared {
    rate: f64,
    cpu: f64,
    bare: Option<f64>,
    ratio: f64,
    by_cpu: f64,
}

impl Compared {
    fn of(rounds: &[Pair]) -> Self {
        let pairs = || {
            let both = |(ours, bare): &Pair| Some((*ours, (*bare)?));
            rounds.iter().filter_map(both)
        };
        let bare: Vec<f64> = pairs().map(|(_, bare)| bare.rate).collect();
        Self {
            rate: median(rounds.iter().map(|(ours, _)| ours.rate).collect()),
            cpu: median(rounds.iter().map(|(ours, _)| ours.cpu).collect()),
            bare: (!bare.is_empty()).then(|| median(bare)),
            ratio: median(pairs().map(|(ours, bare)| ours.rate / bare.rate).collect()),
            by_cpu: median(pairs().map(|(ours, bare)| bare.cpu / ours.cpu).collect()),
        }
    }
}
