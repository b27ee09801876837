//! What a server says of itself at the start, and what of that is worth a warning.

use std::fmt;

use redis::Value;

use crate::error::{Failure, OpenError};
use crate::node::Node;
use crate::scripts::Request;

/// Something in which a server falls short of what [`RedisStorage`](crate::RedisStorage) promises.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// It keeps no log of its writes: what was acknowledged is lost with the process.
    NoLog,
    /// Its log reaches the disk later than its answer: the last writes are lost with the machine.
    LogNotSynced {
        /// What `appendfsync` says.
        found: String,
    },
    /// When it is full it throws records away instead of refusing writes.
    Evicts {
        /// What `maxmemory-policy` says.
        found: String,
    },
    /// Others follow it. Should one of them take its place, the last acknowledged writes may be
    /// undone: a code may then be redeemed twice, and what was revoked come back.
    Replicated {
        /// How many followed it at the start.
        replicas: u64,
    },
    /// When one server of the cluster is lost, the others refuse everything, too.
    NeedsWholeCluster,
    /// It does not say; its administrator may have turned the command off.
    Unreadable {
        /// What was asked.
        setting: &'static str,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLog => {
                f.write_str("appendonly is off: what Redis has acknowledged is lost when it ends")
            }
            Self::LogNotSynced { found } => write!(
                f,
                "appendfsync is `{found}`, not `always`: the last acknowledged writes are lost \
                 when the machine ends"
            ),
            Self::Evicts { found } => write!(
                f,
                "maxmemory-policy is `{found}`, not `noeviction`: a full Redis forgets grants and \
                 spent assertions"
            ),
            Self::Replicated { replicas } => write!(
                f,
                "{replicas} replicas follow: after a failover the last acknowledged writes may be \
                 undone"
            ),
            Self::NeedsWholeCluster => f.write_str(
                "cluster-require-full-coverage is on: when one server is lost, all refuse",
            ),
            Self::Unreadable { setting } => {
                write!(f, "Redis does not say what `{setting}` is")
            }
        }
    }
}

/// What a server answered to `INFO`.
#[derive(Default)]
pub(crate) struct Said(String);

impl Said {
    pub(crate) async fn by(node: &Node) -> Result<Self, Failure> {
        match node
            .send(&Request::plain("INFO", "everything"), false)
            .await
        {
            Ok(answer) => Ok(Self(text(&answer).unwrap_or_default())),
            // It is there, but tells nothing.
            Err(Failure::Refused(error)) if error.code() == Some("NOPERM") => Ok(Self::default()),
            Err(failure) => Err(failure),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        let line = |line: &'_ str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(':'))
        };
        let found = self.0.lines().find(|found| line(found))?;
        Some(found[name.len() + 1..].trim())
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.field("cluster_enabled") == Some("1")
    }

    /// # Errors
    /// When it is too old, or not a primary.
    pub(crate) fn is_usable(&self, node: &Node) -> Result<(), OpenError> {
        let address = node.address.to_string();
        let major = |version: &str| version.split('.').next()?.parse::<u32>().ok();
        if let Some(version) = self.field("redis_version")
            && major(version).is_some_and(|major| major < 7)
        {
            let found = version.to_owned();
            return Err(OpenError::TooOld { address, found });
        }
        // Any server of a cluster can say who the primaries are.
        if self.field("role") == Some("slave") && !self.is_cluster() {
            return Err(OpenError::Replica { address });
        }
        Ok(())
    }
}

/// What is to be warned of.
pub(crate) async fn warnings(node: &Node, said: &Said, in_cluster: bool) -> Vec<Warning> {
    let mut found = Vec::new();
    match setting(node, "appendonly").await {
        Some(value) if value == "yes" => match setting(node, "appendfsync").await {
            Some(value) if value == "always" => {}
            Some(value) => found.push(Warning::LogNotSynced { found: value }),
            None => found.push(Warning::Unreadable {
                setting: "appendfsync",
            }),
        },
        Some(_) => found.push(Warning::NoLog),
        None => found.push(Warning::Unreadable {
            setting: "appendonly",
        }),
    }
    match setting(node, "maxmemory-policy").await {
        Some(value) if value == "noeviction" => {}
        Some(value) => found.push(Warning::Evicts { found: value }),
        None => found.push(Warning::Unreadable {
            setting: "maxmemory-policy",
        }),
    }
    match said.field("connected_slaves").map(str::parse) {
        Some(Ok(0)) => {}
        Some(Ok(replicas)) => found.push(Warning::Replicated { replicas }),
        _ => found.push(Warning::Unreadable {
            setting: "connected_slaves",
        }),
    }
    if in_cluster {
        match setting(node, "cluster-require-full-coverage").await {
            Some(value) if value == "no" => {}
            Some(_) => found.push(Warning::NeedsWholeCluster),
            None => found.push(Warning::Unreadable {
                setting: "cluster-require-full-coverage",
            }),
        }
    }
    found
}

async fn setting(node: &Node, name: &str) -> Option<String> {
    let request = Request::plain("CONFIG", "GET").arg(name);
    match node.send(&request, false).await.ok()? {
        Value::Array(pair) => text(pair.get(1)?),
        Value::Map(pairs) => text(&pairs.first()?.1),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}
