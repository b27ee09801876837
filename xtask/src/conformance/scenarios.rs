//! The official scenarios for clients, as a section of the page.
//!
//! Written from `docs/client-scenarios.txt`, which the suite `client-conformance` compares with what
//! it ran.

use std::fmt::Write as _;

/// What the suite runs and what it leaves out.
pub(super) const LIST: &str = "docs/client-scenarios.txt";

/// The section, from the text of the list; nothing where there is no list.
pub(super) fn render(list: &str) -> String {
    let mut section = String::new();
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let (Some(name), Some(revisions)) = (words.next(), words.next()) else {
            continue;
        };
        if name == "package" {
            let _ = write!(
                section,
                "\n## The MCP project's scenarios for clients\n\n\
                 `@modelcontextprotocol/conformance` {revisions}: all that it has for authorization. The suite \
                 `client-conformance` runs them, and fails when one did not pass, or when the package's list is not this one.\n\n\
                 | scenario | at | outcome |\n|---|---|---|\n"
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
        assert!(section.contains("conformance` 1.2:"), "{section}");
        let rows: Vec<&str> = section.lines().rev().take(2).collect();
        assert_eq!(rows[1], "| auth/a | 2025-11-25, 2026-07-28 | passes |");
        assert_eq!(rows[0], "| auth/b | extension | left out: not built |");
        assert_eq!(render(""), "");
    }
}
