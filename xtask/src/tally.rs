//! Counts, read from what test programs print.

use std::collections::HashMap;
use std::ops::AddAssign;

use serde_json::Value;

/// How many tests ran, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
}

impl Tally {
    pub(crate) fn ran(self) -> usize {
        self.passed + self.failed
    }

    /// One more failure that no test program counted.
    pub(crate) const FAILURE: Self = Self {
        passed: 0,
        failed: 1,
        ignored: 0,
    };

    /// `9 passed`, with the failed and the ignored only where there are any.
    pub(crate) fn in_words(self) -> String {
        let mut words = format!("{} passed", self.passed);
        for (count, word) in [(self.failed, "failed"), (self.ignored, "ignored")] {
            if count > 0 {
                words.push_str(&format!(", {count} {word}"));
            }
        }
        words
    }

    /// The last line of `test` and `check`, which scripts read.
    pub(crate) fn closing_line(self) -> String {
        format!("{} passed, {} failed", self.passed, self.failed)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Sums the `test result:` lines of `cargo test`, or else takes the last `N passed, N failed`.
/// `None` if the program reported neither.
///
/// A test program that was killed reports nothing; cargo's complaint about it counts as a failure.
pub(crate) fn of(said: &str) -> Option<Tally> {
    let mut sum = None;
    let mut reported = false;
    for line in said.lines() {
        let line = line.trim();
        let more = if program(line).is_some() {
            reported = false;
            continue;
        } else if let Some(result) = cargo_result(line) {
            reported = true;
            result
        } else if !reported && line.starts_with("error: test failed, to rerun") {
            Tally::FAILURE
        } else {
            continue;
        };
        *sum.get_or_insert_default() += more;
    }
    sum.or_else(|| said.lines().rev().find_map(plain_result))
}

/// One test that ran, or was asked to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Test {
    /// The crate it belongs to.
    pub(crate) package: String,
    /// Its file, its test program and its own name, in lower case.
    pub(crate) text: String,
    /// How it ended.
    pub(crate) tally: Tally,
}

/// The tests that `cargo test` lists. It names their programs but not their crates, so
/// `packages` says to which crate each program belongs.
pub(crate) fn tests(said: &str, packages: &HashMap<String, String>) -> Vec<Test> {
    let mut found = Vec::new();
    let mut package = String::new();
    let mut file = String::new();
    for line in said.lines() {
        let line = line.trim();
        if let Some((source, name)) = program(line) {
            // A documentation test has no program: its name is its crate's, in Rust's spelling.
            package = packages
                .get(name)
                .cloned()
                .unwrap_or_else(|| name.replace('_', "-"));
            file = format!("{source} {name}");
        } else if let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|test| test.rsplit_once(" ... "))
        {
            let (passed, failed) = ((outcome == "ok").into(), (outcome == "FAILED").into());
            found.push(Test {
                package: package.clone(),
                text: format!("{file} {name}").to_lowercase(),
                tally: Tally {
                    passed,
                    failed,
                    ignored: 1 - passed - failed,
                },
            });
        }
    }
    found
}

/// The source and the file name of a test program, from the line that announces it:
/// `Running tests/a.rs (target/debug/deps/a-0f3a)` or `Doc-tests oauth_types`.
fn program(line: &str) -> Option<(&str, &str)> {
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(("", name));
    }
    let (source, file) = line
        .strip_prefix("Running ")?
        .strip_suffix(')')?
        .split_once(" (")?;
    Some((source, file_name(file)))
}

