//! Starting programs and finding them.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A `cargo` of the toolchain that built us, in the workspace's folder.
pub(crate) fn cargo<const N: usize>(arguments: [&str; N]) -> Command {
    let mut command = program(&env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.args(arguments);
    command
}

/// A program, in the workspace's folder.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Runs a command on the caller's terminal. False if it failed or could not start.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("{} did not start: {error}", command.get_program().display());
            false
        }
    }
}

/// Runs a command and returns its standard output, or why there is none. Unless the caller has
/// sent standard error elsewhere, that is the reason.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().display().to_string();
    let out = command
        .output()
        .map_err(|error| format!("{name} did not start: {error}"))?;
    if out.status.success() {
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    } else {
        Err(format!(
            "{name}: {}",
            String::from_utf8_lossy(&out.stderr).trim()
        ))
    }
}

/// What a command said and whether it succeeded.
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) said: String,
}

/// Runs a command, shows what it prints as it prints it, and keeps it.
///
/// Standard output and standard error share one pipe, so that the order stays: `cargo test` names
/// the test program on one and its tests' results come on the other.
pub(crate) fn echoed(command: &mut Command) -> Ran {
    match echo(command) {
        Ok(ran) => ran,
        Err(error) => {
            let said = format!("{} did not run: {error}", command.get_program().display());
            println!("{said}");
            Ran { ok: false, said }
        }
    }
}

fn echo(command: &mut Command) -> io::Result<Ran> {
    let (reader, writer) = io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn()?;
    // The command still holds our ends of the pipe; while it does, reading never ends.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (lines, received) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            if lines.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    let said = collect(&mut child, &received)?;
    Ok(Ran {
        ok: child.wait()?.success(),
        said,
    })
}

/// Gathers lines until the pipe closes, or until the program has ended and the pipe is quiet: a
/// browser that a failed suite left behind holds the pipe open and must not hold us.
fn collect(child: &mut Child, received: &mpsc::Receiver<Vec<u8>>) -> io::Result<String> {
    let mut said = String::new();
    let mut quiet = 0;
    loop {
        match received.recv_timeout(Duration::from_millis(250)) {
            Ok(line) => {
                quiet = 0;
                let line = String::from_utf8_lossy(&line);
                print!("{line}");
                io::stdout().flush()?;
                said.push_str(&line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(said),
            Err(RecvTimeoutError::Timeout) => {
                quiet += 1;
                if quiet > 8 && child.try_wait()?.is_some() {
                    return Ok(said);
                }
            }
        }
    }
}

/// Where a program is, if the search path has it.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// How long a step took, for the reader; nothing is decided by it.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "shown to a person, never fed to a decision"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Whole seconds since the start.
    pub(crate) fn seconds(&self) -> u64 {
        self.0.elapsed().as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_are_kept_in_order_and_the_exit_code_counts() {
        let ran = echoed(program("sh").args(["-c", "echo one; echo two >&2; echo three; exit 3"]));
        assert_eq!(ran.said, "one\ntwo\nthree\n");
        assert!(!ran.ok);
    }

    #[test]
    fn a_program_left_behind_does_not_hold_us() {
        let ran = echoed(program("sh").args(["-c", "sleep 60 & echo left $!"]));
        assert!(ran.ok);
        let id = ran.said.trim().strip_prefix("left ").unwrap().to_owned();
        assert!(succeeds(program("sh").args(["-c", &format!("kill {id}")])));
    }

    #[test]
    fn a_program_that_does_not_exist_is_a_failure() {
        assert!(!echoed(&mut program("there-is-no-such-program")).ok);
        assert!(on_path("there-is-no-such-program").is_none());
        assert!(on_path("sh").is_some());
    }
}
