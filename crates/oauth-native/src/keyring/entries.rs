//! The entries of one service, whichever keyring has them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyring_core::{CredentialStore, Entry, Error};

use super::KeyringError;

/// Bytes of one entry: what Windows takes. The others have no such limit.
const MOST_BYTES: usize = if cfg!(windows) { 2560 } else { usize::MAX };

type Connect = dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync;

pub(super) struct Entries {
    service: String,
    /// Bytes that an entry takes.
    pub(super) most: usize,
    connect: Box<Connect>,
    connected: Mutex<Option<Arc<CredentialStore>>>,
}

impl Entries {
    pub(super) fn of_system(service: &str) -> Self {
        Self::of(service, MOST_BYTES, system)
    }

    pub(super) fn of(
        service: &str,
        most: usize,
        connect: impl Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            service: service.to_owned(),
            most,
            connect: Box::new(connect),
            connected: Mutex::new(None),
        }
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<String>, KeyringError> {
        let found = self.with(name, Entry::get_secret);
        let Some(bytes) = there(found).map_err(|error| told(error, name))? else {
            return Ok(None);
        };
        // The library's error of this would have the bytes in it.
        let text = String::from_utf8(bytes);
        text.map(Some)
            .map_err(|_| KeyringError::Damaged(name.to_owned()))
    }

    pub(super) fn set(&self, name: &str, text: &str) -> Result<(), KeyringError> {
        self.with(name, |entry| entry.set_secret(text.as_bytes()))
            .map_err(|error| told(error, name))
    }

    /// Deletes it; false if it was not there.
    pub(super) fn delete(&self, name: &str) -> Result<bool, KeyringError> {
        let deleted = there(self.with(name, Entry::delete_credential));
        let deleted = deleted.map_err(|error| told(error, name))?;
        Ok(deleted.is_some())
    }

    /// The keyring is looked for again the next time.
    pub(super) fn disconnect(&self) {
        *self.slot() = None;
    }

    /// Does something with an entry. A connection that was kept may have ended with the keyring's
    /// process, so that it is tried once more with a new one; nothing here does harm twice.
    fn with<T>(
        &self,
        name: &str,
        act: impl Fn(&Entry) -> keyring_core::Result<T>,
    ) -> keyring_core::Result<T> {
        let kept = self.slot().clone();
        let was_kept = kept.is_some();
        let keyring = kept.map_or_else(|| self.connect(), Ok)?;
        match act(&self.entry(&keyring, name)?) {
            Err(Error::PlatformFailure(_)) if was_kept => {
                self.disconnect();
                act(&self.entry(&self.connect()?, name)?)
            }
            outcome => outcome,
        }
    }

    fn connect(&self) -> keyring_core::Result<Arc<CredentialStore>> {
        let keyring = (self.connect)()?;
        *self.slot() = Some(Arc::clone(&keyring));
        Ok(keyring)
    }

    fn entry(&self, keyring: &Arc<CredentialStore>, name: &str) -> keyring_core::Result<Entry> {
        let modifiers = HashMap::from_iter(MODIFIERS.iter().copied());
        keyring.build(&self.service, name, Some(&modifiers))
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<CredentialStore>>> {
        self.connected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A profile that roams would take a refresh token to another computer, where our locks are not.
#[cfg(windows)]
const MODIFIERS: &[(&str, &str)] = &[("persistence", "Local")];
#[cfg(not(windows))]
const MODIFIERS: &[(&str, &str)] = &[];

fn there<T>(found: keyring_core::Result<T>) -> keyring_core::Result<Option<T>> {
    match found {
        Err(Error::NoEntry) => Ok(None),
        found => found.map(Some),
    }
}

/// What an error of the library means. Several of them carry what was read, so that none is passed
/// on as it is.
fn told(error: Error, name: &str) -> KeyringError {
    let entry = name.to_owned();
    match error {
        Error::PlatformFailure(cause) => KeyringError::Away(cause),
        Error::NoStorageAccess(cause) => KeyringError::Locked(cause),
        Error::Ambiguous(_) => KeyringError::Several(entry),
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::BadStoreFormat(_) => {
            KeyringError::Damaged(entry)
        }
        Error::TooLong(what, most) => KeyringError::Refused {
            entry,
            why: format!("its {what} is longer than {most}"),
        },
        Error::Invalid(what, why) => KeyringError::Refused {
            entry,
            why: format!("{what} {why}"),
        },
        Error::NotSupportedByStore(why) => KeyringError::Refused { entry, why },
        _ => KeyringError::Refused {
            entry,
            why: "for a reason that is not known here".to_owned(),
        },
    }
}

#[cfg(target_os = "macos")]
fn system() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(all(
    unix,
    not(any(target_os = "macos", target_os = "ios", target_os = "android"))
))]
fn system() -> keyring_core::Result<Arc<CredentialStore>> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(not(any(
    windows,
    target_os = "macos",
    all(unix, not(any(target_os = "ios", target_os = "android")))
)))]
fn system() -> keyring_core::Result<Arc<CredentialStore>> {
    Err(Error::PlatformFailure(
        "this system's keyring is not known here".into(),
    ))
}
