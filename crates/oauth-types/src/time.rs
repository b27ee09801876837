//! Whole seconds: the only unit of time that OAuth messages use.

use serde::{Deserialize, Serialize};

/// A moment in whole Unix seconds, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// A moment given in Unix seconds.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Unix seconds.
    pub const fn as_unix(self) -> u64 {
        self.0
    }

    /// The moment `lifetime` later, clamped at the end of time.
    #[must_use]
    pub const fn plus(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_add(lifetime.0))
    }

    /// The moment `lifetime` earlier, clamped at the beginning of time.
    #[must_use]
    pub const fn minus(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_sub(lifetime.0))
    }

    /// Seconds from `earlier` to `self`; zero when a clock went back, never negative.
    pub const fn since(self, earlier: Self) -> Lifetime {
        Lifetime(self.0.saturating_sub(earlier.0))
    }
}

/// A span of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lifetime(u64);

impl Lifetime {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// A span of minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self(minutes * 60)
    }

    /// A span of days.
    pub const fn days(days: u64) -> Self {
        Self(days * 86_400)
    }

    /// Whole seconds.
    pub const fn as_seconds(self) -> u64 {
        self.0
    }
}
