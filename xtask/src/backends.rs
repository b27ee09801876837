//! The storage backends, whether we have a store for each, and which tests were about it.

use std::fs;
use std::path::Path;

use crate::table::{Row, Verdict};
use crate::tally::{Tally, Test};
use crate::tools;

/// How to see that a store has been written.
#[derive(Debug)]
enum Store {
    /// Always there and always tested.
    Always,
    /// There once this folder is.
    Folder(&'static str),
    /// There once the SQL crate has this feature.
    SqlFeature(&'static str),
}

/// One backend.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    store: Store,
    /// A test is about this backend if its name, in lower case, contains one of these,
    marks: &'static [&'static str],
    /// or if it belongs to this crate and its name contains no other backend's marks.
    home: Option<&'static str>,
    /// The program to look for, and the Debian package that brings it. Debian keeps PostgreSQL's
    /// server off the search path; its client comes with it and has the same version.
    pub(crate) program: Option<(&'static str, &'static str)>,
}

pub(crate) const BACKENDS: &[Backend] = &[
    Backend {
        name: "memory",
        store: Store::Always,
        marks: &["memory"],
        home: Some("oauth-storage-memory"),
        program: None,
    },
    Backend {
        name: "sqlite",
        store: Store::Always,
        marks: &["sqlite"],
        home: Some("oauth-storage-sql"),
        program: None,
    },
    Backend {
        name: "redis",
        store: Store::Folder("crates/oauth-storage-redis"),
        marks: &["redis"],
        home: Some("oauth-storage-redis"),
        program: Some(("redis-server", "redis-server")),
    },
    Backend {
        name: "postgresql",
        store: Store::SqlFeature("postgres"),
        marks: &["postgres"],
        home: None,
        program: Some(("psql", "postgresql")),
    },
    Backend {
        name: "mariadb",
        store: Store::SqlFeature("mysql"),
        marks: &["mysql", "mariadb"],
        home: None,
        program: Some(("mariadbd", "mariadb-server")),
    },
    // Keeps a client's credentials, not a server's records. The bus that it needs comes with it.
    Backend {
        name: "keyring",
        store: Store::Always,
        marks: &["keyring"],
        home: None,
        program: Some(("gnome-keyring-daemon", "gnome-keyring")),
    },
    Backend {
        name: "composed",
        store: Store::Always,
        marks: &["composed"],
        home: None,
        program: None,
    },
    Backend {
        name: "custom-store",
        store: Store::Folder("examples/custom-store"),
        marks: &["redb"],
        home: Some("custom-store"),
        program: None,
    },
];

impl Backend {
    /// Whether the workspace at `root` has a store for it.
    pub(crate) fn built(&self, root: &Path) -> bool {
        match self.store {
            Store::Always => true,
            Store::Folder(folder) => root.join(folder).is_dir(),
            Store::SqlFeature(feature) => {
                fs::read_to_string(root.join("crates/oauth-storage-sql/Cargo.toml"))
                    .is_ok_and(|manifest| has_feature(&manifest, feature))
            }
        }
    }

    /// The version of its program; `None` when it has none, or it is missing.
    pub(crate) fn version(&self) -> Option<String> {
        self.program
            .and_then(|(program, _)| tools::version(program))
    }

    /// What became of the tests that were about it.
    pub(crate) fn ran(&self, tests: &[Test]) -> Tally {
        let mut sum = Tally::default();
        for test in tests {
            let at_home = self.home == Some(test.package.as_str())
                && !BACKENDS.iter().any(|other| other.marked(test));
            if at_home || self.marked(test) {
                sum += test.tally;
            }
        }
        sum
    }

    fn marked(&self, test: &Test) -> bool {
        self.marks.iter().any(|mark| test.text.contains(mark))
    }

    /// Its line in the closing table. `version` is that of its program; `ran` are its tests.
    pub(crate) fn row(&self, built: bool, version: Option<String>, ran: Tally) -> Row {
        let row = |found: &str, ran: String, verdict| Row {
            name: self.name,
            found: found.to_owned(),
            ran,
            verdict,
        };
        if !built {
            return row(
                "no store yet",
                "not built yet".to_owned(),
                Verdict::NotBuilt,
            );
        }
        let found = match (self.program, version) {
            (None, _) => "built in".to_owned(),
            (Some(_), Some(version)) => version,
            // Its tests have passed by doing nothing: their count would mislead.
            (Some((program, _)), None) => {
                return row(
                    "missing",
                    format!("nothing: no {program}"),
                    Verdict::Missing,
                );
            }
        };
        match ran.ran() {
            0 => row(&found, "no test of it ran".to_owned(), Verdict::Broken),
            _ => row(&found, ran.in_words(), Verdict::Present),
        }
    }
}

/// Whether a manifest's `[features]` declares this one.
fn has_feature(manifest: &str, feature: &str) -> bool {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .any(|line| {
            line.split_once('=')
                .is_some_and(|(name, _)| name.trim() == feature)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"x\"\n\n[features]\ndefault = [\"sqlite\"]\n\
         sqlite = [\"sqlx/sqlite\"]\n\n[dependencies]\npostgres = \"1\"\n";

    fn backend(name: &str) -> &'static Backend {
        BACKENDS
            .iter()
            .find(|backend| backend.name == name)
            .unwrap()
    }

    #[test]
    fn a_feature_is_not_a_dependency_of_the_same_name() {
        assert!(has_feature(MANIFEST, "sqlite"));
        assert!(!has_feature(MANIFEST, "postgres"));
    }

    #[test]
    fn a_store_that_nobody_wrote_is_named_and_no_failure() {
        let row = backend("redis").row(false, Some("7.0".to_owned()), Tally::default());
        assert_eq!(
            (row.ran.as_str(), row.verdict),
            ("not built yet", Verdict::NotBuilt)
        );
    }

    #[test]
    fn a_store_without_its_program_is_missing_even_if_its_tests_passed_by_skipping() {
        let passed = Tally {
            passed: 20,
            ..Tally::default()
        };
        assert_eq!(
            backend("redis").row(true, None, passed).verdict,
            Verdict::Missing
        );
    }

    #[test]
    fn tests_are_about_the_backend_they_name_or_else_about_their_crates() {
        let test = |package: &str, text: &str| Test {
            package: package.to_owned(),
            text: text.to_owned(),
            tally: Tally {
                passed: 1,
                ..Tally::default()
            },
        };
        let tests = [
            test("oauth-storage-sql", "tests/contract.rs one_winner"),
            test(
                "oauth-storage-sql",
                "tests/contract.rs postgres::one_winner",
            ),
            test("quickstart", "tests/kill.rs sqlite_survives"),
            test("oauth-types", "src/lib.rs scope"),
            test("oauth-storage-sql", "tests/composed.rs one_winner"),
            test("custom-store", "tests/contract.rs one_winner"),
        ];
        let passed = |name: &str| backend(name).ran(&tests).passed;
        assert_eq!(
            ["sqlite", "postgresql", "mariadb", "memory"].map(passed),
            [2, 1, 0, 0]
        );
        assert_eq!(["composed", "custom-store"].map(passed), [1, 1]);
    }

    #[test]
    fn never_green_and_empty() {
        let row = backend("memory").row(true, None, Tally::default());
        assert_eq!(row.verdict, Verdict::Broken);
        let row = backend("memory").row(
            true,
            None,
            Tally {
                passed: 3,
                ..Tally::default()
            },
        );
        assert_eq!(
            (row.ran.as_str(), row.verdict),
            ("3 passed", Verdict::Present)
        );
    }
}
