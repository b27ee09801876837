//! One running server: its folder, its port, its process, and what can be done to it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::run;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// How one kind of server is started.
pub trait Recipe: Send + Sync + 'static {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Fills the empty folder, before the first start.
    ///
    /// # Errors
    /// In words, when it cannot.
    fn prepare(&self, folder: &Path) -> Result<(), String>;

    /// The command that serves this folder on this port of 127.0.0.1, in the foreground.
    fn command(&self, folder: &Path, port: u16) -> Command;

    /// Whether the server answers on this port.
    fn is_ready(&self, port: u16) -> bool;

    /// The signal at which it ends in order, without waiting for its clients.
    fn stop_signal(&self) -> &'static str {
        "-TERM"
    }
}

/// A server that runs until this is dropped, or until the test process ends in whatever way.
pub struct Instance {
    recipe: Box<dyn Recipe>,
    folder: PathBuf,
    port: u16,
    process: Mutex<Option<Child>>,
    keeper: Mutex<Keeper>,
}

impl Instance {
    /// Starts a server in a new folder.
    ///
    /// # Panics
    /// When it cannot be prepared, or does not answer within a minute.
    pub fn start(recipe: impl Recipe) -> Self {
        let folder = fresh_folder();
        if let Err(why) = recipe.prepare(&folder) {
            fs::remove_dir_all(&folder).ok();
            panic!("{}: {why}", recipe.name());
        }
        let keeper = Mutex::new(Keeper::beside(&folder));
        let mut instance = Self {
            recipe: Box::new(recipe),
            folder,
            port: free_port(),
            process: Mutex::new(None),
            keeper,
        };
        // Somebody else may take the port in between.
        if instance.launch().is_err() {
            instance.port = free_port();
            instance.launch().unwrap_or_else(|why| panic!("{why}"));
        }
        instance
    }

    /// Its port on 127.0.0.1; it keeps it for life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The ids of its processes, the one that was started first. None while it is killed.
    pub fn processes(&self) -> Vec<u32> {
        let process = self.process();
        process.as_ref().map_or_else(Vec::new, |it| family(it.id()))
    }

    /// Ends it at once, as `kill -9` or a power cut of the process would.
    pub fn kill(&self) {
        let mut process = self.process();
        let Some(mut child) = process.take() else {
            return;
        };
        signal("-KILL", &family(child.id()));
        child.wait().ok();
        self.keeper().watch(None);
    }

