//! A sound request that waits for a person.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_jose::MacKey;
use oauth_types::redirect_uri::RedirectKind;
use oauth_types::{
    ClientId, CodeChallenge, GrantId, RedirectUri, ResourceUri, Scope, Secret, SecretHash, Subject,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::client_metadata::ClientIdUrl;
use crate::session::Session;

/// A sound request on its way through sign-in and consent. It lies in no table: it travels sealed,
/// and any replica can continue it.
#[derive(Clone, Serialize, Deserialize)]
pub struct PendingAuthorization {
    pub(crate) grant: GrantId,
    /// From which the code follows, so that the same decision made twice gives the same code.
    pub(crate) seed: String,
    pub(crate) browser: SecretHash,
    pub(crate) expires_at: Timestamp,
    pub(crate) client_id: ClientId,
    pub(crate) client_name: Option<String>,
    pub(crate) client_uri: Option<String>,
    pub(crate) client_vouched_for: bool,
    pub(crate) redirect_uri: RedirectUri,
    pub(crate) state: Option<String>,
    pub(crate) challenge: CodeChallenge,
    pub(crate) scope: Scope,
    pub(crate) resources: Vec<ResourceUri>,
    pub(crate) login: bool,
    #[serde(default)]
    pub(crate) select_account: bool,
    #[serde(default)]
    pub(crate) consent: bool,
    pub(crate) login_hint: Option<String>,
    pub(crate) acr_values: Option<String>,
    pub(crate) ui_locales: Option<String>,
    /// A sign-in of before does not count (`max_age`, `prompt=login`).
    pub(crate) signed_in_since: Option<Timestamp>,
    /// Set once somebody has signed in for this request.
    pub(crate) session: Option<String>,
}

impl PendingAuthorization {
    /// Who asks.
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The host that vouches for the client: the one its metadata document came from.
    pub fn client_host(&self) -> Option<&str> {
        ClientIdUrl::host_of(self.client_id.as_str())
    }

    /// What the client calls itself. Nobody has checked it.
    pub fn client_name(&self) -> Option<&str> {
        self.client_name.as_deref()
    }

    /// The home page the client claims. Nobody has checked it.
    pub fn client_uri(&self) -> Option<&str> {
        self.client_uri.as_deref()
    }

    /// Whether an administrator entered the client, so that its name can be believed.
    pub const fn is_client_vouched_for(&self) -> bool {
        self.client_vouched_for
    }

    /// The host (or private-use scheme) that will receive the code.
    pub fn redirect_host(&self) -> &str {
        self.redirect_uri.display_host()
    }

    /// Whether that is a site, a program on this computer, or an installed application.
    pub fn redirect_kind(&self) -> RedirectKind {
        self.redirect_uri.kind()
    }

    /// What is asked for.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// For which resources.
    pub fn resources(&self) -> &[ResourceUri] {
        &self.resources
    }

    /// A name to fill into the sign-in form.
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }

    /// A sign-in of before this moment does not count (`max_age`, `prompt=login`): whoever signs
    /// people in by a cookie of their own asks for the password again, or says when it was given
    /// ([`Authentication::at`](crate::Authentication::at)). A few seconds of clock skew are allowed for.
    pub const fn signed_in_since(&self) -> Option<Timestamp> {
        self.signed_in_since
    }

    /// Whether the person is to say which of their accounts is meant (`prompt=select_account`).
    pub const fn selects_account(&self) -> bool {
        self.select_account
    }

    /// Whether the person is to be asked even if they said yes before (`prompt=consent`).
    pub const fn asks_consent(&self) -> bool {
        self.consent
    }

    /// The classes of proof that would do for the resource, the best first. Spec: RFC 9470 §4.
    pub fn acr_values(&self) -> impl Iterator<Item = &str> {
        words(self.acr_values.as_deref())
    }

    /// Languages the person reads, the best first. Spec: OpenID Connect Core §3.1.2.1.
    pub fn ui_locales(&self) -> impl Iterator<Item = &str> {
        words(self.ui_locales.as_deref())
    }

    /// Until when it waits.
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Whether a sign-in of that moment is recent enough.
    pub fn is_fresh(&self, auth_time: Timestamp) -> bool {
        self.signed_in_since.is_none_or(|since| auth_time >= since)
    }

    /// Whether this session may decide here: it is the one signed in for this request, or one
    /// that was there before and did not have to be renewed. One that is known to be of another
    /// class than the request asks for has to be; one of no known class is taken.
    pub fn admits(&self, session: &Session) -> bool {
        let will_do = match &self.session {
            Some(id) => *id == session.id,
            None => {
                let asked = self.acr_values.is_some();
                let other = |acr| asked && !self.acr_values().any(|value| value == acr);
                !self.login && !session.acr().is_some_and(other)
            }
        };
        will_do && self.is_fresh(session.auth_time)
    }

    /// The same request, from now on for this session only.
    #[must_use]
    pub fn for_session(mut self, session: &Session) -> Self {
        self.session = Some(session.id.clone());
        self
    }

    pub(crate) fn code(
        &self,
        approver: &Subject,
        session: &str,
        decision: &Scope,
    ) -> Option<Secret> {
        let seed: [u8; 32] = URL_SAFE_NO_PAD.decode(&self.seed).ok()?.try_into().ok()?;
        let parts = [
            approver.as_str().as_bytes(),
            session.as_bytes(),
            decision.as_str().as_bytes(),
        ];
        Some(Secret::from_bytes(MacKey::new(&seed).mac("code", &parts)))
    }
}

fn words(text: Option<&str>) -> impl Iterator<Item = &str> {
    let words = text.unwrap_or_default().split(' ');
    words.filter(|word| !word.is_empty())
}

impl std::fmt::Debug for PendingAuthorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingAuthorization")
            .field("grant", &self.grant)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
