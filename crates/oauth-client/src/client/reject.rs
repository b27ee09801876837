//! What to do when the protected server says no.

use http::StatusCode;
use oauth_types::Scope;

use super::renew::Renewed;
use super::{AccessToken, Client};
use crate::challenge::BearerChallenge;
use crate::error::ClientError;
use crate::observer::Step;
use crate::scope::{missing, step_up};

/// How a protected server refused a request.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rejection<'a> {
    /// 401 or 403.
    pub status: StatusCode,
    /// What it said.
    pub challenge: BearerChallenge,
    /// The token that it was shown.
    pub presented: Option<&'a AccessToken>,
    /// What was to be done: method and path, or the name of a tool. Scope that is missing is asked
    /// for a few times for each.
    pub operation: &'a str,
    /// How often this same request was refused before.
    pub before: u8,
}

impl<'a> Rejection<'a> {
    /// A first refusal.
    pub const fn new(
        status: StatusCode,
        challenge: BearerChallenge,
        presented: Option<&'a AccessToken>,
        operation: &'a str,
    ) -> Self {
        Self {
            status,
            challenge,
            presented,
            operation,
            before: 0,
        }
    }

    /// One that came after this many of the same request.
    #[must_use]
    pub const fn after(mut self, before: u8) -> Self {
        self.before = before;
        self
    }
}

/// More scope than before.
#[derive(Clone, Copy)]
pub(super) struct Wider<'a> {
    /// All that is asked for.
    pub(super) scope: &'a Scope,
    /// What it is for.
    operation: &'a str,
    /// What that lacks.
    challenged: &'a Scope,
}

impl Client {
    /// Times that one request is sent: as it came, with a renewed token, after a new sign-in, and
    /// after two step-ups.
    pub(crate) const MOST_TRIES: u8 = 5;

    /// Gets another token after a refusal. `None` when another token would not help: then the
    /// refusal is the answer.
    ///
    /// 401: a token that others got meanwhile, else a renewed one, else a new sign-in, each once for
    /// a request (CL-TOK-8); no sign-in where nothing went through ([`Self::accepted`]) since the last. Before that the server's metadata are read again, since it may have
    /// another authorization server by now (CL-DISC-10). 403 `insufficient_scope`: a new sign-in for
    /// all scope asked for before and what is missing, a few times (CL-TOK-9, CL-TOK-10). Where the
    /// challenge does not say what is missing, that is what the server's metadata list and the token
    /// does not allow (CL-AUTHZ-3).
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn rejected(
        &self,
        rejection: &Rejection<'_>,
    ) -> Result<Option<AccessToken>, ClientError> {
        self.load().await?;
        if rejection.before + 1 >= Self::MOST_TRIES {
            return Ok(None);
        }
        match rejection.status {
            StatusCode::UNAUTHORIZED => self.unauthorized(rejection).await,
            StatusCode::FORBIDDEN if rejection.challenge.is_insufficient_scope() => {
                self.insufficient(rejection).await
            }
            _ => Ok(None),
        }
    }

    /// An operation went through with a token. To be called after each that did: what was tried for it
    /// is forgotten, and a token that is refused from now on may be worth a new sign-in.
    pub fn accepted(&self, operation: &str) {
        let mut state = self.shared.state();
        state.unproven = false;
        state.step_ups.went_through(operation);
    }

    async fn unauthorized(
        &self,
        rejection: &Rejection<'_>,
    ) -> Result<Option<AccessToken>, ClientError> {
        let challenge = &rejection.challenge;
        let held = self.shared.held();
        let Some(presented) = rejection.presented else {
            // Nothing was shown. Somebody may have signed in meanwhile.
            if let Some(token) = self.access_token().await? {
                return Ok(Some(token));
            }
            return self.authorize(challenge, None, held).await.map(Some);
        };
        if let Some(credentials) = held {
            let current = AccessToken { credentials };
            if !current.is(presented) {
                return Ok(Some(current));
            }
        }
        let credentials = &presented.credentials;
        if rejection.before == 0 {
            let discovered = self.discover(challenge).await?;
            self.found(&discovered).await?;
            let still_held = self.shared.held().is_some();
            let renewable = credentials.refresh_token.is_some() || self.shared.asks_for_itself();
            if still_held
                && renewable
                && let Renewed::Yes(token) = self.renew(credentials).await?
            {
                return Ok(Some(token));
            }
        } else if rejection.before >= 2 {
            // Neither renewing nor signing in helped.
            return Ok(None);
        }
        {
            // A person has signed in for this, and the server has never taken it. It would not take
            // the next one either.
            let state = self.shared.state();
            if state.credentials.is_some() && state.unproven {
                return Ok(None);
            }
        }
        let before = Some(std::sync::Arc::clone(credentials));
        self.authorize(challenge, None, before).await.map(Some)
    }

    async fn insufficient(
        &self,
        rejection: &Rejection<'_>,
    ) -> Result<Option<AccessToken>, ClientError> {
        let Some(presented) = rejection.presented else {
            return Ok(None);
        };
        let Some(challenged) = self.missing(&rejection.challenge, presented).await? else {
            return Ok(None);
        };
        let held = self.shared.held();
        let credentials = held.as_ref().unwrap_or(&presented.credentials);
        let before = [credentials.requested.as_ref(), credentials.scope.as_ref()];
        let wider = Wider {
            scope: &step_up(before, &challenged),
            operation: rejection.operation,
            challenged: &challenged,
        };
        // Refreshing cannot widen a grant: this is a new authorization.
        let before = Some(std::sync::Arc::clone(&presented.credentials));
        self.authorize(&rejection.challenge, Some(wider), before)
            .await
            .map(Some)
    }

    /// Counts one more step-up, whose turn it is.
    pub(super) fn step_up_once(&self, wider: Wider<'_>) -> Result<(), ClientError> {
        let Wider {
            scope,
            operation,
            challenged,
        } = wider;
        let tried = self.shared.state().step_ups.try_once(operation, challenged);
        tried.map_err(|times| ClientError::StepUpLimit {
            scope: challenged.clone(),
            times,
        })?;
        self.shared.tell(&Step::StepUp { scope });
        Ok(())
    }

    /// What the operation needs. The metadata are read again if the challenge does not say it.
    async fn missing(
        &self,
        challenge: &BearerChallenge,
        presented: &AccessToken,
    ) -> Result<Option<Scope>, ClientError> {
        if challenge.scope.is_some() {
            return Ok(challenge.scope.clone());
        }
        let discovered = self.discover(challenge).await?;
        let sources = self.scope_sources(&discovered, challenge);
        Ok(missing(sources, presented.scope()))
    }
}
