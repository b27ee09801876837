//! Rules about source files: what they open with, how long they are, what must not stand in them.

use super::{Finding, Source};

/// A file longer than this wants splitting.
const MAX_LINES: usize = 500;

/// Files that may be longer, each with the reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// A crate's page opens with what it promises and what it will never contain.
pub(super) fn crate_page(source: &Source) -> Vec<Finding> {
    if !(source.path.starts_with("crates/") && source.path.ends_with("/src/lib.rs")) {
        return Vec::new();
    }
    let page: String = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect();
    ["**Promise.**", "**Absences.**"]
        .into_iter()
        .filter(|words| !page.contains(words))
        .map(|words| source.finding(1, format!("the crate's page has no {words}")))
        .collect()
}

/// A file says on its first line what it is for. Test files are read from their test names.
pub(super) fn first_line(source: &Source) -> Vec<Finding> {
    if !is_rust_of_ours(source) || source.is_test() || source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.finding(
        1,
        "the file does not begin with a `//!` line that says what it is for",
    )]
}

/// Long files.
pub(super) fn length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    let code = source.is("rs") || source.is("mjs");
    if !code || lines <= MAX_LINES || LONG_FILES.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    vec![source.finding(0, format!("{lines} lines, more than {MAX_LINES}"))]
}

/// Work left undone, and tests switched off. An example in a doc comment may leave its bodies out.
pub(super) fn markers(source: &Source) -> Vec<Finding> {
    let code = ["rs", "mjs", "js", "html", "sql", "sh", "toml"]
        .iter()
        .any(|it| source.is(it));
    if !code {
        return Vec::new();
    }
    // Put together here, or this file would find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let calls = [
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("#[", "ignore"),
    ];
    let mut found = Vec::new();
    for (number, line) in source.lines() {
        let word = words.into_iter().find(|word| has_word(line, word));
        let comment = line.trim_start().starts_with("//");
        let call = calls
            .into_iter()
            .find(|call| !comment && line.contains(call));
        if let Some(marker) = word.or(call) {
            found.push(source.finding(number, format!("`{marker}`")));
        }
    }
    found
}

/// Calls that panic on what callers or storage hand in. One that cannot fail says why after
/// `// proved:`, on its line or in the comment above its statement.
pub(super) fn panics(source: &Source) -> Vec<Finding> {
    let library = source.path.starts_with("crates/")
        && source.path.contains("/src/")
        && !source.path.starts_with("crates/oauth-testkit/");
    if !library || !source.is("rs") || source.is_test() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut tests = TestCode::default();
    let mut proved_above = false;
    for (number, line) in source.lines() {
        if tests.contains(line) {
            continue;
        }
        let comment = line.trim_start().starts_with("//");
        let proved = line.contains("// proved:");
        if !comment && !proved && !proved_above {
            for call in [".unwrap()", ".expect("] {
                if line.contains(call) {
                    found.push(source.finding(number, format!("`{call}` in library code")));
                }
            }
        }
        // A comment speaks for the statement below it, however many lines that is broken into.
        let ends = line.is_empty() || line.ends_with([';', '{', '}']);
        proved_above = if comment {
            proved || proved_above
        } else {
            proved_above && !ends
        };
    }
    found
}

/// Follows the items under `#[cfg(test)]`. It relies on formatted code: an item ends with a line
/// that closes it at its own indentation, or with the first line if that ends in a semicolon.
#[derive(Default)]
struct TestCode {
    /// The indentation of the attribute we are under.
    inside: Option<usize>,
    whole_file: bool,
}

impl TestCode {
    /// Whether this line, the next one of the file, belongs to test code.
    fn contains(&mut self, line: &str) -> bool {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        self.whole_file |= trimmed.starts_with("#![cfg(test)]");
        match self.inside {
            Some(start) => {
                let last = indent == start
                    && (trimmed.starts_with('}')
                        || trimmed.ends_with(';')
                        || trimmed.ends_with("}"));
                if last {
                    self.inside = None;
                }
                true
            }
            None => {
                let attribute = ["#[cfg(test)]", "#[cfg(all(test,"]
                    .iter()
                    .any(|start| trimmed.starts_with(start));
                if attribute {
                    self.inside = Some(indent);
                }
                self.whole_file || attribute
            }
        }
    }
}

fn is_rust_of_ours(source: &Source) -> bool {
    source.is("rs")
        && ["crates/", "examples/", "xtask/"]
            .iter()
            .any(|f| source.path.starts_with(f))
}

