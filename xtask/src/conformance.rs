//! `cargo xtask conformance`: which test proves which requirement, as `docs/conformance.md`.
//!
//! Written from four things: the requirements with a level in `docs/requirements.txt`, the IDs
//! that tests cite in their doc comments, `docs/not-claimed.txt` for what is not claimed, and
//! `docs/client-scenarios.txt` for the official scenarios that clients are put through.
//! `tidy` fails when the page is out of date or a requirement has neither; `test` fails when a
//! test that the page names did not run and pass.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::run;
use crate::tally::Test;
use crate::tidy::{Finding, Source};

mod citations;
mod scenarios;

use citations::Cited;

const LIST: &str = "docs/requirements.txt";
const NOT_CLAIMED: &str = "docs/not-claimed.txt";
const PAGE: &str = "docs/conformance.md";

/// Of ten expected requirements, how many a test must prove.
const EXPECTED_TENTHS: usize = 9;

/// The page's chapters, by how their IDs begin.
const CHAPTERS: [(&str, &str); 23] = [
    ("AS-META-", "Metadata and discovery"),
    ("AS-REG-", "Client identity"),
    ("AS-DCR-", "Dynamic client registration"),
    ("AS-DCM-", "Managing a registration"),
    ("CIMD-", "Client ID metadata documents"),
    ("AS-AUTHZ-", "Authorization endpoint"),
    ("AS-TOKEN-", "Token endpoint"),
    ("AS-CAUTH-", "Client authentication"),
    ("AS-CODE-", "Authorization code grant"),
    ("AS-RT-", "Refresh tokens"),
    ("AS-AT-", "Access tokens"),
    ("AS-REV-", "Revocation"),
    ("AS-INT-", "Introspection"),
    ("AS-SEC-", "Security of the whole"),
    ("RS-PRM-", "Protected resource metadata"),
    ("RS-TOK-", "Requests and tokens at the resource server"),
    ("RS-ERR-", "Challenges and errors"),
    ("RS-HTTP-", "The resource server's transport"),
    ("CL-DISC-", "The client's discovery"),
    ("CL-REG-", "How the client is known"),
    ("CL-AUTHZ-", "The client's authorization requests"),
    ("CL-TOK-", "The client's tokens"),
    ("CL-EXT-", "The client's extensions"),
];

/// A requirement, and what there is to say about it.
#[derive(Debug)]
struct Row<'a> {
    id: &'a str,
    level: Level,
    text: &'a str,
    tests: Vec<&'a Cited>,
    reason: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Mandatory,
    Expected,
}

/// Writes the page.
pub(crate) fn verb() -> Result<bool, String> {
    let sources = crate::tidy::read(run::root())?;
    let cited = citations::of(&sources);
    let rows = rows(&sources, &cited);
    let page = render(&rows, text_of(&sources, scenarios::LIST));
    fs::write(run::root().join(PAGE), page).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("{}", summary(&rows));
    Ok(true)
}

/// What keeps the page from being true.
pub(crate) fn findings(sources: &[Source]) -> Vec<Finding> {
    let cited = citations::of(sources);
    let rows = rows(sources, &cited);
    let mut found = Vec::new();
    let at = |path: &str, what: String| Finding::whole(path, what);
    for row in &rows {
        match (row.level, row.tests.is_empty(), row.reason) {
            (_, true, None) => found.push(at(
                LIST,
                format!("{} has neither a test nor a reason", row.id),
            )),
            (_, false, Some(_)) => found.push(at(
                NOT_CLAIMED,
                format!("{} is proved by a test and needs no reason", row.id),
            )),
            _ => {}
        }
    }
    for (id, _) in reasons(sources) {
        if !rows.iter().any(|row| row.id == id) {
            found.push(at(NOT_CLAIMED, format!("{id} has no level in {LIST}")));
        }
    }
    let (proved, all) = count(&rows, Level::Expected);
    if proved * 10 < all * EXPECTED_TENTHS {
        found.push(at(
            LIST,
            format!("only {proved} of {all} expected requirements are proved"),
        ));
    }
    let page = text_of(sources, PAGE);
    if page != render(&rows, text_of(sources, scenarios::LIST)) {
        found.push(at(
            PAGE,
            "out of date: run `cargo xtask conformance`".to_owned(),
        ));
    }
    found
}

/// The tests that the page names and that did not pass in a run.
pub(crate) fn not_run(ran: &[Test]) -> Result<Vec<String>, String> {
    let sources = crate::tidy::read(run::root())?;
    let cited = citations::of(&sources);
    let rows = rows(&sources, &cited);
    let mut missing: Vec<String> = rows
        .iter()
        .flat_map(|row| &row.tests)
        .filter(|cited| !ran.iter().any(|test| cited.is(test)))
        .map(|cited| cited.to_string())
        .collect();
    missing.sort();
    missing.dedup();
    Ok(missing)
}

