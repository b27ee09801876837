//! The system's browser.

use std::io;

/// Opens `url` in it, without waiting for it.
///
/// # Errors
/// Whatever keeps it from opening; on Linux also a session without a screen, where a text browser
/// would take the terminal.
pub(super) fn open(url: &str) -> io::Result<()> {
    if !has_screen() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    open::that_detached(url)
}

fn has_screen() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let needs_one = cfg!(all(unix, not(any(target_os = "macos", target_os = "ios"))));
    !needs_one
        || ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
            .into_iter()
            .any(set)
}
