//! Many processes share one file of credentials, or one keyring, whose access token ends every other
//! second.
//!
//! `STORM_SECONDS` says for how long: ten by default, which is enough to see a race several times over;
//! a minute before a release.

mod server;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oauth_client::types::{Issuer, ResourceUri};
use oauth_client::{BearerChallenge, Client, ClientConfig, CredentialStore, Ports, StoreKey};
use oauth_hyper::ClientTransport;
use oauth_native::FileStore;
use oauth_reqwest::Authorized;
use oauth_types::env::{OsEntropy, SystemClock};
use quickstart_client::headless::Headless;

use server::{LIFETIME, Server};

const PROCESSES: usize = 20;

fn seconds() -> u64 {
    let told = std::env::var("STORM_SECONDS").ok();
    told.map_or(10, |text| text.parse().expect("STORM_SECONDS"))
}

/// Where they keep what they share.
#[derive(Clone)]
enum Kept {
    File(PathBuf),
    /// The session's keyring, and this folder for the locks.
    #[cfg(feature = "keyring")]
    Keyring(PathBuf),
}

impl Kept {
    /// As another process was told by [`again`].
    fn told() -> Self {
        let place = std::env::var_os("STORM_PLACE").unwrap().into();
        match std::env::var("STORM_KEPT").unwrap().as_str() {
            #[cfg(feature = "keyring")]
            "keyring" => Self::Keyring(place),
            _ => Self::File(place),
        }
    }

    fn tell(&self, command: &mut Command) {
        let (kept, place) = match self {
            Self::File(file) => ("file", file),
            #[cfg(feature = "keyring")]
            Self::Keyring(locks) => ("keyring", locks),
        };
        command.env("STORM_KEPT", kept).env("STORM_PLACE", place);
    }

    fn open(&self) -> Arc<dyn CredentialStore> {
        match self {
            Self::File(file) => Arc::new(FileStore::open(file).unwrap()),
            #[cfg(feature = "keyring")]
            Self::Keyring(locks) => {
                Arc::new(oauth_native::KeyringStore::open("storm.example", locks).unwrap())
            }
        }
    }

    fn ports(&self) -> Ports {
        let mut ports = Ports::new(ClientTransport::new().unwrap(), SystemClock, OsEntropy);
        ports.store = self.open();
        ports
    }
}

/// One storm at a time: both count on seconds.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// CL-TOK-7: twenty processes, one refresh for each time the token ends, also after one was killed
/// while it held the lock. The server closes the grant when a refresh token comes twice, so that one
/// race would sign everybody out.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_processes_one_refreshes() {
    if let Ok(role) = std::env::var("STORM_ROLE") {
        let server = std::env::var("STORM_SERVER").unwrap();
        return match role.as_str() {
            "works" => works(&server, &Kept::told()).await,
            _ => holds(&server, &Kept::told()).await,
        };
    }
    let _alone = ALONE.lock().await;
    storm(|folder| Kept::File(folder.join("credentials.json"))).await;
}

/// CL-TOK-7: the same where a keyring keeps the credentials, which has no locks.
#[cfg(feature = "keyring")]
#[tokio::test(flavor = "multi_thread")]
async fn of_many_processes_with_one_keyring_one_refreshes() {
    let _alone = ALONE.lock().await;
    let name = "of_many_processes_with_one_keyring_one_refreshes";
    if oauth_testkit::servers::within_keyring_session(name) {
        storm(|folder| Kept::Keyring(folder.join("locks"))).await;
    }
}

async fn storm(kept: impl FnOnce(&std::path::Path) -> Kept) {
    let folder = std::env::temp_dir().join(format!("storm-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let kept = kept(&folder);
    let server = Server::start();

    let config = ClientConfig::new(&server.mcp(), "Storm").unwrap();
    let ports = kept.ports().user_agent(Headless::new().unwrap());
    let first = Client::new(config, ports);
    first.sign_in(&BearerChallenge::default()).await.unwrap();

    let mut workers: Vec<Child> = (0..PROCESSES)
        .map(|_| again("works", &server.mcp(), &kept))
        .collect();
    tokio::time::sleep(LIFETIME).await;
    let before = server.refreshes();
    killed_while_it_holds(&server, &kept).await;
    let ended = tokio::task::spawn_blocking(move || {
        let ended = workers.iter_mut().map(|worker| {
            let said = worker.stdout.take().unwrap();
            let said = BufReader::new(said).lines().map_while(Result::ok);
            let said: Vec<String> = said.collect();
            (worker.wait().unwrap().success(), said.join("\n"))
        });
        ended.collect::<Vec<_>>()
    });
    for (well, said) in ended.await.unwrap() {
        assert!(well, "a process was signed out:\n{said}");
    }

    assert_eq!(server.replayed(), 0, "a refresh token was used twice");
    assert_eq!(server.sign_ins(), 1, "nobody signs in again");
    let refreshes = server.refreshes();
    assert!(
        refreshes > before + 1,
        "the lock of the dead held them up: {refreshes}"
    );
    // Never before the token has ended, give or take the second in which it does.
    let shortest = server.shortest_pause();
    assert!(
        shortest >= LIFETIME - Duration::from_secs(1),
        "{shortest:?}"
    );
    let most = seconds() / (LIFETIME.as_secs() - 1) + 2;
    assert!(
        refreshes as u64 <= most,
        "{refreshes} refreshes in {} s",
        seconds()
    );
    println!("{refreshes} refreshes in {} s", seconds());
    let _ = std::fs::remove_dir_all(&folder);
}

/// A process takes the lock under which the others refresh, waits until the token has ended, and dies.
async fn killed_while_it_holds(server: &Server, kept: &Kept) {
    let mut holder = again("holds", &server.mcp(), kept);
    let stdout = holder.stdout.take().unwrap();
    let held = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines.any(|line| line.contains("held"))
    });
    assert!(held.await.unwrap(), "it got the lock");
    let refreshes = server.refreshes();
    tokio::time::sleep(LIFETIME + Duration::from_millis(500)).await;
    let under_lock = server.refreshes() - refreshes;
    assert_eq!(
        under_lock, 0,
        "nobody refreshes while another holds the lock"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
}

/// This very test, as another process, in which it plays a part.
fn again(as_what: &str, server: &str, kept: &Kept) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    kept.tell(&mut command);
    command
        .args(["--exact", "of_many_processes_one_refreshes", "--nocapture"])
        .env("STORM_ROLE", as_what)
        .env("STORM_SERVER", server)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// One of the many.
async fn works(server: &str, kept: &Kept) {
    let client = Client::new(ClientConfig::new(server, "Storm").unwrap(), kept.ports());
    let http = Authorized::new(reqwest::Client::new(), client);
    let ends = tokio::time::Instant::now() + Duration::from_secs(seconds());
    while tokio::time::Instant::now() < ends {
        let answer = http.send(http.inner().get(server)).await.unwrap();
        assert_eq!(answer.status(), 200);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// The one that dies.
async fn holds(server: &str, kept: &Kept) {
    let store = kept.open();
    let resource = ResourceUri::parse(server).unwrap();
    let issuer = Issuer::parse(server.trim_end_matches("/mcp")).unwrap();
    let key = StoreKey::credentials(&issuer, &resource, "");
    assert!(store.load(&key).await.unwrap().is_some());
    let _lock = store.lock(&key).await.unwrap();
    println!("held");
    std::future::pending::<()>().await;
}
