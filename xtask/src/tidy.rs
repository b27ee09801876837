//! `cargo xtask tidy`: what review would otherwise have to repeat.
//!
//! Each rule is a pure function over files that have been read already; a rule gives a list of
//! findings, and each is tested to find what it forbids.

use std::fmt;
use std::fs;
use std::path::Path;

use crate::{conformance, run};

mod adr;
mod code;
mod links;
mod manifests;
mod requirements;

pub(crate) use requirements::cited as cited_ids;

/// A file of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    /// Below the workspace's folder, with forward slashes.
    pub(crate) path: String,
    /// Its text; empty for what is not text.
    pub(crate) text: String,
}

/// Something to put right.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// Counted from one; zero means the file as a whole.
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

impl Finding {
    /// About a file as a whole.
    pub(crate) fn whole(path: &str, what: String) -> Self {
        Self {
            path: path.to_owned(),
            line: 0,
            what,
        }
    }
}

impl Source {
    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }

    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|found| found == extension)
    }

    /// The lines with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether all of it is test code: under `tests/`, or a test module in a file of its own.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests") || self.file_name() == "tests.rs"
    }
}

/// Prints every finding; true if there is none.
pub(crate) fn verb() -> Result<bool, String> {
    let sources = read(run::root())?;
    let found = findings(&sources);
    for finding in &found {
        println!("tidy: {finding}");
    }
    println!("tidy: {} files, {} findings", sources.len(), found.len());
    Ok(found.is_empty())
}

fn findings(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources {
        found.extend(code::crate_page(source));
        found.extend(code::first_line(source));
        found.extend(code::length(source));
        found.extend(code::markers(source));
        found.extend(code::panics(source));
        found.extend(manifests::check(source));
    }
    found.extend(adr::numbering(sources));
    found.extend(links::broken(sources));
    found.extend(requirements::unknown(sources));
    found.extend(conformance::findings(sources));
    found.sort();
    found
}

/// Reads the workspace, without what is built, fetched or hidden; `.ci` is ours all the same.
pub(crate) fn read(root: &Path) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(fail)?;
            let skipped = matches!(name.as_str(), "target" | "node_modules" | "artefacts")
                || (name.starts_with('.') && name != ".ci");
            if kind.is_dir() && !skipped {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let below = path.strip_prefix(root).unwrap_or(&path);
                sources.push(Source {
                    path: below.to_string_lossy().replace('\\', "/"),
                    text: fs::read(&path).ok().and_then(text).unwrap_or_default(),
                });
            }
        }
    }
    Ok(sources)
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
pub(crate) fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_name_the_file_and_the_line() {
        let source = source("crates/a/src/b.rs", "");
        assert_eq!(
            source.finding(7, "long").to_string(),
            "crates/a/src/b.rs:7: long"
        );
        assert_eq!(
            source.finding(0, "long").to_string(),
            "crates/a/src/b.rs: long"
        );
    }

    #[test]
    fn reading_finds_our_own_files_and_nothing_built() {
        let sources = read(run::root()).unwrap();
        let has = |path: &str| sources.iter().any(|source| source.path == path);
        assert!(has("xtask/src/tidy.rs") && has(".ci/run") && has("Cargo.toml"));
        assert!(
            !sources
                .iter()
                .any(|source| source.path.starts_with("target/"))
        );
    }

    #[test]
    fn test_files_are_known_by_their_place_or_name() {
        for (path, expected) in [
            ("crates/a/src/lib.rs", false),
            ("crates/a/src/tests.rs", true),
            ("crates/a/src/latest.rs", false),
            ("crates/a/tests/common/mod.rs", true),
        ] {
            assert_eq!(source(path, "").is_test(), expected, "{path}");
        }
    }
}
