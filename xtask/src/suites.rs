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
    /// The programs of the quickstart client.
    Client,
    /// The packages of the Node suites, as their lock file has them.
    NodePackages,
    /// A place of their own for the packages of the Python suites.
    PythonEnvironment,
    /// These packages, each in the version that is written down.
    PythonPackages,
    /// The program that starts database servers for a suite.
    Databases,
    /// The two examples that are resource servers for somebody else's tokens.
    ResourceServers,
}

/// A test program of its own. It prints `test result:` lines as `cargo test` does, or ends with
/// `N passed, N failed`; and it exits non-zero if anything failed.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Names from [`crate::tools::TOOLS`] and [`crate::backends::BACKENDS`].
    pub(crate) needs: &'static [&'static str],
    prepare: &'static [Preparation],
    /// The program and its arguments; `{quickstart}`, `{databases}`, `{programs}` and
    /// `{artefacts}` are filled in.
    command: &'static [&'static str],
}

const NODE: [Preparation; 2] = [Preparation::Quickstart, Preparation::NodePackages];

const CLIENT: [Preparation; 5] = [
    Preparation::Quickstart,
    Preparation::Client,
    Preparation::NodePackages,
    Preparation::PythonEnvironment,
    Preparation::PythonPackages,
];

const CLIENT_CONFORMANCE: [Preparation; 3] = [
    Preparation::Quickstart,
    Preparation::Client,
    Preparation::NodePackages,
];

/// Where the Python suites' packages are; git does not see it.
const PYTHON: &str = "interop/python/.venv";

const DATABASES: [Preparation; 3] = [
    Preparation::Quickstart,
    Preparation::NodePackages,
    Preparation::Databases,
];

