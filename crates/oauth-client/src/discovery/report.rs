//! What was tried, for people.

use std::fmt;
use std::sync::Arc;

use crate::hop::{Address, Hop, HopError};

/// One place that was looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attempt {
    /// For what.
    pub hop: Hop,
    /// Where.
    pub url: Address,
    /// What was there.
    pub tried: Tried,
}

/// What was at a place.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Tried {
    /// A document that is used.
    Found,
    /// Nothing, by this status.
    Absent(u16),
    /// Something that is not used, or no answer.
    Failed(Arc<HopError>),
}

impl Attempt {
    /// Whether it may well go otherwise later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(&self.tried, Tried::Failed(error) if error.is_temporary())
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tried {
            Tried::Found => write!(f, "{} at {}: found", self.hop, self.url),
            Tried::Absent(status) => write!(f, "{} at {}: status {status}", self.hop, self.url),
            Tried::Failed(error) => write!(f, "{error}"),
        }
    }
}

/// All places that were looked at, in their order.
#[derive(Debug, Clone, Default)]
pub struct Report(pub(crate) Vec<Attempt>);

impl Report {
    /// What was tried, in its order.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for attempt in &self.0 {
            write!(f, "\n  {attempt}")?;
        }
        Ok(())
    }
}

/// No authorization server can be used.
#[derive(Debug, thiserror::Error)]
#[error("{reason}; tried:{report}")]
pub struct DiscoveryError {
    /// Why not.
    #[source]
    pub reason: DiscoveryFailure,
    /// What was tried.
    pub report: Report,
}

impl DiscoveryError {
    /// Whether it may well work later.
    pub fn is_temporary(&self) -> bool {
        match &self.reason {
            DiscoveryFailure::Stopped(error) => error.is_temporary(),
            DiscoveryFailure::NoServerUsable => self.report.0.iter().any(Attempt::may_pass),
            _ => false,
        }
    }
}

/// Why no authorization server can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryFailure {
    /// The server does not say who authorizes for it: there is no protected resource metadata.
    #[error(
        "{0} publishes no protected resource metadata (servers of the revision 2025-03-26 need that leniency)"
    )]
    NoResourceMetadata(Address),
    /// Its metadata name no authorization server.
    #[error("the metadata of {0} name no authorization server")]
    NoServerNamed(Address),
    /// None of those that it names can be used.
    #[error("no authorization server can be used")]
    NoServerUsable,
    /// A hop failed in a way that says nothing about the others: it is not passed over.
    #[error(transparent)]
    Stopped(Arc<HopError>),
}
