//! Sixty-four racers over one database.

use std::sync::Arc;

use crate::common::{TemporaryFile, block_on};
use oauth_testkit::races;

#[test]
fn races_over_sqlite_have_one_winner() {
    use oauth_storage_sql::SqliteStorage;

    let files = std::cell::RefCell::new(Vec::new());
    let fresh = || {
        let file = TemporaryFile::new();
        let storage = block_on(SqliteStorage::open(&file.0)).unwrap();
        files.borrow_mut().push(file);
        Arc::new(storage)
    };
    races::all(fresh, |task| block_on(task));
}

#[test]
fn races_over_postgres_have_one_winner() {
    use oauth_storage_sql::PostgresStorage;
    use oauth_testkit::servers::Postgres;

    let Some(server) = Postgres::shared() else {
        return;
    };
    let databases = std::cell::RefCell::new(Vec::new());
    let fresh = || {
        let database = server.database();
        let storage = block_on(PostgresStorage::connect(database.url())).unwrap();
        databases.borrow_mut().push(database);
        Arc::new(storage)
    };
    races::all(fresh, |task| block_on(task));
}

#[test]
fn races_over_mariadb_have_one_winner() {
    use oauth_storage_sql::MySqlStorage;
    use oauth_testkit::servers::MariaDb;

    let Some(server) = MariaDb::shared() else {
        return;
    };
    let databases = std::cell::RefCell::new(Vec::new());
    let fresh = || {
        let database = server.database();
        let storage = block_on(MySqlStorage::connect(database.url())).unwrap();
        databases.borrow_mut().push(database);
        Arc::new(storage)
    };
    races::all(fresh, |task| block_on(task));
}
