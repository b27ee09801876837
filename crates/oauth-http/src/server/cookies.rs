//! Two cookies: which browser this is, and who is signed in there.

use http::header::{self, HeaderMap, HeaderValue};
use oauth_core::types::{Issuer, Lifetime, SecretHash};

/// How long a browser is recognised. Longer than any sign-in, and worth nothing by itself.
const BINDING_LIFETIME: Lifetime = Lifetime::days(180);

/// The names carry a digest of the issuer, because cookies are shared by everything on a host
/// whatever its port, and by every issuer under it.
#[derive(Debug, Clone)]
pub(crate) struct Cookies {
    binding: String,
    session: String,
    secure: bool,
}

impl Cookies {
    pub(crate) fn new(issuer: &Issuer) -> Self {
        let digest = SecretHash::of(issuer.as_str().as_bytes());
        let suffix: String = digest.as_bytes()[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // Browsers refuse `__Host-` and `Secure` on plain http, which only a loopback issuer is.
        let secure = !issuer.is_loopback_http();
        let prefix = if secure { "__Host-" } else { "" };
        Self {
            binding: format!("{prefix}oa-{suffix}"),
            session: format!("{prefix}os-{suffix}"),
            secure,
        }
    }

    pub(crate) fn binding<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.binding)
    }

    pub(crate) fn session<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.session)
    }

    pub(crate) fn set_binding(&self, headers: &mut HeaderMap, value: &str) {
        self.set(headers, &self.binding, value, BINDING_LIFETIME);
    }

    pub(crate) fn set_session(&self, headers: &mut HeaderMap, value: &str, lifetime: Lifetime) {
        self.set(headers, &self.session, value, lifetime);
    }

    pub(crate) fn clear_session(&self, headers: &mut HeaderMap) {
        self.set(headers, &self.session, "", Lifetime::ZERO);
    }

    fn set(&self, headers: &mut HeaderMap, name: &str, value: &str, lifetime: Lifetime) {
        let secure = if self.secure { "; Secure" } else { "" };
        let age = lifetime.as_seconds();
        let text = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        // Values are base62 or base64url, so this never takes the other arm.
        if let Ok(text) = HeaderValue::try_from(text) {
            headers.append(header::SET_COOKIE, text);
        }
    }
}

/// The one value of a cookie; several of one name are a sign of meddling and count as none.
fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(held, _)| *held == name)
        .map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}