/// Whether a word stands alone in a line, not as part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn a_crate_page_has_both_headings() {
        let page = |text: &str| crate_page(&source("crates/a/src/lib.rs", text)).len();
        assert_eq!(
            page("//! A.\n//!\n//! **Promise.** X. **Absences.** Y.\n"),
            0
        );
        assert_eq!(page("//! **Promise.** X.\n"), 1);
        assert_eq!(
            page("mod a; // **Promise.** **Absences.**\n"),
            2,
            "not in the page"
        );
        assert_eq!(crate_page(&source("crates/a/src/other.rs", "")).len(), 0);
    }

    #[test]
    fn the_first_line_says_what_the_file_is_for() {
        let found = |path: &str, text: &str| first_line(&source(path, text)).len();
        assert_eq!(found("crates/a/src/b.rs", "//! B.\n"), 0);
        assert_eq!(found("crates/a/src/b.rs", "use std::fmt;\n//! B.\n"), 1);
        assert_eq!(found("xtask/src/b.rs", ""), 1);
        assert_eq!(found("crates/a/src/tests.rs", "use super::*;\n"), 0);
        assert_eq!(found("crates/a/tests/b.rs", "use a::*;\n"), 0);
    }

    #[test]
    fn long_files_are_found() {
        let found = |lines: usize| length(&source("crates/a/src/b.rs", &"x\n".repeat(lines))).len();
        assert_eq!((found(500), found(501)), (0, 1));
        assert_eq!(length(&source("Cargo.lock", &"x\n".repeat(9000))).len(), 0);
    }

    #[test]
    fn markers_are_found_as_words() {
        let found = |line: String| markers(&source("crates/a/src/b.rs", &line)).len();
        assert_eq!(found(format!("// {}: later", concat!("TO", "DO"))), 1);
        assert_eq!(found(format!("// {}", concat!("XX", "X"))), 1);
        assert_eq!(found(format!("let id = \"{}X\";", concat!("XX", "X"))), 0);
        assert_eq!(found(format!("{}()", concat!("todo", "!"))), 1);
        assert_eq!(
            found(format!("    {} = \"slow\"]", concat!("#[", "ignore"))),
            1
        );
        assert_eq!(
            found(format!("//! fn a() {{ {}() }}", concat!("todo", "!"))),
            0
        );
        assert_eq!(found("// nothing to do".to_owned()), 0);
    }

    #[test]
    fn panics_in_library_code_are_found() {
        let lines = |path: &str, text: &str| -> Vec<usize> {
            panics(&source(path, text))
                .iter()
                .map(|finding| finding.line)
                .collect()
        };
        let library = |text: &str| lines("crates/a/src/b.rs", text);
        assert_eq!(
            library("fn a() {\n    b.unwrap();\n    c.expect(\"c\");\n}\n"),
            [2, 3]
        );
        assert_eq!(library("b.unwrap(); // proved: b was just set\n"), [0; 0]);
        assert_eq!(
            library("// proved: b is\n// never empty\nb.unwrap();\nc.unwrap();\n"),
            [4]
        );
        assert_eq!(
            library("// proved: b\na\n    .b()\n    .unwrap();\nc.unwrap();\n"),
            [5]
        );
        assert_eq!(
            library("/// let b = c.unwrap();\nb.unwrap_or_default();\n"),
            [0; 0]
        );
        assert_eq!(lines("crates/a/src/tests.rs", "b.unwrap();\n"), [0; 0]);
        assert_eq!(lines("crates/a/tests/b.rs", "b.unwrap();\n"), [0; 0]);
        assert_eq!(
            lines("crates/oauth-testkit/src/b.rs", "b.unwrap();\n"),
            [0; 0]
        );
        assert_eq!(lines("xtask/src/b.rs", "b.unwrap();\n"), [0; 0]);
    }

    #[test]
    fn test_code_ends_where_its_item_ends() {
        let text = "#[cfg(test)]\nmod tests;\nb.unwrap();\n\
             #[cfg(test)]\nuse a::{b, c};\nc.unwrap();\n\
             impl X {\n    #[cfg(test)]\n    fn a() {\n        b.unwrap();\n    }\n    c.unwrap();\n}\n\
             #[cfg(test)]\nmod tests {\n    fn a() {\n        b.unwrap();\n    }\n}\n";
        let found: Vec<usize> = panics(&source("crates/a/src/b.rs", text))
            .iter()
            .map(|f| f.line)
            .collect();
        assert_eq!(found, [3, 6, 12]);
    }
}