fn rows<'a>(sources: &'a [Source], cited: &'a [Cited]) -> Vec<Row<'a>> {
    let reasons: BTreeMap<&str, &str> = reasons(sources).collect();
    let row = |line: &'a str| {
        let mut words = line.splitn(3, ' ');
        let id = words.next().filter(|id| !id.starts_with('#'))?;
        let level = match words.next()? {
            "M" => Level::Mandatory,
            "E" => Level::Expected,
            _ => return None,
        };
        Some(Row {
            id,
            level,
            text: words.next().unwrap_or_default(),
            tests: cited.iter().filter(|test| test.proves(id)).collect(),
            reason: reasons.get(id).copied(),
        })
    };
    text_of(sources, LIST).lines().filter_map(row).collect()
}

/// `ID reason` lines.
fn reasons(sources: &[Source]) -> impl Iterator<Item = (&str, &str)> {
    text_of(sources, NOT_CLAIMED)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
}

fn text_of<'a>(sources: &'a [Source], path: &str) -> &'a str {
    let found = sources.iter().find(|source| source.path == path);
    found.map_or("", |source| &source.text)
}

fn count(rows: &[Row<'_>], level: Level) -> (usize, usize) {
    let of_level = || rows.iter().filter(|row| row.level == level);
    let proved = of_level().filter(|row| !row.tests.is_empty()).count();
    (proved, of_level().count())
}

fn summary(rows: &[Row<'_>]) -> String {
    let (mandatory, of_mandatory) = count(rows, Level::Mandatory);
    let (expected, of_expected) = count(rows, Level::Expected);
    format!(
        "{mandatory} of {of_mandatory} mandatory and {expected} of {of_expected} expected requirements are proved by a test."
    )
}

fn render(rows: &[Row<'_>], scenarios: &str) -> String {
    let mut page = format!(
        "# Conformance\n\n\
         Written by `cargo xtask conformance` from the IDs that tests cite; do not edit. What the authorization server, the resource server and the client must do for MCP \
         today (**M**) and is expected to do (E), each with the tests that prove it. `cargo xtask test` fails when one of these did not \
         run and pass.\n\n{}\n",
        summary(rows)
    );
    for (prefix, title) in CHAPTERS {
        let _ = write!(
            page,
            "\n## {title}\n\n| requirement | | | proved by |\n|---|---|---|---|\n"
        );
        for row in rows.iter().filter(|row| row.id.starts_with(prefix)) {
            let level = match row.level {
                Level::Mandatory => "**M**",
                Level::Expected => "E",
            };
            let proof = match row.reason {
                Some(reason) if row.tests.is_empty() => format!("not claimed: {reason}"),
                _ => {
                    let tests: Vec<String> =
                        row.tests.iter().map(|test| format!("`{test}`")).collect();
                    tests.join("<br>")
                }
            };
            let _ = writeln!(page, "| {} | {level} | {} | {proof} |", row.id, row.text);
        }
    }
    page.push_str(&scenarios::render(scenarios));
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source;

    fn sources(reasons: &str, test: &str) -> Vec<Source> {
        vec![
            source(
                LIST,
                "# IDs\nAS-RT-1 M It rotates.\nAS-RT-5 E It forgives.\nRS-TOK-1\n",
            ),
            source(NOT_CLAIMED, reasons),
            source("crates/a/tests/b.rs", test),
        ]
    }

    fn told(mut sources: Vec<Source>) -> Vec<String> {
        let page = {
            let cited = citations::of(&sources);
            render(&rows(&sources, &cited), "")
        };
        sources.push(source(PAGE, &page));
        findings(&sources).iter().map(ToString::to_string).collect()
    }

    const BOTH: &str = "//! B.\n/// AS-RT-1, AS-RT-5.\n#[test]\nfn it_rotates() {}\n";
    const ONE: &str = "//! B.\n/// AS-RT-1.\n#[test]\nfn it_rotates() {}\n";

    #[test]
    fn a_requirement_needs_a_test_or_a_reason_and_not_both() {
        assert_eq!(told(sources("", BOTH)), [""; 0]);
        let neither = told(sources("", ONE));
        assert!(neither[0].contains("AS-RT-5 has neither"), "{neither:?}");
        let both = told(sources("AS-RT-1 no time\n", BOTH));
        assert!(both[0].contains("AS-RT-1 is proved"), "{both:?}");
        let unknown = told(sources(&format!("AS-RT-{} no time\n", 9999), BOTH));
        assert!(unknown[0].contains("has no level"), "{unknown:?}");
    }

    #[test]
    fn few_reasons_are_enough() {
        let told = told(sources("AS-RT-5 no time\n", ONE));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("only 0 of 1 expected"), "{told:?}");
    }

    #[test]
    fn an_old_page_is_found() {
        let mut sources = sources("", BOTH);
        sources.push(source(PAGE, "# Conformance\n"));
        let found = findings(&sources);
        assert!(found.iter().any(|f| f.to_string().contains("out of date")));
    }
}
