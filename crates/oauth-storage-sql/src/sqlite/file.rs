//! A connection to the file, and a statement on it.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::driver::{Row, Value};

/// How many prepared statements a connection keeps: more than there are.
const STATEMENTS: usize = 100;

/// What a connection does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Reading,
    Writing,
}

impl Purpose {
    /// KiB of pages to remember. What one connection writes makes all others forget theirs, and
    /// forgetting costs what there is room for: those that read keep what leads to the rows.
    const fn cache(self) -> i64 {
        match self {
            Self::Reading => 1 << 10,
            Self::Writing => 32 << 10,
        }
    }
}

/// How to open the file, which is there and has its tables.
#[derive(Clone)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) patience: Duration,
}

impl File {
    pub(super) fn open(&self, purpose: Purpose) -> rusqlite::Result<Connection> {
        // Those that read write to the index of the log.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.patience.min(Duration::from_secs(86_400)))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A commit waits for the disk. That the log is one stands in the file.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -purpose.cache())?;
        connection.pragma_update(None, "query_only", purpose == Purpose::Reading)?;
        Ok(connection)
    }
}

/// Values on their way to another thread, all texts in one.
#[derive(Default)]
pub(super) struct Values {
    texts: String,
    each: Vec<Each>,
}

enum Each {
    /// Where it ends; it begins where the one before ended.
    Text(usize),
    Number(Option<i64>),
}

impl Values {
    pub(super) fn of(values: &[Value<'_>]) -> Self {
        let length = values.iter().map(|value| match value {
            Value::Text(text) => text.len(),
            _ => 0,
        });
        let mut texts = String::with_capacity(length.sum());
        let each = values.iter().map(|value| match *value {
            Value::Text(text) => {
                texts.push_str(text);
                Each::Text(texts.len())
            }
            Value::Number(number) => Each::Number(Some(number)),
            Value::MaybeNumber(number) => Each::Number(number),
        });
        let each = each.collect();
        Self { texts, each }
    }

    fn bind(&self, statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<()> {
        let mut from = 0;
        for (number, value) in (1..).zip(&self.each) {
            match *value {
                Each::Text(to) => {
                    statement.raw_bind_parameter(number, &self.texts[from..to])?;
                    from = to;
                }
                Each::Number(value) => statement.raw_bind_parameter(number, value)?,
            }
        }
        Ok(())
    }
}

/// Runs a statement that writes; answers the number of affected rows.
pub(super) fn execute(
    connection: &Connection,
    statement: &str,
    values: &Values,
) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached(statement)?;
    values.bind(&mut statement)?;
    statement.raw_execute().map(|affected| affected as u64)
}

/// Runs a statement that reads `id, revision, doc`.
pub(super) fn fetch(
    connection: &Connection,
    statement: &str,
    values: &Values,
) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(statement)?;
    values.bind(&mut statement)?;
    let mut found = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(Row {
            id: row.get(0)?,
            revision: row.get(1)?,
            doc: row.get(2)?,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A power cut after the acknowledgement must not take the write back.
    #[test]
    fn every_commit_is_synced() {
        let path = std::env::temp_dir().join(format!("oauth-sync-{}.sqlite", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let patience = Duration::from_secs(1);
        let file = File {
            path: path.clone(),
            patience,
        };
        let writer = file.open(Purpose::Writing).unwrap();
        let level = writer.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0));
        assert_eq!(level.unwrap(), 2);
        std::fs::remove_file(&path).unwrap();
    }
}
