//! The resource server's half: a layer that admits bearer tokens, and the document that tells
//! clients where to get one.

mod answer;
mod bearer_layer;
mod event_stream;
mod operation_layer;
mod origin;
mod require_scopes;
mod service;
mod stream_end;
mod tool_list;

pub use answer::{Answer, AnswerFuture};
pub use bearer_layer::{Asked, Bearer, BearerLayer};
pub use oauth_resource::{
    AccessClaims, AccessTokenVerifier, AllowedOrigins, Audience, KnownTokens, Needs,
    OperationPolicy, ProtectedResource, TokenRefused, VerificationCache, VerificationError,
    VerifierUnavailable,
};
pub use operation_layer::{OperationLayer, Operations};
pub use require_scopes::{RequireScopes, ScopesRequired};
pub use service::ResourceService;
pub use stream_end::{Lasting, StreamEnd};
pub use tool_list::ToolList;
