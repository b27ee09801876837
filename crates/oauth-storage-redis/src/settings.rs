//! Where the server is, and how to talk to it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oauth_types::env::{Clock, Entropy, OsEntropy, SystemClock};

use crate::error::ConnectError;

/// How to open a store in Redis.
#[derive(Clone)]
#[must_use]
pub struct RedisSettings {
    pub(crate) patience: Duration,
    pub(crate) connect_patience: Duration,
    pub(crate) connections: usize,
    pub(crate) prefix: String,
    pub(crate) trusted: Option<PathBuf>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

impl RedisSettings {
    /// Two seconds for an answer, one for a connection, one connection to each server, keys that
    /// begin with `oauth`, the certificates that the operating system trusts, its clock and its
    /// randomness.
    pub fn new() -> Self {
        Self {
            patience: Duration::from_secs(2),
            connect_patience: Duration::from_secs(1),
            connections: 1,
            prefix: "oauth".to_owned(),
            trusted: None,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
        }
    }

    /// How long an answer may take. A server from which nothing at all came in that time is taken
    /// for gone: until it is back, everything fails at once.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long connecting may take, TLS and authentication included.
    pub fn connect_patience(mut self, patience: Duration) -> Self {
        self.connect_patience = patience;
        self
    }

    /// How many connections to each server; at least one. All callers share them: what many ask at
    /// the same time travels together, and the server reads it in one go. So more connections cost
    /// the server more; they help where one task cannot keep up with what is written and read.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// What every key begins with. Stores with different prefixes share a server and never meet.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Trusts the certificates in this PEM file, and no others.
    pub fn trusting(mut self, certificates: impl AsRef<Path>) -> Self {
        self.trusted = Some(certificates.as_ref().to_owned());
        self
    }

    /// The clock by which [`retain_until`](oauth_storage::Record::retain_until) is meant. A record
    /// that no sweep took leaves by itself a day after that moment.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where first revisions come from.
    pub fn entropy(mut self, entropy: impl Entropy + 'static) -> Self {
        self.entropy = Arc::new(entropy);
        self
    }
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("patience", &self.patience)
            .field("connect_patience", &self.connect_patience)
            .field("connections", &self.connections)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads `host`, `host:port` or `[v6]:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (
                    host,
                    if port.is_empty() {
                        None
                    } else {
                        Some(port.strip_prefix(':')?)
                    },
                )
            }
            None => match text.rsplit_once(':') {
                // Servers name their neighbours without brackets.
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port.map_or(Some(6379), |port| port.parse().ok())?;
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl Address {
    /// Whether what goes there stays on this machine.
    pub(crate) fn is_here(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A URL, taken apart. Holds a password, so it is not to be printed.
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// At least one.
    pub(crate) addresses: Vec<Address>,
    pub(crate) database: i64,
}

impl Target {
    /// Reads `redis://[[user]:password@]host[:port][,host[:port]…][/database]`, or `rediss:`.
    pub(crate) fn parse(url: &str) -> Result<Self, ConnectError> {
        const FORM: ConnectError = ConnectError::Address(
            "a Redis URL is redis://[user:password@]host[:port][,host[:port]...][/database], or \
             rediss:// for TLS",
        );
        let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
        let tls = match scheme {
            "redis" => false,
            "rediss" => true,
            _ => return Err(FORM),
        };
        let (rest, path) = rest.split_once('/').unwrap_or((rest, ""));
        let database = match path {
            "" => 0,
            digits => digits
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or(FORM)?,
        };
        let (credentials, hosts) = match rest.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, rest),
        };
        let (user, password) = match credentials.map(|text| text.split_once(':')) {
            None => (None, None),
            Some(Some((user, password))) => (Some(user), Some(password)),
            // Without a colon only a user could be meant, and a user needs a password.
            Some(None) => return Err(FORM),
        };
        let plain = |text: Option<&str>| match text {
            None | Some("") => Ok(None),
            Some(text) => decoded(text).map(Some).ok_or(FORM),
        };
        let addresses = hosts
            .split(',')
            .map(Address::parse)
            .collect::<Option<Vec<_>>>();
        Ok(Self {
            tls,
            user: plain(user)?,
            password: plain(password)?,
            addresses: addresses.ok_or(FORM)?,
            database,
        })
    }
}

impl Target {
    /// Where it is, without credentials.
    pub(crate) fn place(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(Address::to_string).collect();
        match self.database {
            0 => addresses.join(","),
            database => format!("{}/{database}", addresses.join(",")),
        }
    }
}

/// Takes the percent-encoding off.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_others_read_them() {
        let read = |url| {
            let it = Target::parse(url).ok()?;
            let addresses: Vec<_> = it.addresses.iter().map(Address::to_string).collect();
            Some((
                it.tls,
                it.user,
                it.password,
                addresses.join(","),
                it.database,
            ))
        };
        let text = |text: &str| Some(text.to_owned());
        let plain = |hosts: &str, database| Some((false, None, None, hosts.to_owned(), database));
        assert_eq!(read("redis://localhost"), plain("localhost:6379", 0));
        assert_eq!(read("redis://10.0.0.1:7000/3"), plain("10.0.0.1:7000", 3));
        assert_eq!(read("redis://[::1]:7000/"), plain("[::1]:7000", 0));
        assert_eq!(
            read("redis://a:1,b,[::2]"),
            plain("a:1,b:6379,[::2]:6379", 0)
        );
        assert_eq!(
            read("rediss://me:p%40ss%2F@db:1"),
            Some((true, text("me"), text("p@ss/"), "db:1".to_owned(), 0))
        );
        assert_eq!(
            read("redis://:secret@db"),
            Some((false, None, text("secret"), "db:6379".to_owned(), 0))
        );
        for wrong in [
            "localhost",
            "http://a",
            "redis://",
            "redis://a:b",
            "redis://a/x",
            "redis://a/-1",
            "redis://me@a",
            "redis://a,,b",
            "redis://:%4@a",
            "redis://:%zz@a",
        ] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_needs_no_encryption() {
        let here = |text| Address::parse(text).is_some_and(|address| address.is_here());
        assert!(
            ["localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:1"]
                .into_iter()
                .all(here)
        );
        assert!(
            !["redis", "10.0.0.1:1", "[::2]:1", "localhost.example"]
                .into_iter()
                .any(here)
        );
    }
}
