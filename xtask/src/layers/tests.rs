//! Each arrow that the rule forbids is drawn once and has to be found.

use super::*;
use crate::metadata::Arrow;

/// A graph from arrows such as `oauth-core -> http`, `a -build-> b` and `a -dev-> b`. What begins
/// with `oauth-` or stands in the table is ours, and so is what has a folder.
fn graph(arrows: &[&str]) -> Graph {
    let mut graph = Graph::default();
    for arrow in arrows {
        let words: Vec<&str> = arrow.split(' ').collect();
        let from = index(&mut graph, words[0]);
        if let [_, kind, to] = words[..] {
            let to = index(&mut graph, to);
            let kind = match kind {
                "-dev->" => Kind::Dev,
                "-build->" => Kind::Build,
                _ => Kind::Normal,
            };
            graph.packages[from].arrows.push(Arrow { to, kind });
        }
    }
    graph
}

fn index(graph: &mut Graph, name: &str) -> usize {
    let (folder, name) = match name.rsplit_once('/') {
        Some((_, short)) => (name, short),
        None => ("", name),
    };
    if let Some(at) = graph
        .packages
        .iter()
        .position(|package| package.name == name)
    {
        return at;
    }
    let ours = name.starts_with("oauth-")
        || !folder.is_empty()
        || PLACES.iter().any(|(placed, _)| *placed == name);
    graph.packages.push(Package {
        name: name.to_owned(),
        folder: folder.to_owned(),
        source: (!ours).then(|| "registry".to_owned()),
        ..Package::default()
    });
    graph.packages.len() - 1
}

#[test]
fn the_shape_we_want_is_allowed() {
    let found = violations(&graph(&[
        "oauth-types -> url",
        "oauth-storage -> oauth-types",
        "oauth-jose -> oauth-types",
        "oauth-core -> oauth-storage",
        "oauth-core -> oauth-jose",
        "oauth-core -dev-> oauth-testkit",
        "oauth-core -dev-> tokio",
        "oauth-client -> http",
        "oauth-http -> oauth-core",
        "oauth-http -> http",
        "oauth-axum -> oauth-http",
        "oauth-axum -> axum",
        "axum -> tokio",
        "oauth-storage-sql -> oauth-storage",
        "oauth-storage-sql -> sqlx",
        "oauth-testkit -> oauth-core",
        "oauth-testkit -> oauth-storage-memory",
        "examples/quickstart -> oauth-axum",
        "bench -> examples/quickstart",
    ]));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn forbidden_arrows_are_found() {
    for (arrows, expected) in [
        (
            &["oauth-types -> oauth-storage"][..],
            "layer 0 may not depend on layer 1",
        ),
        (
            &["oauth-types -build-> oauth-jose"],
            "layer 0 may not depend on layer 1",
        ),
        (
            &["oauth-storage -> oauth-jose"],
            "layer 1 may not depend on layer 1",
        ),
        (
            &["oauth-core -> oauth-resource"],
            "layer 2 may not depend on layer 2",
        ),
        (
            &["oauth-ui -> oauth-hyper"],
            "layer 4 may not depend on layer 4",
        ),
        (
            &["oauth-warp -> oauth-axum"],
            "layer 5 may not depend on layer 5",
        ),
        (
            &["oauth-storage-sql -> oauth-storage-memory"],
            "layer 5 may not depend on layer 5",
        ),
        (
            &["oauth-server -> examples/quickstart"],
            "layer 6 may not depend on layer 6",
        ),
        (
            &["oauth-storage -> oauth-storage-sql"],
            "layer 1 may not depend on layer 5",
        ),
        (
            &["oauth-http -> oauth-testkit"],
            "layer 3 may not depend on the testkit",
        ),
        (
            &["oauth-testkit -> oauth-axum"],
            "the testkit may not depend on layer 5",
        ),
        (
            &["oauth-types -> tokio"],
            "oauth-types -> tokio: layers 0 to 2",
        ),
        (
            &["oauth-core -> hyper-util"],
            "oauth-core -> hyper-util: layers 0 to 2",
        ),
        (
            &["oauth-core -> retry", "retry -> timer", "timer -> tokio"],
            "oauth-core -> retry -> timer -> tokio: layers 0 to 2",
        ),
        (&["oauth-core -> http"], "oauth-core -> http: below layer 3"),
        (
            &["oauth-resource -> http-body", "http-body -> http"],
            "http-body -> http: below layer 3",
        ),
        (
            &["oauth-client -> hyper"],
            "oauth-client -> hyper: layers 0 to 2",
        ),
        (
            &["oauth-resource -> oauth-storage"],
            "carry no authorization server",
        ),
        (
            &["oauth-client -> glue", "glue -> oauth-core"],
            "carry no authorization server",
        ),
        (
            &["oauth-storage-sql -> oauth-core"],
            "a driver keeps records",
        ),
        (&["oauth-surprise"], "oauth-surprise: not in the table"),
        (&["crates/surprise"], "surprise: not in the table"),
    ] {
        let found = violations(&graph(arrows));
        assert!(
            found.iter().any(|one| one.contains(expected)),
            "{arrows:?}: {found:?}"
        );
    }
}

#[test]
fn a_circle_through_a_versioned_development_dependency_is_found() {
    let mut graph = graph(&[
        "oauth-testkit -> oauth-core",
        "oauth-core -dev-> oauth-testkit",
    ]);
    assert_eq!(violations(&graph), Vec::<String>::new());
    let core = index(&mut graph, "oauth-core");
    graph.packages[core]
        .versioned_dev
        .push("oauth-testkit".to_owned());
    assert!(violations(&graph)[0].contains("a path without a version"));
}

#[test]
fn names_that_only_begin_alike_are_other_crates() {
    let found = violations(&graph(&[
        "oauth-core -> httparse",
        "oauth-core -> redistribute",
    ]));
    assert_eq!(found, Vec::<String>::new());
}
