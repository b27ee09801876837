//! Sixty-four racers over one SQLite file.

use std::sync::Arc;

use oauth_storage_sql::SqliteStorage;
use oauth_testkit::races;

#[test]
fn races_over_sqlite_have_one_winner() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = std::env::temp_dir().join(format!("oauth-races-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let count = std::cell::Cell::new(0);
    let fresh = || {
        count.set(count.get() + 1);
        let file = folder.join(format!("{}.sqlite", count.get()));
        Arc::new(runtime.block_on(SqliteStorage::open(file)).unwrap())
    };
    races::all(fresh, |task| runtime.block_on(task));
    std::fs::remove_dir_all(&folder).unwrap();
}
