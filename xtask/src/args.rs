//! The options that `test` and `check` share.

use crate::{backends, suites, tools};

/// What must be present for the run to count as a success.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Require {
    /// Nothing in particular: what is missing is named, and that is all.
    #[default]
    Nothing,
    /// Every backend that has a store, every tool, every suite.
    All,
    /// These, whatever the reason for their absence.
    Named(Vec<String>),
}

/// The options of `test` and `check`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) install: bool,
    pub(crate) require: Require,
}

/// Reads the options; anything unknown is an error, so that a typing slip in a CI script does not
/// quietly require nothing.
pub(crate) fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--install" {
            options.install = true;
        } else if argument == "--require" {
            let value = rest.next().ok_or("--require wants `all` or names")?;
            options.require = require(value)?;
        } else if let Some(value) = argument.strip_prefix("--require=") {
            options.require = require(value)?;
        } else {
            return Err(format!("unknown option {argument}"));
        }
    }
    Ok(options)
}

/// For verbs that take no options.
pub(crate) fn none(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(format!("unknown option {argument}")),
    }
}

fn require(value: &str) -> Result<Require, String> {
    if value == "all" {
        return Ok(Require::All);
    }
    let known: Vec<&str> = backends::BACKENDS
        .iter()
        .map(|backend| backend.name)
        .chain(tools::TOOLS.iter().map(|tool| tool.name))
        .chain(suites::SUITES.iter().map(|suite| suite.name))
        .collect();
    let names: Vec<String> = value.split(',').map(str::to_owned).collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(format!(
            "--require: there is no `{unknown}`, only all, {}",
            known.join(", ")
        )),
        None => Ok(Require::Named(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Options, String> {
        parse(
            &text
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn options_in_both_spellings() {
        assert_eq!(parsed("").unwrap(), Options::default());
        let all = Options {
            install: true,
            require: Require::All,
        };
        assert_eq!(parsed("--install --require all").unwrap(), all);
        assert_eq!(parsed("--require=all --install").unwrap(), all);
        let named = Require::Named(vec!["redis".to_owned(), "node".to_owned()]);
        assert_eq!(parsed("--require redis,node").unwrap().require, named);
    }

    #[test]
    fn slips_are_refused() {
        for slip in [
            "--instal",
            "--require",
            "--require everything",
            "--require node,",
            "all",
        ] {
            assert!(parsed(slip).is_err(), "{slip}");
        }
    }
}
