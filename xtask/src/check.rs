//! `cargo xtask check`: what CI runs, whole.
//!
//! Every step runs, whatever became of the one before: someone who waits for CI wants all of its
//! complaints at once.

use std::process::Command;

use crate::args::Options;
use crate::metadata::Graph;
use crate::run::{self, Stopwatch};
use crate::tally::Tally;
use crate::{halves, layers, licences, test, tidy};

/// A step's name and what it does; `Ok(false)` is a failure that has been explained.
type Step = (&'static str, fn() -> Result<bool, String>);

const STEPS: &[Step] = &[
    ("lock file", lock_file),
    ("format", || Ok(run::succeeds(&mut format()))),
    ("lints", || Ok(run::succeeds(&mut lints()))),
    ("layers", layers::verb),
    ("tidy", tidy::verb),
    ("docs", || Ok(run::succeeds(&mut docs()))),
    ("licences", licences::check),
    ("features", halves::check),
];

/// Runs the steps, then the tests. The last line counts the tests, and each other step as one.
pub(crate) fn verb(options: &Options) -> Result<bool, String> {
    let mut outcomes = Vec::new();
    let mut sum = Tally::default();
    for (name, step) in STEPS {
        let ok = announce(name, || step().map(|ok| (ok, ok)), &mut outcomes).unwrap_or(false);
        sum += if ok {
            Tally {
                passed: 1,
                ..Tally::default()
            }
        } else {
            Tally::FAILURE
        };
    }
    let tests = || test::everything(options).map(|tally| (tally.failed == 0, tally));
    sum += announce("tests", tests, &mut outcomes).unwrap_or(Tally::FAILURE);

    println!("\n{}", summary(&outcomes));
    println!("{}", sum.closing_line());
    Ok(sum.failed == 0)
}

/// Runs one step between its headline and its outcome. `None` if it broke down.
fn announce<T>(
    name: &'static str,
    step: impl FnOnce() -> Result<(bool, T), String>,
    outcomes: &mut Vec<(&'static str, bool)>,
) -> Option<T> {
    println!("\n==== {name}");
    let stopwatch = Stopwatch::start();
    let (ok, value) = match step() {
        Ok((ok, value)) => (ok, Some(value)),
        Err(reason) => {
            println!("{reason}");
            (false, None)
        }
    };
    println!("---- {name}: {} ({} s)", word(ok), stopwatch.seconds());
    outcomes.push((name, ok));
    value
}

fn word(ok: bool) -> &'static str {
    if ok { "ok" } else { "FAILED" }
}

fn summary(outcomes: &[(&'static str, bool)]) -> String {
    let lines = outcomes
        .iter()
        .map(|(name, ok)| format!("check: {name:10} {}", word(*ok)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A lock file that cargo would have to change is one that nobody tested.
fn lock_file() -> Result<bool, String> {
    Graph::load(true).map(|graph| {
        println!("lock file: {} packages", graph.packages.len());
        true
    })
}

fn format() -> Command {
    run::cargo(["fmt", "--all", "--check"])
}

fn lints() -> Command {
    let mut command = run::cargo(["clippy", "--workspace", "--all-targets", "--all-features"]);
    command.args(["--", "-D", "warnings"]);
    command
}

fn docs() -> Command {
    let mut command = run::cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_breaks_down_is_a_failed_step() {
        let mut outcomes = Vec::new();
        let good = announce("format", || Ok((true, 1)), &mut outcomes);
        let broken = announce(
            "docs",
            || Err::<(bool, i32), _>("no cargo".to_owned()),
            &mut outcomes,
        );
        assert_eq!((good, broken), (Some(1), None));
        assert_eq!(outcomes, [("format", true), ("docs", false)]);
        let text = summary(&outcomes);
        assert!(
            text.contains("format     ok") && text.contains("docs       FAILED"),
            "{text}"
        );
    }
}
