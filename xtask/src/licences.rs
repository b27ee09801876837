//! Licences, banned crates and sources, as `deny.toml` has them.
//!
//! `cargo-deny` knows more and takes longer to build than everything else together, so this check
//! reads the same file and asks the three questions that matter; where `cargo-deny` is installed it
//! runs as well.

use std::collections::HashSet;
use std::fs;

use crate::metadata::{Graph, Package};
use crate::{run, spdx};

/// What cargo calls crates.io, from wherever it fetched the package.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The part of `deny.toml` that we read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Policy {
    licences: Vec<String>,
    banned: Vec<String>,
}

/// Checks every package of the lock file; true if all is allowed.
pub(crate) fn check() -> Result<bool, String> {
    let file = run::root().join("deny.toml");
    let text = fs::read_to_string(file).map_err(|error| format!("deny.toml: {error}"))?;
    let mut graph = Graph::load(false)?;
    // The lock file and the metadata also name what only features that are off would bring.
    let built = built()?;
    graph.packages.retain(|package| {
        package.source.is_none()
            || built.contains(&format!("{} v{}", package.name, package.version))
    });
    let found = violations(&graph.packages, &policy(&text)?);
    for violation in &found {
        println!("licences: {violation}");
    }
    println!(
        "licences: {} packages against deny.toml, {} violations",
        graph.packages.len(),
        found.len()
    );
    if run::on_path("cargo-deny").is_none() {
        println!("licences: that check was our own; cargo-deny is not installed");
        return Ok(found.is_empty());
    }
    println!("licences: cargo-deny too");
    let mut deny = run::cargo(["deny", "--offline", "--all-features", "check"]);
    Ok(run::succeeds(deny.args(["licenses", "bans", "sources"])) && found.is_empty())
}

fn violations(packages: &[Package], policy: &Policy) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        match package
            .licence
            .as_deref()
            .map(|it| (it, spdx::satisfied(it, &policy.licences)))
        {
            Some((_, Ok(true))) => {}
            Some((licence, Ok(false))) => found.push(format!("{name}: {licence} is not allowed")),
            Some((licence, Err(why))) => found.push(format!("{name}: `{licence}`: {why}")),
            None => found.push(format!("{name}: its manifest names no licence")),
        }
        if policy.banned.contains(&package.name) {
            found.push(format!("{name}: banned"));
        }
        if let Some(source) = &package.source
            && source != CRATES_IO
        {
            found.push(format!("{name}: comes from {source}"));
        }
    }
    found
}

/// Every package that some target of some crate of ours is built with, as `NAME vVERSION`.
fn built() -> Result<HashSet<String>, String> {
    let mut tree = run::cargo(["tree", "--workspace", "--all-features", "--target", "all"]);
    let said = run::output(tree.args(["--prefix", "none", "--format", "{p}"]))?;
    let names = said.lines().map(|line| {
        let mut words = line.split(' ');
        let (name, version) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        format!("{name} {version}")
    });
    Ok(names.collect())
}

/// Reads the two lists. An exception for one crate would be ignored here, so it is refused.
fn policy(text: &str) -> Result<Policy, String> {
    if text
        .lines()
        .any(|line| line.trim_start().starts_with("exceptions"))
    {
        return Err("deny.toml: exceptions per crate are not understood here".to_owned());
    }
    let licences = quoted(list(text, "licenses", "allow")?);
    let banned = list(text, "bans", "deny")?;
    // `{ crate = "ring", reason = "…" }`: the name is the first quoted word of an entry.
    let entries = banned
        .split('{')
        .filter_map(|entry| quoted(entry.to_owned()).into_iter().next());
    Ok(Policy {
        licences,
        banned: entries.collect(),
    })
}

/// The text between the brackets of `key = [ … ]` in a section, comments removed.
fn list(text: &str, section: &str, key: &str) -> Result<String, String> {
    let body: Vec<&str> = text
        .lines()
        .map(|line| {
            line.split_once('#')
                .map_or(line, |(before, _)| before)
                .trim()
        })
        .skip_while(|line| *line != format!("[{section}]"))
        .skip(1)
        .take_while(|line| !is_header(line))
        .collect();
    let body = body.join("\n");
    let start = body
        .split_once(&format!("{key} = ["))
        .filter(|(before, _)| before.is_empty() || before.ends_with('\n'));
    match start.and_then(|(_, rest)| rest.split_once(']')) {
        Some((inside, _)) => Ok(inside.to_owned()),
        None => Err(format!("deny.toml: no list `{key}` in [{section}]")),
    }
}

fn is_header(line: &str) -> bool {
    line.starts_with('[') && line.ends_with(']')
}

fn quoted(text: String) -> Vec<String> {
    text.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "# which \"licences\"\n[licenses]\nconfidence-threshold = 0.9\nallow = [\n\
         \"MIT\", # or \"not\"\n\"ISC\",\n]\n\n[bans]\nmultiple-versions = \"allow\"\ndeny = [\n\
         { crate = \"ring\", reason = \"one backend\" },\n{ crate = \"native-tls\" },\n]\n\
         [sources]\nallow = [\"nothing\"]\n";

    fn package(name: &str, licence: Option<&str>, source: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            source: source.map(str::to_owned),
            ..Package::default()
        }
    }

    #[test]
    fn both_lists_are_read_without_their_comments() {
        let policy = policy(POLICY).unwrap();
        assert_eq!(policy.licences, ["MIT", "ISC"]);
        assert_eq!(policy.banned, ["ring", "native-tls"]);
    }

    #[test]
    fn a_policy_that_we_would_misread_is_refused() {
        assert!(policy("[licenses]\nexceptions = []\n").is_err());
        assert!(policy("[licenses]\nallow = [\"MIT\"]\n").is_err());
    }

    #[test]
    fn every_violation_is_found() {
        let policy = policy(POLICY).unwrap();
        let registry = Some(CRATES_IO);
        for (package, expected) in [
            (package("fine", Some("MIT OR GPL-3.0-only"), registry), None),
            (package("ours", Some("ISC"), None), None),
            (
                package("copyleft", Some("GPL-3.0-only"), registry),
                Some("is not allowed"),
            ),
            (
                package("garbled", Some("MIT OR"), registry),
                Some("ends where a licence"),
            ),
            (package("silent", None, registry), Some("names no licence")),
            (package("ring", Some("MIT"), registry), Some("banned")),
            (
                package("forked", Some("MIT"), Some("git+https://example.org/x")),
                Some("comes from"),
            ),
        ] {
            let found = violations(std::slice::from_ref(&package), &policy);
            assert_eq!(found.is_empty(), expected.is_none(), "{found:?}");
            assert!(
                expected.is_none_or(|words| found[0].contains(words)),
                "{found:?}"
            );
        }
    }

    #[test]
    fn the_file_itself_can_be_read() {
        let text = fs::read_to_string(run::root().join("deny.toml")).unwrap();
        let policy = policy(&text).unwrap();
        assert!(policy.licences.iter().any(|licence| licence == "MIT"));
        assert!(policy.banned.iter().any(|name| name == "ring"));
    }
}
