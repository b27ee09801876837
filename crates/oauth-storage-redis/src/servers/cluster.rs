//! A cluster: which server keeps which slot, and finding out when that changes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::Value;
use tokio::sync::Notify;

use crate::dial::Dialling;
use crate::error::{ConnectError, Failure};
use crate::keys::SLOTS;
use crate::node::Node;
use crate::scripts::Request;
use crate::settings::Address;

/// How often one request is sent on to where its key is said to be.
const HOPS: u32 = 16;
/// How long to wait while the keys of a request are on their way from one server to another.
const MOVING: Duration = Duration::from_millis(30);
/// How long to leave the servers alone after asking who keeps what.
const REST: Duration = Duration::from_millis(250);

pub(crate) struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    dialling: Arc<Dialling>,
    /// Where to ask when all known servers are gone.
    seeds: Vec<Address>,
    map: RwLock<Map>,
    /// Somebody found the map to be wrong.
    doubt: Notify,
}

#[derive(Default)]
struct Map {
    nodes: HashMap<Address, Arc<Node>>,
    /// Who keeps each slot; empty until the servers were asked.
    owners: Vec<Option<Arc<Node>>>,
}

/// The slots from the first to the second, and who keeps them.
type Range = (u16, u16, Address);

impl Cluster {
    pub(crate) async fn open(
        node: Arc<Node>,
        seeds: &[Address],
        dialling: &Arc<Dialling>,
    ) -> Result<Self, ConnectError> {
        let ranges = slots(&node)
            .await
            .map_err(|why| ConnectError::Unreachable {
                address: node.address.to_string(),
                why: why.to_string(),
            })?;
        let mut map = Map::default();
        map.nodes.insert(node.address.clone(), node);
        let shared = Arc::new(Shared {
            dialling: Arc::clone(dialling),
            seeds: seeds.to_vec(),
            map: RwLock::new(map),
            doubt: Notify::new(),
        });
        shared.learn(&ranges);
        tokio::spawn(look_again(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// The servers that keep something.
    pub(crate) fn primaries(&self) -> Vec<Arc<Node>> {
        let mut found: Vec<Arc<Node>> = Vec::new();
        for owner in self.shared.map().owners.iter().flatten() {
            if !found.iter().any(|known| Arc::ptr_eq(known, owner)) {
                found.push(Arc::clone(owner));
            }
        }
        found
    }

    pub(crate) async fn send(&self, request: &Request) -> Result<Value, Failure> {
        let Some(mut node) = self.shared.owner(request.slot) else {
            self.shared.doubt.notify_one();
            return Err(Failure::NotSent(format!(
                "nobody keeps slot {}",
                request.slot
            )));
        };
        let mut asking = false;
        for _ in 0..HOPS {
            let failure = match node.send(request, asking).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let Failure::Refused(error) = &failure else {
                self.shared.doubt.notify_one();
                return Err(failure);
            };
            let moved = match error.code() {
                Some("MOVED") => true,
                Some("ASK") => false,
                Some("TRYAGAIN") => {
                    tokio::time::sleep(MOVING).await;
                    continue;
                }
                Some("CLUSTERDOWN" | "MASTERDOWN" | "READONLY") => {
                    self.shared.doubt.notify_one();
                    return Err(failure);
                }
                _ => return Err(failure),
            };
            // Nothing was done, and the answer says who would do it.
            let Some(address) = elsewhere(error, &node.address) else {
                return Err(failure);
            };
            node = self.shared.node(&address);
            asking = !moved;
            if moved {
                self.shared.moved(request.slot, &node);
            }
        }
        Err(Failure::NotSent(
            "the servers send this to each other".to_owned(),
        ))
    }
}

impl Shared {
    fn map(&self) -> std::sync::RwLockReadGuard<'_, Map> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> std::sync::RwLockWriteGuard<'_, Map> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn owner(&self, slot: u16) -> Option<Arc<Node>> {
        self.map().owners.get(usize::from(slot)).cloned().flatten()
    }

    fn node(&self, address: &Address) -> Arc<Node> {
        if let Some(node) = self.map().nodes.get(address) {
            return Arc::clone(node);
        }
        let mut map = self.change();
        let node = map.nodes.entry(address.clone());
        Arc::clone(node.or_insert_with(|| Node::new(address.clone(), &self.dialling)))
    }

    fn moved(&self, slot: u16, to: &Arc<Node>) {
        if let Some(owner) = self.change().owners.get_mut(usize::from(slot)) {
            *owner = Some(Arc::clone(to));
        }
        // Where one has moved, others have.
        self.doubt.notify_one();
    }

    fn learn(&self, ranges: &[Range]) {
        let mut owners = vec![None; usize::from(SLOTS)];
        for (first, last, address) in ranges {
            let node = self.node(address);
            if let Some(kept) = owners.get_mut(usize::from(*first)..=usize::from(*last)) {
                kept.fill(Some(node));
            }
        }
        let mut map = self.change();
        map.owners = owners;
        // Whoever left takes its connections along.
        map.nodes
            .retain(|address, _| ranges.iter().any(|(_, _, other)| other == address));
    }
}

/// Asks who keeps what, whenever there is doubt, for as long as the cluster is used.
async fn look_again(shared: std::sync::Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        let doubted = tokio::time::timeout(Duration::from_secs(1), strong.doubt.notified()).await;
        if doubted.is_err() {
            continue;
        }
        let mut nodes: Vec<Arc<Node>> = strong.map().nodes.values().cloned().collect();
        nodes.extend(strong.seeds.iter().map(|seed| strong.node(seed)));
        for node in nodes {
            if let Ok(ranges) = slots(&node).await {
                strong.learn(&ranges);
                break;
            }
        }
        drop(strong);
        tokio::time::sleep(REST).await;
    }
}

/// What one server knows of who keeps what.
async fn slots(node: &Node) -> Result<Vec<Range>, Failure> {
    let answer = node
        .send(&Request::plain("CLUSTER", "SLOTS"), false)
        .await?;
    let ranges = read(&answer, &node.address);
    ranges.filter(|ranges| !ranges.is_empty()).ok_or_else(|| {
        Failure::NotSent(format!(
            "{} knows of nobody who keeps anything",
            node.address
        ))
    })
}

fn read(answer: &Value, asked: &Address) -> Option<Vec<Range>> {
    let Value::Array(rows) = answer else {
        return None;
    };
    let row = |row: &Value| {
        let Value::Array(row) = row else { return None };
        let [
            Value::Int(first),
            Value::Int(last),
            Value::Array(primary),
            ..,
        ] = &**row
        else {
            return None;
        };
        let [host, Value::Int(port), ..] = &**primary else {
            return None;
        };
        let host = match host {
            Value::BulkString(host) => str::from_utf8(host).ok()?,
            Value::SimpleString(host) => host,
            _ => "",
        };
        // A server that does not know its own name is where it was asked.
        let host = match host {
            "" | "?" => &asked.host,
            host => host,
        };
        let address = Address {
            host: host.to_owned(),
            port: u16::try_from(*port).ok()?,
        };
        Some((
            u16::try_from(*first).ok()?,
            u16::try_from(*last).ok()?,
            address,
        ))
    };
    rows.iter().map(row).collect()
}

/// Where an answer sends us: `SLOT HOST:PORT`.
fn elsewhere(error: &redis::RedisError, asked: &Address) -> Option<Address> {
    let (address, _) = error.redirect_node()?;
    match address.strip_prefix(':') {
        Some(port) => Address::parse(&format!("{}:{port}", bracketed(&asked.host))),
        None => Address::parse(address),
    }
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_know_its_name_is_where_it_was_asked() {
        let asked = Address {
            host: "10.0.0.1".to_owned(),
            port: 1,
        };
        let row = |host: Value, first: i64| {
            Value::Array(vec![
                Value::Int(first),
                Value::Int(first + 9),
                Value::Array(vec![host, Value::Int(7000)]),
            ])
        };
        let answer = Value::Array(vec![
            row(Value::Nil, 0),
            row(Value::SimpleString("b".into()), 10),
        ]);
        let at = |host: &str| Address {
            host: host.to_owned(),
            port: 7000,
        };
        assert_eq!(
            read(&answer, &asked),
            Some(vec![(0, 9, at("10.0.0.1")), (10, 19, at("b"))])
        );
        assert_eq!(read(&Value::Nil, &asked), None);
    }
}
