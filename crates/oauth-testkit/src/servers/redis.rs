//! Redis: one server, and a cluster of three.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::instance::{Instance, Recipe};
use super::{Durability, elsewhere, find, missing, run};

/// A Redis server. Clones are the same server; it ends with the last of them.
///
/// It has no databases to make: tests that share it use prefixes of their own.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Ours to kill, unless it is from elsewhere.
    instance: Option<Arc<Instance>>,
    url: String,
}

impl Redis {
    /// The server that all tests of this process share: the one under `TEST_REDIS_URL`, or else
    /// one started at the first call, without durability. `None` when there is none.
    ///
    /// # Panics
    /// When it is required and missing, or does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Redis>> = OnceLock::new();
        let made = SHARED.get_or_init(|| match elsewhere("TEST_REDIS_URL") {
            Some(url) => Some(Self {
                instance: None,
                url,
            }),
            None => Self::try_start(Cooking::plain(Durability::Relaxed, &[])),
        });
        present(made.as_ref())
    }

    /// Starts a server of one's own. `None` when the program is missing.
    ///
    /// # Panics
    /// When it does not start, or is required and missing.
    pub fn start(durability: Durability) -> Option<Self> {
        Self::start_with(durability, &[])
    }

    /// The same with further settings, such as `maxmemory 3mb`.
    ///
    /// # Panics
    /// When it does not start, or is required and missing.
    pub fn start_with(durability: Durability, settings: &[&str]) -> Option<Self> {
        present(Self::try_start(Cooking::plain(durability, settings)))
    }

    /// Starts a server that speaks TLS only, with this certificate and key in PEM.
    ///
    /// # Panics
    /// When it does not start, or is required and missing.
    pub fn start_tls(certificate: &str, key: &str) -> Option<Self> {
        let mut cooking = Cooking::plain(Durability::Relaxed, &[]);
        cooking.tls = Some((certificate.to_owned(), key.to_owned()));
        present(Self::try_start(cooking))
    }

    fn try_start(cooking: Cooking) -> Option<Self> {
        find("redis-server", &[])?;
        find("redis-cli", &[])?;
        let scheme = cooking.tls.as_ref().map_or("redis", |_| "rediss");
        let instance = Instance::start(cooking);
        Some(Self {
            url: format!("{scheme}://127.0.0.1:{}", instance.port()),
            instance: Some(Arc::new(instance)),
        })
    }

    /// `redis://host:port`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process, to be killed, paused and restarted.
    ///
    /// # Panics
    /// When the server is from elsewhere.
    pub fn instance(&self) -> &Instance {
        self.instance.as_deref().expect("a server of our own")
    }

    /// Runs a command, such as `["CONFIG", "SET", "maxmemory", "3mb"]`, and answers what came.
    ///
    /// # Panics
    /// When it cannot be asked.
    pub fn run(&self, command: &[&str]) -> String {
        let mut client = Command::new("redis-cli");
        client.args(["-u", &self.url]).args(command);
        said(&mut client).unwrap_or_else(|why| panic!("{why}"))
    }
}

/// Three servers without replicas that share the slots. Lost with one are its slots only.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// The cluster that all tests of this process share, started at the first call. `None` when
    /// the program is missing.
    ///
    /// # Panics
    /// When it is required and missing, or does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<RedisCluster>> = OnceLock::new();
        let start = || Self::try_start(Durability::Relaxed);
        present(SHARED.get_or_init(start).as_ref())
    }

    /// Starts a cluster of one's own, without durability. `None` when the program is missing.
    ///
    /// # Panics
    /// When it does not start, or is required and missing.
    pub fn start() -> Option<Self> {
        Self::start_with(Durability::Relaxed)
    }

    /// The same with the durability of one's choice.
    ///
    /// # Panics
    /// When it does not start, or is required and missing.
    pub fn start_with(durability: Durability) -> Option<Self> {
        present(Self::try_start(durability))
    }

    fn try_start(durability: Durability) -> Option<Self> {
        let node = |_| {
            Redis::try_start(Cooking::plain(
                durability,
                &[
                    "cluster-enabled yes",
                    "cluster-config-file nodes.conf",
                    "cluster-node-timeout 1000",
                    "cluster-require-full-coverage no",
                ],
            ))
        };
        let nodes: Vec<Redis> = (0..3).map(node).collect::<Option<_>>()?;
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(nodes.iter().map(Redis::host));
        run(create.arg("--cluster-yes")).unwrap_or_else(|why| panic!("{why}"));
        let cluster = Self { nodes };
        cluster.wait_until_whole();
        Some(cluster)
    }

    /// Waits until every server knows that all slots are kept.
    ///
    /// # Panics
    /// When that takes longer than twenty seconds.
    pub fn wait_until_whole(&self) {
        for _ in 0..400 {
            let is_whole = |node: &Redis| {
                let said = node.run(&["CLUSTER", "INFO"]);
                said.contains("cluster_state:ok") && said.contains("cluster_slots_ok:16384")
            };
            if self.nodes.iter().all(is_whole) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the cluster does not come together");
    }

    /// `redis://host:port` of all three.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(Redis::host).collect();
        format!("redis://{}", hosts.join(","))
    }

    /// Its servers.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }
}

impl Redis {
    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.instance().port())
    }
}

fn present<T>(made: Option<T>) -> Option<T> {
    if made.is_none() {
        missing("Redis");
    }
    made
}

fn said(client: &mut Command) -> Result<String, String> {
    let output = client.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// How it is started.
struct Cooking {
    durability: Durability,
    settings: Vec<String>,
    tls: Option<(String, String)>,
}

impl Cooking {
    fn plain(durability: Durability, settings: &[&str]) -> Self {
        Self {
            durability,
            settings: settings
                .iter()
                .map(|setting| (*setting).to_owned())
                .collect(),
            tls: None,
        }
    }
}

impl Recipe for Cooking {
    fn name(&self) -> &'static str {
        "Redis"
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        if let Some((certificate, key)) = &self.tls {
            for (file, text) in [("certificate.pem", certificate), ("key.pem", key)] {
                fs::write(folder.join(file), text).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut serve =
            Command::new(find("redis-server", &[]).unwrap_or_else(|| "redis-server".into()));
        serve.current_dir(folder);
        serve.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
        let port = port.to_string();
        match &self.tls {
            None => serve.args(["--port", &port]),
            Some(_) => serve.args(["--port", "0", "--tls-port", &port]).args([
                "--tls-cert-file",
                "certificate.pem",
                "--tls-key-file",
                "key.pem",
                "--tls-ca-cert-file",
                "certificate.pem",
                "--tls-auth-clients",
                "no",
            ]),
        };
        match self.durability {
            Durability::Relaxed => serve.args(["--appendonly", "no"]),
            Durability::Durable => serve.args(["--appendonly", "yes", "--appendfsync", "always"]),
        };
        for setting in &self.settings {
            let mut words = setting.split(' ');
            serve.args(words.next().map(|name| format!("--{name}")));
            serve.args(words);
        }
        serve
    }

    fn is_ready(&self, port: u16) -> bool {
        let mut ask = Command::new("redis-cli");
        ask.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        if self.tls.is_some() {
            ask.args(["--tls", "--insecure"]);
        }
        // One that wants a password is there, too.
        said(ask.arg("ping")).is_ok_and(|said| said.contains("PONG") || said.contains("NOAUTH"))
    }
}
