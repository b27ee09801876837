//! Every dialect keeps the whole contract.

mod sqlite {
    use oauth_storage_sql::SqliteStorage;
    use oauth_testkit::contract::Backend;
    use oauth_types::TenantId;

    use crate::common::{TemporaryFile, block_on};

    struct Fresh {
        storage: SqliteStorage,
        _file: TemporaryFile,
    }

    impl Backend for Fresh {
        type Store = SqliteStorage;
        fn tenant(&self, tenant: &TenantId) -> SqliteStorage {
            self.storage.tenant(tenant)
        }
    }

    async fn fresh() -> Fresh {
        let file = TemporaryFile::new();
        let storage = SqliteStorage::open(&file.0).await.unwrap();
        Fresh {
            storage,
            _file: file,
        }
    }

    oauth_testkit::storage_contract!(fresh = fresh, block_on = block_on);
}

mod postgres {
    use oauth_storage_sql::PostgresStorage;
    use oauth_testkit::contract::Backend;
    use oauth_testkit::servers::{Postgres, PostgresDatabase};
    use oauth_types::TenantId;

    use crate::common::block_on;

    struct Fresh {
        storage: PostgresStorage,
        _database: PostgresDatabase,
    }

    impl Backend for Fresh {
        type Store = PostgresStorage;
        fn tenant(&self, tenant: &TenantId) -> PostgresStorage {
            self.storage.tenant(tenant)
        }
    }

    async fn fresh() -> Option<Fresh> {
        let database = Postgres::shared()?.database();
        let storage = PostgresStorage::connect(database.url()).await.unwrap();
        Some(Fresh {
            storage,
            _database: database,
        })
    }

    oauth_testkit::storage_contract!(fresh = fresh, block_on = block_on);
}

mod mariadb {
    use oauth_storage_sql::MySqlStorage;
    use oauth_testkit::contract::Backend;
    use oauth_testkit::servers::{MariaDb, MariaDbDatabase};
    use oauth_types::TenantId;

    use crate::common::block_on;

    struct Fresh {
        storage: MySqlStorage,
        _database: MariaDbDatabase,
    }

    impl Backend for Fresh {
        type Store = MySqlStorage;
        fn tenant(&self, tenant: &TenantId) -> MySqlStorage {
            self.storage.tenant(tenant)
        }
    }

    async fn fresh() -> Option<Fresh> {
        let database = MariaDb::shared()?.database();
        let storage = MySqlStorage::connect(database.url()).await.unwrap();
        Some(Fresh {
            storage,
            _database: database,
        })
    }

    oauth_testkit::storage_contract!(fresh = fresh, block_on = block_on);
}
