//! What there is to say about an issuer's metadata, for people.

use std::borrow::Cow;
use std::fmt;

use oauth_types::Issuer;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Something that clients or this server may need is missing or unsafe.
    Warning,
    /// The document, or the endpoint it is about, is not used.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing that is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong. Words of the issuer in it are quoted, escaped and cut.
    pub what: String,
    /// What to do about it.
    pub advice: Cow<'static, str>,
}

impl Finding {
    pub(super) fn new(
        severity: Severity,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            severity,
            what: what.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. {}.", self.severity, self.what, self.advice)
    }
}

/// One address that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub url: String,
    /// What it answered, in words.
    pub answered: String,
    /// What there is to say about the answer.
    pub findings: Vec<Finding>,
}

/// What was asked for an issuer's metadata, what was answered, what is wrong with it and what to
/// do. Printed, it is a text of several lines for an operator; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    issuer: Issuer,
    /// The addresses that were asked, in order: the last one is the one in use, if any is.
    pub attempts: Vec<Attempt>,
    /// What there is to say about the whole.
    pub findings: Vec<Finding>,
    usable: bool,
}

impl Report {
    pub(super) const fn new(
        issuer: Issuer,
        attempts: Vec<Attempt>,
        findings: Vec<Finding>,
        usable: bool,
    ) -> Self {
        Self {
            issuer,
            attempts,
            findings,
            usable,
        }
    }

    /// Whose metadata it is about.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether there is metadata that can be used.
    pub const fn is_usable(&self) -> bool {
        self.usable
    }

    /// The worst of what there is to say about what is in use; of all, where nothing is. Documents
    /// that were passed over count only then: providers answer all kinds of things at addresses
    /// that they do not serve.
    pub fn worst(&self) -> Option<Severity> {
        let passed_over = self.attempts.iter().flat_map(|attempt| &attempt.findings);
        let passed_over = passed_over.filter(|_| !self.usable);
        let all = self.findings.iter().chain(passed_over);
        all.map(|finding| finding.severity).max()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match (self.usable, self.attempts.is_empty()) {
            (true, true) => "metadata given by hand",
            (true, false) => "metadata found",
            (false, _) => "no usable metadata",
        };
        write!(f, "issuer {}: {outcome}", self.issuer)?;
        for attempt in &self.attempts {
            write!(f, "\n  {}\n    {}", attempt.url, attempt.answered)?;
            for finding in &attempt.findings {
                write!(f, "\n    {finding}")?;
            }
        }
        for finding in &self.findings {
            write!(f, "\n  {finding}")?;
        }
        Ok(())
    }
}

/// Words of a stranger, for a report: quoted, escaped and cut.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 120;
    let cut: String = text.chars().take(MOST).collect();
    let rest = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_strangers_cannot_forge_lines_of_a_log() {
        assert_eq!(quoted("a\nerror: b\u{1b}[0m"), r#""a\nerror: b\u{1b}[0m""#);
        let long = quoted(&"x".repeat(10_000));
        assert!(long.len() < 140 && long.ends_with('…'));
    }
}
