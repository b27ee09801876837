//! Keeps OAuth records in a SQL database.
//!
//! **Promise.** What is acknowledged is durable: the default settings survive a killed process and
//! a lost power supply. Every verb is one statement, so a dropped future leaves all or nothing.
//!
//! **Absences.** No policy, no clock, no secret; of SQL, nothing that one dialect has and another
//! lacks (no `RETURNING`), so that the statements are one table.
//!
//! ```no_run
//! # async fn example() -> Result<(), oauth_storage_sql::OpenError> {
//! use oauth_storage_sql::SqliteStorage;
//!
//! let storage = SqliteStorage::open("oauth.sqlite").await?;
//! # Ok(()) }
//! ```

#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;

#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, SqliteStorage};
