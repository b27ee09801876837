//! A server as a process of its own, and the CPU time it took.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::Fallible;
use crate::load::Load;

/// A running server, ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a program and reads the first loopback address it prints.
    pub(crate) async fn start(program: &str, args: &[&str]) -> Fallible<Self> {
        let mut child = Command::new(program)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = loop {
            let line = lines
                .next()
                .ok_or("the server ended before it was ready")??;
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split('/').next().unwrap_or_default().parse()?;
            }
        };
        // Keep reading, so that the server never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// Drives a load and says how many microseconds of CPU the server took per request.
    pub(crate) async fn cpu_per_request(&self, load: Load) -> Fallible<f64> {
        let before = self.cpu_nanos()?;
        let requests = load.run().await?;
        let spent = self.cpu_nanos()? - before;
        Ok(spent as f64 / 1000.0 / requests as f64)
    }

    /// Time on a CPU of all threads, from the scheduler's own account.
    fn cpu_nanos(&self) -> Fallible<u64> {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            total += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(total)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
