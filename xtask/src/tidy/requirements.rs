//! Requirement IDs that are cited exist. The list is `docs/requirements.txt`.

use std::collections::HashSet;

use super::{Finding, Source};

const LIST: &str = "docs/requirements.txt";

/// The first part of an ID: whose requirement it is.
const ROLES: [&str; 7] = ["AS", "RS", "CL", "PX", "IDP", "CIMD", "EMA"];

/// IDs in code and documents that are not on the list.
pub(super) fn unknown(sources: &[Source]) -> Vec<Finding> {
    let Some(list) = sources.iter().find(|source| source.path == LIST) else {
        return vec![Finding {
            path: LIST.to_owned(),
            line: 0,
            what: "missing".to_owned(),
        }];
    };
    let known: HashSet<&str> = list
        .text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut found = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.is("rs") || source.is("md"))
    {
        for (number, line) in source.lines() {
            for id in cited(line)
                .into_iter()
                .filter(|id| !known.contains(id.as_str()))
            {
                found.push(source.finding(number, format!("there is no requirement {id}")));
            }
        }
    }
    found
}

/// The IDs in a line: `AS-AUTHZ-21`, `PX-4`, and both of `AS-RT-4/5`.
pub(crate) fn cited(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find(is_part) {
        let end = rest[start..]
            .find(|c| !is_part(c))
            .map_or(rest.len(), |length| start + length);
        let (word, after) = (&rest[start..end], &rest[end..]);
        if let Some((group, number)) = split(word) {
            found.push(format!("{group}-{number}"));
            found.extend(
                more(after)
                    .into_iter()
                    .map(|number| format!("{group}-{number}")),
            );
        }
        rest = after;
    }
    found
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// `AS-RT-4` as `AS-RT` and `4`; `None` for other words.
fn split(word: &str) -> Option<(String, &str)> {
    let mut parts = word.split('-');
    let role = parts.next().filter(|role| ROLES.contains(role))?;
    let next = parts.next()?;
    let area = !next.is_empty() && next.chars().all(|c| c.is_ascii_uppercase());
    let (group, last) = if area {
        (format!("{role}-{next}"), parts.next()?)
    } else {
        (role.to_owned(), next)
    };
    let digits = last
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(last.len());
    let number = &last[..digits];
    // `CIMD-02` is the second draft of the document, not a row of ours.
    let draft = role == "CIMD" && number.len() == 2 && number.starts_with('0');
    (!number.is_empty() && !draft).then_some((group, number))
}

/// The numbers of a list such as `/5/6` that follows an ID.
fn more(after: &str) -> Vec<&str> {
    let list = after.strip_prefix('/').unwrap_or_default();
    let end = list
        .find(|c: char| !c.is_ascii_digit() && c != '/')
        .unwrap_or(list.len());
    list[..end]
        .split('/')
        .filter(|number| !number.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn ids_are_recognised_among_other_words() {
        let found = cited("Spec: AS-AUTHZ-21, (PX-4); RS-PRM-3. CIMD-8/9 `CL-DISC-1`");
        assert_eq!(
            found,
            [
                "AS-AUTHZ-21",
                "PX-4",
                "RS-PRM-3",
                "CIMD-8",
                "CIMD-9",
                "CL-DISC-1"
            ]
        );
        for other in [
            "RS256",
            "CIMD-02 §7",
            "AS-is",
            "BIAS-1",
            "RFC-AS-1",
            "AS-",
            "RS-A",
            "MAS-2",
        ] {
            assert_eq!(cited(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn an_id_that_does_not_exist_is_found() {
        let sources = [
            source("docs/requirements.txt", "# IDs\nAS-RT-4\nAS-RT-5\n"),
            source(
                "crates/a/src/b.rs",
                &format!("//! B.\n// AS-RT-4/{}: so\n", 5 + 9990),
            ),
            source("docs/x.md", &format!("See AS-RT-{}.\n", "04")),
            source("interop/x.mjs", &format!("// AS-RT-{}\n", 9999)),
        ];
        let found: Vec<String> = unknown(&sources).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("crates/a/src/b.rs:2:") && found[1].starts_with("docs/x.md:1:")
        );
    }

    #[test]
    fn without_the_list_nothing_can_be_checked() {
        assert_eq!(unknown(&[source("docs/x.md", "")]).len(), 1);
    }
}
