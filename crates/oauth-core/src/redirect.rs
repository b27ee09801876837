//! The way back to the client.

use oauth_types::{Issuer, RedirectUri};

use crate::authorize::AuthorizationError;

/// Where the browser goes next, with the response parameters in the query; or, to a consent page
/// elsewhere, a sealed request.
///
/// Spec: OAuth 2.1 §4.1.2, RFC 9207 §2.
#[derive(Clone)]
pub struct Redirect {
    location: String,
    host: String,
}

impl Redirect {
    /// The address, code and all. It goes into a `Location` header and nowhere else.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The host (or private-use scheme) it leads to, for a person to read.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn error(
        issuer: &Issuer,
        to: &RedirectUri,
        state: Option<&str>,
        error: AuthorizationError,
    ) -> Self {
        let description = error.to_string();
        let parameters = [
            ("error", error.code().as_str()),
            ("error_description", &*description),
        ];
        Self::new(issuer, to, state, &parameters)
    }

    /// To a consent page elsewhere, with a sealed request.
    pub(crate) fn hand_off(page: &RedirectUri, handle: &str) -> Self {
        Self {
            location: page.with_parameters([("transaction", handle)]),
            host: page.display_host().to_owned(),
        }
    }

    pub(crate) fn new(
        issuer: &Issuer,
        to: &RedirectUri,
        state: Option<&str>,
        parameters: &[(&str, &str)],
    ) -> Self {
        let state = state.map(|state| ("state", state));
        let all = parameters
            .iter()
            .copied()
            .chain(state)
            .chain([("iss", issuer.as_str())]);
        Self {
            location: to.with_parameters(all),
            host: to.display_host().to_owned(),
        }
    }
}

impl std::fmt::Debug for Redirect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redirect({})", self.host)
    }
}
