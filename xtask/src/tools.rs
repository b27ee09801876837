//! The programs that end-to-end suites need, and which version is here.

use crate::run;

/// A program that we do not build.
#[derive(Debug)]
pub(crate) struct Tool {
    /// Its name, on the search path and in the table.
    pub(crate) name: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
    /// What it is asked, so as to know its version and that it is whole.
    asked: &'static [&'static str],
}

impl Tool {
    /// What it says its version is, or `None` if it is missing or does not run.
    pub(crate) fn version(&self) -> Option<String> {
        answer(self.name, self.asked)
    }
}

const VERSION: &[&str] = &["--version"];

pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "node",
        package: "nodejs",
        asked: VERSION,
    },
    Tool {
        name: "npm",
        package: "npm",
        asked: VERSION,
    },
    Tool {
        name: "chromium",
        package: "chromium",
        asked: VERSION,
    },
    Tool {
        name: "chromedriver",
        package: "chromium-driver",
        asked: VERSION,
    },
    // Debian's has no `ensurepip`, and can make no environment, without the package.
    Tool {
        name: "python3",
        package: "python3-venv",
        asked: &[
            "-c",
            "import ensurepip, platform; print(platform.python_version())",
        ],
    },
];

/// What a program says its version is, or `None` if it is missing or does not run.
pub(crate) fn version(program: &str) -> Option<String> {
    answer(program, VERSION)
}

fn answer(program: &str, asked: &[&str]) -> Option<String> {
    run::on_path(program)?;
    let said = run::output(run::program(program).args(asked)).ok()?;
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

    #[test]
    fn a_program_that_is_not_whole_counts_as_missing() {
        let without = Tool {
            name: "sh",
            package: "",
            asked: &["-c", "echo no such module >&2; exit 1"],
        };
        assert_eq!(without.version(), None);
        let with = Tool {
            asked: &["-c", "echo 3.11.7"],
            ..without
        };
        assert_eq!(with.version().as_deref(), Some("3.11.7"));
    }
}
