//! What failures of a server mean, to a caller and to a person.

use oauth_storage::StorageErrorKind;

use crate::schema::{self, Migrations};

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not one of this database, or names no database.
    #[error("this is not the URL of a database: {0}")]
    Url(Box<dyn std::error::Error + Send + Sync>),
    /// Nobody answers there, or refuses us.
    #[error("cannot connect to {place}: {source}")]
    CannotConnect {
        /// Where, without credentials.
        place: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is a replica: what it answers may be outdated, and it takes no writes.
    #[error("{place} is a replica; this must be the primary")]
    NotPrimary {
        /// Where, without credentials.
        place: String,
    },
    /// The database does not keep text in UTF-8.
    #[error("{place} keeps text as {encoding}; it must be UTF8")]
    Encoding {
        /// Where, without credentials.
        place: String,
        /// What it said.
        encoding: String,
    },
    /// A newer version of this library has changed the tables in a way that this one cannot follow.
    #[error(
        "the tables of {place} belong to a newer version: their schema has number {found}, this \
         version knows {known}"
    )]
    SchemaTooNew {
        /// Where, without credentials.
        place: String,
        /// The schema found.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// The tables were made by something else, or may not be made.
    #[error("the tables of {place} cannot be brought up to date: {source}")]
    Schema {
        /// Where, without credentials.
        place: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ConnectError {
    pub(crate) fn cannot_connect(place: String, source: sqlx::Error) -> Self {
        let source = source.into();
        Self::CannotConnect { place, source }
    }

    pub(crate) fn schema(
        place: &str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Schema {
            place: place.to_owned(),
            source: source.into(),
        }
    }

    /// Whether tables to which these migrations were applied are ones that we can use.
    pub(crate) fn of_later(
        place: &str,
        migrations: Migrations,
        applied: &[(i64, String)],
    ) -> Result<(), Self> {
        match schema::too_new(migrations, applied) {
            None => Ok(()),
            Some(found) => Err(Self::SchemaTooNew {
                place: place.to_owned(),
                found,
                known: schema::newest(migrations),
            }),
        }
    }
}

/// What it means that a statement failed, or that no connection could be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For whoever wrote.
    pub(crate) of_write: StorageErrorKind,
    /// The key of an insertion is taken, which is an answer.
    pub(crate) is_taken: bool,
    /// The connection must not be used again.
    pub(crate) is_broken: bool,
    /// Perhaps the server is not there.
    pub(crate) is_away: bool,
}

impl Failure {
    /// The server rolled the statement back, or never began it.
    pub(crate) const REFUSED: Self = Self {
        of_write: StorageErrorKind::Unavailable,
        is_taken: false,
        is_broken: false,
        is_away: false,
    };
    /// It rolled the statement back because others were in its way.
    pub(crate) const CONTENDED: Self = Self {
        of_write: StorageErrorKind::Contended,
        ..Self::REFUSED
    };
    /// There is a record under that key.
    pub(crate) const TAKEN: Self = Self {
        is_taken: true,
        ..Self::REFUSED
    };
    /// It refuses because it is no longer the one to write to.
    pub(crate) const READ_ONLY: Self = Self {
        is_broken: true,
        ..Self::REFUSED
    };
    /// What it holds makes no sense.
    pub(crate) const CORRUPT: Self = Self {
        of_write: StorageErrorKind::Corrupt,
        ..Self::REFUSED
    };
    /// It did not say whether it carried the statement out.
    pub(crate) const UNKNOWN: Self = Self {
        of_write: StorageErrorKind::Indeterminate,
        is_broken: true,
        ..Self::REFUSED
    };
    /// It went away meanwhile.
    pub(crate) const LOST: Self = Self {
        is_away: true,
        ..Self::UNKNOWN
    };
    /// It says that it is not ready for anybody.
    pub(crate) const NOT_READY: Self = Self {
        is_broken: true,
        is_away: true,
        ..Self::REFUSED
    };

    /// A failure that did not come from the server as an answer.
    pub(crate) fn of_connection(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. } => Self::CORRUPT,
            sqlx::Error::Encode(_) | sqlx::Error::Configuration(_) => Self::REFUSED,
            sqlx::Error::Io(_) => Self::LOST,
            _ => Self::UNKNOWN,
        }
    }

    /// For whoever read: nothing was written.
    pub(crate) fn of_read(self) -> StorageErrorKind {
        match self.of_write {
            StorageErrorKind::Indeterminate => StorageErrorKind::Unavailable,
            kind => kind,
        }
    }
}
