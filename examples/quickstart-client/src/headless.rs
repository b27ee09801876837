//! Sign-in without a person, for servers that approve by themselves.

use std::time::Duration;

use async_trait::async_trait;
use http::header::LOCATION;
use oauth_client::types::SecretText;
use oauth_client::{UserAgent, UserAgentError, Visit};

/// Redirects that are followed on the way.
const MOST_REDIRECTS: usize = 10;
/// How long each of them may take.
const WITHIN: Duration = Duration::from_secs(30);
/// Nobody listens there: the last redirect is read, not followed.
const REDIRECT_URI: &str = "http://127.0.0.1:53682/callback";

/// Follows the redirects of the authorization server itself, without cookies, until one leads back.
#[derive(Debug, Clone)]
pub struct Headless(reqwest::Client);

impl Headless {
    /// One that asks with a client of its own.
    ///
    /// # Errors
    /// When the machine has no usable TLS.
    pub fn new() -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(WITHIN);
        Ok(Self(http.build()?))
    }
}

#[async_trait]
impl UserAgent for Headless {
    async fn begin(&self) -> Result<Box<dyn Visit>, UserAgentError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Visit for Headless {
    fn redirect_uri(&self) -> &str {
        REDIRECT_URI
    }

    async fn visit(self: Box<Self>, url: &str) -> Result<SecretText, UserAgentError> {
        let mut next = reqwest::Url::parse(url).map_err(unavailable)?;
        for _ in 0..MOST_REDIRECTS {
            let answer = self.0.get(next).send().await;
            // Without its address, which holds `state` and may hold a code.
            let answer = answer.map_err(|error| unavailable(error.without_url()))?;
            let location = answer.headers().get(LOCATION);
            let location = location.and_then(|location| location.to_str().ok());
            let Some(location) = location.filter(|_| answer.status().is_redirection()) else {
                let status = answer.status().as_u16();
                return Err(UserAgentError::ErrorPage { status });
            };
            let to = answer.url().join(location).map_err(unavailable)?;
            if to.as_str().split(['?', '#']).next() == Some(REDIRECT_URI) {
                return Ok(SecretText::new(to.query().unwrap_or_default()));
            }
            next = to;
        }
        Err(unavailable("too many redirects"))
    }
}

fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> UserAgentError {
    UserAgentError::Unavailable(cause.into())
}
