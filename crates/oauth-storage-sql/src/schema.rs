//! Migrations: what the dialects have in common.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, name and text, in order. A migration that was ever released is never changed: its digest
/// is in every database.
pub(crate) type Migrations = &'static [(i64, &'static str, &'static str)];

/// Ends the name of a migration after which the version before it still works: it only adds.
///
/// That is how old and new processes share a database during an upgrade. A migration without
/// it shuts out every older version.
pub(crate) const ADDITIVE: &str = "additive";

/// Reads what a version that did not know them must know of later migrations.
pub(crate) const APPLIED: &str =
    "SELECT version, description FROM _sqlx_migrations ORDER BY version";

pub(crate) fn migrator(migrations: Migrations) -> Migrator {
    let migration = |(version, name, sql): &(i64, &'static str, &'static str)| {
        let text = sql.into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, text, false)
    };
    let mut migrator = Migrator::with_migrations(migrations.iter().map(migration).collect());
    // Later ones are judged below.
    migrator.set_ignore_missing(true);
    migrator
}

/// The newest migration that was applied, if one of those unknown to this version keeps it out.
pub(crate) fn too_new(migrations: Migrations, applied: &[(i64, String)]) -> Option<i64> {
    let later = || {
        applied
            .iter()
            .filter(|(version, _)| *version > newest(migrations))
    };
    let shut_out = later().any(|(_, name)| !name.ends_with(ADDITIVE));
    later()
        .map(|(version, _)| *version)
        .max()
        .filter(|_| shut_out)
}

/// The newest migration that this version knows.
pub(crate) fn newest(migrations: Migrations) -> i64 {
    migrations.last().map_or(0, |migration| migration.0)
}

#[cfg(test)]
pub(crate) fn is_the_folder(migrations: Migrations, dialect: &str) {
    let folder = format!("{}/migrations/{dialect}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let listed: Vec<_> = migrations
        .iter()
        .map(|(version, name, _)| format!("{version:04}_{name}.sql"))
        .collect();
    assert_eq!(files, listed);
    let numbers = migrations.iter().map(|migration| migration.0);
    assert!(numbers.eq(1..=newest(migrations)));
}
