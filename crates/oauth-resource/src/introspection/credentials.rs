//! How a resource server proves itself to an introspection endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauth_types::{ClientId, SecretText};

/// What a resource server is known by at an issuer: a client of that issuer, with a secret.
/// Spec: RFC 7662 §2.1, RFC 6749 §2.3.1.
pub struct ClientCredentials(Method);

enum Method {
    /// The header, made once.
    Basic(SecretText),
    /// Two members of a form, made once.
    Post(SecretText),
}

impl ClientCredentials {
    /// `client_secret_basic`: in the `Authorization` header, both percent-encoded first as the
    /// standard asks. Unless the issuer says otherwise, this is the one to use.
    pub fn basic(client: &ClientId, secret: &SecretText) -> Self {
        let encode =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let pair = SecretText::new(format!(
            "{}:{}",
            encode(client.as_str()),
            encode(secret.expose())
        ));
        let header = format!("Basic {}", STANDARD.encode(pair.expose()));
        Self(Method::Basic(SecretText::new(header)))
    }

    /// `client_secret_post`: in the form, for issuers that take nothing else.
    pub fn post(client: &ClientId, secret: &SecretText) -> Self {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", client.as_str());
        form.append_pair("client_secret", secret.expose());
        Self(Method::Post(SecretText::new(form.finish())))
    }

    /// The `Authorization` header of a request.
    pub(super) fn header(&self) -> Option<&str> {
        match &self.0 {
            Method::Basic(header) => Some(header.expose()),
            Method::Post(_) => None,
        }
    }

    /// The form that asks about a token.
    pub(super) fn form(&self, token: &str) -> SecretText {
        let own = match &self.0 {
            Method::Basic(_) => None,
            Method::Post(form) => Some(form.expose()),
        };
        let length = token.len() + own.map_or(0, str::len) + 64;
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(length));
        form.append_pair("token", token);
        form.append_pair("token_type_hint", "access_token");
        let mut form = form.finish();
        if let Some(own) = own {
            form.push('&');
            form.push_str(own);
        }
        SecretText::new(form)
    }
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCredentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RS-TOK-10: the resource server's own credentials, in the spelling of RFC 6749 §2.3.1 and its
    /// appendix B.
    #[test]
    fn credentials_are_encoded_before_they_are_joined() {
        let client = ClientId::new("rs 1:a");
        let secret = SecretText::new("p%ss:wörd+&=");
        let basic = ClientCredentials::basic(&client, &secret);
        let header = basic.header().unwrap().strip_prefix("Basic ").unwrap();
        let pair = String::from_utf8(STANDARD.decode(header).unwrap()).unwrap();
        assert_eq!(pair, "rs+1%3Aa:p%25ss%3Aw%C3%B6rd%2B%26%3D");
        assert_eq!(
            basic.form("a+b/c=").expose(),
            "token=a%2Bb%2Fc%3D&token_type_hint=access_token"
        );
        let post = ClientCredentials::post(&client, &secret);
        assert_eq!(post.header(), None);
        assert_eq!(
            post.form("t").expose(),
            "token=t&token_type_hint=access_token&client_id=rs+1%3Aa&client_secret=p%25ss%3Aw%C3%B6rd%2B%26%3D"
        );
        assert_eq!(format!("{post:?}"), "ClientCredentials");
    }
}
