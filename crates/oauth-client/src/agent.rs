//! The ports to a person: a browser that comes back with a code, or a code to type in elsewhere.

use async_trait::async_trait;
use oauth_types::{Lifetime, SecretText};

/// Sends a person to an authorization server and receives what the server sends back. A port: a
/// loopback listener and the system's browser (never an embedded web view, CL-AUTHZ-13), a page of
/// a web application, a test that follows redirects itself.
#[async_trait]
pub trait UserAgent: Send + Sync {
    /// Makes ready to receive one redirect, so that its address is known before a client is
    /// registered with it.
    ///
    /// # Errors
    /// See [`UserAgentError`].
    async fn begin(&self) -> Result<Box<dyn Visit>, UserAgentError>;
}

/// One person on their way to an authorization server and back. Dropped, it ends, and nothing
/// listens for the redirect any more.
#[async_trait]
pub trait Visit: Send {
    /// Where the answer can be received: https, or http on a loopback address with its port
    /// (CL-AUTHZ-11).
    fn redirect_uri(&self) -> &str;

    /// Sends the person to `url`, which is https, or http on this computer, and waits until they
    /// come back. The URL holds no secret but is not for logs: `state` is in it.
    ///
    /// Gives the query of the redirect as it came, without the question mark: it holds the code.
    /// What does not belong to this visit may be given, too; it is refused by its `state`.
    ///
    /// # Errors
    /// See [`UserAgentError`].
    async fn visit(self: Box<Self>, url: &str) -> Result<SecretText, UserAgentError>;
}

/// Whether `query`, which somebody brought to a redirect URI, is the answer to the address `url` that
/// a person was sent to: whether `state` is the same. A listener that anybody on the computer can talk
/// to goes on waiting where it is not (CL-AUTHZ-6). The rest of the answer is judged later.
pub fn is_answer_to(query: &str, url: &str) -> bool {
    let state = |query: &str| {
        // Ours stands at the end; a server's own address may have one before it.
        let pairs = form_urlencoded::parse(query.as_bytes());
        let found = pairs.filter(|(name, _)| name == "state").last();
        found.map(|(_, state)| SecretText::new(state))
    };
    let sent = url.split_once('?').and_then(|(_, query)| state(query));
    match (state(query.strip_prefix('?').unwrap_or(query)), sent) {
        (Some(came), Some(sent)) if !sent.expose().is_empty() => came.hash().matches(&sent.hash()),
        _ => false,
    }
}

/// The person did not come back with an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserAgentError {
    /// They, or whoever runs the program, broke it off.
    #[error("sign-in was broken off")]
    Cancelled,
    /// They did not come back in time.
    #[error("nobody came back from sign-in in time")]
    TimedOut,
    /// There is no browser, or no way to be called back.
    #[error("there is no browser that could come back here")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The authorization server showed an error page instead of sending anybody back, which says
    /// that it does not know the client or its redirect URI. Whoever follows redirects without a
    /// person sees that.
    #[error("the authorization server showed an error page (status {status})")]
    ErrorPage {
        /// The page's HTTP status.
        status: u16,
    },
}

/// Shows a person where to type which code, for sign-in without a browser of one's own. A port.
/// Spec: RFC 8628 §3.3.
#[async_trait]
pub trait DeviceAgent: Send + Sync {
    /// Shows what the person needs. Called once for each sign-in.
    ///
    /// # Errors
    /// See [`UserAgentError`].
    async fn show(&self, prompt: &DevicePrompt) -> Result<(), UserAgentError>;

    /// Waits between two questions whether the person has finished.
    ///
    /// # Errors
    /// [`UserAgentError::Cancelled`] when it is to be broken off.
    async fn pause(&self, pause: Lifetime) -> Result<(), UserAgentError>;
}

/// What a person needs for signing in elsewhere. Spec: RFC 8628 §3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DevicePrompt {
    /// What they type in. It is meant to be seen.
    pub user_code: String,
    /// Where: https, or http on this computer.
    pub verification_uri: String,
    /// The same with the code in it, for a link or a picture to scan.
    pub verification_uri_complete: Option<String>,
    /// How long the code is good.
    pub expires_in: Lifetime,
}

#[cfg(test)]
mod tests {
    use super::is_answer_to;

    /// CL-AUTHZ-6: what others bring to a listener is told from the answer.
    #[test]
    fn an_answer_is_known_by_its_state() {
        let url = "https://as.example/authorize?client_id=c&state=a%2Bb&scope=x";
        assert!(is_answer_to("code=1&state=a%2Bb", url));
        assert!(is_answer_to("?state=a%2Bb&error=x", url));
        for other in [
            "",
            "code=1",
            "code=1&state=",
            "state=a+b",
            "state=a%2Bbc",
            "STATE=a%2Bb",
        ] {
            assert!(!is_answer_to(other, url), "{other}");
        }
        assert!(!is_answer_to(
            "state=",
            "https://as.example/authorize?state="
        ));
        assert!(!is_answer_to("code=1", "https://as.example/authorize"));
        let url = "https://as.example/authorize?state=known&client_id=c&state=ours";
        assert!(is_answer_to("code=1&state=ours", url));
        assert!(!is_answer_to("code=1&state=known", url));
    }
}
