//! What Redis's failures mean, to a caller and to a person.

use oauth_storage::{StorageError, StorageErrorKind};
use redis::RedisError;

/// A command was not answered as it should be.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// It surely never left: there is no connection.
    NotSent(String),
    /// It left, or may have, and no answer came.
    NoAnswer(String),
    /// The server answered that it did not, or that something went wrong.
    Refused(RedisError),
}

/// What a failed reading means.
pub(crate) fn of_read(failure: Failure) -> StorageError {
    let kind = match &failure {
        Failure::Refused(error) if is_foreign(error) => StorageErrorKind::Corrupt,
        _ => StorageErrorKind::Unavailable,
    };
    StorageError::new(kind, failure)
}

/// What a failed write means.
///
/// Whoever is told `Unavailable` may try again, so it is answered only where the server has
/// certainly changed nothing. In all other cases the write may have happened.
pub(crate) fn of_write(failure: Failure) -> StorageError {
    let kind = match &failure {
        Failure::NotSent(_) => StorageErrorKind::Unavailable,
        Failure::NoAnswer(_) => StorageErrorKind::Indeterminate,
        Failure::Refused(error) if is_foreign(error) => StorageErrorKind::Corrupt,
        Failure::Refused(error) if error.code().is_some_and(|code| BEFORE.contains(&code)) => {
            StorageErrorKind::Unavailable
        }
        Failure::Refused(_) => StorageErrorKind::Indeterminate,
    };
    StorageError::new(kind, failure)
}

/// An answer that no server gives to what we ask.
pub(crate) fn strange(answer: &redis::Value) -> StorageError {
    let what = match answer {
        redis::Value::Nil => "nothing",
        redis::Value::Int(_) => "a number",
        redis::Value::BulkString(_) => "a text",
        redis::Value::Array(_) => "a list",
        _ => "something else",
    };
    StorageError::new(
        StorageErrorKind::Corrupt,
        format!("Redis answers with {what} where something else was asked for"),
    )
}

/// With these codes a server refuses a command before it does anything.
const BEFORE: &[&str] = &[
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
];

/// Whether something that is not ours lies under a key of ours.
fn is_foreign(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "nothing was sent: {why}"),
            Self::NoAnswer(why) => write!(f, "no answer: {why}"),
            Self::Refused(error) => write!(f, "refused: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be read.
    #[error("{0}")]
    Address(&'static str),
    /// No server answers there.
    #[error("cannot reach Redis at {address}: {why}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        why: String,
    },
    /// The server there follows another, so what it says may be outdated.
    #[error("{address} is a replica; name its primary")]
    Replica {
        /// Where.
        address: String,
    },
    /// The server lacks commands that are needed.
    #[error("{address} runs Redis {found}; this needs 7.0 or later")]
    TooOld {
        /// Where.
        address: String,
        /// What it runs.
        found: String,
    },
    /// The certificates that TLS trusts cannot be read.
    #[error("TLS: {0}")]
    Certificates(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::ErrorKind;

    #[test]
    fn only_what_certainly_changed_nothing_may_be_tried_again() {
        let kind = |failure| of_write(failure).kind();
        let lost = Failure::NoAnswer("time ran out".to_owned());
        assert_eq!(of_read(lost.clone()).kind(), StorageErrorKind::Unavailable);
        assert_eq!(kind(lost), StorageErrorKind::Indeterminate);
        assert_eq!(
            kind(Failure::NotSent(String::new())),
            StorageErrorKind::Unavailable
        );
        let unknown = RedisError::from((ErrorKind::Extension, "ERR", "who knows".to_owned()));
        assert_eq!(
            kind(Failure::Refused(unknown)),
            StorageErrorKind::Indeterminate
        );
    }
}
