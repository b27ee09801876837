//! `pgbench`, which comes with PostgreSQL: what its own client gets out of the same statements.

use std::io::ErrorKind;
use std::process::Command;
use std::time::Duration;

use oauth_testkit::servers::Instance;

use super::drive::{Measured, cpu_micros};
use crate::Fallible;

pub(crate) struct Pgbench {
    url: String,
    callers: usize,
    script: String,
}

impl Pgbench {
    /// Makes rows whose keys a script can count: copies of one that is there.
    pub(crate) fn prepare(rows: usize) -> String {
        format!(
            "INSERT INTO grants SELECT 'pgbench', 'k' || n, 1, subject, client, retain_until, doc \
             FROM (SELECT * FROM grants LIMIT 1) one, generate_series(0, {rows}) n"
        )
    }

    /// One read by key and one conditional update by key, on a share of the rows for each caller.
    pub(crate) fn exchanges(url: &str, callers: usize, rows: usize) -> Self {
        let each = rows / callers;
        let script = format!(
            "\\set n :client_id * {each} + random(0, {each} - 1)\n\
             SELECT id, revision, doc FROM grants WHERE tenant = 'pgbench' AND id = 'k' || :n \\gset\n\
             UPDATE grants SET doc = :doc, retain_until = 4000000000, revision = revision + 1 \
             WHERE tenant = 'pgbench' AND id = 'k' || :n AND revision = :revision;\n"
        );
        Self {
            url: url.to_owned(),
            callers,
            script,
        }
    }

    /// Runs it; `None` when it is not installed.
    pub(crate) fn drive(
        &self,
        time: Duration,
        server: Option<&Instance>,
    ) -> Fallible<Option<Measured>> {
        let file = std::env::temp_dir().join(format!("oauth-pgbench-{}", std::process::id()));
        std::fs::write(&file, &self.script)?;
        let seconds = time.as_secs_f64().ceil() as u64;
        let callers = self.callers.to_string();
        let mut command = Command::new("pgbench");
        command.args(["-n", "-M", "prepared", "-j", "2", "-c", &callers]);
        command
            .args(["-T", &seconds.to_string(), "-f"])
            .arg(&file)
            .arg(&self.url);
        let before = cpu_micros(server)?;
        let output = command.output();
        let spent = cpu_micros(server)? - before;
        std::fs::remove_file(&file)?;
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            output => output?,
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let number = |label: &str| -> Fallible<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(label));
            let word = line.and_then(|rest| rest.split_whitespace().next());
            let why = || String::from_utf8_lossy(&output.stderr).into_owned();
            Ok(word.ok_or_else(why)?.parse()?)
        };
        let calls = number("number of transactions actually processed: ")?;
        let rate = number("tps = ")?;
        let measured = Measured::of(calls as usize, time, spent, Duration::ZERO);
        Ok(Some(Measured { rate, ..measured }))
    }
}
