//! The statements, once for each kind of record.

use oauth_storage::Kind;

/// What is asked of the database about one kind of record.
#[derive(Debug)]
pub(crate) struct Statements {
    /// tenant, id, revision, subject, client, retain_until, doc
    pub(crate) insert: &'static str,
    /// tenant, id
    pub(crate) find: &'static str,
    /// subject, client, retain_until, doc, tenant, id, revision
    pub(crate) replace: &'static str,
    /// tenant, id, revision
    pub(crate) delete: &'static str,
    /// tenant, subject, after, limit
    pub(crate) by_subject: &'static str,
    /// tenant, client, after, limit
    pub(crate) by_client: &'static str,
    /// tenant, tenant, now, limit, now
    pub(crate) sweep: &'static str,
}

macro_rules! statements {
    ($table:literal) => {
        &Statements {
            insert: concat!(
                "INSERT INTO ",
                $table,
                " (tenant, id, revision, subject, client, retain_until, doc)",
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, id) DO NOTHING"
            ),
            find: concat!(
                "SELECT revision, doc FROM ",
                $table,
                " WHERE tenant = ? AND id = ?"
            ),
            replace: concat!(
                "UPDATE ",
                $table,
                " SET subject = ?, client = ?, retain_until = ?, doc = ?, revision = revision + 1",
                " WHERE tenant = ? AND id = ? AND revision = ?"
            ),
            delete: concat!(
                "DELETE FROM ",
                $table,
                " WHERE tenant = ? AND id = ? AND revision = ?"
            ),
            by_subject: concat!(
                "SELECT revision, doc, id FROM ",
                $table,
                " WHERE tenant = ? AND subject = ? AND id > ? ORDER BY id LIMIT ?"
            ),
            by_client: concat!(
                "SELECT revision, doc, id FROM ",
                $table,
                " WHERE tenant = ? AND client = ? AND id > ? ORDER BY id LIMIT ?"
            ),
            sweep: concat!(
                "DELETE FROM ",
                $table,
                " WHERE tenant = ? AND id IN (SELECT id FROM ",
                $table,
                " WHERE tenant = ? AND retain_until < ? LIMIT ?) AND retain_until < ?"
            ),
        }
    };
}

/// The statements for a kind of record; `None` for one this version has no table for.
pub(crate) const fn of(kind: Kind) -> Option<&'static Statements> {
    match kind {
        Kind::Grant => Some(statements!("grants")),
        Kind::Client => Some(statements!("clients")),
        Kind::Subject => Some(statements!("subjects")),
        Kind::KeyRing => Some(statements!("key_rings")),
        _ => None,
    }
}
