//! The resource server's half: a layer that admits bearer tokens, and the document that tells
//! clients where to get one.

mod bearer_layer;
mod operation_layer;
mod service;

pub use bearer_layer::{Answer, AnswerFuture, Bearer, BearerLayer};
pub use oauth_resource::{
    AccessClaims, AccessTokenVerifier, Audience, KnownTokens, Needs, OperationPolicy,
    ProtectedResource, TokenRefused, VerificationCache, VerificationError, VerifierUnavailable,
};
pub use operation_layer::{OperationLayer, Operations};
pub use service::ResourceService;
