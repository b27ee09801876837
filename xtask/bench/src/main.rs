//! Server CPU per request of the quickstart beside the least that a framework can do, and the
//! stores beside bare statements: in one run, in turn, as ratios. See `docs/performance.md` for what the figures mean.

mod bearer;
mod limits;
mod load;
mod oauth;
mod process;
mod stores;

use std::error::Error;

use crate::load::Load;
use crate::oauth::Flow;
use crate::process::Server;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is measured, the limit it is held against, and the ratio that must hold.
const ROWS: [(&str, Limit, f64); 5] = [
    ("bearer check, opaque (`GET /whoami`)", Limit::Get, 0.88),
    ("code → token", Limit::Post, 0.75),
    ("refresh", Limit::Post, 0.75),
    ("registration", Limit::Post, 0.60),
    ("metadata", Limit::Get, 0.95),
];

#[derive(Clone, Copy, PartialEq)]
enum Limit {
    /// L1: bare axum, fixed JSON.
    Get,
    /// L2: the least a token endpoint can do.
    Post,
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut args = std::env::args().skip(1);
    let (mut rounds, mut requests) = (3usize, 20_000usize);
    let mut signed = false;
    let mut quickstart = "target/release/quickstart".to_owned();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "limits" => return limits::serve().await,
            "bearer" => return bearer::serve().await,
            "--bearer" => signed = true,
            "--stores" => return stores::measure(args).await,
            "--rounds" => rounds = value()?.parse()?,
            "--requests" => requests = value()?.parse()?,
            "--quickstart" => quickstart = value()?,
            _ => {
                return Err(format!(
                    "unknown argument {arg}; --rounds N --requests N --quickstart PATH --bearer, or \
                     --stores"
                )
                .into());
            }
        }
    }
    if signed {
        return bearer::measure(rounds, requests).await;
    }
    let own = std::env::current_exe()?.display().to_string();
    let limits = Server::start(&own, &["limits"]).await?;
    let flags = "--listen 127.0.0.1:0 --data memory --danger-auto-approve --danger-no-rate-limits";
    let ours = Server::start(&quickstart, &flags.split(' ').collect::<Vec<_>>()).await?;
    let flow = Flow::prepare(ours.address).await?;

    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); ROWS.len()];
    let mut micros: Vec<Vec<(f64, f64)>> = vec![Vec::new(); ROWS.len()];
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (row, (name, limit, _)) in ROWS.iter().enumerate() {
            let load = match row {
                0 => flow.whoami(requests),
                1 => flow.redemptions(requests).await?,
                2 => flow.refreshes(requests).await?,
                3 => flow.registrations(requests),
                _ => flow.metadata(requests),
            };
            let mine = ours.cpu_per_request(load).await?;
            let bound = match limit {
                Limit::Get => Load::get(limits.address, "/", requests),
                Limit::Post => {
                    Load::post_form(limits.address, "/token", &oauth::example_form(), requests)
                }
            };
            let bound = limits.cpu_per_request(bound).await?;
            eprintln!("  {name}: {mine:.2} µs, limit {bound:.2} µs");
            ratios[row].push(bound / mine);
            micros[row].push((mine, bound));
        }
    }
    println!("| request | ours, CPU µs | limit, CPU µs | limit ÷ ours | must |");
    println!("|---|---|---|---|---|");
    let mut held = true;
    for (row, (name, limit, must)) in ROWS.iter().enumerate() {
        let ratio = median(ratios[row].clone());
        let mine = median(micros[row].iter().map(|pair| pair.0).collect());
        let bound = median(micros[row].iter().map(|pair| pair.1).collect());
        let which = if *limit == Limit::Get { "L1" } else { "L2" };
        held &= ratio >= *must;
        println!("| {name} | {mine:.2} | {which} {bound:.2} | {ratio:.2} | {must:.2} |");
    }
    println!();
    println!(
        "{rounds} rounds in turn, {requests} requests each over {} connections.",
        load::CONNECTIONS
    );
    println!(
        "{}",
        if held {
            "Every must is held."
        } else {
            "A must is missed."
        }
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
