//! What a driver remembers of a backend that does not answer.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{StorageError, StorageErrorKind};

/// Lets requests fail at once while a backend is known to be away.
///
/// One failure only raises a question, for a statement may be slow while everything else is well.
/// The driver that suspects something asks the backend, apart from any request, until it answers;
/// an answer that does not come opens the circuit, and the first that does closes it. Knows no
/// runtime and no clock: how long to wait and how often to ask is the driver's.
///
/// ```
/// use oauth_storage::Circuit;
///
/// let circuit = Circuit::default();
/// // A statement timed out. The first to notice asks; everybody else goes on.
/// assert!(circuit.suspect() && !circuit.suspect());
/// assert!(circuit.check().is_ok());
/// // It does not answer: requests fail, the driver goes on asking.
/// assert!(!circuit.answered(false));
/// assert!(circuit.check().is_err());
/// // It answers: the driver stops asking.
/// assert!(circuit.answered(true));
/// assert!(circuit.check().is_ok());
/// ```
#[derive(Debug, Default)]
pub struct Circuit {
    open: AtomicBool,
    asking: AtomicBool,
}

impl Circuit {
    /// Whether a request may try.
    ///
    /// # Errors
    /// `Unavailable`, while the backend is away.
    pub fn check(&self) -> Result<(), StorageError> {
        if self.open.load(Ordering::SeqCst) {
            return Err(Self::away());
        }
        Ok(())
    }

    /// What whoever comes while the backend is away is told.
    pub fn away() -> StorageError {
        let why = "the backend did not answer and is being asked again";
        StorageError::new(StorageErrorKind::Unavailable, why)
    }

    /// Something failed as if the backend were away. True for whoever has to start asking it;
    /// they report each answer to [`Self::answered`].
    pub fn suspect(&self) -> bool {
        !self.asking.swap(true, Ordering::SeqCst)
    }

    /// Whether the backend answered when it was asked. True when there is nothing left to ask.
    pub fn answered(&self, answered: bool) -> bool {
        self.open.store(!answered, Ordering::SeqCst);
        if answered {
            self.asking.store(false, Ordering::SeqCst);
        }
        answered
    }
}
