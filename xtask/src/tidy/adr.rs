//! Decision records are `docs/adr/NNNN-title.md`, numbered without a gap.

use super::{Finding, Source};

/// Names that are not of this form, numbers used twice and numbers left out.
pub(super) fn numbering(sources: &[Source]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut records: Vec<(usize, &Source)> = Vec::new();
    for source in sources {
        let Some(name) = source
            .path
            .strip_prefix("docs/adr/")
            .filter(|name| *name != "README.md")
        else {
            continue;
        };
        match number(name) {
            Some(number) => records.push((number, source)),
            None => found.push(source.finding(0, "not named NNNN-title.md")),
        }
    }
    records.sort_by_key(|(number, source)| (*number, &source.path));
    for (expected, (number, source)) in (1..).zip(&records) {
        if *number != expected {
            found.push(source.finding(0, format!("expected number {expected:04} here")));
            // One gap shifts all that follow; saying so once is enough.
            break;
        }
    }
    found
}

/// The number of `0001-a-title.md`.
fn number(name: &str) -> Option<usize> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let title_fits = !title.is_empty()
        && title
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let number_fits = number.len() == 4 && number.chars().all(|c| c.is_ascii_digit());
    if title_fits && number_fits {
        number.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn found(names: &[&str]) -> Vec<String> {
        let sources: Vec<Source> = names
            .iter()
            .map(|name| source(&format!("docs/adr/{name}"), ""))
            .collect();
        numbering(&sources)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn consecutive_records_are_fine_in_any_order_of_reading() {
        assert_eq!(found(&[]), [""; 0]);
        assert_eq!(found(&["README.md", "0002-b.md", "0001-a-b2.md"]), [""; 0]);
    }

    #[test]
    fn gaps_doubles_and_odd_names_are_found() {
        assert!(found(&["0001-a.md", "0003-c.md"])[0].contains("expected number 0002"));
        assert!(found(&["0001-a.md", "0001-b.md"])[0].contains("expected number 0002"));
        assert!(found(&["0002-a.md"])[0].contains("expected number 0001"));
        for name in [
            "1-a.md",
            "0001.md",
            "0001-.md",
            "0001_a.md",
            "0001-A title.md",
            "0001-a.txt",
        ] {
            assert_eq!(found(&[name]).len(), 1, "{name}");
        }
    }
}
