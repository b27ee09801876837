//! Enterprise-managed authorization: an identity provider says for a person what an authorization
//! server would otherwise ask them.
//!
//! Spec: the enterprise-managed authorization extension §4, draft-ietf-oauth-identity-assertion-authz-grant §4.3.

use async_trait::async_trait;
use oauth_types::{ClientId, SecretText};

use crate::config::{AssertionError, AssertionSource, AssertionTarget, Ports};
use crate::error::ClientError;
use crate::hop::{Got, Hop, HopError};
use crate::message::Form;
use crate::token::{Prepared, at_address, target};

const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What an identity provider gave at sign-in, and exchanges for assertions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubjectTokenType {
    /// An ID token.
    IdToken,
    /// The identity provider's own refresh token.
    RefreshToken,
    /// A SAML 2.0 assertion.
    Saml2,
}

impl SubjectTokenType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
        }
    }
}

/// Exchanges what an identity provider gave at sign-in for an assertion that an authorization server
/// accepts (ID-JAG), anew for each access token.
#[derive(Debug, Clone)]
pub struct IdentityAssertion {
    token_endpoint: String,
    client_id: ClientId,
    client_secret: Option<SecretText>,
    subject_token: SecretText,
    subject_token_type: SubjectTokenType,
}

impl IdentityAssertion {
    /// An identity provider's token endpoint, the client there, and what it gave that client for a
    /// person. The endpoint is configuration: it may lie anywhere.
    pub fn new(
        token_endpoint: impl Into<String>,
        client_id: ClientId,
        subject_token: SecretText,
        subject_token_type: SubjectTokenType,
    ) -> Self {
        Self {
            token_endpoint: token_endpoint.into(),
            client_id,
            client_secret: None,
            subject_token,
            subject_token_type,
        }
    }

    /// With the client's secret at the identity provider, sent in the form.
    #[must_use]
    pub fn secret(mut self, secret: SecretText) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// The request that exchanges it: the audience is the authorization server, and the resource is
    /// always named (CL-EXT-3).
    ///
    /// # Errors
    /// [`ClientError`] when the endpoint may not be asked.
    pub fn exchange(&self, to: &AssertionTarget<'_>) -> Result<Prepared, ClientError> {
        let mut form = Form::grant("urn:ietf:params:oauth:grant-type:token-exchange");
        form.push("requested_token_type", ID_JAG);
        form.push("audience", to.issuer.as_str());
        target(&mut form, to.resource, to.scope);
        form.push_secret("subject_token", &self.subject_token);
        form.push("subject_token_type", self.subject_token_type.as_str());
        form.push("client_id", self.client_id.as_str());
        if let Some(secret) = &self.client_secret {
            form.push_secret("client_secret", secret);
        }
        at_address(Hop::TokenExchange, &self.token_endpoint, form)
    }
}

#[async_trait]
impl AssertionSource for IdentityAssertion {
    async fn assertion(
        &self,
        target: &AssertionTarget<'_>,
        ports: &Ports,
    ) -> Result<SecretText, AssertionError> {
        let prepared = self.exchange(target).map_err(|error| match error {
            ClientError::Hop(error) => AssertionError::Hop(error),
            error => AssertionError::Unavailable(error.into()),
        })?;
        let expected = "an identity assertion";
        let response = ports
            .http
            .send(prepared.request(), prepared.bounds())
            .await
            .map_err(|error| prepared.fail(expected, Got::Nothing(error)))?;
        let tokens = prepared.tokens(&response)?;
        if tokens.issued_token_type.as_deref() != Some(ID_JAG) {
            let got = Got::Unusable("a token of another type".to_owned());
            return Err(HopError::new(prepared.hop, &prepared.url, expected, got).into());
        }
        Ok(tokens.access_token)
    }
}
