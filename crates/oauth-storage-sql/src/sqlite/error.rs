//! What SQLite's failures mean, to a caller and to a person.

use std::path::{Path, PathBuf};

use oauth_storage::StorageErrorKind;
use rusqlite::Error;

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A database in memory was asked for.
    #[error("SQLite needs a file here; for a store in memory use oauth-storage-memory")]
    NotAFile,
    /// The folder is missing, or the file cannot be made, read or written.
    #[error("cannot open the database {}: {source}", file.display())]
    CannotOpen {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is something else.
    #[error("{} is not an SQLite database, or a damaged one", file.display())]
    NotADatabase {
        /// Which file.
        file: PathBuf,
    },
    /// Write-ahead logging does not work there, as on most network file systems.
    #[error("the file system of {} does not support write-ahead logging", file.display())]
    NoWriteAheadLog {
        /// Which file.
        file: PathBuf,
    },
    /// A newer version of this library has changed the tables.
    #[error(
        "the database {} was last opened by a newer version: its schema has number {found}, this \
         version knows {known}", file.display()
    )]
    SchemaTooNew {
        /// Which file.
        file: PathBuf,
        /// The schema found.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// The tables were made by something else.
    #[error("the tables in {} cannot be brought up to date: {source}", file.display())]
    Schema {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    pub(super) fn cannot_open(
        file: &Path,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::CannotOpen {
            file: file.to_owned(),
            source: source.into(),
        }
    }

    pub(super) fn of<E>(file: &Path, error: E) -> Self
    where
        E: Coded + Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match error.code() {
            Some(CORRUPT | NOT_A_DATABASE) => Self::NotADatabase {
                file: file.to_owned(),
            },
            _ => Self::cannot_open(file, error),
        }
    }
}

/// What a failed statement that writes means.
///
/// Whoever is told `Unavailable` may try again, so it is answered only where SQLite has certainly
/// rolled the statement back or never begun it. In all other cases the write may have happened.
pub(super) fn meaning_of_write(error: &Error) -> StorageErrorKind {
    match code(error) {
        Some(CORRUPT | NOT_A_DATABASE) => StorageErrorKind::Corrupt,
        Some(
            ERROR | PERMISSION | ABORT | BUSY | LOCKED | NO_MEMORY | READ_ONLY | INTERRUPT | FULL
            | CANNOT_OPEN | TOO_BIG | CONSTRAINT | MISMATCH | AUTHORISATION,
        ) => StorageErrorKind::Unavailable,
        // SQLITE_IOERR above all: the log may be on disk, or not.
        _ => StorageErrorKind::Indeterminate,
    }
}

/// What a failed statement that changed nothing means, or a connection that cannot be had.
pub(super) fn meaning_of_read(error: &Error) -> StorageErrorKind {
    match error {
        Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::Utf8Error(..) => StorageErrorKind::Corrupt,
        _ => match code(error) {
            Some(CORRUPT | NOT_A_DATABASE) => StorageErrorKind::Corrupt,
            _ => StorageErrorKind::Unavailable,
        },
    }
}

/// Whether a write is refused for what it is, so that others beside it may succeed.
pub(super) fn is_about_one(error: &Error) -> bool {
    matches!(
        code(error),
        Some(ERROR | TOO_BIG | CONSTRAINT | MISMATCH | NO_MEMORY)
    )
}

/// Whether another connection may fare better.
pub(super) fn is_broken(error: &Error) -> bool {
    matches!(code(error), Some(INPUT_OUTPUT | CANNOT_OPEN))
}

// Primary result codes (https://www.sqlite.org/rescode.html).
const ERROR: i32 = 1;
const PERMISSION: i32 = 3;
const ABORT: i32 = 4;
pub(super) const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NO_MEMORY: i32 = 7;
const READ_ONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const INPUT_OUTPUT: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const TOO_BIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const AUTHORISATION: i32 = 23;
const NOT_A_DATABASE: i32 = 26;

/// The primary result code: the low byte of the extended one.
pub(super) fn code(error: &Error) -> Option<i32> {
    Some(error.sqlite_error()?.extended_code & 0xFF)
}

/// An error that may have a result code.
pub(super) trait Coded {
    fn code(&self) -> Option<i32>;
}

impl Coded for Error {
    fn code(&self) -> Option<i32> {
        code(self)
    }
}

impl Coded for sqlx::Error {
    fn code(&self) -> Option<i32> {
        let extended: i32 = self.as_database_error()?.code()?.parse().ok()?;
        Some(extended & 0xFF)
    }
}
