//! The authorization server's half: its endpoints as one service.

mod account;
mod authorize;
mod cookies;
mod decode;
mod encode;
#[cfg(feature = "resource")]
mod forgetting;
mod hand_off;
mod interaction;
mod proxies;
mod registration;
mod service;
#[cfg(feature = "resource")]
mod verifier;

pub use account::{AccountOutcome, AccountPages, AccountPaths, AccountView, AccountVisit};
pub use decode::Form;
#[cfg(feature = "resource")]
pub use forgetting::Forgetting;
pub use interaction::{Interaction, InteractionError, Notice, Outcome, Page, Visit};
pub use oauth_core::{AuthorizationServer, RequestId, Source};
pub use proxies::{ForwardedHeader, InvalidNetwork, TrustedProxies};
pub use service::OAuthService;
