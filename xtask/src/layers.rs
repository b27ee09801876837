//! `cargo xtask layers`: dependencies point to a lower layer, and some things stay absent.
//!
//! The rule is data: [`place`] says where a crate lives, [`ABSENCES`] what it must never reach.
//! Development dependencies are exempt, but for the circles they must not close.

use std::collections::VecDeque;

use crate::halves;
use crate::metadata::{Graph, Kind, Package};

/// Where a crate of ours stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// May depend on lower layers only: never on a sibling.
    Layer(u8),
    /// The published fakes and contracts: layers 0 to 3 and the memory store.
    Testkit,
    /// Ours alone: anything.
    Tool,
}

/// Every crate outside `examples/`. One that is missing here is an error: it has to be placed
/// before it can be depended upon.
const PLACES: &[(&str, Place)] = &[
    ("oauth-types", Place::Layer(0)),
    ("oauth-storage", Place::Layer(1)),
    ("oauth-jose", Place::Layer(1)),
    ("oauth-core", Place::Layer(2)),
    ("oauth-resource", Place::Layer(2)),
    ("oauth-client", Place::Layer(2)),
    ("oauth-http", Place::Layer(3)),
    ("oauth-ui", Place::Layer(4)),
    ("oauth-federation", Place::Layer(4)),
    ("oauth-hyper", Place::Layer(4)),
    ("oauth-axum", Place::Layer(5)),
    ("oauth-warp", Place::Layer(5)),
    ("oauth-storage-memory", Place::Layer(5)),
    ("oauth-storage-sql", Place::Layer(5)),
    ("oauth-storage-redis", Place::Layer(5)),
    ("oauth-native", Place::Layer(5)),
    ("oauth-reqwest", Place::Layer(5)),
    ("oauth-rmcp", Place::Layer(5)),
    ("oauth-server", Place::Layer(6)),
    ("oauth-testkit", Place::Testkit),
    ("xtask", Place::Tool),
    ("bench", Place::Tool),
];

/// Something that some crates must never reach through normal dependencies, however indirectly.
struct Absence {
    who: fn(&Package, Place) -> bool,
    never: &'static [&'static str],
    /// Whether `never` also means crates named after it: `hyper` and `hyper-util`.
    family: bool,
    why: &'static str,
}

const ABSENCES: &[Absence] = &[
    Absence {
        who: |_, place| matches!(place, Place::Layer(0..=2)),
        never: &["tokio", "hyper", "axum", "warp", "sqlx", "redis", "reqwest"],
        family: true,
        why: "layers 0 to 2 do no input or output and know no framework",
    },
    Absence {
        who: |package, place| {
            matches!(place, Place::Layer(0..=2)) && package.name != "oauth-client"
        },
        never: &["http"],
        family: false,
        why: "below layer 3 only oauth-client knows HTTP, and it only builds requests",
    },
    Absence {
        who: |package, _| matches!(package.name.as_str(), "oauth-resource" | "oauth-client"),
        never: &["oauth-core", "oauth-storage"],
        family: false,
        why: "resource servers and clients carry no authorization server",
    },
    Absence {
        who: |package, _| package.name.starts_with("oauth-storage-"),
        never: &["oauth-core", "oauth-http"],
        family: false,
        why: "a driver keeps records and decides nothing: a stranger's needs the contract alone",
    },
];

/// Prints every violation; true if there is none.
pub(crate) fn verb() -> Result<bool, String> {
    let mut found = violations(&Graph::load(false)?);
    found.extend(halves::violations()?);
    for violation in &found {
        println!("layers: {violation}");
    }
    println!("layers: {} violations", found.len());
    Ok(found.is_empty())
}

