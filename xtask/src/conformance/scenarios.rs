//! The official scenarios for clients, as a section of the page.
//!
//! Written from `docs/client-scenarios.txt`, which the suite `client-conformance` compares with what
//! it ran of each package.

use std::fmt::Write as _;

/// What the suite runs and what it leaves out.
pub(super) const LIST: &str = "docs/client-scenarios.txt";

const INTRODUCTION: &str = "
## The MCP project's scenarios for clients

All that the package `@modelcontextprotocol/conformance` has for authorization, in its newest prerelease and in its latest release. The suite \
`client-conformance` runs them, and fails when one did not pass, or when a package's list is not the one here.
";

/// The section, with a table for each package, from the text of the list; nothing where there is no
/// list.
pub(super) fn render(list: &str) -> String {
    let mut section = String::new();
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let (Some(name), Some(revisions)) = (words.next(), words.next()) else {
            continue;
        };
        if name == "package" {
            if section.is_empty() {
                section.push_str(INTRODUCTION);
            }
            let _ = write!(
                section,
                "\n### {revisions}\n\n| scenario | at | outcome |\n|---|---|---|\n"
            );
            continue;
        }
        let revisions = revisions.replace(',', ", ");
        let outcome = words.next().map_or_else(
            || "passes".to_owned(),
            |reason| format!("left out: {reason}"),
        );
        let _ = writeln!(section, "| {name} | {revisions} | {outcome} |");
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_says_why() {
        let section = render(
            "# List\npackage 1.2\nauth/a 2025-11-25,2026-07-28\nauth/b extension not built\n",
        );
        assert!(section.contains("\n### 1.2\n"), "{section}");
        let rows: Vec<&str> = section.lines().rev().take(2).collect();
        assert_eq!(rows[1], "| auth/a | 2025-11-25, 2026-07-28 | passes |");
        assert_eq!(rows[0], "| auth/b | extension | left out: not built |");
        assert_eq!(render(""), "");
    }

    #[test]
    fn each_package_has_a_table_of_its_own() {
        let section = render("package 2.0\nauth/a draft\npackage 1.2\nauth/a draft older\n");
        let headings: Vec<&str> = section
            .lines()
            .filter(|line| line.starts_with('#'))
            .collect();
        let one = "## The MCP project's scenarios for clients";
        assert_eq!(headings, [one, "### 2.0", "### 1.2"]);
        let (newer, older) = section.split_once("### 1.2").unwrap_or_default();
        assert!(
            newer.ends_with("| auth/a | draft | passes |\n\n"),
            "{newer}"
        );
        assert!(
            older.ends_with("| auth/a | draft | left out: older |\n"),
            "{older}"
        );
    }
}
