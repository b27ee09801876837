//! What sweeping expired grants costs the exchanges that go on meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oauth_testkit::servers::{Durability, Instance, MariaDb, Postgres};
use oauth_types::env::{Clock, SystemClock};
use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Database, Executor};
use tokio::time::sleep;

use super::drive::{Measured, cpu_micros, drive};
use super::growth::MARIADB;
use super::ours::{Store, exchanges, fill};
use super::sqlite::Folder;
use super::{Wanted, loading, sqlite};
use crate::{Fallible, median};

const CALLERS: usize = 8;
const LIVE: usize = 10_000;
/// Swept by one call: five times what the quickstart does, and without its pauses.
const BATCH: usize = 500;
/// The longest that one statement may take, and hold its locks.
const MOST: Duration = Duration::from_millis(50);
/// What is left at least of the rate of exchanges meanwhile.
const KEPT: f64 = 0.8;
/// What exchanges may cost meanwhile, against what they cost otherwise.
const DEARER: f64 = 1.2;
/// How long expired grants may be loaded.
const LOADING: Duration = Duration::from_secs(60);

/// How a server is asked how many milliseconds the oldest deletion has been under way, from the
/// beginning of its transaction to the end of its commit.
const OLDEST_OF_POSTGRES: &str = "SELECT COALESCE(MAX(EXTRACT(EPOCH FROM \
    clock_timestamp() - xact_start)), 0)::float8 * 1000 FROM pg_stat_activity \
    WHERE state = 'active' AND query LIKE 'DELETE%'";
const OLDEST_OF_MARIADB: &str = "SELECT CAST(COALESCE(MAX(TIME_MS), 0) AS DOUBLE) \
    FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DELETE%'";
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(5);

/// What sweeping for a while did.
struct Swept {
    grants: usize,
    cpu: u64,
}

/// A store and what there is to know of where it is.
struct Place<'a> {
    store: &'a Store,
    server: Option<&'a Instance>,
    watch: Watch<'a>,
}

/// Who can be asked about deletions.
enum Watch<'a> {
    /// One that sweeps in slices, between which others write: one of eight callers is there
    /// whenever a slice begins, so what it lasts is in what exchanges take.
    Exchanges,
    Postgres(&'a str),
    MariaDb(&'a str),
}

impl Watch<'_> {
    /// How long the longest deletion was seen to be under way until told to stop.
    async fn longest(&self, stop: &AtomicBool) -> Fallible<Duration> {
        match self {
            Watch::Exchanges => Ok(Duration::ZERO),
            Watch::Postgres(url) => {
                let connection = PgConnection::connect(url).await?;
                watched(connection, OLDEST_OF_POSTGRES, stop).await
            }
            Watch::MariaDb(url) => {
                let connection = MySqlConnection::connect(url).await?;
                watched(connection, OLDEST_OF_MARIADB, stop).await
            }
        }
    }
}

