//! One program for all dialects: their tests share a server of each kind.
#![cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]

mod common;
mod composed;
mod contract;
mod faults;
mod group;
mod races;
mod servers;
mod sqlite;
mod sweeps;
mod trips;
