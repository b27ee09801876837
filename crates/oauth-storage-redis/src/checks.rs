//! What a server says of itself at the start, and what of that is worth a warning.

use std::fmt;

use redis::Value;

use crate::error::{ConnectError, Failure};
use crate::node::Node;
use crate::scripts::Request;

/// Something under which a server promises less than this library does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weakness {
    /// The setting's name, as Redis spells it.
    pub setting: &'static str,
    /// Its value; `unknown` when the server does not say.
    pub value: String,
    /// What can happen, in a sentence without a full stop.
    pub means: &'static str,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}: {}", self.setting, self.value, self.means)
    }
}

/// Settings, each with the one value that is good, and what can happen under any other.
const SETTINGS: &[(&str, &str, &str)] = &[
    (
        "appendonly",
        "yes",
        "what the server has acknowledged is lost when it ends",
    ),
    (
        "appendfsync",
        "always",
        "the last writes that the server has acknowledged are lost when its machine ends",
    ),
    (
        "maxmemory-policy",
        "noeviction",
        "a server that is full forgets grants and spent assertions",
    ),
];

/// The same, for a server of a cluster.
const CLUSTER_SETTINGS: &[(&str, &str, &str)] = &[(
    "cluster-require-full-coverage",
    "no",
    "when one server is lost, all others refuse everything",
)];

/// What a server answered to `INFO`.
#[derive(Clone, Default)]
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
    pub(crate) fn is_usable(&self, node: &Node) -> Result<(), ConnectError> {
        let address = node.address.to_string();
        let major = |version: &str| version.split('.').next()?.parse::<u32>().ok();
        if let Some(version) = self.field("redis_version")
            && major(version).is_some_and(|major| major < 7)
        {
            let found = version.to_owned();
            return Err(ConnectError::TooOld { address, found });
        }
        // Any server of a cluster can say who the primaries are.
        if self.field("role") == Some("slave") && !self.is_cluster() {
            return Err(ConnectError::Replica { address });
        }
        Ok(())
    }
}

/// What is weak about a server.
pub(crate) async fn weaknesses(node: &Node, said: &Said) -> Vec<Weakness> {
    let mut found = Vec::new();
    let mut unless = |good: &str, setting, value: Option<String>, means| {
        if value.as_deref() != Some(good) {
            let value = value.unwrap_or_else(|| "unknown".to_owned());
            found.push(Weakness {
                setting,
                value,
                means,
            });
        }
    };
    let more = match said.is_cluster() {
        true => CLUSTER_SETTINGS,
        false => &[],
    };
    for (name, good, means) in SETTINGS.iter().chain(more) {
        unless(good, name, setting(node, name).await, means);
    }
    unless(
        "0",
        "connected_slaves",
        said.field("connected_slaves").map(str::to_owned),
        "should one of them take over, the last writes acknowledged may be undone: codes redeemed \
         twice, what was revoked back",
    );
    if !node.is_private() {
        let means = "who sees the traffic reads what is kept, and the password";
        unless("on", "tls", Some("off".to_owned()), means);
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
