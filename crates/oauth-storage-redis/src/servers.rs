//! One server or a cluster: who is asked about which key.
//!
//! A command is sent again in three cases only, and in each the server has said that it did
//! nothing: it does not know the script, the key is kept elsewhere, or it is just being moved.

mod cluster;

use std::sync::Arc;

use redis::Value;

use self::cluster::Cluster;
use crate::checks::{Said, Weakness, weaknesses};
use crate::dial::Dialling;
use crate::error::{ConnectError, Failure};
use crate::node::Node;
use crate::scripts::Request;
use crate::settings::{RedisSettings, Target};

/// Whom a store keeps its records with.
pub(crate) enum Servers {
    One(Arc<Node>),
    Cluster(Cluster),
}

impl Servers {
    /// Connects to the first of the addresses that answers, and to its whole cluster if it belongs
    /// to one. Answers what is to be warned of as well.
    pub(crate) async fn open(
        target: &Target,
        settings: &RedisSettings,
    ) -> Result<(Self, Vec<Weakness>), ConnectError> {
        let dialling = Dialling::new(target, settings)?;
        let mut failed = None;
        for address in &target.addresses {
            let node = Node::new(address.clone(), &dialling);
            let said = match Said::by(&node).await {
                Ok(said) => said,
                Err(why) => {
                    let address = address.to_string();
                    failed.get_or_insert(ConnectError::Unreachable {
                        address,
                        why: why.to_string(),
                    });
                    continue;
                }
            };
            said.is_usable(&node)?;
            if !said.is_cluster() {
                dialling.insist_on_primaries();
                let found = weaknesses(&node, &said).await;
                return Ok((Self::One(node), found));
            }
            let cluster = Cluster::open(node, &target.addresses, &dialling).await?;
            let mut found = Vec::new();
            for node in cluster.primaries() {
                // One that is away now may say later, but nobody asks it again.
                let said = Said::by(&node).await.unwrap_or(said.clone());
                for weakness in weaknesses(&node, &said).await {
                    if !found.contains(&weakness) {
                        found.push(weakness);
                    }
                }
            }
            return Ok((Self::Cluster(cluster), found));
        }
        Err(failed.unwrap_or(ConnectError::Address("a Redis URL names a host")))
    }

    /// Sends a request to whoever keeps its keys.
    pub(crate) async fn send(&self, request: &Request) -> Result<Value, Failure> {
        match self {
            Self::One(node) => node.send(request, false).await,
            Self::Cluster(cluster) => cluster.send(request).await,
        }
    }
}
