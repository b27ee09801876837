//! The protected-resource metadata. Spec: RFC 9728 §3.

use bytes::Bytes;
use http::{Response, StatusCode, request};
use oauth_resource::ProtectedResource;

use crate::document::{self, Document};

/// Where clients look that know no path.
const ROOT: &str = "/.well-known/oauth-protected-resource";

/// Serves the metadata documents of a host's resources, each at its well-known path. A resource
/// that is alone on its host also answers at the root form, for clients that know no other; of
/// several none does, unless its identifier is the host itself.
#[derive(Debug, Clone)]
pub struct ResourceService {
    documents: Vec<(String, Document)>,
}

impl ResourceService {
    /// Renders the documents. Of two resources with the same path the first is served.
    pub fn new<'a>(resources: impl IntoIterator<Item = &'a ProtectedResource>) -> Self {
        let mut documents: Vec<(String, Document)> = Vec::new();
        let mut serve = |path: &str, document: &Document| {
            if documents.iter().all(|(held, _)| held != path) {
                documents.push((path.to_owned(), document.clone()));
            }
        };
        let rendered: Vec<(String, Document)> = resources
            .into_iter()
            .map(|resource| {
                let path = resource.uri().metadata_path();
                // A query is part of the identifier but not of the path that is routed by.
                let path = path.split('?').next().unwrap_or_default().to_owned();
                (path, Document::render(&resource.metadata()))
            })
            .collect();
        for (path, document) in &rendered {
            serve(path, document);
        }
        for (path, document) in &rendered {
            serve(path.trim_end_matches('/'), document);
        }
        if let [(_, only)] = &rendered[..] {
            serve(ROOT, only);
        }
        Self { documents }
    }

    /// The paths to mount, all at the host's root.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().map(|(path, _)| path.as_str())
    }

    /// Answers a request for one of [`Self::paths`]; 404 for any other.
    pub fn handle(&self, request: &request::Parts) -> Response<Bytes> {
        let path = request.uri.path();
        match self.documents.iter().find(|(held, _)| held == path) {
            Some((_, document)) => document.answer(request),
            None => document::error(StatusCode::NOT_FOUND, "not_found", "nothing is here"),
        }
    }
}
