//! From a protected server's address to its authorization server, with a report of what was tried.
//!
//! Each step stands alone: where to look ([`resource_places`], [`server_places`]), how to ask
//! ([`ask`]), what an answer means ([`read_resource`], [`read_server`]). [`discover`] joins them over
//! the ports.

mod places;
mod read;
mod report;
mod run;

use oauth_types::ResourceUri;

use crate::metadata::{ResourceMetadata, ServerMetadata};

pub use places::{Place, resource_places, server_places};
pub use read::{Look, ask, read_resource, read_server};
pub use report::{Attempt, DiscoveryError, DiscoveryFailure, Report, Tried};
pub use run::{discover, discover_server};

/// What is known of a protected server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Discovered {
    /// What tokens have to be for, exactly as its metadata say it (CL-AUTHZ-2).
    pub resource: ResourceUri,
    /// Its metadata; `None` for a server of the revision 2025-03-26.
    pub resource_metadata: Option<ResourceMetadata>,
    /// Its authorization server.
    pub server: ServerMetadata,
    /// What was tried on the way.
    pub report: Report,
}
