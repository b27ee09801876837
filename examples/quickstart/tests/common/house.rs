//! One or more quickstarts that are one server: one name, one root secret, one place for records.

use std::path::PathBuf;

use oauth_testkit::servers::{Fresh, Kind};

use super::{Folder, Quickstart, free_port, log_of};

/// Where records are.
pub enum Place {
    /// In the process: gone with it, and nobody else's.
    Memory,
    /// In one file.
    Sqlite,
    /// On a server.
    Server(Fresh),
}

impl Place {
    /// `None`, with a word to the reader, when the server is missing.
    pub fn on(kind: Kind) -> Option<Self> {
        kind.fresh().map(Self::Server)
    }
}

/// What the processes share. Each has a folder and a log of its own.
pub struct House {
    folder: Folder,
    place: Place,
    adapter: &'static str,
    /// The port in the name under which clients know the server.
    pub port: u16,
}

impl House {
    pub fn new(name: &str, place: Place) -> Self {
        Self {
            folder: Folder::new(name),
            place,
            adapter: "axum",
            port: free_port(),
        }
    }

    /// The same, served by another framework.
    pub fn served_by(self, adapter: &'static str) -> Self {
        Self { adapter, ..self }
    }

    /// Whether records outlive a process, and processes share them.
    pub fn lasts(&self) -> bool {
        !matches!(self.place, Place::Memory)
    }

    /// Starts a process. Number 0 comes first: it makes the root secret.
    pub fn start(&self, number: usize, port: u16, flags: &[&str]) -> Quickstart {
        let folder = self.folder_of(number);
        std::fs::create_dir_all(&folder).unwrap();
        let data = match &self.place {
            Place::Memory => "memory".to_owned(),
            Place::Sqlite => format!("sqlite:{}", self.folder.0.join("oauth.sqlite").display()),
            Place::Server(fresh) => fresh.url(),
        };
        let public = format!("http://127.0.0.1:{}", self.port);
        let root = self.folder_of(0).join(".quickstart/root-secret");
        let mut all = vec!["--data", &data, "--public-url", &public];
        all.extend(["--adapter", self.adapter]);
        if number > 0 {
            all.extend(["--root-secret-file", root.to_str().unwrap()]);
        }
        Quickstart::start(&folder, port, &[&all, flags].concat())
    }

    /// As many processes as can share the records, two at the most; the first has the port that
    /// is in the name.
    pub fn all(&self, flags: &[&str]) -> Vec<Quickstart> {
        let ports = [self.port, free_port()];
        let ports = ports.into_iter().take(if self.lasts() { 2 } else { 1 });
        ports
            .enumerate()
            .map(|(number, port)| self.start(number, port, flags))
            .collect()
    }

    /// The names of the events that requests to a process caused, in order.
    pub fn events(&self, number: usize) -> Vec<String> {
        let log = std::fs::read_to_string(log_of(&self.folder_of(number))).unwrap();
        let caused = log.lines().filter(|line| line.contains("\"request\":\""));
        let events = caused.filter_map(|line| {
            let (_, rest) = line.split_once("\"event\":\"")?;
            Some(rest.split('"').next()?.to_owned())
        });
        events.collect()
    }

    fn folder_of(&self, number: usize) -> PathBuf {
        let name = self.folder.0.file_name().unwrap().to_str().unwrap();
        self.folder.0.join(format!("{name}-{number}"))
    }
}
