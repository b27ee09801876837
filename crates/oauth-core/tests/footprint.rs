//! How much memory strangers can take by registering. A process of its own, so that nothing else
//! is measured.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use oauth_core::storage::Storage;
use oauth_core::types::ClientId;
use oauth_core::types::registration::{ClientMetadata, UnknownMembers};
use oauth_core::{Context, RegistrationError, Source};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::flows::World;
use serde_json::Value;

const MOST_CLIENTS: usize = 10_000;

/// A world whose store can be looked into.
fn world() -> (World, Arc<MemoryStorage>) {
    let storage = Arc::new(MemoryStorage::new());
    let builder = World::builder(52).storage(Arc::clone(&storage) as Arc<dyn Storage>);
    (builder.build(), storage)
}

/// Metadata that no other number has, in a shape that takes as much room as is accepted.
fn heavy(number: u32, shape: fn(&mut ClientMetadata)) -> ClientMetadata {
    let mut metadata = small(number);
    shape(&mut metadata);
    metadata
}

type Shape = (&'static str, fn(&mut ClientMetadata));

const SHAPES: [Shape; 4] = [
    ("few long addresses", |metadata| {
        let long = |n| format!("https://app.example/{n}/{}", "x".repeat(960));
        metadata.redirect_uris.extend((0..3).map(long));
    }),
    ("many short addresses", |metadata| {
        let short = |n| format!("https://a.b/{n}");
        metadata.redirect_uris.extend((0..31).map(short));
        metadata.client_uri = Some(format!("https://a.b/{}", "x".repeat(700)));
    }),
    ("many languages", |metadata| {
        let tagged = |n| (format!("client_name#x{n}"), "x".into());
        metadata.other.extend((0..21).map(tagged));
    }),
    ("keys of many members", |metadata| {
        let member = |n: u32| (format!("{n}"), n.into());
        let mut key: UnknownMembers = (0..21).map(member).collect();
        key.insert("kty".to_owned(), "EC".into());
        let keys = vec![Value::from(key)];
        metadata.jwks = Some(UnknownMembers::from_iter([("keys".to_owned(), keys.into())]).into());
    }),
];

fn small(number: u32) -> ClientMetadata {
    let mut metadata = ClientMetadata::default();
    metadata.redirect_uris = vec![format!("http://127.0.0.1/{number}")];
    metadata.token_endpoint_auth_method = Some("none".to_owned());
    metadata
}

fn many_sources(number: u32) -> Context {
    Context::from(Source(Some(IpAddr::V4(Ipv4Addr::from(number)))))
}

/// How many of these are stored.
fn stored(storage: &MemoryStorage, ids: &[String]) -> usize {
    let distinct: HashSet<&String> = ids.iter().collect();
    let found = |id: &&&String| {
        let id = ClientId::new(id.as_str());
        block_on(storage.clients().find(&id)).unwrap().is_some()
    };
    distinct.iter().filter(found).count()
}

/// Bytes that this process holds.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kibibytes.parse::<usize>().unwrap() * 1024
}

#[cfg(not(target_os = "linux"))]
fn resident() -> usize {
    0
}

/// AS-DCR-15: ten thousand clients that take as much room as they can take 64 MiB.
#[test]
fn the_heaviest_clients_fit_a_bounded_memory() {
    // What one round has given back, the next may take: so all are measured from here.
    let before = resident();
    for (name, shape) in SHAPES {
        let (world, storage) = world();
        let mut ids = Vec::new();
        for number in 0..MOST_CLIENTS as u32 + 2_000 {
            match block_on(
                world
                    .server
                    .within(many_sources(number))
                    .register(heavy(number, shape)),
            ) {
                Ok(answer) => ids.push(answer.client_id),
                Err(RegistrationError::Limited(_)) => {}
                Err(other) => panic!("{name}: {other}"),
            }
        }
        let (kept, grown) = (stored(&storage, &ids), resident().saturating_sub(before));
        println!("{name}: {kept} kept, {} KiB more", grown / 1024);
        assert!(
            kept > MOST_CLIENTS * 8 / 10 && grown <= 64 << 20,
            "{name}: {grown}"
        );
        // A little more is too much.
        let mut more = heavy(1, shape);
        more.software_id = Some("x".repeat(180));
        more.software_version = Some("x".repeat(180));
        let refused = block_on(world.server.register(more));
        assert!(
            matches!(refused, Err(RegistrationError::Metadata(_))),
            "{name}"
        );
    }
}
