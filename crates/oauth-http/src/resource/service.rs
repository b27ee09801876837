//! The protected-resource metadata. Spec: RFC 9728 §3.

use bytes::Bytes;
use http::{Response, StatusCode, request};
use oauth_resource::ProtectedResource;

use crate::document::{self, Document};

/// Serves one resource's metadata document at its well-known path, and at the root form for
/// clients that know no other.
#[derive(Debug, Clone)]
pub struct ResourceService {
    paths: Vec<String>,
    document: Document,
}

impl ResourceService {
    /// Renders the document.
    pub fn new(resource: &ProtectedResource) -> Self {
        let path = resource.uri().metadata_path();
        // A query is part of the identifier but not of the path that is routed by.
        let path = path.split('?').next().unwrap_or_default().to_owned();
        let mut paths = vec![path];
        for other in [
            paths[0].trim_end_matches('/').to_owned(),
            "/.well-known/oauth-protected-resource".to_owned(),
        ] {
            if !paths.contains(&other) {
                paths.push(other);
            }
        }
        Self {
            paths,
            document: Document::render(&resource.metadata()),
        }
    }

    /// The paths to mount, all at the host's root.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// Answers a request for one of [`Self::paths`]; 404 for any other.
    pub fn handle(&self, request: &request::Parts) -> Response<Bytes> {
        if self.paths.iter().any(|path| path == request.uri.path()) {
            self.document.answer(request)
        } else {
            document::error(StatusCode::NOT_FOUND, "not_found", "nothing is here")
        }
    }
}
