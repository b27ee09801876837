//! A place for records on any kind of server, for what is to run on each of them.

use super::{
    Durability, MariaDb, MariaDbDatabase, Postgres, PostgresDatabase, Redis, RedisCluster,
};

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
    /// One Redis.
    Redis,
    /// Three Redis servers that share the slots.
    RedisCluster,
}

impl Kind {
    /// Every kind, by the name that command lines use.
    pub const ALL: [(&'static str, Self); 4] = [
        ("postgres", Self::Postgres),
        ("mariadb", Self::MariaDb),
        ("redis", Self::Redis),
        ("redis-cluster", Self::RedisCluster),
    ];

    /// Makes a place for records that nobody else has: a database on the server that is shared, or
    /// a Redis of its own, which has no databases to make. `None` when the program is missing.
    /// What it acknowledges is not durable.
    ///
    /// # Panics
    /// When the server is required and missing, does not start, or refuses.
    pub fn fresh(self) -> Option<Fresh> {
        Some(match self {
            Self::Postgres => Fresh::Postgres(Postgres::shared()?.database()),
            Self::MariaDb => Fresh::MariaDb(MariaDb::shared()?.database()),
            Self::Redis => Fresh::Redis(Redis::start(Durability::Relaxed)?),
            Self::RedisCluster => Fresh::RedisCluster(RedisCluster::start()?),
        })
    }
}

/// An empty place for records. It goes when it is dropped.
#[derive(Debug)]
pub enum Fresh {
    /// A database.
    Postgres(PostgresDatabase),
    /// A database.
    MariaDb(MariaDbDatabase),
    /// A server.
    Redis(Redis),
    /// A cluster.
    RedisCluster(RedisCluster),
}

impl Fresh {
    /// The URL that a store is opened with.
    pub fn url(&self) -> String {
        match self {
            Self::Postgres(database) => database.url().to_owned(),
            Self::MariaDb(database) => database.url().to_owned(),
            Self::Redis(server) => server.url().to_owned(),
            Self::RedisCluster(cluster) => cluster.url(),
        }
    }
}
