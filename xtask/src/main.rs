//! What a developer and CI run: `cargo xtask VERB`.
//!
//! One file per verb. The rules that the verbs enforce are data and pure functions, tested to fail
//! on what they forbid; only the edges start programs and read files.

use std::process::ExitCode;

mod args;
mod attacks;
mod backends;
mod bench;
mod canaries;
mod check;
mod conformance;
mod halves;
mod install;
mod layers;
mod licences;
mod metadata;
mod run;
mod spdx;
mod suites;
mod table;
mod tally;
mod test;
mod tidy;
mod tools;

const HELP: &str = "\
usage: cargo xtask VERB [options]

  test    every test that can run here, the end-to-end suites included
            --install               first get missing programs from the system's packages
            --require all|NAME,...  a missing backend, tool or suite is a failure
  check   what CI runs: format, lints, layers, tidy, docs, licences, features, then test
            takes the options of test
  layers  who may depend on whom
  tidy    what review would otherwise have to repeat
  conformance  writes docs/conformance.md from what tests cite
  attacks  takes each defence out and expects its test to fail; TEXT chooses among them
  bench   ratios against the least a framework can do; options go through to it
  help    this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a verb. `Ok(false)` means that it failed and has said so; an error still has to be said.
fn dispatch(arguments: &[String]) -> Result<bool, String> {
    let (verb, rest) = match arguments.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => ("help", arguments),
    };
    match verb {
        "test" => test::verb(&args::parse(rest)?),
        "check" => check::verb(&args::parse(rest)?),
        "layers" => args::none(rest).and_then(|()| layers::verb()),
        "tidy" => args::none(rest).and_then(|()| tidy::verb()),
        "conformance" => args::none(rest).and_then(|()| conformance::verb()),
        "attacks" => attacks::verb(rest.first().map(String::as_str)),
        "bench" => bench::verb(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(true)
        }
        other => Err(format!("there is no verb {other}\n\n{HELP}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_verb_is_an_error_that_lists_the_known_ones() {
        let error = dispatch(&["chekc".to_owned()]).unwrap_err();
        assert!(
            error.contains("chekc") && error.contains("check"),
            "{error}"
        );
    }

    #[test]
    fn verbs_without_options_refuse_them() {
        assert!(dispatch(&["layers".to_owned(), "--fix".to_owned()]).is_err());
    }
}
