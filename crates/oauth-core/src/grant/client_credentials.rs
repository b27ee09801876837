//! The client credentials grant, for clients that can keep a secret. Spec: OAuth 2.1 §4.2.

use std::sync::Arc;

use oauth_storage::record::Shape;
use oauth_storage::{
    AccessTokenRecord, ClientRecord, Epochs, GrantRecord, GrantType, Insert, StorageError,
    StorageErrorKind,
};
use oauth_types::registration::UnknownMembers;
use oauth_types::{GrantId, Secret, Subject, Timestamp, TokenRequest, TokenResponse};

use crate::grant::lifecycle::Issued;
use crate::grant::target::RequestedTarget;
use crate::server::AuthorizationServer;
use crate::token::TokenError;

impl AuthorizationServer {
    /// One grant per token: one insert, no read, forgotten once the token has expired.
    pub(crate) async fn client_credentials(
        &self,
        client: Arc<ClientRecord>,
        request: &TokenRequest<'_>,
        now: Timestamp,
    ) -> Result<TokenResponse, TokenError> {
        let allowed = client.grant_types.contains(&GrantType::ClientCredentials);
        if !allowed || !client.is_confidential() {
            return Err(TokenError::Unauthorized);
        }
        let target = RequestedTarget::parse(&request.resource, request.scope.as_deref())?;
        let mut drawn = [0u8; 48];
        self.entropy().fill(&mut drawn)?;
        let (mut id, mut secret) = ([0u8; 16], [0u8; 32]);
        id.copy_from_slice(&drawn[..16]);
        secret.copy_from_slice(&drawn[16..]);
        let (id, access) = (GrantId::from_bytes(id), Secret::from_bytes(secret));
        let access_hash = access.hash();

        let expires_at = now.plus(self.policy().access_token_lifetime);
        let mut grant = GrantRecord {
            shape: Shape::default(),
            id,
            client_id: client.id.clone(),
            // A generated client id and a person's name cannot be equal: approval refuses it.
            subject: Subject::new(client.id.as_str()),
            scope: client.scope.clone().unwrap_or_else(|| self.config.scopes()),
            resources: self
                .config
                .resources
                .iter()
                .map(|resource| resource.uri.clone())
                .collect(),
            epochs: Epochs {
                client: client.epoch,
                ring: self.ring.epoch,
                ..Epochs::default()
            },
            created_at: now,
            expires_at,
            retain_until: expires_at.plus(self.policy().clock_skew),
            code: None,
            refresh: None,
            access: Vec::new(),
            closed: None,
            unknown: UnknownMembers::new(),
        };
        let (audience, scope) = target.decide(&grant, &self.config)?;
        grant.access.push(AccessTokenRecord {
            hash: access_hash,
            generation: 0,
            scope: scope.clone(),
            audience,
            issued_at: now,
            expires_at,
        });
        match self.storage.grants().insert(grant).await? {
            Insert::Inserted => Ok(self.response(&Issued {
                grant: id,
                generation: 0,
                access,
                access_hash,
                refresh: None,
                scope,
                expires_in: expires_at.since(now).as_seconds(),
            })),
            // 128 random bits twice: the randomness is broken, or the store is.
            Insert::Exists => Err(StorageError::from(StorageErrorKind::Corrupt).into()),
        }
    }
}
