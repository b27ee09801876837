//! End-to-end suites: which there are, what each needs, and running one.
//!
//! To add a suite, add a line to [`SUITES`]; a new preparation is an arm of `Workshop::make`.

use std::path::PathBuf;
use std::process::Command;

use crate::run;
use crate::table::{Row, Verdict};
use crate::tally::{self, Tally};

/// Something that several suites need and that is made once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// The quickstart, built as users build it.
    Quickstart,
    /// The packages of the Node suites, as their lock file has them.
    NodePackages,
}

/// A test program of its own. It prints `test result:` lines as `cargo test` does, or ends with
/// `N passed, N failed`; and it exits non-zero if anything failed.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Names from [`crate::tools::TOOLS`].
    pub(crate) needs: &'static [&'static str],
    prepare: &'static [Preparation],
    /// The program and its arguments; `{quickstart}` and `{artefacts}` are filled in.
    command: &'static [&'static str],
}

const NODE: [Preparation; 2] = [Preparation::Quickstart, Preparation::NodePackages];

/// The command of one suite of `interop/run.mjs`.
macro_rules! interop {
    ($suite:literal) => {
        &[
            "node",
            "interop/run.mjs",
            "--quickstart",
            "{quickstart}",
            "--suite",
            $suite,
            "--artefacts",
            "{artefacts}",
        ]
    };
}

pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "sdk1",
        about: "TypeScript SDK 1.x",
        needs: &["node", "npm"],
        prepare: &NODE,
        command: interop!("sdk1"),
    },
    Suite {
        name: "sdk2",
        about: "TypeScript client 2.x",
        needs: &["node", "npm"],
        prepare: &NODE,
        command: interop!("sdk2"),
    },
    Suite {
        name: "chromium",
        about: "the pages, in Chromium",
        needs: &["node", "npm", "chromium", "chromedriver"],
        prepare: &NODE,
        command: interop!("chromium"),
    },
    Suite {
        name: "conformance",
        about: "the MCP project's checks of authorization servers",
        needs: &["node", "npm"],
        prepare: &NODE,
        command: interop!("conformance"),
    },
];

/// How one suite went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It ran.
    Ran(Tally),
    /// Something that it needs is not on this machine.
    Missing(String),
    /// Something that we make for it could not be made.
    Broken(String),
}

impl Outcome {
    pub(crate) fn tally(&self) -> Tally {
        match self {
            Self::Ran(tally) => *tally,
            // The closing table counts these, as absences.
            Self::Missing(_) | Self::Broken(_) => Tally::default(),
        }
    }

    /// The suite's line in the closing table.
    pub(crate) fn row(&self, suite: &Suite) -> Row {
        let (ran, verdict) = match self {
            Self::Ran(tally) => (tally.in_words(), Verdict::Present),
            Self::Missing(why) => (format!("nothing: {why}"), Verdict::Missing),
            Self::Broken(why) => (format!("nothing: {why}"), Verdict::Broken),
        };
        Row {
            name: suite.name,
            found: format!("suite: {}", suite.about),
            ran,
            verdict,
        }
    }
}

/// What has been prepared so far, and where things are.
pub(crate) struct Workshop {
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// Whether the workspace has the package at all.
    pub(crate) has_quickstart: bool,
    made: Vec<(Preparation, Result<(), String>)>,
}

impl Workshop {
    pub(crate) fn new(target: PathBuf, has_quickstart: bool) -> Self {
        Self {
            target,
            has_quickstart,
            made: Vec::new(),
        }
    }

    /// Runs one suite, unless a tool is missing or a preparation fails.
    pub(crate) fn run(&mut self, suite: &Suite, present: &[&str]) -> Outcome {
        let needs = suite.needs.iter().copied();
        let missing: Vec<&str> = needs.filter(|tool| !present.contains(tool)).collect();
        if !missing.is_empty() {
            return Outcome::Missing(format!("no {}", missing.join(", ")));
        }
        for &preparation in suite.prepare {
            if let Err(why) = self.made(preparation) {
                return Outcome::Broken(why);
            }
        }
        println!("\n== {}: {}", suite.name, suite.about);
        let ran = run::echoed(&mut self.command(suite));
        Outcome::Ran(judge(ran.ok, tally::of(&ran.said)))
    }

