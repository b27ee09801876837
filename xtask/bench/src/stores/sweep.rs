//! What sweeping expired grants costs the exchanges that go on meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oauth_testkit::servers::{Durability, Instance, Postgres};
use oauth_types::env::{Clock, SystemClock};
use tokio::time::Instant;

use super::drive::{Measured, cpu_micros, drive};
use super::ours::{Store, exchanges, fill};
use super::sqlite::Folder;
use super::{Wanted, servers, sqlite};
use crate::{Fallible, median};

const CALLERS: usize = 8;
const LIVE: usize = 10_000;
/// Swept at a time: five times what the quickstart does, and without its pauses.
const BATCH: usize = 500;
/// The longest that one statement may take, and hold its locks.
const MOST: Duration = Duration::from_millis(50);
/// What exchanges may cost meanwhile, against what they cost otherwise.
const DEARER: f64 = 1.2;
/// How long expired grants may be loaded.
const LOADING: Duration = Duration::from_secs(60);

/// What sweeping for a while did.
struct Swept {
    grants: usize,
    longest: Duration,
    cpu: u64,
}

/// Sweeps, batch after batch, until told to stop or nothing is left.
async fn sweep(store: &Store, stop: &AtomicBool, server: Option<&Instance>) -> Fallible<Swept> {
    let before = cpu_micros(server)?;
    let (mut grants, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let some = store.grants().sweep(SystemClock.now(), BATCH).await?;
        longest = longest.max(begun.elapsed());
        grants += some;
        if some == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let cpu = cpu_micros(server)? - before;
    Ok(Swept {
        grants,
        longest,
        cpu,
    })
}

/// Sweeps for a while.
async fn sweep_for(
    store: &Store,
    time: Duration,
    server: Option<&Instance>,
    meanwhile: Option<Vec<super::ours::Exchange>>,
) -> Fallible<(Swept, Option<Measured>)> {
    let stop = AtomicBool::new(false);
    let other = async {
        let measured = match meanwhile {
            Some(callers) => Some(drive(callers, time, server).await),
            None => {
                tokio::time::sleep(time).await;
                None
            }
        };
        stop.store(true, Ordering::Relaxed);
        measured.transpose()
    };
    let (swept, measured) = tokio::join!(sweep(store, &stop, server), other);
    Ok((swept?, measured?))
}

/// Measures and prints the table; says whether both musts are held.
pub(crate) async fn measure(
    stores: &Wanted,
    expired: usize,
    rounds: usize,
    time: Duration,
) -> Fallible<bool> {
    println!(
        "| store | expired loaded | swept/s alone | longest batch alone | longest batch beside exchanges | \
         exchange/s | meanwhile | longest exchange | meanwhile | CPU µs an exchange | meanwhile, less \
         the sweep's | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut held = true;
    if stores.has("SQLite") {
        let folder = Folder::make("sweep")?;
        let store = sqlite::open(folder.file("swept")).await?;
        fill(&store, LIVE).await?;
        let made = sqlite::expire(folder.file("swept"), expired, LOADING)?;
        held &= on("SQLite", &store, made, rounds, time, None).await?;
    }
    let wanted = stores.has("PostgreSQL");
    if let Some(server) = wanted
        .then(|| Postgres::start(Durability::Durable))
        .flatten()
    {
        let database = server.database();
        let store = servers::grown(&database, LIVE).await?;
        let made = servers::expire(&database, expired, LOADING).await?;
        held &= on(
            "PostgreSQL",
            &store,
            made,
            rounds,
            time,
            Some(server.instance()),
        )
        .await?;
    }
    println!();
    Ok(held)
}

async fn on(
    name: &str,
    store: &Store,
    made: usize,
    rounds: usize,
    time: Duration,
    server: Option<&Instance>,
) -> Fallible<bool> {
    let mut found = Vec::new();
    for round in 0..rounds {
        let callers = || exchanges(store, CALLERS, LIVE);
        let without = drive(callers(), time, server).await?;
        let (alone, _) = sweep_for(store, time, server, None).await?;
        let (beside, with) = sweep_for(store, time, server, Some(callers())).await?;
        let with = with.ok_or("no exchanges were driven")?;
        let each = alone.cpu as f64 / alone.grants.max(1) as f64;
        let sweeping = each * beside.grants as f64 / with.calls.max(1) as f64;
        eprintln!(
            "  {name}, round {}: {:.0}/s, {:.1} µs; sweeping {:.0}/s, {:.1} µs, of which {sweeping:.1} \
             for {} grants swept",
            round + 1,
            without.rate,
            without.cpu,
            with.rate,
            with.cpu,
            beside.grants
        );
        found.push((without, alone, beside, with, with.cpu - sweeping));
    }
    type Round = (Measured, Swept, Swept, Measured, f64);
    let of = |pick: &dyn Fn(&Round) -> f64| median(found.iter().map(pick).collect());
    let most = |pick: &dyn Fn(&Round) -> Duration| found.iter().map(pick).max().unwrap_or_default();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let ratio = of(&|it| it.4 / it.0.cpu);
    let batch = most(&|it| it.1.longest);
    // SQLite sweeps in slices, between which others write: one of eight callers is there whenever a
    // slice begins, so what it lasts is in what exchanges take.
    let holds = match name {
        "SQLite" => most(&|it| it.3.longest),
        _ => batch,
    };
    println!(
        "| {name} | {made} | {:.0} | {:.1} ms | {:.1} ms | {:.0} | {:.0} | {:.1} ms | {:.1} ms | {:.1} \
         | {:.1} | {ratio:.2} |",
        of(&|it| it.1.grants as f64 / time.as_secs_f64()),
        millis(batch),
        millis(most(&|it| it.2.longest)),
        of(&|it| it.0.rate),
        of(&|it| it.3.rate),
        millis(most(&|it| it.0.longest)),
        millis(most(&|it| it.3.longest)),
        of(&|it| it.0.cpu),
        of(&|it| it.4),
    );
    Ok(holds <= MOST && ratio <= DEARER)
}
