//! Real database servers for tests, started and ended by the tests themselves.
//!
//! Each server is a program of this machine, run in a folder and on a port of its own; nothing
//! that already runs is touched. One instance serves all tests of a process, each with a database
//! of its own:
//!
//! ```no_run
//! # use oauth_testkit::servers::Postgres;
//! async fn fresh() -> Option<String> {
//!     let database = Postgres::shared()?.database();
//!     Some(database.url().to_owned())
//! }
//! ```
//!
//! **Missing servers.** Where the program is missing, `shared` and `start` say so and answer `None`, so that the test skips itself. With `OAUTH_REQUIRE_BACKENDS=1` that is a failure. A server
//! that is there and does not start is a failure always.
//!
//! **Servers from elsewhere.** `TEST_PG_URL`, `TEST_MYSQL_URL` and `TEST_REDIS_URL` name one to use
//! instead. It must let its user make databases. It cannot be killed: tests that must do that
//! still start their own.
//!
//! **Nothing is left behind**, also when the test process is killed: a shell beside each server
//! notices the end of the process, ends the server and removes the folder.
//!
//! **What runs on every kind** asks [`Kind::fresh`]; programs in other languages are run by the example
//! `with_databases`.
//!
//! **A new kind of server** is a [`Recipe`].

use std::env;
use std::path::PathBuf;
use std::process::Command;

mod fresh;
mod instance;
mod keyring;
mod mariadb;
mod postgres;
mod proxy;
mod redis;

pub use self::fresh::{Fresh, Kind};
pub use self::instance::{Instance, Recipe};
pub use self::keyring::{KEYRING_PASSWORD, within_keyring_session};
pub use self::mariadb::{MariaDb, MariaDbDatabase};
pub use self::postgres::{Postgres, PostgresDatabase};
pub use self::proxy::{Passing, Proxy};
pub use self::redis::{Redis, RedisCluster};

/// What a server promises of a write that it has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: quick, for tests that end with their server.
    Relaxed,
    /// That it survives a power cut, by the settings which the documentation asks for.
    Durable,
}

/// Says that a test skips itself because something is missing.
///
/// # Panics
/// When `OAUTH_REQUIRE_BACKENDS=1`.
pub fn missing(what: &str) {
    let required = env::var("OAUTH_REQUIRE_BACKENDS").is_ok_and(|value| value == "1");
    assert!(
        !required,
        "{what} is missing, and OAUTH_REQUIRE_BACKENDS=1 asks for it"
    );
    eprintln!("skipped: {what} is missing");
}

/// The value of a variable that names a server from elsewhere.
pub(crate) fn elsewhere(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|url| !url.is_empty())
}

/// Where a program is: in one of `folders`, or else on the search path.
pub(crate) fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Where administrators' programs are, which is not on everybody's path.
    let more = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    folders
        .iter()
        .cloned()
        .chain(env::split_paths(&path))
        .chain(more)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Runs a command to its end.
///
/// # Errors
/// What it printed, when it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Err(format!("{name}: {}\n{out}{err}", output.status))
}

/// A name for a database that nothing else on its server has.
pub(crate) fn fresh_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{number}", std::process::id())
}
