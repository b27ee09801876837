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

        let expires_at = now.plus(self.policy().lifetimes(client.lifetimes).access_token);
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
                ring: self.ring().epoch,
                ..Epochs::default()
            },
            auth_time: None,
            authentication: None,
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

#[cfg(test)]
mod tests {
    use oauth_storage::Storage;
    use oauth_storage_memory::MemoryStorage;
    use oauth_testkit::{FixedClock, SeededEntropy, block_on};
    use oauth_types::registration::ClientMetadata;
    use oauth_types::{ClientId, Issuer, ResourceUri};

    use super::*;
    use crate::limit::Source;
    use crate::{Ports, ResourcePolicy, RootSecret, ServerConfig};

    /// A ring whose epoch was raised ends what came before, not what comes after.
    #[test]
    fn a_token_stands_under_the_ring_of_its_day() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let resource = ResourceUri::parse("https://mcp.example/mcp").unwrap();
        let config = ServerConfig::new(
            Issuer::parse("https://mcp.example").unwrap(),
            ResourcePolicy::new(resource).scope("mcp:tools", "Use the tools"),
        );
        let root = RootSecret::from_text(&"root".repeat(8)).unwrap();
        let ports = Ports::new(FixedClock::at(1_800_000_000), SeededEntropy::new(1));
        block_on(async {
            let opened = AuthorizationServer::open(config, storage.clone(), &root, ports).await;
            let server = opened.unwrap();
            let mut metadata = ClientMetadata::default();
            metadata.redirect_uris = vec!["https://app.example/callback".to_owned()];
            let registered = server.register(metadata, Source::default()).await.unwrap();
            let id = ClientId::new(registered.client_id);
            let found = storage.clients().find(&id).await.unwrap().unwrap();
            let mut client = ClientRecord::clone(&found.record);
            client.grant_types = vec![GrantType::ClientCredentials];

            server.fence().await.unwrap();
            let request = TokenRequest::from_pairs([]);
            let issued = server.client_credentials(Arc::new(client), &request, server.now());
            let token = issued.await.unwrap().access_token;
            assert!(server.check_access_token(&token).await.unwrap().is_some());
            server.fence().await.unwrap();
            assert!(server.check_access_token(&token).await.unwrap().is_none());
        });
    }
}
