//! PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use super::instance::{Instance, Recipe, is_root, private_folder};
use super::{Durability, elsewhere, find, fresh_name, missing, run};

/// A PostgreSQL server. Clones are the same server; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// Ours to kill, unless it is from elsewhere.
    instance: Option<Arc<Instance>>,
    programs: Programs,
    /// Of a database that is always there.
    url: String,
}

impl Postgres {
    /// The server that all tests of this process share: the one under `TEST_PG_URL`, or else one
    /// started at the first call, without durability. `None` when there is none.
    ///
    /// # Panics
    /// When it is required and missing, or does not start.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        let made = SHARED.get_or_init(|| match elsewhere("TEST_PG_URL") {
            Some(url) => Some(Self {
                instance: None,
                programs: Programs::find()?,
                url,
            }),
            None => Self::try_start(Durability::Relaxed, &[]),
        });
        if made.is_none() {
            missing("PostgreSQL");
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

    /// The same with further settings, such as `max_connections=5`.
    ///
    /// # Panics
    /// When it does not start, or is required and missing.
    pub fn start_with(durability: Durability, settings: &[&str]) -> Option<Self> {
        let made = Self::try_start(durability, settings);
        if made.is_none() {
            missing("PostgreSQL");
        }
        made
    }

    fn try_start(durability: Durability, settings: &[&str]) -> Option<Self> {
        let programs = Programs::find()?;
        let instance = Instance::start(Cooking {
            programs: programs.clone(),
            durability,
            settings: settings
                .iter()
                .map(|setting| (*setting).to_owned())
                .collect(),
        });
        let url = format!("postgres://test@127.0.0.1:{}/postgres", instance.port());
        Some(Self {
            instance: Some(Arc::new(instance)),
            programs,
            url,
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
    pub fn database(&self) -> PostgresDatabase {
        let name = fresh_name();
        self.run(&self.url, &format!("CREATE DATABASE {name}"));
        let (server, _) = self.url.rsplit_once('/').expect("a URL with a database");
        PostgresDatabase {
            url: format!("{server}/{name}"),
            server: self.clone(),
            name,
        }
    }

    /// Runs statements in the database under `url`, as its owner.
    ///
    /// # Panics
    /// When one fails.
    pub fn run(&self, url: &str, sql: &str) {
        self.try_run(url, sql).unwrap_or_else(|why| panic!("{why}"));
    }

    fn try_run(&self, url: &str, sql: &str) -> Result<(), String> {
        let mut psql = Command::new(self.programs.folder.join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]);
        run(&mut psql)
    }
}

/// An empty database of its own for one test. It goes when it is dropped.
#[derive(Debug)]
pub struct PostgresDatabase {
    server: Postgres,
    name: String,
    url: String,
}

impl PostgresDatabase {
    /// `postgres://user@host:port/name`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server it is on.
    pub fn server(&self) -> &Postgres {
        &self.server
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // A test that failed while it was paused must not wait for it.
        if let Some(instance) = &self.server.instance {
            instance.resume();
        }
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A server that was killed takes its databases with it.
        self.server.try_run(&self.server.url, &drop).ok();
    }
}

/// Where the programs are: Debian keeps them off the search path.
#[derive(Debug, Clone)]
struct Programs {
    folder: PathBuf,
}

impl Programs {
    fn find() -> Option<Self> {
        let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .collect();
        // The newest first.
        let version = |folder: &PathBuf| -> u32 {
            let name = folder.parent().and_then(Path::file_name);
            name.and_then(|name| name.to_str()?.parse().ok())
                .unwrap_or(0)
        };
        folders.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
        let server = find("initdb", &folders)?;
        let folder = fs::canonicalize(server).ok()?.parent()?.to_owned();
        Some(Self { folder })
    }
}

/// How it is started.
struct Cooking {
    programs: Programs,
    durability: Durability,
    settings: Vec<String>,
}

impl Cooking {
    /// A command as a user under whom the server consents to run.
    fn as_server(&self, program: &str, folder: &Path) -> Command {
        let program = self.programs.folder.join(program);
        let mut command = if is_root(folder) {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }
}

impl Recipe for Cooking {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn prepare(&self, folder: &Path) -> Result<(), String> {
        let data = folder.join("data");
        private_folder(&data, "postgres")?;
        let mut init = self.as_server("initdb", folder);
        init.arg("-D").arg(data);
        init.args([
            "-U",
            "test",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        run(&mut init)
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut serve = self.as_server("postgres", folder);
        serve.arg("-D").arg(folder.join("data"));
        // Without a socket file: its usual folder may not be ours to write to.
        serve.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", ""]);
        let mut settings = vec!["shared_buffers=64MB", "max_connections=200"];
        if self.durability == Durability::Relaxed {
            settings.extend([
                "fsync=off",
                "full_page_writes=off",
                "synchronous_commit=off",
            ]);
        }
        settings.extend(self.settings.iter().map(String::as_str));
        for setting in settings {
            serve.args(["-c", setting]);
        }
        serve
    }

    fn is_ready(&self, port: u16) -> bool {
        let mut ask = Command::new(self.programs.folder.join("pg_isready"));
        ask.args(["-q", "-t", "1", "-h", "127.0.0.1", "-p", &port.to_string()]);
        run(&mut ask).is_ok()
    }

    /// "Fast": sessions are ended. At `TERM` it would wait for them.
    fn stop_signal(&self) -> &'static str {
        "-INT"
    }
}
