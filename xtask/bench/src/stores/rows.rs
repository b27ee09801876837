//! The table of what was measured.

use super::drive::Measured;
use crate::median;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub(crate) store: &'static str,
    pub(crate) what: &'static str,
    pub(crate) callers: usize,
    pub(crate) limit: &'static str,
    pub(crate) must: Option<f64>,
}

/// Rows in the order in which they came, each with its rounds: ours and the limit.
#[derive(Default)]
pub(crate) struct Rows(Vec<(Row, Vec<(Measured, Measured)>)>);

impl Rows {
    pub(crate) fn add(&mut self, row: Row, ours: Measured, limit: Measured) {
        eprintln!(
            "  {} {} × {}: {:.0}/s ({:.1} µs, own {:.1}), {} {:.0}/s ({:.1} µs, own {:.1})",
            row.store,
            row.what,
            row.callers,
            ours.rate,
            ours.cpu,
            ours.own,
            row.limit,
            limit.rate,
            limit.cpu,
            limit.own
        );
        match self.0.iter_mut().find(|(known, _)| *known == row) {
            Some((_, rounds)) => rounds.push((ours, limit)),
            None => self.0.push((row, vec![(ours, limit)])),
        }
    }

    /// How many rounds a row has.
    pub(crate) fn rounds(&self, row: Row) -> usize {
        let found = self.0.iter().find(|(known, _)| *known == row);
        found.map_or(0, |(_, rounds)| rounds.len())
    }

    /// Prints the table; says whether every must is held.
    pub(crate) fn print(&self) -> bool {
        println!(
            "| store | what | callers | ours/s | limit/s | | ours ÷ limit | must | | CPU µs, ours | \
             limit | limit ÷ ours |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
        let mut all_held = true;
        for (row, rounds) in &self.0 {
            let of = |pick: &dyn Fn(&(Measured, Measured)) -> f64| {
                median(rounds.iter().map(pick).collect())
            };
            let ratio = of(&|(ours, limit)| ours.rate / limit.rate);
            let held = row.must.is_none_or(|must| ratio >= must);
            all_held &= held;
            println!(
                "| {} | {} | {} | {:.0} | {:.0} | {} | {ratio:.2} | {} | {} | {:.1} | {:.1} | {:.2} |",
                row.store,
                row.what,
                row.callers,
                of(&|(ours, _)| ours.rate),
                of(&|(_, limit)| limit.rate),
                row.limit,
                row.must
                    .map_or_else(String::new, |must| format!("{must:.2}")),
                match row.must {
                    None => "",
                    Some(_) if held => "held",
                    Some(_) => "missed",
                },
                of(&|(ours, _)| ours.cpu),
                of(&|(_, limit)| limit.cpu),
                of(&|(ours, limit)| limit.cpu / ours.cpu),
            );
        }
        println!();
        all_held
    }
}
