//! Whole OAuth flows in a unit test, and the contract that proves a storage backend.
//!
//! **Promise.** Same seed, same clock, same requests: the same bytes. Nothing here opens a port or
//! needs a runtime, and a flow neither sleeps nor starts a thread; [`contract`] and [`races`] do,
//! to let others get in between. [`socket`] is a client of servers that others started.
//!
//! **Absences.** No tokio, no HTTP, no ambient clock or randomness; no files, unless [`canary`] is told
//! where to keep logs. With the feature `servers`, and only then, a module that starts real database
//! servers.

pub mod canary;
pub mod contract;
pub mod documents;
pub mod fakes;
pub mod faults;
pub mod flows;
pub mod parity;
pub mod providers;
pub mod races;
#[cfg(all(feature = "servers", unix))]
pub mod servers;
pub mod signer;
pub mod socket;

pub use documents::{Documents, Heard};
pub use fakes::{FixedClock, SeededEntropy, block_on};
pub use signer::Signer;
