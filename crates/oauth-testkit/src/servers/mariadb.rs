//! MariaDB.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use super::instance::{Instance, Recipe, is_root, private_folder};
use super::{Durability, elsewhere, find, fresh_name, missing, run};

/// A MariaDB server. Clones are the same server; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct MariaDb {
    /// Ours to kill, unless it is from elsewhere.
    instance: Option<Arc<Instance>>,
    access: Access,
}

impl MariaDb {
    /// The server that all tests of this process share: the one under `TEST_MYSQL_URL`, or else
    /// one started at the first call, without durability. `None` when there is none.
    ///
    /// # Panics
    /// When it is required and missing, or does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<MariaDb>> = OnceLock::new();
        let made = SHARED.get_or_init(|| match elsewhere("TEST_MYSQL_URL") {
            Some(url) => Some(Self {
                instance: None,
                access: Access::parse(&url)
                    .expect("TEST_MYSQL_URL: mysql://user:password@host:port"),
            }),
            None => Self::try_start(Durability::Relaxed, &[]),
        });
        if made.is_none() {
            missing("MariaDB");
        }
        made.as_ref()
    }

    /// Starts a server of one's own. `None` when the program is missing.
    ///
    /// # Panics
    /// When it does not start, or is required and missing.
    pub fn start(durability: Durability) -> Option<Self> {
        Self::start_with(durability, &[])
    }

    /// The same with further settings, such as `max-connections=5`.
    ///
    /// # Panics
    /// When it does not start, or is required and missing.
    pub fn start_with(durability: Durability, settings: &[&str]) -> Option<Self> {
        let made = Self::try_start(durability, settings);
        if made.is_none() {
            missing("MariaDB");
        }
        made
    }

    fn try_start(durability: Durability, settings: &[&str]) -> Option<Self> {
        for program in ["mariadbd", "mariadb-install-db", "mariadb", "mariadb-admin"] {
            find(program, &[])?;
        }
        let instance = Instance::start(Cooking {
            durability,
            settings: settings
                .iter()
                .map(|setting| (*setting).to_owned())
                .collect(),
        });
        let access = Access {
            user: "test".to_owned(),
            password: "secret".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: instance.port(),
        };
        let root = Access {
            user: "root".to_owned(),
            password: String::new(),
            ..access.clone()
        };
        let made = root.run(
            "CREATE USER 'test'@'127.0.0.1' IDENTIFIED BY 'secret';
             GRANT ALL ON *.* TO 'test'@'127.0.0.1' WITH GRANT OPTION",
        );
        made.unwrap_or_else(|why| panic!("{why}"));
        Some(Self {
            instance: Some(Arc::new(instance)),
            access,
        })
    }

    /// The process, to be killed, paused and restarted.
    ///
    /// # Panics
    /// When the server is from elsewhere.
    pub fn instance(&self) -> &Instance {
        self.instance.as_deref().expect("a server of our own")
    }

    /// Makes an empty database.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn database(&self) -> MariaDbDatabase {
        let name = fresh_name();
        self.run(&format!("CREATE DATABASE {name}"));
        MariaDbDatabase {
            url: format!("{}/{name}", self.access.url()),
            server: self.clone(),
            name,
        }
    }

    /// Runs statements, as somebody who may do everything.
    ///
    /// # Panics
    /// When one fails.
    pub fn run(&self, sql: &str) {
        self.access.run(sql).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// An empty database of its own for one test. It goes when it is dropped.
#[derive(Debug)]
pub struct MariaDbDatabase {
    server: MariaDb,
    name: String,
    url: String,
}

impl MariaDbDatabase {
    /// `mysql://user:password@host:port/name`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub fn server(&self) -> &MariaDb {
        &self.server
    }
}

impl Drop for MariaDbDatabase {
    fn drop(&mut self) {
        // A test that failed while it was paused must not wait for it.
        if let Some(instance) = &self.server.instance {
            instance.resume();
        }
        let drop = format!("DROP DATABASE IF EXISTS {}", self.name);
        // A server that was killed takes its databases with it.
        self.server.access.run(&drop).ok();
    }
}

/// Where and as whom.
#[derive(Debug, Clone)]
struct Access {
    user: String,
    password: String,
    host: String,
    port: u16,
}

impl Access {
    /// Reads `mysql://user:password@host:port`, with anything behind it left out.
    fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("mysql://")?;
        let authority = rest.split('/').next()?;
        let (credentials, server) = authority.rsplit_once('@')?;
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host, port) = server.split_once(':').unwrap_or((server, "3306"));
        Some(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }

    fn url(&self) -> String {
        let Self {
            user,
            password,
            host,
            port,
        } = self;
        format!("mysql://{user}:{password}@{host}:{port}")
    }

    fn run(&self, sql: &str) -> Result<(), String> {
        let mut client = client("mariadb", &self.host, self.port, &self.user);
        client.env("MYSQL_PWD", &self.password);
        run(client.args(["-e", sql]))
    }
}

fn client(program: &str, host: &str, port: u16, user: &str) -> Command {
    let mut client = Command::new(program);
    // Must come first, or the machine's configuration is read.
    client.arg("--no-defaults");
    client.args(["-h", host, "-P", &port.to_string(), "-u", user]);
    client
}

/// How it is started.
struct Cooking {
    durability: Durability,
    settings: Vec<String>,
}

impl Cooking {
    fn as_server(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(find(program, &[]).unwrap_or_else(|| program.into()));
        command.arg("--no-defaults");
        if is_root(folder) {
            command.arg("--user=mysql");
        }
        command.arg(format!("--datadir={}", folder.join("data").display()));
        // A server that starts tidies up here, also after others that are running.
        command.arg(format!("--tmpdir={}", folder.join("tmp").display()));
        command
    }
}

impl Recipe for Cooking {
    fn name(&self) -> &'static str {
        "MariaDB"
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        private_folder(&folder.join("data"), "mysql")?;
        private_folder(&folder.join("tmp"), "mysql")?;
        let mut init = self.as_server("mariadb-install-db", folder);
        init.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        run(&mut init)
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut serve = self.as_server("mariadbd", folder);
        let data = folder.join("data");
        serve.arg(format!("--port={port}"));
        serve.arg(format!("--socket={}", data.join("socket").display()));
        serve.arg(format!("--pid-file={}", data.join("pid").display()));
        serve.args([
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
        ]);
        serve.args(["--innodb-buffer-pool-size=64M", "--max-connections=200"]);
        if self.durability == Durability::Relaxed {
            serve.arg("--innodb-flush-log-at-trx-commit=0");
        }
        serve.args(self.settings.iter().map(|setting| format!("--{setting}")));
        serve
    }

    fn is_ready(&self, port: u16) -> bool {
        run(client("mariadb-admin", "127.0.0.1", port, "root").arg("ping")).is_ok()
    }
}
