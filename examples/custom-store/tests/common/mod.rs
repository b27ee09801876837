//! Files that go away.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// A path in the system's folder for temporary files that nobody else uses.
pub(crate) struct TemporaryFile(pub(crate) PathBuf);

impl TemporaryFile {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        let path = std::env::temp_dir().join(format!("custom-store-{process}-{number}.redb"));
        std::fs::remove_file(&path).ok();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}
