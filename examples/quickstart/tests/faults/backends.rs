//! What the campaign needs to know of each server.

use std::io::Write;
use std::net::TcpStream;

use oauth_testkit::servers::{
    Durability, Instance, MariaDb, MariaDbDatabase, Postgres, PostgresDatabase, Redis,
};

/// So few connections at the most that a test can take them all.
pub(crate) const FEW: usize = 48;

/// A durable server of one's own, with a place for one store.
pub(crate) trait Backend: Sized {
    const NAME: &str;
    /// What a connection says at first, so that it counts as one.
    const HELLO: &[u8];

    fn start() -> Option<Self>;
    /// With no more than [`FEW`] connections.
    fn start_small() -> Option<Self>;
    fn url(&self) -> String;
    fn instance(&self) -> &Instance;

    /// Takes every connection there is.
    fn take_all(&self) -> Vec<TcpStream> {
        let address = ("127.0.0.1", self.instance().port());
        (0..FEW * 2)
            .filter_map(|_| {
                let mut stream = TcpStream::connect(address).ok()?;
                stream.write_all(Self::HELLO).ok()?;
                Some(stream)
            })
            .collect()
    }
}

impl Backend for PostgresDatabase {
    const NAME: &str = "PostgreSQL";
    const HELLO: &[u8] = b"\0\0\0\x27\0\x03\0\0user\0test\0database\0postgres\0\0";

    fn start() -> Option<Self> {
        Some(Postgres::start(Durability::Durable)?.database())
    }

    fn start_small() -> Option<Self> {
        let few = format!("max_connections={FEW}");
        Some(Postgres::start_with(Durability::Durable, &[&few])?.database())
    }

    fn url(&self) -> String {
        self.url().to_owned()
    }

    fn instance(&self) -> &Instance {
        self.server().instance()
    }
}

impl Backend for MariaDbDatabase {
    const NAME: &str = "MariaDB";
    /// Whoever says nothing yet counts, for ten seconds.
    const HELLO: &[u8] = b"";

    fn start() -> Option<Self> {
        Some(MariaDb::start(Durability::Durable)?.database())
    }

    fn start_small() -> Option<Self> {
        let few = format!("max-connections={FEW}");
        Some(MariaDb::start_with(Durability::Durable, &[&few])?.database())
    }

    fn url(&self) -> String {
        self.url().to_owned()
    }

    fn instance(&self) -> &Instance {
        self.server().instance()
    }
}

impl Backend for Redis {
    const NAME: &str = "Redis";
    const HELLO: &[u8] = b"PING\r\n";

    fn start() -> Option<Self> {
        Self::start(Durability::Durable)
    }

    fn start_small() -> Option<Self> {
        Self::start_with(Durability::Durable, &[&format!("maxclients {FEW}")])
    }

    fn url(&self) -> String {
        self.url().to_owned()
    }

    fn instance(&self) -> &Instance {
        self.instance()
    }
}
