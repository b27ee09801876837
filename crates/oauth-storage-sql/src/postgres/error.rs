//! What PostgreSQL's failures mean.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::server::error::Failure;

/// What it means that a statement failed.
///
/// Whoever is told that nothing was written may try again, so that is answered only where the
/// server says that it rolled the statement back (an `ERROR` before the commit) or never began it.
pub(super) fn explain(error: &sqlx::Error) -> Failure {
    let answer = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    let Some(answer) = answer else {
        return Failure::of_connection(error);
    };
    let meaning = of_state(answer.code());
    let is_over = matches!(answer.severity(), PgSeverity::Fatal | PgSeverity::Panic);
    Failure {
        is_broken: meaning.is_broken || is_over,
        ..meaning
    }
}

/// What an SQLSTATE means (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn of_state(state: &str) -> Failure {
    match state {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Failure::CONTENDED,
        // Statement completion unknown.
        "40003" => Failure::UNKNOWN,
        // Read-only transaction: this is not the primary any more.
        "25006" => Failure::READ_ONLY,
        // Cannot connect now: it is starting, ending or recovering.
        "57P03" => Failure::NOT_READY,
        // Admin shutdown, crash shutdown, database dropped: whenever they come.
        "57P01" | "57P02" | "57P04" => Failure::LOST,
        // Data corrupted, index corrupted.
        "XX001" | "XX002" => Failure::CORRUPT,
        _ => match state.get(..2) {
            // Data exception, constraint, transaction state, authorization, rollback, syntax or access, resources,
            // limits, object state, operator intervention (cancelled).
            Some("22" | "23" | "25" | "28" | "3D" | "40" | "42" | "53" | "54" | "55" | "57") => {
                Failure::REFUSED
            }
            // Connection exception, system error, internal error, and what nobody has thought of.
            _ => Failure::UNKNOWN,
        },
    }
}

#[cfg(test)]
mod tests {
    use oauth_storage::StorageErrorKind::{Contended, Corrupt, Indeterminate, Unavailable};

    use super::*;

    #[test]
    fn only_what_postgres_rolled_back_is_said_not_to_have_happened() {
        for (state, kind) in [
            ("40P01", Contended),
            ("40001", Contended),
            ("57014", Unavailable),
            ("53100", Unavailable),
            ("53300", Unavailable),
            ("25006", Unavailable),
            ("42P01", Unavailable),
            ("57P03", Unavailable),
            ("57P01", Indeterminate),
            ("40003", Indeterminate),
            ("08006", Indeterminate),
            ("58030", Indeterminate),
            ("XX000", Indeterminate),
            ("", Indeterminate),
            ("XX001", Corrupt),
        ] {
            assert_eq!(of_state(state).of_write, kind, "{state}");
        }
    }

    #[test]
    fn a_postgres_connection_that_refuses_one_statement_is_good_for_another() {
        assert!(!of_state("57014").is_broken && !of_state("40P01").is_broken);
        assert!(of_state("25006").is_broken && of_state("57P01").is_broken);
        assert!(
            !of_state("53300").is_away,
            "others still have their connections"
        );
    }
}
