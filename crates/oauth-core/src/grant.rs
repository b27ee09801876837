//! A grant and its tokens: the pure lifecycle, and the one loop that applies it.

pub mod authorization_code;
pub mod check;
pub mod client_credentials;
pub mod lifecycle;
pub mod refresh_token;
pub mod revoke;
mod room;
mod step;
pub mod target;
