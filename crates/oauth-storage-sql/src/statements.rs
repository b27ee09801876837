//! The text of every statement, once for all dialects.
//!
//! Placeholders are written `?1`, `?2`, …, in the order in which [`crate::table`] hands over the
//! values. Nothing here is `RETURNING`, so that the number of affected rows is all a driver must
//! report. The dialects differ in how a placeholder looks and in the two statements below that
//! ask for [`Dialect`].

use std::sync::LazyLock;

use oauth_storage::Kind;

/// What a database understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mysql")]
    MySql,
}

/// The statements on one table.
pub(crate) struct Statements {
    /// tenant, id, revision, subject, client, retain_until, doc. Affects no row, or in MySQL is
    /// refused for its key, when there is one already.
    pub(crate) insert: String,
    /// tenant, id
    pub(crate) find: String,
    /// doc, retain_until, tenant, id, revision, subject, client: for a record that stays under
    /// what it is listed by, which is nearly every replacement. It leaves those indexes alone.
    pub(crate) replace: String,
    /// The values of `replace`, for a record that keeps its date as well, where that is worth a
    /// statement of its own.
    pub(crate) keep_date: Option<String>,
    /// doc, retain_until, subject, client, tenant, id, revision
    pub(crate) relist: String,
    /// tenant, id, revision
    pub(crate) delete: String,
    /// tenant, subject, last id, limit
    pub(crate) by_subject: String,
    /// tenant, client, last id, limit
    pub(crate) by_client: String,
    /// tenant, earliest date, date, limit; in SQLite tenant, date, limit. The date is judged in the
    /// statement that deletes, and once more on the row itself for dialects in which the list of
    /// rows may be outdated.
    pub(crate) sweep: String,
    /// tenant, earliest date, date: the first row of those, its date in place of the revision.
    pub(crate) first_due: String,
}

impl Statements {
    fn on(table: &str, dialect: Dialect) -> Self {
        let write = |text: &str| dialect.spell(&text.replace("{table}", table));
        Self {
            insert: write(dialect.insert()),
            find: write("SELECT id, revision, doc FROM {table} WHERE tenant = ?1 AND id = ?2"),
            replace: write(
                "UPDATE {table} SET doc = ?1, retain_until = ?2, revision = revision + 1 \
                 WHERE tenant = ?3 AND id = ?4 AND revision = ?5 AND subject = ?6 AND client = ?7",
            ),
            keep_date: dialect.keep_date().map(write),
            relist: write(
                "UPDATE {table} SET doc = ?1, retain_until = ?2, subject = ?3, client = ?4, \
                 revision = revision + 1 WHERE tenant = ?5 AND id = ?6 AND revision = ?7",
            ),
            delete: write("DELETE FROM {table} WHERE tenant = ?1 AND id = ?2 AND revision = ?3"),
            by_subject: write(
                "SELECT id, revision, doc FROM {table} WHERE tenant = ?1 AND subject = ?2 \
                 AND subject <> '' AND id > ?3 ORDER BY id LIMIT ?4",
            ),
            by_client: write(
                "SELECT id, revision, doc FROM {table} WHERE tenant = ?1 AND client = ?2 \
                 AND client <> '' AND id > ?3 ORDER BY id LIMIT ?4",
            ),
            sweep: write(dialect.sweep()),
            first_due: write(
                "SELECT id, retain_until, '' FROM {table} WHERE tenant = ?1 \
                 AND retain_until >= ?2 AND retain_until < ?3 ORDER BY retain_until LIMIT 1",
            ),
        }
    }
}

