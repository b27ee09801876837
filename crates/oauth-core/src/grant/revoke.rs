//! Revocation. Spec: RFC 7009.

use oauth_storage::{ClosedReason, GrantRecord, StorageError, Versioned};
use oauth_types::{GrantId, Subject, Timestamp, TokenRequest};

use crate::client_auth::PresentedClient;
use crate::event::Event;
use crate::grant::lifecycle::{self, Revoke};
use crate::grant::step::{CLOSING_ROUNDS, Step, step};
use crate::limit::Source;
use crate::server::AuthorizationServer;
use crate::token::TokenError;
use crate::token_text::{self, TokenKind};

enum Outcome {
    AccessToken,
    Grant,
    Nothing,
}

impl AuthorizationServer {
    /// Ends a token that its own client gives back: an access token alone, or with a refresh
    /// token the whole grant. Tokens that are unknown, expired or another client's are answered
    /// like ended ones. One read and one write of the grant.
    ///
    /// # Errors
    /// [`TokenError::Request`] without `token`, [`TokenError::Client`] when the client does not
    /// prove itself, [`TokenError::Storage`] when the token may still be good.
    pub async fn revoke(
        &self,
        presented: PresentedClient<'_>,
        request: &TokenRequest<'_>,
        source: Source,
    ) -> Result<(), TokenError> {
        let now = self.now();
        if request.repeated.is_some() {
            return Err(TokenError::Request("a parameter is repeated"));
        }
        let client = self.authenticate(presented, source, now).await?;
        let token = request
            .token
            .as_deref()
            .ok_or(TokenError::Request("token is required"))?;
        let Some(token) = token_text::read(&self.ring(), token) else {
            return Ok(());
        };
        let (client, token) = (&*client, &token);
        let decide = move |found: Option<Versioned<GrantRecord>>| async move {
            let own = found.filter(|found| found.record.client_id == client.id);
            let Some(found) = own else {
                return Ok::<_, TokenError>(Step::Keep(Ok(Outcome::Nothing)));
            };
            let revoke = match token.kind {
                TokenKind::Access => lifecycle::revoke_access(&found.record, &token.hash),
                TokenKind::Refresh => lifecycle::revoke_refresh(&found.record, &token.hash, now),
                TokenKind::Code => Revoke::Nothing,
            };
            Ok(match revoke {
                Revoke::AccessToken(next) => Step::Replace(next, Ok(Outcome::AccessToken)),
                Revoke::Grant(next) => Step::Replace(next, Ok(Outcome::Grant)),
                Revoke::Nothing => Step::Done(Ok(Outcome::Nothing)),
            })
        };
        let grant = token.grant;
        match step(self.storage.grants(), &grant, CLOSING_ROUNDS, decide).await? {
            Outcome::AccessToken => self.record(Event::AccessTokenRevoked { grant }),
            Outcome::Grant => {
                self.record(Event::GrantClosed {
                    grant,
                    reason: ClosedReason::Revoked,
                });
            }
            Outcome::Nothing => {}
        }
        Ok(())
    }

    /// Ends a grant, whoever holds it: for operators. A grant that has ended already is left alone.
    ///
    /// # Errors
    /// The store's.
    pub async fn close_grant(&self, grant: &GrantId) -> Result<(), StorageError> {
        self.close_if(grant, |_| true).await.map(drop)
    }

    /// Ends a grant for the person who gave it. One that somebody else gave is left as it is, and
    /// answered like one that does not exist. One read and one write of the grant.
    ///
    /// `true` when this ended it.
    ///
    /// # Errors
    /// The store's.
    pub async fn close_own_grant(
        &self,
        subject: &Subject,
        grant: &GrantId,
    ) -> Result<bool, StorageError> {
        self.close_if(grant, |held| held.subject == *subject).await
    }

    async fn close_if(
        &self,
        grant: &GrantId,
        may: impl Fn(&GrantRecord) -> bool,
    ) -> Result<bool, StorageError> {
        let (now, may): (Timestamp, _) = (self.now(), &may);
        let reason = ClosedReason::Withdrawn;
        let decide = move |found: Option<Versioned<GrantRecord>>| async move {
            let open = found.filter(|found| found.record.closed.is_none() && may(&found.record));
            Ok(match open {
                None => Step::Done(Ok::<bool, StorageError>(false)),
                Some(found) => {
                    let next = Box::new(lifecycle::close(&found.record, reason, now));
                    Step::Replace(next, Ok(true))
                }
            })
        };
        let closed = step(self.storage.grants(), grant, CLOSING_ROUNDS, decide).await?;
        if closed {
            self.record(Event::GrantClosed {
                grant: *grant,
                reason,
            });
        }
        Ok(closed)
    }
}
