//! Tests, and the requirements that they cite in their doc comments.

use std::fmt;

use crate::tally::Test;
use crate::tidy::{Source, cited_ids};

/// A test that cites requirements.
#[derive(Debug)]
pub(super) struct Cited {
    package: String,
    /// Below the package's folder.
    file: String,
    name: String,
    ids: Vec<String>,
}

impl Cited {
    pub(super) fn proves(&self, id: &str) -> bool {
        self.ids.iter().any(|cited| cited == id)
    }

    /// Whether this is the test of a run, and it passed.
    pub(super) fn is(&self, test: &Test) -> bool {
        let name = self.name.to_lowercase();
        let ends = test
            .text
            .strip_suffix(&name)
            .is_some_and(|before| before.ends_with([' ', ':']));
        ends && test.package == self.package && test.tally.passed == 1
    }
}

impl fmt::Display for Cited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}::{}", self.package, self.file, self.name)
    }
}

/// All of them, in the order of their files.
pub(super) fn of(sources: &[Source]) -> Vec<Cited> {
    let mut found: Vec<Cited> = sources
        .iter()
        .filter(|source| source.is("rs"))
        .flat_map(in_file)
        .collect();
    found.sort_by(|a, b| (&a.package, &a.file, &a.name).cmp(&(&b.package, &b.file, &b.name)));
    found
}

fn in_file(source: &Source) -> Vec<Cited> {
    let Some((package, file)) = place(&source.path) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let (mut ids, mut is_test) = (Vec::new(), false);
    for (_, line) in source.lines() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("///") {
            ids.extend(cited_ids(comment));
        } else if line.starts_with("#[") || line.ends_with(")]") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        } else {
            let function = line.strip_prefix("async ").unwrap_or(line);
            let name = function.strip_prefix("fn ").and_then(|rest| {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
                Some(&rest[..end])
            });
            if let (Some(name), true, false) = (name, is_test, ids.is_empty()) {
                found.push(Cited {
                    package: package.to_owned(),
                    file: file.to_owned(),
                    name: name.to_owned(),
                    ids: std::mem::take(&mut ids),
                });
            }
            ids.clear();
            is_test = false;
        }
    }
    found
}

/// The package, which is called as its folder, and the file below it.
fn place(path: &str) -> Option<(&str, &str)> {
    let rest = path
        .strip_prefix("crates/")
        .or_else(|| path.strip_prefix("examples/"))?;
    rest.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;
    use crate::tidy::source;

    const FILE: &str = "\
//! AS-RT-9: the file's own words prove nothing.

/// AS-RT-1: rotates.
/// So does AS-RT-2/3.
#[test]
fn one() {}

/// AS-RT-4.
fn helper() {}

#[test]
fn uncited() {}

    /// AS-RT-5.
    #[tokio::test(flavor = \"current_thread\")]
    async fn two() {}
";

    #[test]
    fn tests_are_found_with_what_they_cite() {
        let found = of(&[source("crates/a/tests/b.rs", FILE)]);
        let told: Vec<String> = found
            .iter()
            .map(|cited| format!("{cited} {}", cited.ids.join(" ")))
            .collect();
        assert_eq!(
            told,
            [
                "a tests/b.rs::one AS-RT-1 AS-RT-2 AS-RT-3",
                "a tests/b.rs::two AS-RT-5"
            ]
        );
        assert!(of(&[source("xtask/src/b.rs", FILE)]).is_empty());
    }

    #[test]
    fn a_test_counts_when_it_ran_and_passed() {
        let found = of(&[source("crates/a/tests/b.rs", FILE)]);
        let ran = |package: &str, text: &str, passed| Test {
            package: package.to_owned(),
            text: text.to_owned(),
            tally: Tally {
                passed,
                ..Tally::default()
            },
        };
        assert!(found[0].is(&ran("a", "tests/b.rs b-0f one", 1)));
        assert!(found[0].is(&ran("a", "src/lib.rs a-0f c::tests::one", 1)));
        assert!(!found[0].is(&ran("a", "tests/b.rs b-0f one", 0)));
        assert!(!found[0].is(&ran("a", "tests/b.rs b-0f someone", 1)));
        assert!(!found[0].is(&ran("c", "tests/b.rs b-0f one", 1)));
    }
}
