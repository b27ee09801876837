//! From a fetched document to a client, or to the reason why not.

use oauth_storage::{ClientRecord, ClientRegistration, TokenEndpointAuthMethod};
use oauth_types::redirect_uri::RedirectKind;
use oauth_types::registration::ClientMetadata;
use oauth_types::{ClientId, Timestamp};
use serde_json::Value;
use url::Url;

use super::{ClientIdUrl, DocumentError, MetadataDocumentRules};
use crate::policy::ServerConfig;
use crate::registration::{RegistrationError, ValidMetadata};
use oauth_types::outbound::Fetched;

/// Judges what was fetched from `id`. Spec: §4, §5.
pub(super) fn judge(
    id: &ClientIdUrl<'_>,
    fetched: &Fetched,
    rules: &MetadataDocumentRules,
    config: &ServerConfig,
    now: Timestamp,
) -> Result<ClientRecord, DocumentError> {
    if fetched.status != 200 {
        return Err(DocumentError::Status);
    }
    if fetched.body.len() > rules.most_bytes {
        return Err(DocumentError::TooLarge);
    }
    if !fetched.content_type.as_deref().is_some_and(is_json) {
        return Err(DocumentError::NotJson);
    }
    let document: Value =
        serde_json::from_slice(&fetched.body).map_err(|_| DocumentError::NotJson)?;
    let members = document.as_object().ok_or(DocumentError::NotJson)?;
    if members.get("client_id").and_then(Value::as_str) != Some(id.as_str()) {
        return Err(DocumentError::OtherClient);
    }
    if members.contains_key("client_secret") || members.contains_key("client_secret_expires_at") {
        return Err(DocumentError::Secret);
    }
    let named = members.get("client_name").and_then(Value::as_str);
    if named.is_none_or(|name| name.trim().is_empty()) {
        return Err(DocumentError::NoName);
    }
    let mut metadata: ClientMetadata = serde_json::from_value(document)
        .map_err(|_| DocumentError::Metadata("a member is of the wrong type"))?;
    metadata.other.remove("client_id");
    let method = method(&mut metadata)?;
    if method.starts_with("client_secret") {
        return Err(DocumentError::Secret);
    }
    metadata.token_endpoint_auth_method = Some(method);
    let valid = ValidMetadata::judge(metadata, &config.policy.registration, &config.scopes());
    let valid = valid.map_err(|error| match error {
        RegistrationError::Metadata(why) | RegistrationError::RedirectUri(why) => {
            DocumentError::Metadata(why)
        }
        _ => DocumentError::Metadata("the metadata is not acceptable"),
    })?;
    let mut record = ClientRecord::new(
        ClientId::new(id.as_str()),
        ClientRegistration::MetadataDocument,
        TokenEndpointAuthMethod::None,
        now,
    );
    valid.store_in(&mut record);
    let elsewhere = |uri: &oauth_types::RedirectUri| {
        uri.kind() == RedirectKind::Https
            && Url::parse(uri.as_str())
                .is_ok_and(|url| url.origin().ascii_serialization() != id.origin())
    };
    if rules.same_origin_redirects && record.redirect_uris.iter().any(elsewhere) {
        return Err(DocumentError::OtherOrigin);
    }
    Ok(record)
}

/// How the client proves itself. Where a document lists methods, the one it names besides counts if
/// that is listed, and else the strongest of those listed that are possible here; a list without
/// any is refused, since it does not mean `none`. Without a word a document means a public client:
/// it could not keep a secret.
fn method(metadata: &mut ClientMetadata) -> Result<String, DocumentError> {
    let bad = DocumentError::Metadata;
    let named = metadata.token_endpoint_auth_method.take();
    let Some(listed) = metadata
        .other
        .remove("token_endpoint_auth_methods_supported")
    else {
        return Ok(named.unwrap_or_else(|| "none".to_owned()));
    };
    let listed: Vec<String> = serde_json::from_value(listed)
        .map_err(|_| bad("token_endpoint_auth_methods_supported is a list of texts"))?;
    let lists = |method: &str| listed.iter().any(|held| held == method);
    if let Some(named) = named.filter(|named| lists(named) || named.starts_with("client_secret")) {
        return Ok(named);
    }
    let has_keys = metadata.jwks.is_some() || metadata.jwks_uri.is_some();
    match (lists("private_key_jwt"), lists("none")) {
        (true, none) if has_keys || !none => Ok("private_key_jwt".to_owned()),
        (_, true) => Ok("none".to_owned()),
        _ => Err(bad(
            "token_endpoint_auth_methods_supported lists no method of this server",
        )),
    }
}

