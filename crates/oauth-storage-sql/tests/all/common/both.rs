//! PostgreSQL and MariaDB under one name, for what is true of both.

use std::fmt::Debug;
use std::future::Future;

use oauth_storage::Storage;
use oauth_storage_sql::{ConnectError, MySqlStorage, PostgresStorage, ServerSettings, Weakness};
use oauth_testkit::servers::{
    Durability, Instance, MariaDb, MariaDbDatabase, Postgres, PostgresDatabase,
};

/// A server, and the store for it.
pub(crate) trait Server: Sized + Sync + 'static {
    type Store: Storage + Clone + Debug + 'static;
    /// An empty database, gone when it is dropped.
    type Database: Sync;

    fn shared() -> Option<&'static Self>;
    fn start(durability: Durability) -> Option<Self>;
    fn instance(&self) -> &Instance;
    fn database(&self) -> Self::Database;
    fn url(database: &Self::Database) -> &str;
    fn run(&self, database: &Self::Database, sql: &str);
    fn connect(
        url: &str,
        settings: ServerSettings,
    ) -> impl Future<Output = Result<Self::Store, ConnectError>> + Send;
    fn weaknesses(store: &Self::Store) -> &[Weakness];
    fn close(store: &Self::Store) -> impl Future<Output = ()> + Send;
}

impl Server for Postgres {
    type Store = PostgresStorage;
    type Database = PostgresDatabase;

    fn shared() -> Option<&'static Self> {
        Postgres::shared()
    }
    fn start(durability: Durability) -> Option<Self> {
        Postgres::start(durability)
    }
    fn instance(&self) -> &Instance {
        self.instance()
    }
    fn database(&self) -> PostgresDatabase {
        self.database()
    }
    fn url(database: &PostgresDatabase) -> &str {
        database.url()
    }
    fn run(&self, database: &PostgresDatabase, sql: &str) {
        self.run(database.url(), sql);
    }
    async fn connect(url: &str, settings: ServerSettings) -> Result<PostgresStorage, ConnectError> {
        PostgresStorage::connect_with(url, settings).await
    }
    fn weaknesses(store: &PostgresStorage) -> &[Weakness] {
        store.weaknesses()
    }
    async fn close(store: &PostgresStorage) {
        store.close().await;
    }
}

impl Server for MariaDb {
    type Store = MySqlStorage;
    type Database = MariaDbDatabase;

    fn shared() -> Option<&'static Self> {
        MariaDb::shared()
    }
    fn start(durability: Durability) -> Option<Self> {
        MariaDb::start(durability)
    }
    fn instance(&self) -> &Instance {
        self.instance()
    }
    fn database(&self) -> MariaDbDatabase {
        self.database()
    }
    fn url(database: &MariaDbDatabase) -> &str {
        database.url()
    }
    fn run(&self, database: &MariaDbDatabase, sql: &str) {
        self.run(&format!("USE {}; {sql}", database.name()));
    }
    async fn connect(url: &str, settings: ServerSettings) -> Result<MySqlStorage, ConnectError> {
        MySqlStorage::connect_with(url, settings).await
    }
    fn weaknesses(store: &MySqlStorage) -> &[Weakness] {
        store.weaknesses()
    }
    async fn close(store: &MySqlStorage) {
        store.close().await;
    }
}

/// Runs tests that are generic over [`Server`] on each.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod postgres {
            $(#[test] fn $test() { super::$test::<oauth_testkit::servers::Postgres>(); })*
        }
        mod mariadb {
            $(#[test] fn $test() { super::$test::<oauth_testkit::servers::MariaDb>(); })*
        }
    };
}
pub(crate) use on_both;
