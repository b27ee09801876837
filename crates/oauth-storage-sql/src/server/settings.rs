//! How to reach a server, and what is weaker about it than it should be.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth_types::env::{Entropy, OsEntropy};

/// How to use a server.
#[derive(Clone)]
#[must_use]
pub struct ServerSettings {
    pub(crate) patience: Duration,
    pub(crate) connections: usize,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl ServerSettings {
    /// Two seconds of patience, twenty connections, the operating system's randomness.
    pub fn new() -> Self {
        Self {
            patience: Duration::from_secs(2),
            connections: 20,
            entropy: Arc::new(OsEntropy),
        }
    }

    /// How long a statement may take, waiting for a connection included, before it fails. The
    /// server is told as well, so that it does not go on for nobody.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many connections this process opens at the most; at least one. They are opened as they
    /// are needed. A database writes what many of them commit at the same moment to its disk at
    /// once, so more of them than it has processors are of use. What it allows in all must
    /// suffice for every process.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Where first revisions come from.
    pub fn entropy(mut self, entropy: impl Entropy + 'static) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ServerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSettings")
            .field("patience", &self.patience)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// A setting of a server under which it promises less than this library does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weakness {
    /// The setting's name, as the database spells it.
    pub setting: &'static str,
    /// Its value.
    pub value: String,
    /// What can happen, in a sentence without a full stop.
    pub means: &'static str,
}

impl Weakness {
    /// Something wrong with `setting` unless its value is one of those that are good.
    pub(crate) fn unless(
        good: &[&str],
        setting: &'static str,
        value: &str,
        means: &'static str,
    ) -> Option<Self> {
        let is_good = good.iter().any(|good| good.eq_ignore_ascii_case(value));
        (!is_good).then(|| Self {
            setting,
            value: value.to_owned(),
            means,
        })
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: {}", self.setting, self.value, self.means)
    }
}

/// What was found at the start.
pub(crate) struct Found {
    /// Where it is, without credentials.
    pub(crate) place: String,
    pub(crate) weaknesses: Vec<Weakness>,
}

/// Whether traffic to this host stays on this machine.
pub(crate) fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.starts_with('/')
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
