//! `--stores`: each store in process, without HTTP, beside the same statements issued bare, in one
//! run and in turn.

mod drive;
mod growth;
mod loading;
mod ours;
mod pgbench;
mod redis;
mod rows;
mod servers;
mod sqlite;
mod sweep;

use std::time::Duration;

use oauth_storage::GrantRecord;
use oauth_storage::record::{decode, encode};
use tokio::time::Instant;

use crate::Fallible;

const USAGE: &str = "--stores [--rounds N] [--seconds N] [--live N,N,…] [--expired N] \
                     [--part limits|growth|sweep] [--store NAME]";

/// The stores to measure: all of them, or the one that was named.
#[derive(Default)]
pub(crate) struct Wanted(Option<String>);

impl Wanted {
    pub(crate) fn has(&self, store: &str) -> bool {
        let named = self.0.as_deref();
        named.is_none_or(|named| named.eq_ignore_ascii_case(store))
    }
}

/// Measures all parts, or one of them, and prints a table for each.
pub(crate) async fn measure(mut args: impl Iterator<Item = String>) -> Fallible<()> {
    let (mut rounds, mut seconds, mut expired) = (3usize, 1f64, 1_000_000usize);
    let (mut live, mut part) = (vec![1_000, 100_000, 1_000_000], None);
    let mut stores = Wanted::default();
    while let Some(arg) = args.next() {
        let value = args.next().ok_or(format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--rounds" => rounds = value.parse()?,
            "--seconds" => seconds = value.parse()?,
            "--expired" => expired = value.parse()?,
            "--live" => live = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--part" if ["limits", "growth", "sweep"].contains(&&*value) => part = Some(value),
            "--store" => stores = Wanted(Some(value)),
            _ => return Err(format!("{arg} {value} is not understood; {USAGE}").into()),
        }
    }
    let time = Duration::from_secs_f64(seconds);
    let wanted = |name| part.as_deref().is_none_or(|part| part == name);
    let mut held = true;
    if wanted("limits") {
        held &= limits(&stores, rounds, time).await?;
    }
    if wanted("growth") {
        held &= growth::measure(&stores, &live, rounds, time / 2).await?;
    }
    if wanted("sweep") {
        held &= sweep::measure(&stores, expired, rounds, time * 2).await?;
    }
    println!("{rounds} rounds in turn, {seconds} s for each measurement, medians of the rounds.");
    println!(
        "{}",
        match held {
            true => "Every must is held.",
            false => "A must is missed.",
        }
    );
    Ok(())
}

async fn limits(stores: &Wanted, rounds: usize, time: Duration) -> Fallible<bool> {
    let mut rows = rows::Rows::default();
    let sqlite = match stores.has("SQLite") {
        true => Some(sqlite::OnSqlite::prepare().await?),
        false => None,
    };
    let postgres = match stores.has("PostgreSQL") {
        true => servers::OnPostgres::prepare().await?,
        false => None,
    };
    let mariadb = match stores.has("MariaDB") {
        true => servers::OnMariaDb::prepare().await?,
        false => None,
    };
    let redis = match stores.has("Redis") {
        true => redis::OnRedis::prepare().await?,
        false => None,
    };
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        if let Some(redis) = &redis {
            redis.round(time, &mut rows).await?;
        }
        if let Some(postgres) = &postgres {
            postgres.round(time, &mut rows).await?;
        }
        if let Some(mariadb) = &mariadb {
            mariadb.round(time, &mut rows).await?;
        }
        if let Some(sqlite) = &sqlite {
            sqlite.round(time, &mut rows).await?;
        }
    }
    let held = rows.print();
    let record = ours::grant(0);
    let document = encode(&record)?;
    let micros = |begun: Instant| begun.elapsed().as_secs_f64() * 1e6 / 10_000.0;
    let begun = Instant::now();
    for _ in 0..10_000 {
        std::hint::black_box(encode(&record)?);
    }
    let writing = micros(begun);
    let begun = Instant::now();
    for _ in 0..10_000 {
        std::hint::black_box(decode::<GrantRecord>(&document)?);
    }
    println!(
        "A grant has {} bytes of JSON: {writing:.1} µs to write, {:.1} µs to read, which the bare \
         statements do not.\n",
        document.len(),
        micros(begun)
    );
    Ok(held)
}
