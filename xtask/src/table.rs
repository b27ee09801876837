//! The closing table: every backend, tool and suite by name, with what was found and what ran.

use crate::args::Require;
use crate::tally::Tally;

/// How a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Present; whatever ran has been counted already.
    Present,
    /// Absent here: a failure only if it was required.
    Missing,
    /// We have nothing to run for it: a failure only if it was required by name.
    NotBuilt,
    /// A failure in any case that no test has counted.
    Broken,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) found: String,
    pub(crate) ran: String,
    pub(crate) verdict: Verdict,
}

impl Row {
    /// Whether this row alone makes the run a failure.
    fn fails(&self, require: &Require) -> bool {
        let named =
            matches!(require, Require::Named(names) if names.iter().any(|n| n == self.name));
        match self.verdict {
            Verdict::Present => false,
            Verdict::Missing => named || *require == Require::All,
            Verdict::NotBuilt => named,
            Verdict::Broken => true,
        }
    }
}

/// What the absences in the table add to the count of failures.
pub(crate) fn failures(rows: &[Row], require: &Require) -> Tally {
    let failed = rows.iter().filter(|row| row.fails(require)).count();
    Tally {
        failed,
        ..Tally::default()
    }
}

/// The table as text, columns aligned; rows that fail the run say so.
pub(crate) fn render(rows: &[Row], require: &Require) -> String {
    let width = |column: fn(&Row) -> &str, title: &str| {
        rows.iter()
            .map(|row| column(row).chars().count())
            .chain([title.len()])
            .max()
            .unwrap_or(0)
    };
    let name = width(|row| row.name, "name");
    let found = width(|row| &row.found, "found");
    let mut text = format!("{:name$}  {:found$}  what ran\n", "name", "found");
    for row in rows {
        let failed = if row.fails(require) {
            "  <- FAILED"
        } else {
            ""
        };
        text.push_str(&format!(
            "{:name$}  {:found$}  {}{failed}\n",
            row.name, row.found, row.ran
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, verdict: Verdict) -> Row {
        Row {
            name,
            found: "v1".to_owned(),
            ran: "nothing".to_owned(),
            verdict,
        }
    }

    #[test]
    fn what_is_missing_fails_only_when_required() {
        let rows = [
            row("memory", Verdict::Present),
            row("chromium", Verdict::Missing),
            row("redis", Verdict::NotBuilt),
        ];
        let named = |name: &str| Require::Named(vec![name.to_owned()]);
        assert_eq!(failures(&rows, &Require::Nothing).failed, 0);
        assert_eq!(failures(&rows, &Require::All).failed, 1);
        assert_eq!(failures(&rows, &named("memory")).failed, 0);
        assert_eq!(failures(&rows, &named("chromium")).failed, 1);
        assert_eq!(failures(&rows, &named("redis")).failed, 1);
    }

    #[test]
    fn what_is_broken_always_fails() {
        assert_eq!(
            failures(&[row("sqlite", Verdict::Broken)], &Require::Nothing).failed,
            1
        );
    }

    #[test]
    fn a_failing_row_is_marked() {
        let rows = [
            row("node", Verdict::Present),
            row("chromium", Verdict::Missing),
        ];
        let text = render(&rows, &Require::All);
        assert_eq!(
            text,
            "name      found  what ran\n\
             node      v1     nothing\n\
             chromium  v1     nothing  <- FAILED\n"
        );
    }
}
