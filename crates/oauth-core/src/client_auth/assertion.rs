//! Clients that prove themselves with a signature: `private_key_jwt`.

use std::sync::Arc;

use oauth_jose::{Algorithm, Claims, Jws, KeySet};
use oauth_storage::{ClientRecord, DigestId, Insert, ReplayRecord, TokenEndpointAuthMethod};
use oauth_types::{ClientId, Lifetime, Timestamp};

use super::{ClientAssertion, ClientAuthError};
use crate::client_metadata::ClientLookupError;
use crate::server::AuthorizationServer;

/// The one kind of assertion there is here. Spec: RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Characters of a `jti`.
const LONGEST_ID: usize = 256;

impl AuthorizationServer {
    /// By a signed assertion. Gives the client that the request names, and its record if it proved
    /// itself. Claiming the assertion comes last: whoever fails before has used nothing up, and
    /// whoever cannot be told the outcome makes a new assertion.
    ///
    /// # Errors
    /// [`ClientAuthError::IncompleteAssertion`], [`ClientAuthError::KeysUnavailable`], or the
    /// store's. Spec: RFC 7523 §3 and its revision.
    pub(super) async fn by_assertion(
        &self,
        presented: ClientAssertion<'_>,
        client_id: Option<&str>,
        now: Timestamp,
    ) -> Result<(ClientId, Option<Arc<ClientRecord>>), ClientAuthError> {
        let (Some(kind), Some(text)) = (presented.assertion_type, presented.assertion) else {
            return Err(ClientAuthError::IncompleteAssertion);
        };
        let jws = Some(text)
            .filter(|_| kind == JWT_BEARER)
            .and_then(|text| Jws::parse(text).ok());
        let claims = jws.as_ref().map(Jws::unverified_claims);
        let subject = claims.and_then(Claims::subject);
        let id = ClientId::new(client_id.or(subject).unwrap_or_default());
        // What needs no key is judged first: it costs nobody anything.
        let Some((jws, valid)) = jws
            .as_ref()
            .filter(|jws| is_client_authentication(jws.typ()))
            .and_then(|jws| {
                Some((
                    jws,
                    self.judge_assertion(jws.unverified_claims(), &id, now)?,
                ))
            })
        else {
            return Ok((id, None));
        };
        let found = self
            .client_with_keys(&id)
            .await
            .map_err(|error| match error {
                ClientLookupError::Document => ClientAuthError::KeysUnavailable,
                ClientLookupError::Storage(error) => error.into(),
            });
        let Some(client) = found?.filter(|client| {
            client.token_endpoint_auth_method == TokenEndpointAuthMethod::PrivateKeyJwt
        }) else {
            return Ok((id, None));
        };
        let signed = match (&client.jwks, &client.jwks_uri) {
            (Some(jwks), _) => {
                KeySet::from_value(jwks).is_ok_and(|keys| jws.verify(&keys, Algorithm::ALL).is_ok())
            }
            (None, Some(uri)) => {
                let keys = &self.client_keys;
                keys.verify(jws, uri, self.outbound(), now).await?
            }
            (None, None) => false,
        };
        if !signed {
            return Ok((id, None));
        }
        let claim = DigestId::of(&["client_assertion", id.as_str(), valid.id]);
        let claim = ReplayRecord::new(claim, now, valid.retain_until);
        let first = self.storage.replays().insert(claim).await? == Insert::Inserted;
        Ok((id, first.then_some(client)))
    }

    /// Everything an assertion has to say, but for the signature.
    fn judge_assertion<'a>(
        &self,
        claims: &'a Claims,
        client: &ClientId,
        now: Timestamp,
    ) -> Option<ValidAssertion<'a>> {
        let policy = self.policy();
        let (lifetime, skew) = (
            policy.client_assertion_lifetime,
            policy.client_assertion_skew,
        );
        let client = Some(client.as_str()).filter(|client| !client.is_empty())?;
        let itself = claims.issuer() == Some(client) && claims.subject() == Some(client);
        let mut audiences = claims.audience();
        let (Some(audience), None) = (audiences.next(), audiences.next()) else {
            return None;
        };
        let issuer = &self.config.issuer;
        let for_us = audience == issuer.as_str()
            || (policy.danger_accept_token_endpoint_audience
                && *audience == issuer.endpoint("/token"));
        let times = Times {
            now,
            lifetime,
            skew,
        };
        let id = claims.id()?;
        let expires_at = times.hold(claims)?;
        let named = (1..=LONGEST_ID).contains(&id.len());
        (itself && for_us && named).then_some(ValidAssertion {
            id,
            retain_until: expires_at.plus(skew).plus(policy.clock_skew),
        })
    }
}

/// What is needed of an assertion once it was judged.
struct ValidAssertion<'a> {
    /// Its `jti`.
    id: &'a str,
    /// The last moment at which any replica could accept it.
    retain_until: Timestamp,
}

struct Times {
    now: Timestamp,
    lifetime: Lifetime,
    skew: Lifetime,
}

impl Times {
    /// `exp`, if it is there and all times hold: it ends neither now nor beyond the lifetime, and
    /// neither begins later nor was made too long ago.
    fn hold(&self, claims: &Claims) -> Option<Timestamp> {
        let Self {
            now,
            lifetime,
            skew,
        } = *self;
        let expires_at = claims.expires_at?;
        let current = now < expires_at.plus(skew) && expires_at <= now.plus(lifetime).plus(skew);
        let begun = claims.not_before.is_none_or(|at| at <= now.plus(skew));
        let made = claims
            .issued_at
            .is_none_or(|at| at <= now.plus(skew) && now <= at.plus(lifetime).plus(skew));
        (current && begun && made).then_some(expires_at)
    }
}

/// Whether a token of this type can be an assertion: one without a type, of the general type or of
/// the one made for it. What was signed for another purpose says so and is refused. Spec: RFC 8725
/// §3.11.
fn is_client_authentication(typ: Option<&str>) -> bool {
    matches!(typ, None | Some("jwt" | "client-authentication+jwt"))
}