    /// Asks it to end, as an administrator does who is about to start it again, and waits for that.
    ///
    /// # Panics
    /// When it is still there after a minute.
    pub fn shut_down(&self) {
        let mut process = self.process();
        let Some(mut child) = process.take() else {
            return;
        };
        signal(self.recipe.stop_signal(), &[child.id()]);
        #[expect(
            clippy::disallowed_methods,
            reason = "a process of the system is waited for"
        )]
        let begun = Instant::now();
        while child.try_wait().ok().flatten().is_none() {
            if begun.elapsed() > PATIENCE {
                *process = Some(child);
                panic!("{} does not end", self.recipe.name());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.keeper().watch(None);
    }

    /// Stops it in its tracks: it keeps its connections and answers nothing.
    pub fn pause(&self) {
        if let Some(child) = &*self.process() {
            // First the one that makes the others, so that none is overlooked.
            signal("-STOP", &[child.id()]);
            signal("-STOP", &family(child.id()));
        }
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        if let Some(child) = &*self.process() {
            signal("-CONT", &family(child.id()));
        }
    }

    /// Starts it again, after [`Self::kill`] or [`Self::shut_down`], on the same port and data; otherwise kills it first.
    ///
    /// # Panics
    /// When it does not answer within a minute.
    pub fn restart(&self) {
        self.kill();
        self.launch().unwrap_or_else(|why| panic!("{why}"));
    }

    fn launch(&self) -> Result<(), String> {
        let log = self.folder.join("log");
        let name = self.recipe.name();
        let failed = |why: String| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let last = text.lines().rev().take(15).collect::<Vec<_>>();
            let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
            format!("{name}: {why}\n{last}")
        };
        let file = || {
            let mut options = fs::OpenOptions::new();
            options.create(true).append(true).open(&log)
        };
        let out = file().map_err(|error| failed(error.to_string()))?;
        let err = file().map_err(|error| failed(error.to_string()))?;
        let mut command = self.recipe.command(&self.folder, self.port);
        // A group of its own: a Ctrl-C is for the tests, and the keeper follows.
        command.process_group(0).stdin(Stdio::null());
        let child = command.stdout(out).stderr(err).spawn();
        let mut child = child.map_err(|error| failed(error.to_string()))?;
        self.keeper().watch(Some(child.id()));
        #[expect(
            clippy::disallowed_methods,
            reason = "a process of the system is waited for"
        )]
        let begun = Instant::now();
        while !self.recipe.is_ready(self.port) {
            let ended = child.try_wait().ok().flatten();
            if ended.is_some() || begun.elapsed() > PATIENCE {
                signal("-KILL", &family(child.id()));
                child.wait().ok();
                self.keeper().watch(None);
                return Err(failed(ended.map_or_else(
                    || "does not answer".to_owned(),
                    |status| format!("ended with {status}"),
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        *self.process() = Some(child);
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.keeper().finish();
        if let Some(mut child) = self.process().take() {
            child.wait().ok();
        }
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.recipe.name();
        write!(f, "Instance({name} on port {})", self.port)
    }
}

/// A shell that outlives the test process. It reads process ids, one a line, from a pipe that
/// only the test process holds open; at its end it ends the last one, and its children, and
/// removes the folder. It asks first: a killed PostgreSQL leaves shared memory behind.
struct Keeper(Child);

const KEEP: &str = r#"
trap '' INT TERM HUP
pid=
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
    kids=$(cat "/proc/$pid/task/$pid/children" || ps -o pid= --ppid "$pid") 2>/dev/null
    kill -QUIT $pid 2>/dev/null
    kill -CONT $pid $kids 2>/dev/null
    n=0
    while [ $n -lt 60 ]; do
        case $(cat "/proc/$pid/stat" 2>/dev/null) in ''|*') Z '*) break ;; esac
        sleep 0.05
        n=$((n + 1))
    done
    kill -KILL $pid $kids 2>/dev/null
fi
n=0
while [ -e "$1" ] && [ $n -lt 50 ]; do
    rm -rf "$1" 2>/dev/null || sleep 0.1
    n=$((n + 1))
done
"#;

impl Keeper {
    fn beside(folder: &Path) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", KEEP, "keeper"]).arg(folder);
        shell
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped());
        let child = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.expect("a shell"))
    }

    fn watch(&mut self, process: Option<u32>) {
        use std::io::Write;
        let line = process.map_or_else(String::new, |id| id.to_string());
        let pipe = self.0.stdin.as_mut().expect("a pipe");
        writeln!(pipe, "{line}").expect("the keeper lives");
    }

    /// Does at once what it would do at the end of the process.
    fn finish(&mut self) {
        self.0.stdin.take();
        self.0.wait().ok();
    }
}

/// A process and its children.
fn family(process: u32) -> Vec<u32> {
    // Where the kernel does not say, a program may.
    let kernel = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let listed = kernel.unwrap_or_else(|_| {
        let mut ps = Command::new("ps");
        ps.args(["-o", "pid=", "--ppid", &process.to_string()]);
        let output = ps.output().map(|output| output.stdout);
        String::from_utf8(output.unwrap_or_default()).unwrap_or_default()
    });
    let children = listed.split_whitespace().filter_map(|id| id.parse().ok());
    std::iter::once(process).chain(children).collect()
}

fn signal(signal: &str, to: &[u32]) {
    let ids: Vec<String> = to.iter().map(u32::to_string).collect();
    // The shell's own, for there may be no other. One that has ended meanwhile is no loss.
    let kill = format!("kill {signal} {}", ids.join(" "));
    run(Command::new("/bin/sh").args(["-c", &kill])).ok();
}

fn free_port() -> u16 {
    // The bus of a Redis cluster takes the port plus ten thousand.
    (0..100)
        .map(|_| {
            let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            listener.local_addr().expect("an address").port()
        })
        .find(|port| *port < 55536)
        .expect("a low free port")
}

/// An empty folder that everybody may enter.
fn fresh_folder() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(format!("oauth-server-{process}-{number}"));
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("our own folder");
    folder
}

/// Whether we are root, by who owns what we made.
pub(super) fn is_root(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|made| made.uid() == 0)
}

/// Makes a folder that only `user` may enter, or only we if we are not root.
pub(super) fn private_folder(folder: &Path, user: &str) -> Result<(), String> {
    let mut install = Command::new("install");
    install.args(["-d", "-m", "700"]);
    if folder.parent().is_some_and(is_root) {
        install.args(["-o", user, "-g", user]);
    }
    run(install.arg(folder))
}
