//! What `cargo metadata` says, as far as we need it.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::run;

/// Which table of a manifest a dependency stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// A resolved dependency: an index into [`Graph::packages`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrow {
    pub(crate) to: usize,
    pub(crate) kind: Kind,
}

/// A package of the lock file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// Where it comes from; `None` for our own.
    pub(crate) source: Option<String>,
    /// Its folder below the workspace's, for our own.
    pub(crate) folder: String,
    pub(crate) features: Vec<String>,
    /// The names of the development dependencies that carry a version requirement.
    pub(crate) versioned_dev: Vec<String>,
    pub(crate) arrows: Vec<Arrow>,
}

/// Every package, and who depends on whom with all features on.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

impl Graph {
    /// Asks cargo. `locked` makes a lock file that is out of date an error.
    pub(crate) fn load(locked: bool) -> Result<Self, String> {
        let mut command = run::cargo(["metadata", "--format-version", "1", "--all-features"]);
        if locked {
            command.arg("--locked");
        }
        parse(&run::output(&mut command)?)
    }

    /// Our own packages.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.source.is_none())
    }

    /// Our package of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Package> {
        self.ours().find(|package| package.name == name)
    }
}

/// Reads format version 1.
fn parse(text: &str) -> Result<Graph, String> {
    let json: Value =
        serde_json::from_str(text).map_err(|error| format!("cargo metadata: {error}"))?;
    let root = string(&json["workspace_root"]).unwrap_or_default();
    let mut graph = Graph {
        packages: Vec::new(),
        target: string(&json["target_directory"]).unwrap_or_default().into(),
    };
    let mut index = HashMap::new();
    for package in list(&json["packages"]) {
        let id = string(&package["id"]).ok_or("cargo metadata: a package without an id")?;
        index.insert(id, graph.packages.len());
        graph.packages.push(read_package(package, &root));
    }
    for node in list(&json["resolve"]["nodes"]) {
        let at = |id: &Value| string(id).and_then(|id| index.get(&id).copied());
        let Some(from) = at(&node["id"]) else {
            continue;
        };
        for dependency in list(&node["deps"]) {
            let Some(to) = at(&dependency["pkg"]) else {
                continue;
            };
            let kinds = list(&dependency["dep_kinds"])
                .iter()
                .map(|kind| kind["kind"].as_str());
            graph.packages[from].arrows.extend(kinds.map(|kind| Arrow {
                to,
                kind: read_kind(kind),
            }));
        }
    }
    Ok(graph)
}

fn read_package(package: &Value, root: &str) -> Package {
    let manifest = string(&package["manifest_path"])
        .unwrap_or_default()
        .replace('\\', "/");
    let below = manifest
        .strip_prefix(&root.replace('\\', "/"))
        .unwrap_or(&manifest);
    Package {
        name: string(&package["name"]).unwrap_or_default(),
        version: string(&package["version"]).unwrap_or_default(),
        licence: string(&package["license"]),
        source: string(&package["source"]),
        folder: below
            .trim_start_matches('/')
            .trim_end_matches("/Cargo.toml")
            .to_owned(),
        features: package["features"]
            .as_object()
            .into_iter()
            .flat_map(|f| f.keys().cloned())
            .collect(),
        versioned_dev: list(&package["dependencies"])
            .iter()
            .filter(|one| one["kind"] == "dev" && one["req"] != "*")
            .filter_map(|one| string(&one["name"]))
            .collect(),
        arrows: Vec::new(),
    }
}

fn read_kind(kind: Option<&str>) -> Kind {
    match kind {
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        _ => Kind::Normal,
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_their_resolved_arrows() {
        let graph = parse(
            r#"{"workspace_root": "/w", "target_directory": "/w/target",
            "packages": [
              {"id": "a", "name": "ours", "version": "0.1.0", "license": "MIT", "source": null,
               "manifest_path": "/w/crates/ours/Cargo.toml", "features": {"server": []},
               "dependencies": [
                 {"name": "kit", "kind": "dev", "req": "^0.1"},
                 {"name": "path-only", "kind": "dev", "req": "*"},
                 {"name": "theirs", "kind": null, "req": "^1"}]},
              {"id": "b", "name": "theirs", "version": "1.0.0", "license": null,
               "source": "registry+x", "manifest_path": "/r/theirs/Cargo.toml", "features": {},
               "dependencies": []}],
            "resolve": {"nodes": [
              {"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": null}, {"kind": "dev"}]}]},
              {"id": "b", "deps": []}]}}"#,
        )
        .unwrap();
        let ours = graph.find("ours").unwrap();
        assert_eq!(ours.folder, "crates/ours");
        assert_eq!(ours.features, ["server"]);
        assert_eq!(ours.versioned_dev, ["kit"]);
        let kinds: Vec<Kind> = ours.arrows.iter().map(|arrow| arrow.kind).collect();
        assert_eq!(kinds, [Kind::Normal, Kind::Dev]);
        assert_eq!(graph.packages[ours.arrows[0].to].name, "theirs");
        assert!(graph.find("theirs").is_none(), "not ours");
        assert_eq!(graph.target, PathBuf::from("/w/target"));
    }

    #[test]
    fn something_else_is_an_error() {
        assert!(parse("error: no manifest").is_err());
    }
}
