//! Runs a test program of another language with empty databases of its own:
//!
//! ```text
//! with_databases postgres|mariadb|redis|redis-cluster COUNT PROGRAM [ARGUMENT…]
//! ```
//!
//! The program finds their URLs in `INTEROP_DATA`, with spaces in between. It fails when the program does.
//! Databases and servers go when it ends; when we are killed, the servers go as well.

use std::process::{Command, ExitCode};

use oauth_testkit::servers::{Fresh, Kind};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            eprintln!("with_databases: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().ok_or(format!("{what} is missing"));
    let (name, count, program) = (next("the kind")?, next("the count")?, next("the program")?);
    let kind = Kind::ALL.into_iter().find(|(known, _)| *known == name);
    let (_, kind) = kind.ok_or(format!("there is no kind {name}"))?;
    let count: usize = count.parse().map_err(|error| format!("{count}: {error}"))?;
    let databases: Option<Vec<Fresh>> = (0..count).map(|_| kind.fresh()).collect();
    let databases = databases.ok_or(format!("{name} is missing"))?;
    let urls: Vec<String> = databases.iter().map(Fresh::url).collect();
    let status = Command::new(&program)
        .args(arguments)
        .env("INTEROP_DATA", urls.join(" "))
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    Ok(match status.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
