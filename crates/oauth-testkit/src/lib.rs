//! Whole OAuth flows in a unit test, and the contract that proves a storage backend.
//!
//! **Promise.** Same seed, same clock, same requests: the same bytes. Nothing here opens a port,
//! sleeps or needs a runtime.
//!
//! **Absences.** No tokio, no HTTP, no ambient clock or randomness.

pub mod contract;
pub mod fakes;
pub mod faults;
pub mod flows;
pub mod races;

pub use fakes::{FixedClock, SeededEntropy, block_on};