/// The command of some suites of `interop/run.mjs`; and on a kind of server, with as many
/// databases as they start quickstarts; and with flags for these.
macro_rules! interop {
    ($suite:literal $(, on $kind:literal, $count:literal)? $(, with $flags:literal)?) => {
        &[
            $("env", concat!("INTEROP_FLAGS=", $flags),)?
            $("{databases}", $kind, $count,)?
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
    Suite {
        name: "client",
        about: "our client, at the quickstart and at servers that others made",
        needs: &["node", "npm", "python3"],
        prepare: &CLIENT,
        command: interop!("client"),
    },
    Suite {
        name: "client-conformance",
        about: "the MCP project's checks of clients",
        needs: &["node", "npm"],
        prepare: &CLIENT_CONFORMANCE,
        command: interop!("client-conformance"),
    },
    Suite {
        name: "interop-warp",
        about: "both SDKs and the checks, with warp",
        needs: &["node", "npm"],
        prepare: &NODE,
        command: interop!("sdk1,sdk2,conformance", with "--adapter=warp"),
    },
    Suite {
        name: "interop-hyper",
        about: "both SDKs and the checks, with hyper alone",
        needs: &["node", "npm"],
        prepare: &NODE,
        command: interop!("sdk1,sdk2,conformance", with "--adapter=hyper"),
    },
    Suite {
        name: "interop-postgresql",
        about: "both SDKs and the checks, on PostgreSQL",
        needs: &["node", "npm", "postgresql"],
        prepare: &DATABASES,
        command: interop!("sdk1,sdk2,conformance", on "postgres", "14"),
    },
    Suite {
        name: "interop-mariadb",
        about: "both SDKs and the checks, on MariaDB",
        needs: &["node", "npm", "mariadb"],
        prepare: &DATABASES,
        command: interop!("sdk1,sdk2,conformance", on "mariadb", "14"),
    },
    Suite {
        name: "interop-redis",
        about: "both SDKs and the checks, on Redis",
        needs: &["node", "npm", "redis"],
        prepare: &DATABASES,
        command: interop!("sdk1,sdk2,conformance", on "redis", "14"),
    },
    Suite {
        name: "interop-redis-cluster",
        about: "TypeScript client 2.x, on a Redis cluster",
        needs: &["node", "npm", "redis"],
        prepare: &DATABASES,
        command: interop!("sdk2", on "redis-cluster", "6"),
    },
    Suite {
        name: "interop-foreign",
        about: "resource servers, with the tokens of npm's oidc-provider",
        needs: &["node", "npm"],
        prepare: &[Preparation::ResourceServers, Preparation::NodePackages],
        command: &[
            "node",
            "interop/run.mjs",
            "--programs",
            "{programs}",
            "--suite",
            "foreign",
            "--artefacts",
            "{artefacts}",
        ],
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
            Preparation::Client => (
                run::cargo([
                    "build",
                    "--release",
                    "-p",
                    "quickstart-client",
                    "--bins",
                    "--examples",
                ]),
                "the quickstart client did not build",
            ),
            Preparation::NodePackages => {
                let mut npm = run::program("npm");
                npm.arg("ci").current_dir(run::root().join("interop"));
                (npm, "npm ci failed in interop")
            }
            Preparation::PythonEnvironment => {
                let mut python = run::program("python3");
                python.args(["-m", "venv", PYTHON]);
                (python, "python3 made no environment in interop/python")
            }
            // Only what is written down: what it depends on is written down too.
            Preparation::PythonPackages => {
                let python = run::root().join(PYTHON).join("bin/python");
                let mut pip = run::program(&python.display().to_string());
                pip.args(["-m", "pip", "install", "--quiet", "--no-deps"]);
                pip.args(["--disable-pip-version-check", "--requirement"]);
                pip.arg("interop/python/requirements.txt");
                (pip, "pip install failed in interop/python")
            }
            // With the features of every other step, so that nothing compiles twice.
            Preparation::Databases => (
                run::cargo([
                    "build",
                    "--workspace",
                    "--all-features",
                    "--example",
                    "with_databases",
                ]),
                "the program that starts databases did not build",
            ),
            Preparation::ResourceServers => (
                run::cargo([
                    "build",
                    "--workspace",
                    "--all-features",
                    "--bin",
                    "resource-server-jwt",
                    "--bin",
                    "resource-server-introspection",
                ]),
                "the resource servers did not build",
            ),
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
        let databases = self.target.join("debug/examples/with_databases");
        let databases = databases.display().to_string();
        let programs = self.target.join("debug").display().to_string();
        let artefacts = format!("artefacts/interop/{}", suite.name);
        let mut words = suite.command.iter().map(|word| {
            word.replace("{quickstart}", &quickstart)
                .replace("{databases}", &databases)
                .replace("{programs}", &programs)
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
    use crate::backends::BACKENDS;
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
    fn every_suite_needs_what_we_look_for() {
        let tools = TOOLS.iter().map(|tool| tool.name);
        let backends = BACKENDS.iter().map(|backend| backend.name);
        let known: Vec<&str> = tools.chain(backends).collect();
        for need in SUITES.iter().flat_map(|suite| suite.needs) {
            assert!(known.contains(need), "{need}");
        }
    }

    #[test]
    fn the_command_line_is_filled_in() {
        let workshop = Workshop::new(PathBuf::from("target"), true);
        for suite in SUITES {
            let command = workshop.command(suite);
            let program = command.get_program().to_string_lossy();
            let on_database = suite.prepare.contains(&Preparation::Databases);
            let expected = match suite.command[0] {
                _ if on_database => "target/debug/examples/with_databases",
                "env" => "env",
                _ => "node",
            };
            assert_eq!(program, expected);
            let words: Vec<_> = command
                .get_args()
                .map(|word| word.to_string_lossy())
                .collect();
            let tested = match suite.prepare.contains(&Preparation::Quickstart) {
                true => "target/release/quickstart",
                false => "target/debug",
            };
            assert!(words.contains(&tested.into()), "{words:?}");
            assert!(!words.iter().any(|word| word.contains('{')), "{words:?}");
        }
    }
}
