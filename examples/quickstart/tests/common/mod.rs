//! The quickstart as a process, and a client that speaks to it over sockets.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses its own part"
)]

pub mod house;
pub mod pages;
pub mod tls;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use oauth_testkit::canary;
use oauth_testkit::flows::parameter;
pub use oauth_testkit::socket::{Answer, get, post, post_json, post_with, send};

/// A folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quickstart-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where the servers of this folder log: among the logs of the run, if it keeps them.
pub fn log_of(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let kept = canary::folder().map(|logs| logs.join(format!("{name}.log")));
    kept.unwrap_or_else(|| folder.join("log"))
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// For [`Quickstart::start`]: attempts are counted, as they are outside tests.
pub const LIMITED: &str = "limited";

/// A running quickstart; killed when dropped.
pub struct Quickstart {
    child: Child,
    pub address: SocketAddr,
}

impl Quickstart {
    /// Starts it in a folder, its log appended to [`log_of`] it, and waits until it is ready.
    pub fn start(folder: &Path, port: u16, flags: &[&str]) -> Self {
        Self::start_with(folder, port, flags, &[])
    }

    /// The same, with some variables of its own in the environment.
    pub fn start_with(
        folder: &Path,
        port: u16,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(log_of(folder))
            .unwrap();
        // Where the logs of a run are searched, all that can be logged is.
        let filter = match canary::folder() {
            Some(_) => canary::FILTER,
            None => "info,rmcp=warn",
        };
        canary::secret("wonderland");
        let mut child = Command::new(env!("CARGO_BIN_EXE_quickstart"))
            .current_dir(folder)
            .env("RUST_LOG", filter)
            .env_remove("OAUTH_ROOT_SECRET")
            .envs(variables.iter().copied())
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(flags.iter().filter(|flag| **flag != LIMITED))
            .args((!flags.contains(&LIMITED)).then_some("--danger-no-rate-limits"))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.unwrap().starts_with("MCP server"));
        assert!(
            ready,
            "{}",
            std::fs::read_to_string(log_of(folder)).unwrap()
        );
        if let Ok(root) = std::fs::read_to_string(folder.join(".quickstart/root-secret")) {
            canary::secret(root.trim());
        }
        std::thread::spawn(move || lines.for_each(drop));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { child, address }
    }

    /// Runs a command on the records in a folder, for a server on this port; gives its output.
    pub fn command(folder: &Path, port: u16, command: &str) -> String {
        Self::command_with(folder, port, &[command])
    }

    /// The same with flags of its own.
    pub fn command_with(folder: &Path, port: u16, arguments: &[&str]) -> String {
        let done = Command::new(env!("CARGO_BIN_EXE_quickstart"))
            .current_dir(folder)
            .env_remove("OAUTH_ROOT_SECRET")
            .args(arguments)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Its memory now, in MiB; 0 where nobody tells.
    pub fn resident(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; gives the exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request of the service client that everybody knows.
pub fn as_service(
    address: SocketAddr,
    path: &str,
    form: &[(&str, &str)],
) -> std::io::Result<Answer> {
    let basic = "Authorization: Basic c2VydmljZTpzZXJ2aWNlLXNlY3JldA==\r\n";
    post_with(address, path, basic, form)
}

/// A public client of a quickstart that approves by itself.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub id: String,
}

const VERIFIER: &str = "0123456789012345678901234567890123456789012345";
const CHALLENGE: &str = "Rk-HdX7T3F2OqGIdRdT5fYz0N-GJsF3E9gJUD5rq8q0";

/// Where a client sends a person.
pub fn authorize(client_id: &str) -> String {
    format!(
        "/authorize?response_type=code&client_id={client_id}&code_challenge={CHALLENGE}&code_challenge_method=S256&scope=mcp:tools"
    )
}

impl Client {
    pub fn register(address: SocketAddr) -> Self {
        let metadata = r#"{"redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}"#;
        let answer = post_json(address, "/register", metadata).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        Self {
            address,
            id: answer.member("client_id"),
        }
    }

    /// A code, approved by the server itself.
    pub fn code(&self) -> std::io::Result<String> {
        let answer = self.authorize()?;
        let code = parameter(&answer.header("location"), "code");
        code.ok_or_else(|| std::io::Error::other(format!("no code: {answer:?}")))
    }

    /// The same, whatever the answer is.
    pub fn authorize(&self) -> std::io::Result<Answer> {
        get(self.address, &authorize(&self.id), "")
    }

    pub fn redeem(&self, code: &str) -> std::io::Result<Answer> {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.id),
            ("code", code),
            ("code_verifier", VERIFIER),
        ];
        post(self.address, "/token", &form)
    }

    pub fn refresh(&self, token: &str) -> std::io::Result<Answer> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.id),
            ("refresh_token", token),
        ];
        post(self.address, "/token", &form)
    }

    pub fn revoke(&self, token: &str) -> std::io::Result<Answer> {
        let form = [("client_id", &*self.id), ("token", token)];
        post(self.address, "/revoke", &form)
    }

    pub fn whoami(&self, token: &str) -> std::io::Result<Answer> {
        get(
            self.address,
            "/whoami",
            &format!("Authorization: Bearer {token}\r\n"),
        )
    }
}
