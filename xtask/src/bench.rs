//! `cargo xtask bench`: builds what is measured as users build it, then measures.

use crate::metadata::Graph;
use crate::run;

/// Passes its arguments through to the bench program.
pub(crate) fn verb(arguments: &[String]) -> Result<bool, String> {
    let target = Graph::load(false)?.target;
    let mut build = run::cargo(["build", "--release", "-p", "bench"]);
    // The stores are measured in process.
    if arguments.first().is_none_or(|first| first != "--stores") {
        build.args(["-p", "quickstart"]);
    }
    if !run::succeeds(&mut build) {
        return Ok(false);
    }
    let bench = target.join("release/bench").display().to_string();
    Ok(run::succeeds(run::program(&bench).args(arguments)))
}
