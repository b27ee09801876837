//! How a backend fails.

/// A backend failed. What it said is the error's source; it never reaches the wire.
#[derive(Debug, thiserror::Error)]
#[error("storage: {kind}")]
pub struct StorageError {
    kind: StorageErrorKind,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a failure means for whoever called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum StorageErrorKind {
    /// The backend could not be reached, or refused before it changed anything.
    #[error("the backend is unavailable; nothing was written")]
    Unavailable,
    /// The connection broke or time ran out after the write was sent: it may have happened.
    #[error("the outcome of a write is not known")]
    Indeterminate,
    /// Too many rounds of compare-and-set were lost to others.
    #[error("too many writers at once")]
    Contended,
    /// A stored document cannot be understood, or asks for a feature this version lacks.
    #[error("a stored record cannot be understood")]
    Corrupt,
}

impl StorageError {
    /// A failure of this kind, with what caused it.
    pub fn new(
        kind: StorageErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// What it means.
    pub const fn kind(&self) -> StorageErrorKind {
        self.kind
    }
}

impl From<StorageErrorKind> for StorageError {
    fn from(kind: StorageErrorKind) -> Self {
        Self { kind, source: None }
    }
}
