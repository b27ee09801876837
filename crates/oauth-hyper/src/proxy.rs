//! Proxies of corporate networks, asked by `CONNECT`. Spec: RFC 9110 §9.3.6.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use oauth_types::Reach;
use url::{Host, Url};

/// Which proxy to ask for which host. Default: none.
#[derive(Clone, Default)]
pub struct Proxies {
    proxy: Option<Proxy>,
    /// Hosts, domains and addresses that are asked directly.
    direct: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: Url,
    pub(crate) authorization: Option<HeaderValue>,
}

/// The text is no address of a proxy. It is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is http or https, with a host, and nothing after the port")]
pub struct InvalidProxy;

impl Proxies {
    /// This proxy for every host, as `http://proxy.example:8080`, with `user:password@` if it asks
    /// for that. With `https` the way to the proxy itself is encrypted, too.
    ///
    /// # Errors
    /// [`InvalidProxy`].
    pub fn all(proxy: &str) -> Result<Self, InvalidProxy> {
        let url = Url::parse(proxy).map_err(|_| InvalidProxy)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !bare {
            return Err(InvalidProxy);
        }
        let mut authorization = None;
        if !url.username().is_empty() || url.password().is_some() {
            let decode = |text: &str| percent_decoded(text);
            let user = decode(url.username());
            let pair = format!("{user}:{}", decode(url.password().unwrap_or_default()));
            let text = format!("Basic {}", STANDARD.encode(pair));
            let mut value = HeaderValue::try_from(text).map_err(|_| InvalidProxy)?;
            value.set_sensitive(true);
            authorization = Some(value);
        }
        let mut plain = url;
        // proved: a URL with a host may have no user.
        let _ = plain.set_username("");
        let _ = plain.set_password(None);
        Ok(Self {
            proxy: Some(Proxy {
                url: plain,
                authorization,
            }),
            direct: Vec::new(),
        })
    }

    /// But not for these: names with all below them, literal addresses, or `*` for all; separated by
    /// commas.
    #[must_use]
    pub fn but_directly(mut self, hosts: &str) -> Self {
        let hosts = hosts.split(',').map(|host| {
            let host = host.trim().trim_start_matches("*.").trim_start_matches('.');
            host.to_ascii_lowercase()
        });
        self.direct.extend(hosts.filter(|host| !host.is_empty()));
        self
    }

    /// As the environment says: `HTTPS_PROXY` or else `ALL_PROXY`, and `NO_PROXY`, also in lower
    /// case. Networks (`10.0.0.0/8`) in `NO_PROXY` are passed over.
    ///
    /// # Errors
    /// [`InvalidProxy`].
    pub fn of_environment() -> Result<Self, InvalidProxy> {
        Self::of_variables(|name| std::env::var(name).ok())
    }

    fn of_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidProxy> {
        let either = |name: &str| {
            let found = read(name).or_else(|| read(&name.to_ascii_lowercase()));
            found.filter(|value| !value.trim().is_empty())
        };
        let Some(proxy) = either("HTTPS_PROXY").or_else(|| either("ALL_PROXY")) else {
            return Ok(Self::default());
        };
        let proxy = match proxy.contains("://") {
            true => proxy,
            false => format!("http://{proxy}"),
        };
        let proxies = Self::all(proxy.trim())?;
        Ok(proxies.but_directly(&either("NO_PROXY").unwrap_or_default()))
    }

    /// Whom to ask for this URL; `None` is to ask its host directly. What is on this computer is
    /// always asked directly.
    pub(crate) fn of(&self, url: &Url) -> Option<&Proxy> {
        let proxy = self.proxy.as_ref()?;
        if Reach::of_url(url.as_str()) == Some(Reach::Local) {
            return None;
        }
        let host = match url.host()? {
            Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let listed = self.direct.iter().any(|listed| {
            let below = host.strip_suffix(listed.as_str());
            listed == "*" || below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        });
        (!listed).then_some(proxy)
    }
}

impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxies")
            .field(
                "proxy",
                &self.proxy.as_ref().map(|proxy| proxy.url.as_str()),
            )
            .field("direct", &self.direct)
            .finish()
    }
}

/// Whether a proxy may be asked for a host that has to be a public one. The proxy resolves names,
/// so only their form can be judged: no literal address of a private network, and no name that has
/// a meaning in a private network alone (RFC 6761, RFC 6762, RFC 8375).
pub(crate) fn looks_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let last = name.rsplit_once('.').map(|(_, last)| last);
            let private = [
                "local",
                "localhost",
                "internal",
                "lan",
                "home",
                "corp",
                "intranet",
            ];
            last.is_some_and(|last| !private.contains(&last)) && !name.ends_with("home.arpa")
        }
        Some(_) => Reach::of_url(url.as_str()) == Some(Reach::Public),
        None => false,
    }
}

fn percent_decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    let found = url::form_urlencoded::parse(pair.as_bytes()).next();
    found.map_or(String::new(), |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_environment_says_whom_to_ask() {
        let variables = |name: &str| match name {
            "https_proxy" => Some("user:p%40ss@proxy.example:3128".to_owned()),
            "NO_PROXY" => Some("intra.example, .corp.example,10.1.2.3".to_owned()),
            _ => None,
        };
        let proxies = Proxies::of_variables(variables).unwrap();
        let proxy = proxies.of(&url("https://as.example/")).unwrap();
        assert_eq!(proxy.url.as_str(), "http://proxy.example:3128/");
        let expected = format!("Basic {}", STANDARD.encode("user:p@ss"));
        assert_eq!(proxy.authorization.as_ref().unwrap(), expected.as_str());
        for direct in [
            "https://intra.example/",
            "https://a.intra.example/",
            "https://corp.example/",
            "https://a.corp.example/",
            "https://10.1.2.3/",
            "http://127.0.0.1:3000/",
            "http://localhost/",
        ] {
            assert!(proxies.of(&url(direct)).is_none(), "{direct}");
        }
        assert!(proxies.of(&url("https://notcorp.example/")).is_some());
        assert!(!format!("{proxies:?}").contains("ss@"));
        let all = Proxies::all("http://proxy.example")
            .unwrap()
            .but_directly("*");
        assert!(all.of(&url("https://as.example/")).is_none());
        let none = Proxies::of_variables(|_| None).unwrap();
        assert!(none.of(&url("https://as.example/")).is_none());
        for bad in ["", "socks5://h", "http://h/path", "h", "http://h?x"] {
            assert!(Proxies::all(bad).is_err(), "{bad}");
        }
    }

    /// CL-DISC-8: what a proxy would resolve is judged by its form.
    #[test]
    fn names_of_private_networks_do_not_look_public() {
        for private in [
            "https://intranet/",
            "https://nas.local/",
            "https://vault.corp/",
            "https://x.internal./",
            "https://router.home.arpa/",
            "https://10.0.0.1/",
            "https://[::ffff:8.8.8.8]/",
        ] {
            assert!(!looks_public(&url(private)), "{private}");
        }
        assert!(looks_public(&url("https://as.example/")));
        assert!(looks_public(&url("https://8.8.8.8/")));
    }
}
