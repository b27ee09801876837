//! The two halves of `oauth-http` and of each adapter: each compiles alone, and the resource
//! server's compiles no authorization server. Nor do the examples that are resource servers.

use crate::metadata::Graph;
use crate::run;

/// The crates that have halves.
const CRATES: [&str; 3] = ["oauth-http", "oauth-axum", "oauth-warp"];
/// The feature of each half.
const HALVES: [&str; 2] = ["resource", "server"];
/// Programs that are resource servers and nothing else.
const RESOURCE_SERVERS: [&str; 2] = ["resource-server-jwt", "resource-server-introspection"];
/// What the resource server's half must not compile.
const SERVER_ONLY: [&str; 2] = ["oauth-core", "oauth-storage"];

/// Crates that the resource half compiles and should not, as cargo itself resolves it.
pub(crate) fn violations() -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for (name, _) in present(&Graph::load(false)?)
        .into_iter()
        .filter(|(_, half)| *half == "resource")
    {
        let said = tree(name, &["--no-default-features", "--features", "resource"])?;
        found.extend(
            compiled(&said)
                .into_iter()
                .map(|server| format!("{name} with feature `resource` alone compiles {server}")),
        );
    }
    for name in RESOURCE_SERVERS {
        let said = tree(name, &[])?;
        found.extend(
            compiled(&said)
                .into_iter()
                .map(|server| format!("{name} is a resource server and compiles {server}")),
        );
    }
    Ok(found)
}

/// All that a package compiles with these flags, one a line.
fn tree(name: &str, flags: &[&str]) -> Result<String, String> {
    let mut tree = run::cargo(["tree", "-p", name, "-e", "normal", "--prefix", "none"]);
    run::output(tree.args(flags))
}

/// Type-checks each half alone; true if all of them compile.
pub(crate) fn check() -> Result<bool, String> {
    let mut ok = true;
    for (name, half) in present(&Graph::load(false)?) {
        println!("features: {name} with `{half}` alone");
        let mut check = run::cargo([
            "check",
            "-p",
            name,
            "--no-default-features",
            "--features",
            half,
        ]);
        ok &= run::succeeds(&mut check);
    }
    Ok(ok)
}

/// The halves that exist.
fn present(graph: &Graph) -> Vec<(&'static str, &'static str)> {
    let pairs = CRATES
        .iter()
        .flat_map(|name| HALVES.iter().map(move |half| (*name, *half)));
    pairs
        .filter(|(name, half)| {
            graph
                .find(name)
                .is_some_and(|package| package.features.iter().any(|f| f == half))
        })
        .collect()
}

/// Which of the server's crates a `cargo tree --prefix none` lists.
fn compiled(tree: &str) -> Vec<&'static str> {
    let listed = |name: &&str| {
        tree.lines()
            .any(|line| line.split(' ').next() == Some(*name))
    };
    SERVER_ONLY.into_iter().filter(listed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Package;

    #[test]
    fn a_tree_with_the_server_in_it_is_found() {
        let clean = "oauth-http v0.1.0 (crates/oauth-http)\noauth-resource v0.1.0\nhttp v1.5.0\n";
        assert_eq!(compiled(clean), [""; 0]);
        let leaky = format!("{clean}oauth-storage-memory v0.1.0\noauth-storage v0.1.0 (*)\n");
        assert_eq!(compiled(&leaky), ["oauth-storage"]);
    }

    #[test]
    fn only_halves_that_exist_are_asked_for() {
        let package = Package {
            name: "oauth-http".to_owned(),
            features: vec!["default".to_owned(), "server".to_owned()],
            ..Package::default()
        };
        let graph = Graph {
            packages: vec![package],
            ..Graph::default()
        };
        assert_eq!(present(&graph), [("oauth-http", "server")]);
    }
}