/// `application/json` or `application/…+json`, with any parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|kind| {
        kind == "json"
            || kind
                .strip_suffix("+json")
                .is_some_and(|kind| !kind.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use oauth_types::{Issuer, ResourceUri};
    use serde_json::json;

    use super::*;
    use crate::ResourcePolicy;

    const ID: &str = "https://app.example/client.json";

    fn judged(body: &Value) -> Result<ClientRecord, DocumentError> {
        answered(200, Some("application/json"), body.to_string().as_bytes())
    }

    fn answered(
        status: u16,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<ClientRecord, DocumentError> {
        let resource = ResourceUri::parse("https://mcp.example/mcp").unwrap();
        let config = ServerConfig::new(
            Issuer::parse("https://mcp.example").unwrap(),
            ResourcePolicy::new(resource).scope("mcp:tools", "Use the tools"),
        );
        let rules = MetadataDocumentRules::default();
        let id = ClientIdUrl::parse(ID, &rules).unwrap();
        let fetched = Fetched {
            status,
            content_type: content_type.map(str::to_owned),
            body: body.to_vec(),
            ..Fetched::default()
        };
        judge(&id, &fetched, &rules, &config, Timestamp::from_unix(1))
    }

    fn sound() -> Value {
        json!({
            "client_id": ID,
            "client_name": "App",
            "redirect_uris": ["http://127.0.0.1/callback", "https://app.example/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut document = sound();
        document[name] = value;
        document
    }

    /// CIMD-8, CIMD-9, CIMD-28: what a document must say, and what it then means.
    #[test]
    fn a_sound_document_makes_a_client() {
        let client = judged(&sound()).unwrap();
        assert_eq!(client.id.as_str(), ID);
        assert_eq!(client.registration, ClientRegistration::MetadataDocument);
        assert!(!client.is_confidential());
        assert_eq!(client.redirect_uris.len(), 2);

        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "abc", "kid": "1"});
        let mut signed = with("token_endpoint_auth_method", json!("private_key_jwt"));
        signed["jwks"] = json!({"keys": [key]});
        assert!(judged(&signed).unwrap().is_confidential());
        signed.as_object_mut().unwrap().remove("jwks");
        assert!(
            judged(&signed).is_err(),
            "without a key it cannot prove itself"
        );
    }

    /// CIMD-8, CIMD-9, CIMD-10, CIMD-11, CIMD-17.
    #[test]
    fn an_unsound_document_makes_none() {
        use DocumentError::{NoName, NotJson, OtherClient, Secret};
        let private =
            json!({"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "c"}]});
        let shared = json!({"keys": [{"kty": "oct", "k": "abc"}]});
        for (document, why) in [
            (json!([]), Some(NotJson)),
            (json!("x"), Some(NotJson)),
            (
                with("client_id", json!("https://app.example/other.json")),
                Some(OtherClient),
            ),
            (
                with("client_id", json!("https://app.example:443/client.json")),
                Some(OtherClient),
            ),
            (with("client_id", json!(null)), Some(OtherClient)),
            (with("client_name", json!(" ")), Some(NoName)),
            (with("client_name", json!(7)), Some(NoName)),
            (with("client_secret", json!("s")), Some(Secret)),
            (with("client_secret_expires_at", json!(0)), Some(Secret)),
            (
                with("token_endpoint_auth_method", json!("client_secret_post")),
                Some(Secret),
            ),
            (
                with("token_endpoint_auth_method", json!("client_secret_jwt")),
                Some(Secret),
            ),
            (
                with("token_endpoint_auth_method", json!("tls_client_auth")),
                None,
            ),
            (with("redirect_uris", json!([])), None),
            (with("redirect_uris", json!("https://app.example/cb")), None),
            (with("redirect_uris", json!(["javascript:alert(1)"])), None),
            (
                with("redirect_uris", json!(["http://app.example/cb"])),
                None,
            ),
            (with("jwks", private), None),
            (with("jwks", shared), None),
            (with("jwks_uri", json!("http://app.example/keys")), None),
        ] {
            let refused = judged(&document).unwrap_err();
            assert!(
                why.is_none_or(|why| why == refused),
                "{document}: {refused}"
            );
        }
        // Links that are no links are left out, not shown.
        let client = judged(&with("client_uri", json!("javascript:alert(1)"))).unwrap();
        assert_eq!(client.metadata.client_uri, None);
    }

    /// CIMD-32: a list of methods counts before a single one, and nothing in common is not `none`.
    #[test]
    fn a_list_of_methods_is_read() {
        let key = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "abc", "kid": "1"}]});
        let method = |listed: Value, named: Option<&str>, keys: bool| {
            let mut document = with("token_endpoint_auth_methods_supported", listed);
            if let Some(named) = named {
                document["token_endpoint_auth_method"] = json!(named);
            }
            if keys {
                document["jwks"] = key.clone();
            }
            let client = judged(&document)?;
            assert!(client.metadata.other.is_empty());
            Ok(client.token_endpoint_auth_method.as_str())
        };
        for (listed, named, keys, expected) in [
            (json!(["none"]), None, false, Some("none")),
            (json!(["none"]), None, true, Some("none")),
            (
                json!(["none"]),
                Some("private_key_jwt"),
                false,
                Some("none"),
            ),
            (
                json!(["private_key_jwt"]),
                None,
                true,
                Some("private_key_jwt"),
            ),
            (
                json!(["private_key_jwt"]),
                Some("none"),
                true,
                Some("private_key_jwt"),
            ),
            (json!(["private_key_jwt"]), Some("none"), false, None),
            (
                json!(["none", "private_key_jwt"]),
                None,
                true,
                Some("private_key_jwt"),
            ),
            (
                json!(["none", "private_key_jwt"]),
                None,
                false,
                Some("none"),
            ),
            (
                json!(["none", "private_key_jwt"]),
                Some("none"),
                true,
                Some("none"),
            ),
            (
                json!(["client_secret_basic", "none"]),
                None,
                false,
                Some("none"),
            ),
            (
                json!(["tls_client_auth", "client_secret_basic"]),
                None,
                false,
                None,
            ),
            (json!(["none"]), Some("client_secret_post"), false, None),
            (json!([]), None, false, None),
            (json!("none"), None, false, None),
            (json!([7]), None, false, None),
        ] {
            let told: Result<_, DocumentError> = method(listed.clone(), named, keys);
            assert_eq!(told.ok(), expected, "{listed} {named:?} {keys}");
        }
    }

    /// CIMD-6, CIMD-12, CIMD-13.
    #[test]
    fn only_a_short_json_answer_with_200_counts() {
        let body = sound().to_string();
        let body = body.as_bytes();
        for fine in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/x+json",
        ] {
            assert!(answered(200, Some(fine), body).is_ok(), "{fine}");
        }
        for other in [
            None,
            Some("text/html"),
            Some("text/json"),
            Some("application/+json"),
        ] {
            let refused = answered(200, other, body).unwrap_err();
            assert_eq!(refused, DocumentError::NotJson, "{other:?}");
        }
        for status in [201, 204, 301, 302, 304, 404, 500] {
            let refused = answered(status, Some("application/json"), body).unwrap_err();
            assert_eq!(refused, DocumentError::Status, "{status}");
        }
        let long = with("x", json!("y".repeat(5 * 1024))).to_string();
        let refused = answered(200, Some("application/json"), long.as_bytes()).unwrap_err();
        assert_eq!(refused, DocumentError::TooLarge);
        for broken in [&b"{"[..], b"\xff\xfe", b"", b"{}{}"] {
            assert!(answered(200, Some("application/json"), broken).is_err());
        }
    }
}
