//! What failures of MySQL and MariaDB mean.

use sqlx::mysql::MySqlDatabaseError;

use crate::server::error::Failure;

/// What it means that a statement failed.
///
/// Whoever is told that nothing was written may try again, so that is answered only for errors
/// after which the server has rolled the statement back, or never began it.
pub(super) fn explain(error: &sqlx::Error) -> Failure {
    let answer = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    match answer {
        Some(answer) => of_number(answer.number()),
        None => Failure::of_connection(error),
    }
}

/// What an error's number means
/// (<https://mariadb.com/kb/en/mariadb-error-code-reference/>; MySQL's are the same up to 1900).
fn of_number(number: u16) -> Failure {
    match number {
        // Duplicate key. A table has one unique key.
        1062 => Failure::TAKEN,
        // Lock wait timeout, deadlock, record changed since it was read; MySQL's lock not granted.
        1205 | 1213 | 1020 | 3572 => Failure::CONTENDED,
        // Read-only server, transaction, or storage engine: not the primary any more.
        1290 | 1792 | 1836 => Failure::READ_ONLY,
        // Crashed table or index, wrong table file.
        1033..=1035 | 1194 | 1195 | 126 | 127 => Failure::CORRUPT,
        // Shutdown, aborted or killed connection: whenever they come.
        1053 | 1077..=1079 | 1152 | 1927 => Failure::LOST,
        // Disk full, table full, too many connections for the server or the account.
        1021 | 1041 | 1114 | 1040 | 1203 | 1226 => Failure::REFUSED,
        // Access denied, no such database or table, unknown column, syntax.
        1044 | 1045 | 1049 | 1142 | 1143 | 1146 | 1054 | 1064 | 1698 => Failure::REFUSED,
        // Too long, wrong value, null where none may be, packet too large.
        1048 | 1153 | 1264 | 1366 | 1406 => Failure::REFUSED,
        // Interrupted, or over time: `max_statement_time` here, `max_execution_time` there.
        1317 | 1969 | 3024 => Failure::REFUSED,
        // Among them an error during the commit (1180).
        _ => Failure::UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use oauth_storage::StorageErrorKind::{Contended, Indeterminate, Unavailable};

    use super::*;

    #[test]
    fn only_what_mysql_rolled_back_is_said_not_to_have_happened() {
        for (number, kind) in [
            (1213, Contended),
            (1205, Contended),
            (1969, Unavailable),
            (1114, Unavailable),
            (1040, Unavailable),
            (1290, Unavailable),
            (1180, Indeterminate),
            (1053, Indeterminate),
            (1927, Indeterminate),
            (9999, Indeterminate),
        ] {
            assert_eq!(of_number(number).of_write, kind, "{number}");
        }
        assert!(of_number(1062).is_taken);
    }
}
