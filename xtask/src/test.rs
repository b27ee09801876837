//! `cargo xtask test`: everything that can run here, and a table of what could not.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::args::{Options, Require};
use crate::backends::BACKENDS;
use crate::metadata::Graph;
use crate::suites::{self, Outcome, SUITES, Workshop};
use crate::table::{self, Row, Verdict};
use crate::tally::{self, Tally, Test};
use crate::tools::{TOOLS, Tool};
use crate::{canaries, conformance, install, run};

/// Runs everything and ends with `N passed, N failed`.
pub(crate) fn verb(options: &Options) -> Result<bool, String> {
    let tally = everything(options)?;
    println!("{}", tally.closing_line());
    Ok(tally.failed == 0)
}

/// Runs everything, prints the closing table, and returns the sum.
pub(crate) fn everything(options: &Options) -> Result<Tally, String> {
    if options.install {
        install::missing();
    }
    let graph = Graph::load(false)?;

    println!("\n== workspace: unit tests, integration tests, documentation examples");
    let logs = canaries::fresh(&graph.target)?;
    let (workspace, tests, said) = workspace(&options.require, &logs);
    let searched = canaries::search(&logs, &said);
    let searched = searched.map_err(|error| format!("cannot search the logs: {error}"))?;

    let versions: Vec<Option<String>> = TOOLS.iter().map(Tool::version).collect();
    let tools = TOOLS
        .iter()
        .zip(&versions)
        .filter(|(_, v)| v.is_some())
        .map(|(t, _)| t.name);
    let backends = BACKENDS
        .iter()
        .filter(|backend| backend.program.is_none() || backend.version().is_some());
    let present: Vec<&str> = tools.chain(backends.map(|backend| backend.name)).collect();
    let mut workshop = Workshop::new(graph.target.clone(), graph.find("quickstart").is_some());
    let outcomes: Vec<Outcome> = SUITES
        .iter()
        .map(|suite| workshop.run(suite, &present))
        .collect();

    let mut rows = backend_rows(&tests);
    rows.extend(tool_rows(&versions, &outcomes));
    rows.push(Row {
        name: "workspace",
        found: "every crate, all features".to_owned(),
        ran: workspace.in_words(),
        verdict: Verdict::Present,
    });
    rows.extend(
        SUITES
            .iter()
            .zip(&outcomes)
            .map(|(suite, outcome)| outcome.row(suite)),
    );
    println!("\n{}", table::render(&rows, &options.require));

    let mut sum = workspace;
    for name in conformance::not_run(&tests)? {
        println!("docs/conformance.md names a test that did not run and pass: {name}");
        sum += Tally::FAILURE;
    }
    println!("log search: {}", searched.in_words());
    for complaint in searched.complaints() {
        println!("log search: {complaint}");
        sum += Tally::FAILURE;
    }
    outcomes.iter().for_each(|outcome| sum += outcome.tally());
    sum += table::failures(&rows, &options.require);
    Ok(sum)
}

/// Builds the workspace's tests and runs them, their logs kept in a folder: their sum, each of
/// them, and what they printed.
fn workspace(require: &Require, logs: &Path) -> (Tally, Vec<Test>, String) {
    let mut build = workspace_tests(require, logs);
    // The diagnostics go to the terminal; the JSON says which test program is which crate's.
    build
        .args(["--no-run", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit());
    let packages = match run::output(&mut build) {
        Ok(messages) => tally::packages(&messages),
        Err(_) => {
            println!("the tests do not compile");
            return (Tally::FAILURE, Vec::new(), String::new());
        }
    };
    let ran = run::echoed(&mut workspace_tests(require, logs));
    (
        suites::judge(ran.ok, tally::of(&ran.said)),
        tally::tests(&ran.said, &packages),
        ran.said,
    )
}

/// Plain `cargo test`, whatever else is installed: it runs documentation examples too, and one way
/// of running means one way of counting. The features are those of every other step, so that
/// nothing compiles twice.
fn workspace_tests(require: &Require, logs: &Path) -> Command {
    let mut command = run::cargo(["test", "--workspace", "--all-features", "--no-fail-fast"]);
    command.env("CARGO_TERM_COLOR", "never");
    command.env("OAUTH_TEST_LOG", logs);
    if *require == Require::All {
        command.env("OAUTH_REQUIRE_BACKENDS", "1");
    }
    command
}

fn backend_rows(tests: &[Test]) -> Vec<Row> {
    BACKENDS
        .iter()
        .map(|backend| {
            let built = backend.built(run::root());
            backend.row(built, backend.version(), backend.ran(tests))
        })
        .collect()
}

/// A line for each tool: its version, and what came of the suites that need it. `outcomes` are in
/// the order of the suites.
fn tool_rows(versions: &[Option<String>], outcomes: &[Outcome]) -> Vec<Row> {
    TOOLS
        .iter()
        .zip(versions)
        .map(|(tool, version)| {
            let ran: Vec<String> = SUITES
                .iter()
                .zip(outcomes)
                .filter(|(suite, _)| suite.needs.contains(&tool.name))
                .map(|(suite, outcome)| match outcome {
                    Outcome::Ran(tally) => format!("{}: {}", suite.name, tally.in_words()),
                    _ => format!("{}: nothing", suite.name),
                })
                .collect();
            Row {
                name: tool.name,
                found: version.clone().unwrap_or_else(|| "missing".to_owned()),
                ran: ran.join("; "),
                verdict: if version.is_some() {
                    Verdict::Present
                } else {
                    Verdict::Missing
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_says_what_ran_with_it() {
        let passed = Tally {
            passed: 9,
            ..Tally::default()
        };
        let outcomes = [
            Outcome::Ran(passed),
            Outcome::Broken("it did not build".to_owned()),
            Outcome::Missing("no chromium".to_owned()),
        ];
        let versions: Vec<Option<String>> = TOOLS
            .iter()
            .map(|tool| (tool.name == "node").then(|| "v20".to_owned()))
            .collect();
        let rows = tool_rows(&versions, &outcomes);
        assert_eq!(
            rows[0].ran,
            "sdk1: 9 passed; sdk2: nothing; chromium: nothing"
        );
        assert_eq!(
            (rows[2].found.as_str(), rows[2].verdict),
            ("missing", Verdict::Missing)
        );
    }

    #[test]
    fn requiring_everything_reaches_the_tests_too() {
        let requires = |require| {
            workspace_tests(&require, Path::new("logs"))
                .get_envs()
                .any(|(name, _)| name == "OAUTH_REQUIRE_BACKENDS")
        };
        assert!(requires(Require::All));
        assert!(!requires(Require::Nothing));
    }
}
