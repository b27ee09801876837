//! Whether a store gets slower as it grows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oauth_storage_memory::MemoryStorage;
use oauth_testkit::servers::{Durability, Instance, Postgres, PostgresDatabase, Redis};

use super::drive::{Measured, drive};
use super::ours::{Store, exchanges, fill, lookups};
use super::sqlite::Folder;
use super::{Wanted, redis, servers, sqlite};
use crate::{Fallible, median};

const CALLERS: usize = 8;
const MUST: f64 = 0.85;
/// The same where bare statements grow beside ours: how far the ratio to them may fall.
const BESIDE: f64 = 0.9;

/// One store with so many live grants.
struct Grown {
    name: &'static str,
    grants: usize,
    store: Store,
    lookups: Vec<Measured>,
    exchanges: Vec<Measured>,
    /// The same on bare connections, round by round: lookups and exchanges.
    bare: Option<(PathBuf, Vec<(Measured, Measured)>)>,
}

impl Grown {
    fn new(name: &'static str, grants: usize, store: Store) -> Self {
        Self {
            name,
            grants,
            store,
            lookups: Vec::new(),
            exchanges: Vec::new(),
            bare: None,
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
        if let Some((file, measured)) = &mut self.bare {
            let callers = sqlite::readings(file, CALLERS, self.grants).await?;
            let found = drive(callers, time, server).await?;
            let callers = sqlite::exchanges(file, CALLERS, self.grants).await?;
            let replaced = drive(callers, time, server).await?;
            eprintln!(
                "    bare: lookup {:.0}/s, exchange {:.0}/s",
                found.rate, replaced.rate
            );
            measured.push((found, replaced));
        }
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
        "| store | grants | lookup/s | ÷ smallest | CPU µs | ÷ smallest | exchange/s | ÷ smallest | \
         CPU µs | ÷ smallest | must {MUST} |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut held = true;
    if stores.has("memory") {
        let mut all = Vec::new();
        for grants in sizes {
            let store: Store = Arc::new(MemoryStorage::new());
            fill(&store, *grants).await?;
            all.push(Grown::new("memory", *grants, store));
        }
        held &= rounds_of(all, rounds, time, None).await?;
    }
    if stores.has("SQLite") {
        let folder = Folder::make("growth")?;
        let mut all = Vec::new();
        for grants in sizes {
            let file = folder.file(&grants.to_string());
            let store = sqlite::open(file.clone()).await?;
            fill(&store, *grants).await?;
            let bare = Some((file, Vec::new()));
            all.push(Grown {
                bare,
                ..Grown::new("SQLite", *grants, store)
            });
        }
        held &= rounds_of(all, rounds, time, None).await?;
    }
    let wanted = stores.has("PostgreSQL");
    if let Some(server) = wanted
        .then(|| Postgres::start(Durability::Durable))
        .flatten()
    {
        let databases: Vec<PostgresDatabase> = sizes.iter().map(|_| server.database()).collect();
        let mut all = Vec::new();
        for (grants, database) in sizes.iter().zip(&databases) {
            let store = servers::grown(database, *grants).await?;
            all.push(Grown::new("PostgreSQL", *grants, store));
        }
        held &= rounds_of(all, rounds, time, Some(server.instance())).await?;
    }
    let wanted = stores.has("Redis");
    if let Some(server) = wanted.then(|| Redis::start(Durability::Durable)).flatten() {
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
    let beside_bare = first.bare.is_some();
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
            held &= beside_bare || rates >= MUST;
            let (rate, cpu, cpus) = (of(|it| it.rate), of(|it| it.cpu), ratio(|it| it.cpu));
            cells += &format!(" {rate:.0} | {rates:.2} | {cpu:.1} | {cpus:.2} |");
        }
        println!("| {} | {} |{cells} |", grown.name, grown.grants);
    }
    let mut falls = Vec::new();
    for grown in &all {
        let Some((_, bare)) = &grown.bare else {
            continue;
        };
        let beside = |ours: &[Measured], pick: fn(&(Measured, Measured)) -> Measured| {
            let pairs = ours.iter().zip(bare);
            let rates = pairs.clone().map(|(a, b)| a.rate / pick(b).rate).collect();
            let cpus = pairs.map(|(a, b)| pick(b).cpu / a.cpu).collect();
            (median(rates), median(cpus))
        };
        let now = [
            beside(&grown.lookups, |it| it.0),
            beside(&grown.exchanges, |it| it.1),
        ];
        let smallest = *falls.first().unwrap_or(&now);
        for (what, at) in [("lookup", 0), ("exchange", 1)] {
            let (ratio, cpu) = now[at];
            let fall = ratio / smallest[at].0;
            held &= fall >= BESIDE;
            println!(
                "| {}, {what} ÷ bare | {} | {ratio:.2} | ÷ smallest {fall:.2} | must {BESIDE} | by \
                 CPU {cpu:.2} |",
                grown.name, grown.grants
            );
        }
        falls.push(now);
    }
    Ok(held)
}
