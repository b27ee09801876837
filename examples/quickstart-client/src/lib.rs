//! What the programs of this package share: sign-in without a person, and a conversation over MCP.

pub mod headless;
pub mod tools;
