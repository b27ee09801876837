//! Keeps OAuth records in SQL databases.
//!
//! **Promise.** The whole contract of [`oauth_storage`], proved by its test suite. What is
//! acknowledged is on disk. Every verb is a single statement, so no transaction of ours can be
//! left open, and whatever becomes of the caller, a write happened or did not. Several processes
//! may share a database.
//!
//! **Absences.** No statement is ever sent twice. No policy and no clock: rows leave when
//! [`sweep`](oauth_storage::RecordStore::sweep) is called. No `RETURNING`, no stored procedures,
//! no trigger: any tool can read the tables, and `doc` is plain JSON.
//!
//! Each dialect is a feature: `sqlite`, which is on by default, `postgres`, and `mysql` for MySQL
//! and MariaDB.
//!
//! ```
//! use oauth_storage::{Insert, Storage, SubjectRecord};
//! use oauth_storage_sql::SqliteStorage;
//! use oauth_types::Subject;
//!
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! # let file = std::env::temp_dir().join(format!("oauth-doc-{}.sqlite", std::process::id()));
//! # for end in ["", "-wal", "-shm"] { std::fs::remove_file(format!("{}{end}", file.display())).ok(); }
//! let storage = SqliteStorage::open(&file).await?;
//! let alice = SubjectRecord::new(Subject::new("alice"));
//! assert_eq!(storage.subjects().insert(alice.clone()).await?, Insert::Inserted);
//! storage.close().await;
//!
//! let again = SqliteStorage::open(&file).await?;
//! assert!(again.subjects().find(&alice.id).await?.is_some());
//! # again.close().await;
//! # std::fs::remove_file(&file)?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(
    not(all(feature = "sqlite", feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "what the dialects share, not each of them uses")
)]

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!("choose a dialect: `sqlite`, `postgres` or `mysql`");

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod asking;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod connections;
mod driver;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod finish;
mod key;
mod pace;
mod schema;
mod statements;
mod storage;
mod table;

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "mysql")]
pub use mysql::MySqlStorage;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStorage;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub use server::error::ConnectError;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub use server::settings::{ServerSettings, Weakness};
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, SqliteSettings, SqliteStorage};