async fn watched<C>(mut connection: C, ask: &'static str, stop: &AtomicBool) -> Fallible<Duration>
where
    C: Connection,
    for<'c> &'c mut C: Executor<'c, Database = C::Database>,
    for<'r> f64: sqlx::Decode<'r, C::Database> + sqlx::Type<C::Database>,
    for<'r> (f64,): sqlx::FromRow<'r, <C::Database as Database>::Row>,
    <C::Database as Database>::Arguments: sqlx::IntoArguments<C::Database>,
{
    let mut longest = 0f64;
    while !stop.load(Ordering::Relaxed) {
        let (now,): (f64,) = sqlx::query_as(ask).fetch_one(&mut connection).await?;
        longest = longest.max(now);
        sleep(LOOK).await;
    }
    connection.close().await?;
    Ok(Duration::from_secs_f64(longest / 1e3))
}

/// Sweeps, batch after batch, until told to stop or nothing is left.
async fn sweep(place: &Place<'_>, stop: &AtomicBool) -> Fallible<Swept> {
    let before = cpu_micros(place.server)?;
    let mut grants = 0;
    while !stop.load(Ordering::Relaxed) {
        match place.store.grants().sweep(SystemClock.now(), BATCH).await? {
            0 => break,
            some => grants += some,
        }
        tokio::task::yield_now().await;
    }
    let cpu = cpu_micros(place.server)? - before;
    Ok(Swept { grants, cpu })
}

/// Sweeps for a while.
async fn sweep_for(
    place: &Place<'_>,
    time: Duration,
    meanwhile: Option<Vec<super::ours::Exchange>>,
) -> Fallible<(Swept, Duration, Option<Measured>)> {
    let stop = AtomicBool::new(false);
    let other = async {
        let measured = match meanwhile {
            Some(callers) => Some(drive(callers, time, place.server).await),
            None => {
                sleep(time).await;
                None
            }
        };
        stop.store(true, Ordering::Relaxed);
        measured.transpose()
    };
    let watch = place.watch.longest(&stop);
    let (swept, longest, measured) = tokio::join!(sweep(place, &stop), watch, other);
    Ok((swept?, longest?, measured?))
}

/// Measures and prints the table; says whether the musts are held.
pub(crate) async fn measure(
    stores: &Wanted,
    expired: usize,
    rounds: usize,
    time: Duration,
) -> Fallible<bool> {
    println!(
        "| store | expired loaded | swept/s alone | beside exchanges | longest deletion alone | beside \
         exchanges | exchange/s | meanwhile | ratio | longest exchange | meanwhile | CPU µs an exchange \
         | meanwhile, less the sweep's | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut held = true;
    if stores.has("SQLite") {
        let folder = Folder::make("sweep")?;
        let store = sqlite::open(folder.file("swept")).await?;
        fill(&store, LIVE).await?;
        let made = sqlite::expire(folder.file("swept"), expired, LOADING)?;
        let place = Place {
            store: &store,
            server: None,
            watch: Watch::Exchanges,
        };
        held &= on("SQLite", &place, made, rounds, time).await?;
    }
    if let Some(server) = stores
        .has("PostgreSQL")
        .then(|| Postgres::start(Durability::Durable))
        .flatten()
    {
        let database = server.database();
        let store = loading::postgres(&database, LIVE).await?;
        let made = loading::expire_postgres(&database, expired, LOADING).await?;
        let place = Place {
            store: &store,
            server: Some(server.instance()),
            watch: Watch::Postgres(database.url()),
        };
        held &= on("PostgreSQL", &place, made, rounds, time).await?;
    }
    if let Some(server) = stores
        .has("MariaDB")
        .then(|| MariaDb::start_with(Durability::Durable, &MARIADB))
        .flatten()
    {
        let database = server.database();
        let store = loading::mariadb(&database, LIVE).await?;
        let made = loading::expire_mariadb(&database, expired, LOADING).await?;
        let place = Place {
            store: &store,
            server: Some(server.instance()),
            watch: Watch::MariaDb(database.url()),
        };
        held &= on("MariaDB", &place, made, rounds, time).await?;
    }
    println!();
    Ok(held)
}

async fn on(
    name: &str,
    place: &Place<'_>,
    made: usize,
    rounds: usize,
    time: Duration,
) -> Fallible<bool> {
    let mut found = Vec::new();
    for round in 0..rounds {
        let callers = || exchanges(place.store, CALLERS, LIVE);
        let without = drive(callers(), time, place.server).await?;
        let (alone, longest_alone, _) = sweep_for(place, time, None).await?;
        let (beside, longest, with) = sweep_for(place, time, Some(callers())).await?;
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
        found.push(Round {
            longest: [longest_alone, longest],
            cpu: with.cpu - sweeping,
            without,
            alone,
            beside,
            with,
        });
    }
    let of = |pick: &dyn Fn(&Round) -> f64| median(found.iter().map(pick).collect());
    let most = |pick: &dyn Fn(&Round) -> Duration| found.iter().map(pick).max().unwrap_or_default();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let per_second = |swept: &Swept| swept.grants as f64 / time.as_secs_f64();
    let cpu = of(&|it| it.cpu / it.without.cpu);
    let kept = of(&|it| it.with.rate / it.without.rate);
    let longest = [0, 1].map(|at| most(&|it| it.longest[at]));
    let (deletions, holds) = match place.watch {
        Watch::Exchanges => (" | ".to_owned(), most(&|it| it.with.longest)),
        _ => {
            let [alone, beside] = longest.map(millis);
            let cells = format!("{alone:.1} ms | {beside:.1} ms");
            (cells, longest[0].max(longest[1]))
        }
    };
    println!(
        "| {name} | {made} | {:.0} | {:.0} | {deletions} | {:.0} | {:.0} | {kept:.2} | {:.1} ms | \
         {:.1} ms | {:.1} | {:.1} | {cpu:.2} |",
        of(&|it| per_second(&it.alone)),
        of(&|it| per_second(&it.beside)),
        of(&|it| it.without.rate),
        of(&|it| it.with.rate),
        millis(most(&|it| it.without.longest)),
        millis(most(&|it| it.with.longest)),
        of(&|it| it.without.cpu),
        of(&|it| it.cpu),
    );
    Ok(holds <= MOST && cpu <= DEARER && kept >= KEPT)
}

/// One after the other: exchanges, a sweep, both together.
struct Round {
    without: Measured,
    alone: Swept,
    beside: Swept,
    with: Measured,
    /// The longest deletion that was seen, alone and beside exchanges.
    longest: [Duration; 2],
    /// Of an exchange meanwhile, less what the sweep took.
    cpu: f64,
}
