//! How an identifier becomes the text of a column.

pub(crate) use oauth_storage::key_text::{optional, short as column};
