//! Relative links in the documents point at files that exist.

use super::{Finding, Source};

/// Links of `README.md` files, the change log and `docs/` to nothing.
pub(super) fn broken(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| is_document(source)) {
        for (line, target) in links(source) {
            let Some(path) = resolve(&source.path, target) else {
                found.push(
                    source.finding(line, format!("the link `{target}` leaves the repository")),
                );
                continue;
            };
            let folder = format!("{path}/");
            let exists = path.is_empty()
                || sources
                    .iter()
                    .any(|one| one.path == path || one.path.starts_with(&folder));
            if !exists {
                found.push(source.finding(line, format!("the link `{target}` points at nothing")));
            }
        }
    }
    found
}

fn is_document(source: &Source) -> bool {
    source.is("md")
        && (source.path.starts_with("docs/")
            || source.file_name() == "README.md"
            || !source.path.contains('/'))
}

/// The relative targets in a document, `[text](target)` and `[text]: target`, without fragments.
/// Code is no link.
fn links(source: &Source) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (number, line) in source.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            // Every other stretch between backticks is code.
            for prose in line.split('`').step_by(2) {
                // What follows a link's text may have been in backticks: `[`a`](b)` splits there.
                for rest in prose.split("](").skip(1) {
                    found.push((number, rest.split([')', ' ']).next().unwrap_or_default()));
                }
            }
            if let Some((label, target)) = line.split_once("]: ")
                && label.starts_with('[')
            {
                found.push((number, target.split(' ').next().unwrap_or_default()));
            }
        }
    }
    found
        .into_iter()
        .map(|(number, target)| (number, target.trim_matches(['<', '>'])))
        .map(|(number, target)| (number, target.split('#').next().unwrap_or_default()))
        .filter(|(_, target)| !target.is_empty() && !has_scheme(target))
        .collect()
}

fn has_scheme(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// A target as a path below the workspace's folder; `None` if it leads out of it.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        let sources = [
            source(path, text),
            source("docs/adr/0001-a.md", ""),
            source("crates/a/src/lib.rs", ""),
            source("LICENSE-MIT", ""),
        ];
        broken(&sources)
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn links_to_files_folders_and_elsewhere_are_fine() {
        let text = "[a](adr/0001-a.md#price) and [b](../LICENSE-MIT), [c](../crates/a/)\n\
             [d](https://example.org/x) [e](#below) [f](mailto:a@example.org) [up](..)\n\
             [`g`](adr/0001-a.md \"title\")\n\n[h]: <adr/0001-a.md>\n";
        assert_eq!(found("docs/x.md", text), [0; 0]);
    }

    #[test]
    fn links_to_nothing_are_found_wherever_they_stand() {
        let text = "[a](adr/0002-b.md)\n[`b`](gone.md)\nfine\n[c]: gone.md\n[d](../../out.md)\n\
             ![e](picture.png) [f](/etc/hosts)\n";
        assert_eq!(found("docs/x.md", text), [1, 2, 4, 5, 6, 6]);
        assert_eq!(found("README.md", "[a](docs/gone.md)\n"), [1]);
        assert_eq!(found("interop/README.md", "[a](../docs)\n[b](docs)\n"), [2]);
    }

    #[test]
    fn code_is_no_link() {
        assert_eq!(
            found("docs/x.md", "```\n[a](gone.md)\n```\nand `[b](gone.md)`\n"),
            [0; 0]
        );
    }
}
