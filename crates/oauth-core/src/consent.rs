//! What a person need not be asked again.
//!
//! Remembered only for clients whose answers go to an address that is proven to be theirs: those
//! that an administrator entered, and those whose document lies on the very origin that receives
//! the code. Programs on a person's own computer, and whoever registered itself, are asked for
//! every time (RFC 8252 §8.6). It stands until it ends, is withdrawn, the person says no to the same,
//! or the client shows another name, address, method or key than the person was shown.

use oauth_storage::record::Shape;
use oauth_storage::{
    ClientRecord, ClientRegistration, ConsentRecord, Delete, Insert, Replace, StorageError,
    StorageErrorKind, Versioned,
};
use oauth_types::redirect_uri::RedirectKind;
use oauth_types::registration::UnknownMembers;
use oauth_types::{RedirectUri, ResourceUri, Scope, SecretHash, Timestamp};
use url::Url;

use crate::client_metadata::ClientLookupError;
use crate::event::Event;
use crate::grant::lifecycle::Standing;
use crate::pending::PendingAuthorization;
use crate::server::AuthorizationServer;
use crate::session::Session;

/// Rounds of compare-and-set on one record.
const ROUNDS: usize = 16;

impl AuthorizationServer {
    /// Whether this person has said yes to all of this before, in terms that still stand. Then
    /// the request may be approved without asking. Reads client, person and consents, and nothing
    /// where no yes is remembered.
    ///
    /// # Errors
    /// The store's.
    pub async fn has_consented(
        &self,
        pending: &PendingAuthorization,
        session: &Session,
    ) -> Result<bool, StorageError> {
        if pending.consent || !can_be_proven(&pending.redirect_uri) {
            return Ok(false);
        }
        let client = match self.client_now(&pending.client_id).await {
            Ok(Some(client)) => client,
            Ok(None) | Err(ClientLookupError::Document) => return Ok(false),
            Err(ClientLookupError::Storage(error)) => return Err(error),
        };
        if !is_remembered(&client, &pending.redirect_uri) {
            return Ok(false);
        }
        let now = self.now();
        let standing = self.standing(session.subject(), &client).await?;
        for resource in &pending.resources {
            let id = ConsentRecord::id_of(session.subject(), &client.id, resource);
            let Some(held) = self.storage.consents().find(&id).await? else {
                return Ok(false);
            };
            if !self.stands(&held.record, &client, &standing, now)
                || !pending.scope.is_subset(&held.record.scope)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Remembers what a person allowed of what was `asked`, where it may be. What was asked and
    /// not allowed is forgotten. Nobody's approval fails because this did: then the person is
    /// asked again.
    pub(crate) async fn remember(
        &self,
        client: &ClientRecord,
        redirect_uri: &RedirectUri,
        session: &Session,
        standing: &Standing,
        asked: (&Scope, &[ResourceUri]),
        allowed: &Scope,
    ) -> Result<(), StorageError> {
        if !is_remembered(client, redirect_uri) {
            return Ok(());
        }
        let now = self.now();
        let (asked, resources) = asked;
        for resource in resources {
            let id = ConsentRecord::id_of(session.subject(), &client.id, resource);
            let held = self.storage.consents().find(&id).await?;
            let still = held
                .as_ref()
                .filter(|held| self.stands(&held.record, client, standing, now));
            let scope = still.map_or_else(
                || allowed.clone(),
                |held| held.record.scope.without(asked).union(allowed),
            );
            // However often a yes is used, it ends when it was to end.
            if still.is_some_and(|held| held.record.scope == scope) {
                continue;
            }
            let next = ConsentRecord {
                shape: Shape::default(),
                id,
                subject: session.subject().clone(),
                client_id: client.id.clone(),
                resource: resource.clone(),
                scope,
                fingerprint: fingerprint(client),
                epochs: standing.current,
                given_at: now,
                retain_until: now.plus(self.policy().consent_lifetime),
                unknown: UnknownMembers::new(),
            };
            let (client, subject) = (&client.id, session.subject());
            let scope = next.scope.clone();
            self.keep(held, next).await?;
            self.record(Event::ConsentRemembered {
                client,
                subject,
                scope: &scope,
            });
        }
        Ok(())
    }

    /// A person says no: what was asked is remembered no longer, so that it is not given without a
    /// word the next time. What was not asked stays remembered, and grants of before stay open:
    /// those are ended by withdrawing.
    ///
    /// # Errors
    /// The store's: then an earlier yes may still stand, and the person is to say no again.
    pub async fn forget_refused(
        &self,
        pending: &PendingAuthorization,
        session: &Session,
    ) -> Result<(), StorageError> {
        let consents = self.storage.consents();
        for resource in pending.resources() {
            let id = ConsentRecord::id_of(session.subject(), pending.client_id(), resource);
            let mut is_done = false;
            for _ in 0..ROUNDS {
                let held = consents.find(&id).await?;
                let left = held
                    .as_ref()
                    .map(|held| held.record.scope.without(pending.scope()));
                is_done = match (held, left) {
                    (Some(held), Some(left)) if left.is_empty() => {
                        consents.delete(&id, held.revision).await? != Delete::Conflict
                    }
                    (Some(held), Some(left)) if left != held.record.scope => {
                        let mut next = ConsentRecord::clone(&held.record);
                        next.scope = left;
                        consents.replace(held.revision, next).await? != Replace::Conflict
                    }
                    _ => true,
                };
                if is_done {
                    break;
                }
            }
            if !is_done {
                return Err(StorageErrorKind::Contended.into());
            }
        }
        Ok(())
    }

    /// One attempt: whoever writes at the same moment has just been asked, too.
    async fn keep(
        &self,
        held: Option<Versioned<ConsentRecord>>,
        next: ConsentRecord,
    ) -> Result<(), StorageError> {
        let consents = self.storage.consents();
        match held {
            Some(held) => consents.replace(held.revision, next).await.map(drop),
            None => consents.insert(next).await.map(|_: Insert| ()),
        }
    }

    fn stands(
        &self,
        held: &ConsentRecord,
        client: &ClientRecord,
        standing: &Standing,
        now: Timestamp,
    ) -> bool {
        !standing.disabled
            && held.epochs == standing.current
            && held.fingerprint.matches(&fingerprint(client))
            && now < held.given_at.plus(self.policy().consent_lifetime)
    }
}

/// Whether somebody can prove that an address is theirs. Any program on a person's computer may
/// answer at the others.
fn can_be_proven(to: &RedirectUri) -> bool {
    to.kind() == RedirectKind::Https
}

/// Whether answers to this client go to an address that is proven to be its own.
fn is_remembered(client: &ClientRecord, to: &RedirectUri) -> bool {
    let origin = |text: &str| Url::parse(text).map(|url| url.origin().ascii_serialization());
    match client.registration {
        _ if !can_be_proven(to) => false,
        ClientRegistration::Preregistered => true,
        ClientRegistration::MetadataDocument => {
            origin(to.as_str()).is_ok_and(|to| origin(client.id.as_str()).is_ok_and(|of| of == to))
        }
        _ => false,
    }
}

/// Digest of what a person goes by when judging a client, and of what proves it.
fn fingerprint(client: &ClientRecord) -> SecretHash {
    let mut redirect_uris: Vec<&str> = client
        .redirect_uris
        .iter()
        .map(RedirectUri::as_str)
        .collect();
    redirect_uris.sort_unstable();
    let shown = serde_json::json!([
        redirect_uris,
        client.token_endpoint_auth_method.as_str(),
        client.metadata.client_name,
        client.jwks,
        client.jwks_uri,
    ]);
    SecretHash::of(shown.to_string().as_bytes())
}