/// Which crate each test program belongs to, by the file name of the program: from the JSON lines
/// of `cargo test --no-run --message-format=json`. A crate is called as its folder.
pub(crate) fn packages(messages: &str) -> HashMap<String, String> {
    let artefact = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let program = message["executable"].as_str()?;
        let folder = message["manifest_path"]
            .as_str()?
            .rsplit(['/', '\\'])
            .nth(1)?;
        Some((file_name(program).to_owned(), folder.to_owned()))
    };
    messages.lines().filter_map(artefact).collect()
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; …`
fn cargo_result(line: &str) -> Option<Tally> {
    let (_, counts) = line
        .trim()
        .strip_prefix("test result: ")?
        .split_once(". ")?;
    let mut tally = Tally::default();
    for part in counts.split("; ") {
        let Some((count, word)) = part.split_once(' ') else {
            continue;
        };
        match word {
            "passed" => tally.passed = count.parse().ok()?,
            "failed" => tally.failed = count.parse().ok()?,
            "ignored" => tally.ignored = count.parse().ok()?,
            _ => {}
        }
    }
    Some(tally)
}

/// `9 passed, 0 failed`
fn plain_result(line: &str) -> Option<Tally> {
    let (passed, failed) = line
        .trim()
        .strip_suffix(" failed")?
        .split_once(" passed, ")?;
    Some(Tally {
        passed: passed.parse().ok()?,
        failed: failed.parse().ok()?,
        ignored: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
   Compiling oauth-types v0.1.0
     Running unittests src/lib.rs (/memory/deps/oauth_types-1)
test scope::tests::order_is_kept ... ok
test pkce::tests::too_short ... FAILED
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
error: test failed, to rerun pass `-p oauth-types --lib`
     Running unittests src/lib.rs (target/debug/deps/oauth_storage_memory-2)
test contract::one_winner ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/contract.rs (target/debug/deps/contract-3)
test one_winner ... ok
test SQLite::one_winner ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/kill.rs (target/debug/deps/kill-4)
running 2 tests
test restart ... ok
error: test failed, to rerun pass `-p quickstart --test kill`
   Doc-tests oauth_types
test crates/oauth-types/src/lib.rs - (line 12) ... ok
test crates/oauth-types/src/lib.rs - (line 30) ... ignored
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s
";

    #[test]
    fn results_of_every_test_program_are_summed_and_the_killed_one_counts() {
        assert_eq!(
            of(SAID),
            Some(Tally {
                passed: 5,
                failed: 2,
                ignored: 1
            })
        );
    }

    #[test]
    fn the_last_plain_line_counts_for_other_programs() {
        let said = "ok discovery\n1 passed, 0 failed\nok refresh\n2 passed, 1 failed\nbye\n";
        assert_eq!(
            of(said),
            Some(Tally {
                passed: 2,
                failed: 1,
                ignored: 0
            })
        );
        assert_eq!(of("nothing to see\n"), None);
    }

    #[test]
    fn each_test_knows_its_crate() {
        let messages = "{\"reason\":\"build-script-executed\"}\n\
             {\"executable\":\"/t/debug/deps/contract-3\",\"manifest_path\":\"/w/crates/oauth-sql/Cargo.toml\"}\n";
        let tests = tests(SAID, &packages(messages));
        let known: Vec<(&str, &str)> = tests
            .iter()
            .map(|test| (test.package.as_str(), test.text.as_str()))
            .collect();
        assert_eq!(known.len(), 8);
        assert_eq!(
            known[4],
            (
                "oauth-sql",
                "tests/contract.rs contract-3 sqlite::one_winner"
            )
        );
        assert_eq!(known[6].0, "oauth-types", "a documentation test");
        let mut sum = Tally::default();
        tests.iter().for_each(|test| sum += test.tally);
        assert_eq!(
            sum,
            Tally {
                passed: 6,
                failed: 1,
                ignored: 1
            }
        );
    }

    #[test]
    fn words_name_only_what_happened() {
        assert_eq!(
            Tally {
                passed: 9,
                failed: 0,
                ignored: 0
            }
            .in_words(),
            "9 passed"
        );
        assert_eq!(
            Tally {
                passed: 9,
                failed: 2,
                ignored: 0
            }
            .in_words(),
            "9 passed, 2 failed"
        );
        assert_eq!(Tally::FAILURE.closing_line(), "0 passed, 1 failed");
    }
}
