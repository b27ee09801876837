//! Where metadata may be.

use oauth_types::{Issuer, Reach, ResourceUri};
use url::Url;

use crate::challenge::BearerChallenge;

/// A place to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// Its address.
    pub url: String,
    /// How far inside one's own network it may lie.
    pub within: Reach,
    /// The resources whose metadata may be here, by the rules of the standard; the server itself
    /// first.
    pub(crate) resources: Vec<ResourceUri>,
}

/// The well-known segment of RFC 9728 §3.
const SEGMENT: &str = "/.well-known/oauth-protected-resource";

/// Where a protected server's metadata may be: where its challenge says (CL-DISC-1), at the
/// well-known place for its path, at that for its host (CL-DISC-2).
///
/// A place of the server's own origin may lie wherever the person who named the server wants to go. One that its
/// challenge names elsewhere may lie no further inside than the server's own address tells.
pub fn resource_places(server: &ResourceUri, challenge: &BearerChallenge) -> Vec<Place> {
    let origin = server.origin();
    let mut places: Vec<Place> = Vec::new();
    if let Some(url) = &challenge.resource_metadata {
        let within = if same_origin(url, server.as_str()) {
            Reach::Local
        } else {
            Reach::of_url(server.as_str()).unwrap_or(Reach::Public)
        };
        // RFC 9728 §3.3: the very server. A server that could name another one's metadata would be
        // shown a token for that one.
        places.push(Place {
            url: url.clone(),
            within,
            resources: vec![server.clone()],
        });
    }
    let path = server.metadata_url();
    let root = format!("{origin}{SEGMENT}");
    for (url, resource) in [
        (path, Some(server.clone())),
        (root, ResourceUri::parse(origin).ok()),
    ] {
        match places.iter_mut().find(|place| place.url == url) {
            Some(place) => place.resources.extend(resource),
            None => places.push(Place {
                url,
                within: Reach::Local,
                resources: resource.into_iter().collect(),
            }),
        }
    }
    places
}

/// Where an authorization server's metadata may be, in the order of MCP: with a path the inserted
/// forms of RFC 8414 and OpenID Connect and the appended one; without, the two of the host
/// (CL-DISC-4).
pub fn server_places(issuer: &Issuer) -> Vec<String> {
    let paths = issuer.metadata_paths().into_iter();
    paths
        .map(|path| format!("{}{path}", issuer.origin()))
        .collect()
}

/// Whether two addresses have scheme, host and port in common.
pub(crate) fn same_origin(one: &str, other: &str) -> bool {
    match (Url::parse(one), Url::parse(other)) {
        (Ok(one), Ok(other)) => one.origin() == other.origin() && one.origin().is_tuple(),
        _ => false,
    }
}