/// Every arrow and every reach that the rule forbids.
pub(crate) fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (from, package) in graph.packages.iter().enumerate() {
        if package.source.is_some() {
            continue;
        }
        let Some(here) = place(package) else {
            found.push(format!(
                "{}: not in the table of layers (xtask/src/layers.rs)",
                package.name
            ));
            continue;
        };
        found.extend(forbidden_arrows(graph, package, here));
        found.extend(circles(graph, from));
        for absence in ABSENCES
            .iter()
            .filter(|absence| (absence.who)(package, here))
        {
            for name in absence.never {
                if let Some(path) = reach(graph, from, |other| absence.means(name, &other.name)) {
                    found.push(format!("{}: {}", path.join(" -> "), absence.why));
                }
            }
        }
    }
    found
}

impl Absence {
    fn means(&self, never: &str, name: &str) -> bool {
        let rest = name.strip_prefix(never);
        rest == Some("") || self.family && rest.is_some_and(|rest| rest.starts_with('-'))
    }
}

fn place(package: &Package) -> Option<Place> {
    if package.folder.starts_with("examples/") {
        return Some(Place::Layer(6));
    }
    PLACES
        .iter()
        .find(|(name, _)| *name == package.name)
        .map(|(_, place)| *place)
}

/// Direct dependencies, normal or build, that do not point downwards.
fn forbidden_arrows(graph: &Graph, package: &Package, here: Place) -> Vec<String> {
    let mut found = Vec::new();
    for arrow in package
        .arrows
        .iter()
        .filter(|arrow| arrow.kind != Kind::Dev)
    {
        let to = &graph.packages[arrow.to];
        // Unplaced crates of ours are reported by themselves.
        let Some(there) = place(to).filter(|_| to.source.is_none()) else {
            continue;
        };
        let allowed = match (here, there) {
            (Place::Layer(from), Place::Layer(to)) => to < from,
            (Place::Testkit, Place::Layer(0..=3)) => true,
            (Place::Testkit, _) => to.name == "oauth-storage-memory",
            (Place::Tool, _) => true,
            (Place::Layer(_), Place::Testkit | Place::Tool) => false,
        };
        if !allowed {
            let (here, there) = (words(here), words(there));
            found.push(format!(
                "{} -> {}: {here} may not depend on {there}",
                package.name, to.name
            ));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn words(place: Place) -> String {
    match place {
        Place::Layer(layer) => format!("layer {layer}"),
        Place::Testkit => "the testkit".to_owned(),
        Place::Tool => "a tool".to_owned(),
    }
}

/// Development dependencies on something of ours that depends on us. Cargo leaves those without a
/// version out of what it publishes; one with a version could never be published first.
fn circles(graph: &Graph, from: usize) -> Vec<String> {
    let package = &graph.packages[from];
    let dev = package
        .arrows
        .iter()
        .filter(|arrow| arrow.kind == Kind::Dev);
    let mut found: Vec<String> = dev
        .map(|arrow| (arrow.to, &graph.packages[arrow.to]))
        .filter(|(_, to)| to.source.is_none() && package.versioned_dev.contains(&to.name))
        .filter(|(to, _)| reach(graph, *to, |other| std::ptr::eq(other, package)).is_some())
        .map(|(_, to)| {
            format!(
                "{} -> {} -> {0}: this development dependency must be a path without a version",
                package.name, to.name
            )
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The shortest way over normal dependencies to a package that is wanted, if there is one.
fn reach(graph: &Graph, from: usize, wanted: impl Fn(&Package) -> bool) -> Option<Vec<&str>> {
    let mut came_from: Vec<Option<usize>> = vec![None; graph.packages.len()];
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        if at != from && wanted(&graph.packages[at]) {
            let back = std::iter::successors(Some(at), |step| came_from[*step]);
            let mut path: Vec<&str> = back
                .map(|step| graph.packages[step].name.as_str())
                .collect();
            path.reverse();
            return Some(path);
        }
        for arrow in graph.packages[at]
            .arrows
            .iter()
            .filter(|arrow| arrow.kind == Kind::Normal)
        {
            if arrow.to != from && came_from[arrow.to].is_none() {
                came_from[arrow.to] = Some(at);
                queue.push_back(arrow.to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests;
