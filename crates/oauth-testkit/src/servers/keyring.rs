//! A session of its own with a keyring, as a desktop has one.

use std::env;
use std::process::Command;

use super::{find, missing};

/// What unlocks the keyring of [`within_keyring_session`].
pub const KEYRING_PASSWORD: &str = "a password for tests";

/// Set in the session.
const HERE: &str = "OAUTH_TEST_KEYRING_SESSION";

/// Unlocks the keyring and becomes the program. The daemon goes with the session.
const SCRIPT: &str = "printf %s \"$KEYRING_PASSWORD\" \
    | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec \"$@\"";

/// Whether this process is in such a session. If it is not, the test of this name (with its modules, as the
/// test program knows it) is run in one, by another process, and there is nothing left to do.
///
/// The session has a bus, a home folder and an unlocked GNOME Keyring of its own, and takes them with
/// it. Needs `dbus-run-session` and `gnome-keyring-daemon`; where one is missing the test says so and skips
/// itself.
///
/// # Panics
/// When the test fails there; when there is no test of that name; and when a program is missing and
/// `OAUTH_REQUIRE_BACKENDS=1`.
pub fn within_keyring_session(test: &str) -> bool {
    if env::var_os(HERE).is_some() {
        return true;
    }
    for program in ["dbus-run-session", "gnome-keyring-daemon"] {
        if find(program, &[]).is_none() {
            missing(program);
            return false;
        }
    }
    let unique = format!("keyring-{}-{}", std::process::id(), super::fresh_name());
    let home = env::temp_dir().join(unique);
    make(&home);
    let program = env::current_exe().expect("the test program");
    let output = Command::new("dbus-run-session")
        .args(["--", "sh", "-c", SCRIPT, "sh"])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env(HERE, "1")
        .env("KEYRING_PASSWORD", KEYRING_PASSWORD)
        .env("HOME", &home)
        .env("XDG_DATA_HOME", &home)
        .env("XDG_RUNTIME_DIR", &home)
        .env_remove("GNOME_KEYRING_CONTROL")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output();
    let _ = std::fs::remove_dir_all(&home);
    let output = output.expect("dbus-run-session");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "in a session with a keyring: {}\n{said}\n{complained}",
        output.status
    );
    false
}

/// Only its owner may enter it, which the bus asks for.
fn make(folder: &std::path::Path) {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).expect("a folder for the session");
}
