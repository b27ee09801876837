//! Manifests take versions, and every lint, from the workspace.

use super::{Finding, Source};

/// Checks the manifest of a crate; others are left alone.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let ours = ["crates/", "examples/", "xtask/"]
        .iter()
        .any(|f| source.path.starts_with(f));
    if !ours || source.file_name() != "Cargo.toml" {
        return Vec::new();
    }
    let mut found = own_versions(source);
    if !inherits_lints(source) {
        found.push(source.finding(0, "no `[lints]` with `workspace = true`"));
    }
    found
}

fn inherits_lints(source: &Source) -> bool {
    let mut section = "";
    source
        .lines()
        .map(|(_, line)| without_spaces(line))
        .any(|line| {
            if line.starts_with('[') {
                section = if line == "[lints]" { "lints" } else { "" };
            }
            line == "lints.workspace=true" || (section == "lints" && line == "workspace=true")
        })
}

/// Dependencies that do not say `workspace = true`. A development dependency may instead be a path
/// of ours without a version: cargo leaves those out of what it publishes.
fn own_versions(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut section = Section::Other;
    // A dependency that is a table of its own, and whether it has said `workspace = true`.
    let mut table: Option<(usize, String, bool)> = None;
    let mut depth = 0_usize;
    for (number, line) in source.lines() {
        let line = without_spaces(line);
        // Lines of a list that was opened above belong to the entry they stand in.
        let continued = depth > 0;
        depth = (depth + line.matches('[').count()).saturating_sub(line.matches(']').count());
        if continued || line.is_empty() {
            continue;
        }
        if line.starts_with('[') {
            found.extend(close(source, table.take()));
            section = Section::of(&line);
            if let Section::Table(name) = &section {
                table = Some((number, name.clone(), false));
            }
            continue;
        }
        match &section {
            Section::List { dev } if !allowed(&line, *dev) => {
                let name = line.split(['=', '.']).next().unwrap_or_default();
                found.push(complaint(source, number, name));
            }
            Section::Table(_) if line == "workspace=true" => {
                table = table.map(|(number, name, _)| (number, name, true));
            }
            _ => {}
        }
    }
    found.extend(close(source, table));
    found
}

fn close(source: &Source, table: Option<(usize, String, bool)>) -> Option<Finding> {
    let (number, name, inherited) = table?;
    (!inherited).then(|| complaint(source, number, &name))
}

fn complaint(source: &Source, line: usize, name: &str) -> Finding {
    source.finding(
        line,
        format!("`{name}` does not take its version from the workspace"),
    )
}

/// One entry of a list of dependencies.
fn allowed(line: &str, dev: bool) -> bool {
    let Some((key, value)) = line.split_once('=') else {
        return true;
    };
    // `name.workspace = true`, and `name.features = […]` beside it.
    if key.contains('.') {
        return !key.ends_with(".workspace") || value == "true";
    }
    let says =
        |word: &str| value.starts_with(&format!("{{{word}")) || value.contains(&format!(",{word}"));
    says("workspace=true") || (dev && says("path=") && !says("version="))
}

/// What the lines of a section are.
#[derive(Debug, PartialEq, Eq)]
enum Section {
    /// A list of dependencies.
    List {
        dev: bool,
    },
    /// One dependency, by name.
    Table(String),
    Other,
}

impl Section {
    /// Reads `[dev-dependencies]`, `[dependencies.name]`, `[target.'cfg(unix)'.dependencies]`.
    fn of(header: &str) -> Self {
        let name = header.trim_start_matches('[').trim_end_matches(']');
        for (word, dev) in [
            ("dev-dependencies", true),
            ("build-dependencies", false),
            ("dependencies", false),
        ] {
            if name == word || name.ends_with(&format!(".{word}")) {
                return Self::List { dev };
            }
            let table = name
                .strip_prefix(word)
                .or(name.rsplit_once(&format!(".{word}")).map(|p| p.1));
            if let Some(name) = table.and_then(|rest| rest.strip_prefix('.')) {
                return Self::Table(name.to_owned());
            }
        }
        Self::Other
    }
}

/// A line without its comment and its spaces, so that one spelling is enough to look for.
fn without_spaces(line: &str) -> String {
    let line = line.split_once('#').map_or(line, |(before, _)| before);
    line.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        let text = format!("{text}\n[lints]\nworkspace = true\n");
        check(&source("crates/a/Cargo.toml", &text))
            .iter()
            .map(|f| f.line)
            .collect()
    }

    #[test]
    fn what_the_workspace_gives_is_fine() {
        let text = "[package]\nname = \"a\"\nversion.workspace = true\n[features]\nx = [\"y/z\"]\n\
             [dependencies]\na.workspace = true\n# why b\nb = { workspace = true, features = [\n\
             \"c\",\n\"d\",\n] }\ne = { features = [\"f\"], workspace = true }\n\
             [dependencies.g]\nworkspace = true\noptional = true\n\
             [dev-dependencies]\nh = { path = \"../h\" }\n\
             [target.'cfg(unix)'.dependencies]\ni.workspace = true\n";
        assert_eq!(found(text), [0; 0]);
    }

    #[test]
    fn versions_of_its_own_are_found_in_every_kind_of_section() {
        for text in [
            "[dependencies]\na = \"1\"",
            "[dependencies]\na = { version = \"1\", features = [\"workspace\"] }",
            "[dependencies]\na = { path = \"../a\" }",
            "[build-dependencies]\ncc = \"1\"",
            "[dev-dependencies]\na = { path = \"../a\", version = \"1\" }",
            "[target.'cfg(unix)'.dependencies]\na = \"1\"",
            "[package]\n[dependencies.a]\nversion = \"1\"",
            "[package]\n[target.'cfg(unix)'.dependencies.a]\nversion = \"1\"",
        ] {
            assert_eq!(found(text), [2], "{text}");
        }
    }

    #[test]
    fn lints_are_inherited_in_either_spelling() {
        let lints = |text: &str| check(&source("xtask/Cargo.toml", text)).is_empty();
        assert!(lints("[lints]\nworkspace = true\n") && lints("lints.workspace = true\n"));
        assert!(!lints("[package]\nworkspace = true\n") && !lints("[lints.rust]\nx = \"warn\"\n"));
        assert!(
            check(&source("Cargo.toml", "[workspace]\n")).is_empty(),
            "not a crate's"
        );
    }
}
