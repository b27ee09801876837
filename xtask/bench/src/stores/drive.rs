//! Callers that call one after another for a while, and what that took.

use std::future::Future;
use std::time::Duration;

use oauth_testkit::servers::Instance;
use tokio::time::{Instant, sleep_until};

use crate::Fallible;

/// Somebody who asks for the same again and again.
pub(crate) trait Caller: Send + 'static {
    fn call(&mut self) -> impl Future<Output = Fallible<()>> + Send;
}

/// What a number of calls took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Calls in a second.
    pub(crate) rate: f64,
    /// Microseconds of processor time for each call, the database server's included.
    pub(crate) cpu: f64,
    /// The longest that one call took.
    pub(crate) longest: Duration,
    pub(crate) calls: usize,
    /// Of `cpu`, what this process took.
    pub(crate) own: f64,
}

/// Lets every caller call for `time`, after a tenth of that to open connections and prepare
/// statements, which does not count.
pub(crate) async fn drive<C: Caller>(
    callers: Vec<C>,
    time: Duration,
    server: Option<&Instance>,
) -> Fallible<Measured> {
    let begin = Instant::now() + time / 10;
    let end = begin + time;
    let mut running = Vec::with_capacity(callers.len());
    for mut caller in callers {
        running.push(tokio::spawn(async move {
            let (mut calls, mut longest) = (0usize, Duration::ZERO);
            let mut started = Instant::now();
            while started < end {
                caller.call().await?;
                let ended = Instant::now();
                if started >= begin && ended < end {
                    calls += 1;
                    longest = longest.max(ended - started);
                }
                started = ended;
                // A store in memory never waits, and the clock would not get its turn.
                tokio::task::consume_budget().await;
            }
            Fallible::Ok((calls, longest))
        }));
    }
    sleep_until(begin).await;
    let before = (cpu_micros(server)?, cpu_micros(None)?);
    sleep_until(end).await;
    let spent = cpu_micros(server)? - before.0;
    let own = cpu_micros(None)? - before.1;
    let (mut calls, mut longest) = (0, Duration::ZERO);
    for task in running {
        let (some, late) = task.await??;
        calls += some;
        longest = longest.max(late);
    }
    Ok(Measured {
        own: own as f64 / calls.max(1) as f64,
        ..Measured::of(calls, time, spent, longest)
    })
}

/// Drives ours and the limit, one after the other. Whoever comes first finds what was written before
/// and not yet tidied up, so each comes first in every other round.
pub(crate) async fn beside<A: Caller, B: Caller>(
    round: usize,
    ours: Vec<A>,
    limit: Vec<B>,
    time: Duration,
    server: Option<&Instance>,
) -> Fallible<(Measured, Measured)> {
    if round.is_multiple_of(2) {
        let ours = drive(ours, time, server).await?;
        Ok((ours, drive(limit, time, server).await?))
    } else {
        let limit = drive(limit, time, server).await?;
        Ok((drive(ours, time, server).await?, limit))
    }
}

impl Measured {
    pub(crate) fn of(calls: usize, time: Duration, cpu_micros: u64, longest: Duration) -> Self {
        Self {
            rate: calls as f64 / time.as_secs_f64(),
            cpu: cpu_micros as f64 / calls.max(1) as f64,
            longest,
            calls,
            own: 0.0,
        }
    }
}

/// Processor time of this process, of programs that it waited for, and of a database server.
pub(crate) fn cpu_micros(server: Option<&Instance>) -> Fallible<u64> {
    let mut total = of_process("self", true)?;
    let processes = server.map(Instance::processes).unwrap_or_default();
    for (at, process) in processes.iter().enumerate() {
        // The first waits for the others, so what they took stays known when they end.
        total += of_process(&process.to_string(), at == 0).unwrap_or(0);
    }
    Ok(total)
}

/// User and system time, and that of children that have ended.
fn of_process(id: &str, with_children: bool) -> Fallible<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name, in parentheses, may hold anything.
    let (_, fields) = text.rsplit_once(')').ok_or("no process name")?;
    let number = if with_children { 4 } else { 2 };
    let ticks = fields.split_whitespace().skip(11).take(number);
    // The kernel shows hundredths of a second to every program.
    Ok(ticks.map(|it| it.parse().unwrap_or(0)).sum::<u64>() * 10_000)
}
