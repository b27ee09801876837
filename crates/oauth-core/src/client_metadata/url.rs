//! Which addresses can be client ids.

use url::Url;

use super::{DocumentError, MetadataDocumentRules};

/// Bytes of a client id. Longer ones are nobody's.
const LONGEST: usize = 2048;

/// A client id that is the address of a document, checked before any use of the network.
#[derive(Debug)]
pub(crate) struct ClientIdUrl<'a> {
    text: &'a str,
    host: String,
    origin: String,
}

impl<'a> ClientIdUrl<'a> {
    /// Whether a client id means to be one. Generated ids never do.
    pub(crate) fn looks_like(client_id: &str) -> bool {
        client_id.starts_with("https://")
    }

    /// The host that vouches for a client id which is the address of a document.
    pub(crate) fn host_of(client_id: &str) -> Option<&str> {
        let rest = client_id.strip_prefix("https://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        Some(&rest[..end])
    }

    /// Reads a client id. Spec: §3: https, a host, a path, no dot segments however written, no
    /// fragment, no user; a port is fine. A query and a bare `/` are for policy, and refused.
    ///
    /// # Errors
    /// [`DocumentError::Url`] and [`DocumentError::Host`].
    pub(crate) fn parse(
        text: &'a str,
        rules: &MetadataDocumentRules,
    ) -> Result<Self, DocumentError> {
        let refused = DocumentError::Url;
        let rest = text.strip_prefix("https://").ok_or(refused)?;
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\');
        if text.len() > LONGEST || !text.bytes().all(plain) {
            return Err(refused);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let segment_is_dots = |segment: &str| {
            let dots = segment.replace("%2e", ".").replace("%2E", ".");
            dots == "." || dots == ".."
        };
        if authority.is_empty()
            || authority.contains('@')
            || path.len() < 2
            || path.split('/').any(segment_is_dots)
            || (query.is_some() && !rules.allow_query)
        {
            return Err(refused);
        }
        let url = Url::parse(text).map_err(|_| refused)?;
        let host = url
            .host_str()
            // A closing dot names the same host in another spelling, past every list and limit.
            .filter(|host| !host.is_empty() && !host.ends_with('.'))
            .ok_or(refused)?;
        let listed = |hosts: &[String]| hosts.iter().any(|held| held.eq_ignore_ascii_case(host));
        let allowed = rules.allowed_hosts.as_deref().is_none_or(listed);
        if !allowed || listed(&rules.denied_hosts) {
            return Err(DocumentError::Host);
        }
        Ok(Self {
            text,
            host: host.to_owned(),
            origin: url.origin().ascii_serialization(),
        })
    }

    /// The id, exactly as it was presented.
    pub(crate) const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The host that vouches for the client, for people and for limits.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_fine(text: &str) -> bool {
        ClientIdUrl::parse(text, &MetadataDocumentRules::default()).is_ok()
    }

    /// CIMD-2, CIMD-3.
    #[test]
    fn the_grammar_is_kept_before_any_use_of_the_network() {
        for fine in [
            "https://app.example/client.json",
            "https://app.example:8443/a/b",
            "https://app.example/a/",
            "https://app.example/a..b/...",
        ] {
            assert!(is_fine(fine), "{fine}");
        }
        for refused in [
            "http://app.example/client.json",
            "HTTPS://app.example/client.json",
            "https://app.example",
            "https://app.example/",
            "https://app.example?x=/y",
            "https:///client.json",
            "https://app.example/a/../b",
            "https://app.example/./b",
            "https://app.example/%2e%2E/b",
            "https://app.example/.%2e",
            "https://app.example/c#f",
            "https://user@app.example/c",
            "https://user:word@app.example/c",
            "https://app.example/c?x=1",
            "https://app.example/c d",
            "https://app.example\\@evil.example/c",
            "https://app.example/\u{e4}",
            "https://",
            "https://app.example./c",
        ] {
            assert!(!is_fine(refused), "{refused}");
        }
        assert!(!is_fine(&format!(
            "https://app.example/{}",
            "a".repeat(2048)
        )));
        let rules = MetadataDocumentRules {
            allow_query: true,
            ..MetadataDocumentRules::default()
        };
        assert!(ClientIdUrl::parse("https://app.example/c?x=1", &rules).is_ok());
    }

    /// CIMD-27: a trust policy by host.
    #[test]
    fn hosts_can_be_allowed_and_denied() {
        let mut rules = MetadataDocumentRules {
            denied_hosts: vec!["evil.example".to_owned()],
            ..MetadataDocumentRules::default()
        };
        let host = |text, rules: &MetadataDocumentRules| ClientIdUrl::parse(text, rules).err();
        assert_eq!(
            host("https://EVIL.example/c", &rules),
            Some(DocumentError::Host)
        );
        assert_eq!(host("https://app.example/c", &rules), None);
        rules.allowed_hosts = Some(vec!["good.example".to_owned()]);
        assert_eq!(
            host("https://app.example/c", &rules),
            Some(DocumentError::Host)
        );
        assert_eq!(host("https://good.example/c", &rules), None);
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_panic(text in ".{0,80}") {
            let _ = is_fine(&text);
            let _ = is_fine(&format!("https://{text}"));
        }
    }
}
