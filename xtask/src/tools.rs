//! The programs that end-to-end suites need, and which version is here.

use crate::run;

/// A program that we do not build.
#[derive(Debug)]
pub(crate) struct Tool {
    /// Its name, on the search path and in the table.
    pub(crate) name: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
}

pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "node",
        package: "nodejs",
    },
    Tool {
        name: "npm",
        package: "npm",
    },
    Tool {
        name: "chromium",
        package: "chromium",
    },
    Tool {
        name: "chromedriver",
        package: "chromium-driver",
    },
];

/// What a program says its version is, or `None` if it is missing or does not run.
pub(crate) fn version(program: &str) -> Option<String> {
    run::on_path(program)?;
    let said = run::output(run::program(program).arg("--version")).ok()?;
    Some(short(&said))
}

/// The first word that begins like a version; `present` if there is none.
fn short(said: &str) -> String {
    let numbered = |word: &&str| {
        let digits = word.strip_prefix('v').unwrap_or(word);
        digits.starts_with(|first: char| first.is_ascii_digit()) && digits.contains('.')
    };
    said.split_whitespace()
        .find(numbered)
        .unwrap_or("present")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_the_programs_print_them() {
        for (said, expected) in [
            ("v20.20.2\n", "v20.20.2"),
            ("11.19.1\n", "11.19.1"),
            (
                "Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)\n",
                "156.0.8078.79",
            ),
            (
                "ChromeDriver 156.0.8078.79 (a21ce95c-refs/heads/8078)\n",
                "156.0.8078.79",
            ),
            ("psql (PostgreSQL) 15.18 (Debian 15.18-0)\n", "15.18"),
            ("hello\n", "present"),
        ] {
            assert_eq!(short(said), expected);
        }
    }

    #[test]
    fn a_missing_program_has_no_version() {
        assert_eq!(version("there-is-no-such-program"), None);
    }
}
