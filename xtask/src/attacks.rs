//! `cargo xtask attacks`: whether each attack's test notices when its defence is gone.
//!
//! `attacks/NAME.patch` takes one defence out. Its first line names the test that must then fail,
//! as `test: PACKAGE PROGRAM FUNCTION`; `lib` is the program of unit tests. Each patch is applied
//! to a copy of what is committed, in a folder of its own that goes away afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// One patch.
#[derive(Debug, PartialEq, Eq)]
struct Attack {
    name: String,
    package: String,
    program: String,
    function: String,
}

/// How the tests took it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The named test failed: the defence is watched.
    Noticed,
    /// It passed without the defence.
    Unnoticed,
    /// The patch does not apply, or what it makes does not compile, or there is no such test.
    Broken,
}

/// Tries every attack, or those whose name holds the given text.
pub(crate) fn verb(only: Option<&str>) -> Result<bool, String> {
    let copy = Copy::make()?;
    let mut all_noticed = true;
    for attack in attacks(&run::root().join("attacks"))? {
        if only.is_some_and(|only| !attack.name.contains(only)) {
            continue;
        }
        let outcome = copy.attempt(&attack)?;
        all_noticed &= outcome == Outcome::Noticed;
        println!(
            "{:<10} {:<44} {}",
            format!("{outcome:?}"),
            attack.name,
            attack.function
        );
    }
    Ok(all_noticed)
}

fn attacks(folder: &Path) -> Result<Vec<Attack>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".patch"))
        else {
            continue;
        };
        let text = fs::read_to_string(&path).map_err(fail)?;
        found.push(parse(name, &text).ok_or(format!("attacks/{name}.patch names no test"))?);
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn parse(name: &str, text: &str) -> Option<Attack> {
    let mut words = text.lines().next()?.strip_prefix("test: ")?.split(' ');
    let mut word = || words.next().map(str::to_owned);
    Some(Attack {
        name: name.to_owned(),
        package: word()?,
        program: word()?,
        function: word()?,
    })
}

/// A work tree beside ours, with build products of its own that are kept between runs.
struct Copy(PathBuf);

impl Copy {
    fn make() -> Result<Self, String> {
        let folder = run::root().join("target/attacks/tree");
        let _ = fs::remove_dir_all(&folder);
        git(run::root(), &["worktree", "prune"])?;
        let path = folder.display().to_string();
        git(
            run::root(),
            &["worktree", "add", "--detach", "--force", &path, "HEAD"],
        )?;
        Ok(Self(folder))
    }

    fn attempt(&self, attack: &Attack) -> Result<Outcome, String> {
        let patch = run::root()
            .join("attacks")
            .join(format!("{}.patch", attack.name));
        if git(&self.0, &["apply", &patch.display().to_string()]).is_err() {
            return Ok(Outcome::Broken);
        }
        let mut test = run::cargo(["test", "--quiet", "--all-features", "--package"]);
        test.current_dir(&self.0).arg(&attack.package);
        match attack.program.as_str() {
            "lib" => test.arg("--lib"),
            program => test.args(["--test", program]),
        };
        test.arg(&attack.function);
        test.env("CARGO_TARGET_DIR", run::root().join("target/attacks/build"));
        test.env("RUST_BACKTRACE", "0");
        let out = test.output().map_err(|error| format!("cargo: {error}"))?;
        git(&self.0, &["checkout", "--quiet", "."])?;
        Ok(judge(
            &String::from_utf8_lossy(&out.stdout),
            out.status.success(),
        ))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let path = self.0.display().to_string();
        let _ = git(run::root(), &["worktree", "remove", "--force", &path]);
    }
}

/// From what a test program said.
fn judge(said: &str, succeeded: bool) -> Outcome {
    let ran = |count: &str| said.contains(&format!("{count} passed")) || said.contains("1 failed");
    match (succeeded, said.contains("test result: FAILED")) {
        (false, true) => Outcome::Noticed,
        (true, false) if ran("1") => Outcome::Unnoticed,
        _ => Outcome::Broken,
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("git");
    run::output(command.current_dir(folder).args(arguments)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_begins_with_its_test() {
        let attack = parse("a", "test: oauth-core lib it_holds\n\ndiff --git\n").unwrap();
        assert_eq!(
            (
                attack.package.as_str(),
                attack.program.as_str(),
                attack.function.as_str()
            ),
            ("oauth-core", "lib", "it_holds")
        );
        assert_eq!(parse("a", "diff --git\n"), None);
        assert_eq!(parse("a", "test: oauth-core lib\n"), None);
    }

    #[test]
    fn only_a_failed_test_is_a_noticed_attack() {
        let passed = "running 1 test\ntest result: ok. 1 passed; 0 failed;";
        let failed = "running 1 test\ntest result: FAILED. 0 passed; 1 failed;";
        let none = "running 0 tests\ntest result: ok. 0 passed; 0 failed;";
        assert_eq!(judge(failed, false), Outcome::Noticed);
        assert_eq!(judge(passed, true), Outcome::Unnoticed);
        assert_eq!(judge(none, true), Outcome::Broken);
        assert_eq!(judge("", false), Outcome::Broken, "it does not compile");
    }

    #[test]
    fn every_patch_names_a_test_that_is_there() {
        for attack in attacks(&run::root().join("attacks")).unwrap() {
            let folder = run::root().join("crates").join(&attack.package);
            let places = match attack.program.as_str() {
                "lib" => vec![folder.join("src")],
                program => vec![
                    folder.join(format!("tests/{program}.rs")),
                    folder.join(format!("tests/{program}")),
                ],
            };
            let found = places.iter().any(|place| holds(place, &attack.function));
            assert!(found, "{attack:?}");
        }
    }

    fn holds(place: &Path, function: &str) -> bool {
        if place.is_dir() {
            let mut inside = fs::read_dir(place).unwrap();
            return inside.any(|entry| holds(&entry.unwrap().path(), function));
        }
        let text = fs::read_to_string(place).unwrap_or_default();
        text.contains(&format!("fn {function}("))
    }
}