    /// What became of a preparation, which is tried once.
    fn made(&mut self, preparation: Preparation) -> Result<(), String> {
        if let Some((_, result)) = self.made.iter().find(|(done, _)| *done == preparation) {
            return result.clone();
        }
        let result = self.make(preparation);
        self.made.push((preparation, result.clone()));
        result
    }

    fn make(&self, preparation: Preparation) -> Result<(), String> {
        let (mut command, failure) = match preparation {
            Preparation::Quickstart if !self.has_quickstart => {
                return Err("there is no package quickstart".to_owned());
            }
            Preparation::Quickstart => (
                run::cargo(["build", "--release", "-p", "quickstart"]),
                "the quickstart did not build",
            ),
            Preparation::NodePackages => {
                let mut npm = run::program("npm");
                npm.arg("ci").current_dir(run::root().join("interop"));
                (npm, "npm ci failed in interop")
            }
        };
        println!("\n== preparing: {preparation:?}");
        if run::succeeds(&mut command) {
            Ok(())
        } else {
            Err(failure.to_owned())
        }
    }

    fn command(&self, suite: &Suite) -> Command {
        let quickstart = self.target.join("release/quickstart").display().to_string();
        let artefacts = format!("artefacts/interop/{}", suite.name);
        let mut words = suite.command.iter().map(|word| {
            word.replace("{quickstart}", &quickstart)
                .replace("{artefacts}", &artefacts)
        });
        let program = words.next().unwrap_or_default();
        let mut command = if program == "cargo" {
            run::cargo([])
        } else {
            run::program(&program)
        };
        command.args(words);
        command
    }
}

/// What a test program's exit code and its counts mean together: a program that fails without
/// counting a failure, or that counts nothing at all, has failed once.
pub(crate) fn judge(ok: bool, counted: Option<Tally>) -> Tally {
    let mut tally = counted.unwrap_or_default();
    if tally.failed == 0 && (!ok || tally.passed == 0) {
        tally += Tally::FAILURE;
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::TOOLS;

    fn counted(passed: usize, failed: usize) -> Option<Tally> {
        Some(Tally {
            passed,
            failed,
            ignored: 0,
        })
    }

    #[test]
    fn silence_and_crashes_are_failures() {
        assert_eq!(judge(true, counted(9, 0)).failed, 0);
        assert_eq!(judge(false, counted(9, 2)).failed, 2);
        assert_eq!(
            judge(false, counted(9, 0)).failed,
            1,
            "it crashed after the last test"
        );
        assert_eq!(judge(true, counted(0, 0)).failed, 1, "green and empty");
        assert_eq!(judge(true, None).failed, 1, "it said nothing");
    }

    #[test]
    fn a_suite_without_its_tools_names_them() {
        let mut workshop = Workshop::new(PathBuf::from("target"), true);
        let row = workshop.run(&SUITES[2], &["node", "npm"]).row(&SUITES[2]);
        assert_eq!(row.ran, "nothing: no chromium, chromedriver");
        assert_eq!(row.verdict, Verdict::Missing);
    }

    #[test]
    fn a_failed_preparation_fails_every_suite_that_needs_it_and_is_tried_once() {
        let mut workshop = Workshop::new(PathBuf::from("target"), false);
        for suite in &SUITES[..2] {
            let outcome = workshop.run(suite, &["node", "npm"]);
            assert_eq!(outcome.row(suite).verdict, Verdict::Broken);
            assert_eq!(outcome.tally(), Tally::default(), "the table counts it");
        }
        assert_eq!(workshop.made.len(), 1);
    }

    #[test]
    fn every_suite_needs_tools_that_we_look_for() {
        for tool in SUITES.iter().flat_map(|suite| suite.needs) {
            assert!(TOOLS.iter().any(|known| known.name == *tool), "{tool}");
        }
    }

    #[test]
    fn the_command_line_is_filled_in() {
        let workshop = Workshop::new(PathBuf::from("target"), true);
        let command = workshop.command(&SUITES[0]);
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect();
        assert!(
            words.contains(&"target/release/quickstart".into()),
            "{words:?}"
        );
        assert!(!words.iter().any(|word| word.contains('{')), "{words:?}");
    }
}
