//! Whether a store gets slower as it grows.

use std::sync::Arc;
use std::time::Duration;

use oauth_storage_memory::MemoryStorage;
use oauth_testkit::servers::{Durability, Instance, Postgres, PostgresDatabase, Redis};

use super::drive::{Measured, drive};
use super::ours::{Store, exchanges, fill, lookups};
use super::sqlite::Folder;
use super::{redis, servers, sqlite};
use crate::{Fallible, median};

const CALLERS: usize = 8;
const MUST: f64 = 0.85;

/// One store with so many live grants.
struct Grown {
    name: &'static str,
    grants: usize,
    store: Store,
    lookups: Vec<Measured>,
    exchanges: Vec<Measured>,
}

impl Grown {
    fn new(name: &'static str, grants: usize, store: Store) -> Self {
        Self {
            name,
            grants,
            store,
            lookups: Vec::new(),
            exchanges: Vec::new(),
        }
    }

    async fn round(&mut self, time: Duration, server: Option<&Instance>) -> Fallible<()> {
        let found = drive(lookups(&self.store, CALLERS, self.grants), time, server).await?;
        let replaced = drive(exchanges(&self.store, CALLERS, self.grants), time, server).await?;
        eprintln!(
            "  {} with {}: lookup {:.0}/s, exchange {:.0}/s",
            self.name, self.grants, found.rate, replaced.rate
        );
        self.lookups.push(found);
        self.exchanges.push(replaced);
        Ok(())
    }
}

/// Measures every store at every size, the sizes in turn, and prints the table; says whether the
/// must is held everywhere.
pub(crate) async fn measure(sizes: &[usize], rounds: usize, time: Duration) -> Fallible<bool> {
    println!(
        "| store | grants | lookup/s | ÷ smallest | CPU µs | ÷ smallest | exchange/s | ÷ smallest | \
         CPU µs | ÷ smallest | must {MUST} |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut held = true;
    let mut all = Vec::new();
    for grants in sizes {
        let store: Store = Arc::new(MemoryStorage::new());
        fill(&store, *grants).await?;
        all.push(Grown::new("memory", *grants, store));
    }
    held &= rounds_of(all, rounds, time, None).await?;

    let folder = Folder::make("growth")?;
    let mut all = Vec::new();
    for grants in sizes {
        let store = sqlite::open(folder.file(&grants.to_string())).await?;
        fill(&store, *grants).await?;
        all.push(Grown::new("SQLite", *grants, store));
    }
    held &= rounds_of(all, rounds, time, None).await?;
    drop(folder);

    if let Some(server) = Postgres::start(Durability::Durable) {
        let databases: Vec<PostgresDatabase> = sizes.iter().map(|_| server.database()).collect();
        let mut all = Vec::new();
        for (grants, database) in sizes.iter().zip(&databases) {
            let store = servers::grown(database, *grants).await?;
            all.push(Grown::new("PostgreSQL", *grants, store));
        }
        held &= rounds_of(all, rounds, time, Some(server.instance())).await?;
    }
    if let Some(server) = Redis::start(Durability::Durable) {
        let mut all = Vec::new();
        for grants in sizes {
            let store = redis::grown(&server, *grants).await?;
            all.push(Grown::new("Redis", *grants, store));
        }
        held &= rounds_of(all, rounds, time, Some(server.instance())).await?;
    }
    println!();
    Ok(held)
}

async fn rounds_of(
    mut all: Vec<Grown>,
    rounds: usize,
    time: Duration,
    server: Option<&Instance>,
) -> Fallible<bool> {
    for _ in 0..rounds {
        for grown in &mut all {
            grown.round(time, server).await?;
        }
    }
    let mut held = true;
    let Some((first, _)) = all.split_first() else {
        return Ok(held);
    };
    for grown in &all {
        let mut cells = String::new();
        for (mine, smallest) in [
            (&grown.lookups, &first.lookups),
            (&grown.exchanges, &first.exchanges),
        ] {
            let of = |pick: fn(&Measured) -> f64| median(mine.iter().map(pick).collect());
            let ratio = |pick: fn(&Measured) -> f64| {
                let pairs = mine.iter().zip(smallest);
                median(pairs.map(|(a, b)| pick(a) / pick(b)).collect())
            };
            let rates = ratio(|it| it.rate);
            held &= rates >= MUST;
            let (rate, cpu, cpus) = (of(|it| it.rate), of(|it| it.cpu), ratio(|it| it.cpu));
            cells += &format!(" {rate:.0} | {rates:.2} | {cpu:.1} | {cpus:.2} |");
        }
        println!("| {} | {} |{cells} |", grown.name, grown.grants);
    }
    Ok(held)
}
