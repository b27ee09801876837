//! The text of every statement, once for all dialects.
//!
//! Placeholders are `?`, in the order in which [`crate::table`] hands over the values. Nothing
//! here is `RETURNING`, so that the number of affected rows is all a driver must report.

use oauth_storage::Kind;

/// The statements on one table.
pub(crate) struct Statements {
    /// tenant, id, revision, subject, client, retain_until, doc
    pub(crate) insert: &'static str,
    /// tenant, id
    pub(crate) find: &'static str,
    /// doc, retain_until, tenant, id, revision, subject, client: for a record that stays under
    /// what it is listed by, which is nearly every replacement. It leaves those indexes alone.
    pub(crate) replace: &'static str,
    /// doc, retain_until, subject, client, tenant, id, revision
    pub(crate) relist: &'static str,
    /// tenant, id, revision
    pub(crate) delete: &'static str,
    /// tenant, subject, last id, limit
    pub(crate) by_subject: &'static str,
    /// tenant, client, last id, limit
    pub(crate) by_client: &'static str,
    /// tenant, date, tenant, date, limit. The date is judged in the statement that deletes, and
    /// once more on the row itself for dialects in which the list of rows may be outdated.
    pub(crate) sweep: &'static str,
}

macro_rules! statements {
    ($table:literal) => {
        Statements {
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (tenant, id, revision, subject, client, retain_until, doc)",
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
            ),
            find: concat!(
                "SELECT id, revision, doc FROM ",
                $table,
                " WHERE tenant = ? AND id = ?"
            ),
            replace: concat!(
                "UPDATE ",
                $table,
                " SET doc = ?, retain_until = ?, revision = revision + 1",
                " WHERE tenant = ? AND id = ? AND revision = ? AND subject = ? AND client = ?"
            ),
            relist: concat!(
                "UPDATE ",
                $table,
                " SET doc = ?, retain_until = ?, subject = ?, client = ?, revision = revision + 1",
                " WHERE tenant = ? AND id = ? AND revision = ?"
            ),
            delete: concat!(
                "DELETE FROM ",
                $table,
                " WHERE tenant = ? AND id = ? AND revision = ?"
            ),
            by_subject: concat!(
                "SELECT id, revision, doc FROM ",
                $table,
                " WHERE tenant = ? AND subject = ? AND subject <> '' AND id > ?",
                " ORDER BY id LIMIT ?"
            ),
            by_client: concat!(
                "SELECT id, revision, doc FROM ",
                $table,
                " WHERE tenant = ? AND client = ? AND client <> '' AND id > ?",
                " ORDER BY id LIMIT ?"
            ),
            sweep: concat!(
                "DELETE FROM ",
                $table,
                " WHERE tenant = ? AND retain_until < ? AND id IN (SELECT id FROM ",
                $table,
                " WHERE tenant = ? AND retain_until < ? LIMIT ?)"
            ),
        }
    };
}

/// The statements on the table of a kind; `None` for a kind that this version has no table for.
pub(crate) fn of(kind: Kind) -> Option<&'static Statements> {
    const GRANTS: Statements = statements!("grants");
    const CLIENTS: Statements = statements!("clients");
    const SUBJECTS: Statements = statements!("subjects");
    const KEY_RINGS: Statements = statements!("key_rings");
    const CONSENTS: Statements = statements!("consents");
    const REPLAYS: Statements = statements!("replays");
    const REGISTRATION_PAGES: Statements = statements!("registration_pages");
    match kind {
        Kind::Grant => Some(&GRANTS),
        Kind::Client => Some(&CLIENTS),
        Kind::Subject => Some(&SUBJECTS),
        Kind::KeyRing => Some(&KEY_RINGS),
        Kind::Consent => Some(&CONSENTS),
        Kind::Replay => Some(&REPLAYS),
        Kind::RegistrationPage => Some(&REGISTRATION_PAGES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_table_of_its_name() {
        for kind in Kind::ALL {
            let statements = of(kind).unwrap();
            assert!(
                statements
                    .find
                    .contains(&format!(" FROM {} WHERE", kind.as_str()))
            );
        }
    }
}
