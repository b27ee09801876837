//! Locks between processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{FileStoreError, failed};

/// How long to wait before the lock is tried again: at first, and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// Waits until nobody else has the lock `name`, and holds it until the file is dropped.
///
/// The operating system gives it up when the process that holds it ends, so none is ever stale. It is
/// tried again and again: a thread that waits in the kernel could not be told to stop. The file is
/// never removed, since somebody may hold its lock who opened it before.
pub(crate) async fn wait(folder: &Path, name: &str) -> Result<File, FileStoreError> {
    let path = folder.join(name);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    super::replace::for_owner_alone(&mut options);
    let file = options.open(&path).map_err(failed(&path))?;
    let (mut pause, longest) = PAUSES;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(pause).await,
            Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
        }
        pause = (pause * 2).min(longest);
    }
}

/// Stands for a text in the names of locks, since keys hold addresses, which are no file names: 32
/// hexadecimal digits.
pub(crate) fn digest_of(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
