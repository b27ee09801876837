//! What must never be logged, and the logs in which it is looked for.
//!
//! When the variable `OAUTH_TEST_LOG` names a folder, every test program writes two files there:
//! all that was logged while it ran, with our own targets at TRACE and all others at DEBUG, and
//! the secrets that it met: those that [`SeededEntropy`](crate::SeededEntropy) draws, and those
//! that test helpers pass to [`secret`]. `cargo xtask test` sets the variable and searches every
//! log for every secret. Without the variable nothing is written, and nothing costs anything.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// The variable that names the folder.
pub const VARIABLE: &str = "OAUTH_TEST_LOG";

/// All that our own code can log, and what libraries log for developers. Theirs at TRACE is not
/// ours to answer for: some log whole headers.
pub const FILTER: &str = "debug,oauth=trace,quickstart=trace,embedder=trace";

/// The shortest text that is looked for: shorter ones turn up by themselves.
pub const SHORTEST: usize = 8;

/// The folder of logs, if this run keeps them.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

/// Begins to keep what this process logs, if the run keeps logs. Once is enough, more does not
/// harm.
pub fn watch() {
    journal();
}

/// Registers a text that must not be logged: a token, a code, a cookie, a password. One of fewer
/// than [`SHORTEST`] bytes is passed over.
pub fn secret(text: &str) {
    if let Some(journal) = journal() {
        journal.secret(text);
    }
}

/// Registers drawn bytes: the last 32, and each 32 before them. What is left over names something
/// in public, and so does all that is shorter.
pub fn drawn(bytes: &[u8]) {
    if let Some(journal) = journal() {
        journal.drawn(bytes);
    }
}

fn journal() -> Option<&'static Journal> {
    static JOURNAL: OnceLock<Option<Journal>> = OnceLock::new();
    let begin = || {
        let program = std::env::current_exe().ok();
        let program = program.as_deref().and_then(Path::file_stem);
        let program = program.map_or_else(|| "unknown".into(), |name| name.to_string_lossy());
        let name = format!("{program}.{}", std::process::id());
        let journal = Journal::open(&folder()?, &name).expect("the folder of logs can be written");
        // A program that keeps a log of its own is not disturbed.
        let _ = tracing::subscriber::set_global_default(journal.subscriber());
        Some(journal)
    };
    JOURNAL.get_or_init(begin).as_ref()
}

/// The two files of one program.
#[derive(Debug)]
pub struct Journal {
    log: Arc<File>,
    secrets: File,
    known: Mutex<HashSet<u64>>,
}

impl Journal {
    /// Opens `NAME.log` and `NAME.secrets` in a folder.
    ///
    /// # Errors
    /// When they cannot be opened for writing.
    pub fn open(folder: &Path, name: &str) -> io::Result<Self> {
        let open = |kind: &str| {
            let file = folder.join(format!("{name}.{kind}"));
            File::options().create(true).append(true).open(file)
        };
        Ok(Self {
            log: Arc::new(open("log")?),
            secrets: open("secrets")?,
            known: Mutex::default(),
        })
    }

    /// Writes everything that [`FILTER`] lets through to the log, spans included.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(FILTER))
            .with_ansi(false)
            .without_time()
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_writer(Arc::clone(&self.log))
            .finish()
    }

    /// As [`secret`].
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn secret(&self, text: &str) {
        if text.len() >= SHORTEST && !text.contains(['\n', '\r']) {
            self.note(&format!("text {text}\n"));
        }
    }

    /// As [`drawn`].
    ///
    /// # Panics
    /// As [`Self::secret`].
    pub fn drawn(&self, bytes: &[u8]) {
        for secret in bytes.rchunks_exact(32) {
            let digits = secret.iter().map(|byte| format!("{byte:02x}"));
            self.note(&format!("bytes {}\n", digits.collect::<String>()));
        }
    }

    fn note(&self, line: &str) {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.insert(hasher.finish()) {
            let written = (&self.secrets).write_all(line.as_bytes());
            written.expect("the file of secrets can be written");
        }
    }
}
