//! The refresh token grant. Spec: OAuth 2.1 §4.3.

use std::sync::Arc;

use oauth_storage::grant::Salt;
use oauth_storage::{ClientRecord, ClosedReason, GrantRecord, GrantType, Versioned};
use oauth_types::{Lifetime, Timestamp, TokenRequest, TokenResponse};

use crate::event::Event;
use crate::grant::lifecycle::{self, Refresh, Refreshing};
use crate::grant::step::{ROUNDS, Step, step};
use crate::grant::target::RequestedTarget;
use crate::server::AuthorizationServer;
use crate::token::TokenError;
use crate::token_text::{self, TokenKind};

/// What happened, told apart for events.
enum Outcome {
    Rotated {
        response: TokenResponse,
        generation: u32,
        retired: bool,
    },
    Retried {
        response: TokenResponse,
        generation: u32,
        elapsed: Lifetime,
        retired: bool,
    },
    Reused,
    StoreWentBack,
}

impl AuthorizationServer {
    pub(crate) async fn refresh(
        &self,
        client: Arc<ClientRecord>,
        request: &TokenRequest<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        if !client.grant_types.contains(&GrantType::RefreshToken) {
            return Err(TokenError::Unauthorized);
        }
        let token = request
            .refresh_token
            .as_deref()
            .ok_or(TokenError::Request("refresh_token is required"))?;
        let target = RequestedTarget::parse(&request.resource, request.scope.as_deref())?;
        let token = token_text::read(&self.ring(), token)
            .filter(|token| token.kind == TokenKind::Refresh)
            .ok_or(TokenError::RefreshRejected)?;
        let mut salt = Salt([0; 16]);
        self.entropy().fill(&mut salt.0)?;

        let (client, token, target) = (&*client, &token, &target);
        let decide = move |found: Option<Versioned<GrantRecord>>| async move {
            let Some(found) = found else {
                return Ok(Step::Keep(Err(TokenError::RefreshRejected)));
            };
            let refreshing = Refreshing {
                client_id: &client.id,
                secret: &token.secret,
                hash: &token.hash,
                generation: token.generation,
                target,
                standing: self.standing(&found.record.subject, client).await?,
            };
            let (ring, config) = (&self.ring(), &self.config);
            Ok(
                match lifecycle::refresh(&found.record, &refreshing, salt, ring, config, now) {
                    Refresh::Rotate {
                        next,
                        issued,
                        retired,
                    } => {
                        let (response, generation) = (self.response(&issued), issued.generation);
                        Step::Replace(
                            next,
                            Ok(Outcome::Rotated {
                                response,
                                generation,
                                retired,
                            }),
                        )
                    }
                    Refresh::Retry { issued, elapsed } => {
                        let (response, generation) = (self.response(&issued), issued.generation);
                        let retired = false;
                        Step::Keep(Ok(Outcome::Retried {
                            response,
                            generation,
                            elapsed,
                            retired,
                        }))
                    }
                    Refresh::RetryVariant {
                        next,
                        issued,
                        elapsed,
                        retired,
                    } => {
                        let (response, generation) = (self.response(&issued), issued.generation);
                        let outcome = Outcome::Retried {
                            response,
                            generation,
                            elapsed,
                            retired,
                        };
                        Step::Replace(next, Ok(outcome))
                    }
                    Refresh::AlreadyDone => Step::Done(Err(TokenError::RefreshRejected)),
                    Refresh::Reuse { closed } => Step::Replace(closed, Ok(Outcome::Reused)),
                    Refresh::StoreWentBack => Step::Keep(Ok(Outcome::StoreWentBack)),
                    Refresh::Refuse(error) => Step::Keep(Err(error)),
                },
            )
        };
        let grant = token.grant;
        match step(self.storage.grants(), &grant, ROUNDS, decide).await? {
            Outcome::Rotated {
                response,
                generation,
                retired,
            } => {
                self.record(Event::TokenRefreshed { grant, generation });
                if retired {
                    self.record(Event::AccessTokenRetired { grant });
                }
                Ok(response)
            }
            Outcome::Retried {
                response,
                generation,
                elapsed,
                retired,
            } => {
                self.record(Event::RefreshRetried {
                    grant,
                    generation,
                    elapsed,
                });
                if retired {
                    self.record(Event::AccessTokenRetired { grant });
                }
                Ok(response)
            }
            Outcome::Reused => {
                let reason = ClosedReason::RefreshTokenReused;
                self.record(Event::GrantClosed { grant, reason });
                Err(TokenError::RefreshRejected)
            }
            Outcome::StoreWentBack => {
                self.record(Event::StoreWentBack { grant });
                Err(TokenError::RefreshRejected)
            }
        }
    }
}