impl Dialect {
    fn insert(self) -> &'static str {
        match self {
            // Its `INSERT IGNORE` would forgive every other error as well.
            #[cfg(feature = "mysql")]
            Self::MySql => {
                "INSERT INTO {table} (tenant, id, revision, subject, client, retain_until, doc) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            _ => {
                "INSERT INTO {table} (tenant, id, revision, subject, client, retain_until, doc) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (tenant, id) DO NOTHING"
            }
        }
    }

    fn keep_date(self) -> Option<&'static str> {
        match self {
            // The plus keeps the row from being looked up by date.
            #[cfg(feature = "sqlite")]
            Self::Sqlite => Some(
                "UPDATE {table} SET doc = ?1, revision = revision + 1 WHERE tenant = ?3 AND id = ?4 \
                 AND revision = ?5 AND subject = ?6 AND client = ?7 AND +retain_until IS ?2",
            ),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            _ => None,
        }
    }

    fn sweep(self) -> &'static str {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => {
                // The index by date holds the rowid, so it alone is read to find the rows.
                "DELETE FROM {table} WHERE rowid IN \
                 (SELECT rowid FROM {table} WHERE tenant = ?1 AND retain_until < ?2 LIMIT ?3)"
            }
            // An array is made once; a list under `IN` may be made again for each row, past the
            // limit. The zero keeps its rows from being looked up by date. Replicas that sweep at
            // once lock in one order and wait for each other.
            #[cfg(feature = "postgres")]
            Self::Postgres => {
                "DELETE FROM {table} WHERE tenant = ?1 AND retain_until + 0 < ?3 AND id = ANY(ARRAY(\
                 SELECT id FROM {table} WHERE tenant = ?1 AND retain_until >= ?2 \
                 AND retain_until < ?3 ORDER BY retain_until LIMIT ?4 FOR UPDATE))"
            }
            // A plain `DELETE` cannot be told which index to take, and when much is due it reads
            // and sorts the whole table, to delete a few rows.
            #[cfg(feature = "mysql")]
            Self::MySql => {
                "DELETE gone FROM {table} gone JOIN (\
                 SELECT tenant, id, retain_until FROM {table} FORCE INDEX ({table}_by_date) \
                 WHERE tenant = ?1 AND retain_until >= ?2 AND retain_until < ?3 \
                 ORDER BY retain_until LIMIT ?4 FOR UPDATE) due \
                 ON gone.tenant = due.tenant AND gone.id = due.id \
                 AND gone.retain_until = due.retain_until"
            }
        }
    }

    /// The placeholders as this dialect writes them.
    fn spell(self, text: &str) -> String {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => text.to_owned(),
            #[cfg(feature = "postgres")]
            Self::Postgres => text.replace('?', "$"),
            #[cfg(feature = "mysql")]
            Self::MySql => {
                let mut pieces = text.split('?');
                let mut spelled = pieces.next().unwrap_or_default().to_owned();
                for piece in pieces {
                    spelled.push('?');
                    spelled.push_str(piece.trim_start_matches(|c: char| c.is_ascii_digit()));
                }
                spelled
            }
        }
    }
}

/// The kinds that have a table, which has the kind's name.
const KINDS: [Kind; 7] = [
    Kind::Grant,
    Kind::Client,
    Kind::Subject,
    Kind::KeyRing,
    Kind::Consent,
    Kind::Replay,
    Kind::RegistrationPage,
];

/// The statements on the table of a kind; `None` for a kind that this version has no table for.
pub(crate) fn of(dialect: Dialect, kind: Kind) -> Option<&'static Statements> {
    type All = LazyLock<[Statements; KINDS.len()]>;
    #[cfg(feature = "sqlite")]
    static SQLITE: All =
        LazyLock::new(|| KINDS.map(|it| Statements::on(it.as_str(), Dialect::Sqlite)));
    #[cfg(feature = "postgres")]
    static POSTGRES: All =
        LazyLock::new(|| KINDS.map(|it| Statements::on(it.as_str(), Dialect::Postgres)));
    #[cfg(feature = "mysql")]
    static MYSQL: All =
        LazyLock::new(|| KINDS.map(|it| Statements::on(it.as_str(), Dialect::MySql)));
    let all = match dialect {
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => &SQLITE,
        #[cfg(feature = "postgres")]
        Dialect::Postgres => &POSTGRES,
        #[cfg(feature = "mysql")]
        Dialect::MySql => &MYSQL,
    };
    KINDS
        .iter()
        .zip(all.iter())
        .find_map(|(with, statements)| (*with == kind).then_some(statements))
}

#[cfg(test)]
pub(crate) fn on_rows(statements: &'static Statements) -> Vec<&'static str> {
    let mut all = vec![
        &*statements.find,
        &*statements.replace,
        &*statements.relist,
        &*statements.delete,
        &*statements.by_subject,
        &*statements.by_client,
        &*statements.sweep,
        &*statements.first_due,
    ];
    all.extend(statements.keep_date.as_deref());
    all
}

#[cfg(all(test, feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod tests {
    use super::*;

    const ALL: [Dialect; 3] = [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql];

    #[test]
    fn every_kind_has_the_table_of_its_name_in_every_dialect() {
        for (dialect, kind) in ALL.iter().flat_map(|it| Kind::ALL.map(|kind| (*it, kind))) {
            let table = format!(" FROM {} WHERE", kind.as_str());
            assert!(of(dialect, kind).unwrap().find.contains(&table));
        }
    }

    #[test]
    fn a_dialect_without_numbers_gets_the_values_in_their_order() {
        for kind in KINDS {
            let plain = Statements::on(kind.as_str(), Dialect::MySql);
            let numbered = Statements::on(kind.as_str(), Dialect::Postgres);
            for (plain, numbered) in [
                (&plain.insert, &numbered.insert),
                (&plain.replace, &numbered.replace),
                (&plain.relist, &numbered.relist),
                (&plain.by_client, &numbered.by_client),
                (&plain.first_due, &numbered.first_due),
            ] {
                let mut expected = numbered.clone();
                for number in 1..=plain.matches('?').count() {
                    expected = expected.replacen(&format!("${number}"), "?", 1);
                }
                let expected = expected.replace(" ON CONFLICT (tenant, id) DO NOTHING", "");
                assert_eq!(*plain, expected);
            }
        }
    }
}
