//! Under which names a resource is reached, and whose web pages may call it.
//!
//! A browser lets a page talk to whatever answers at the page's own name. Whoever makes a name of
//! theirs resolve to a server on somebody else's machine or network (DNS rebinding) is stopped by
//! one thing only: the request still says for which name it was meant.

use oauth_types::ResourceUri;

/// The hosts that requests to a resource may name, and the web origins they may come from.
///
/// Of itself: the host of the resource's identifier; and pages of the resource's own origin, which
/// for a resource on a loopback address are the pages of every program on that machine. Programs
/// that are no browser send no `Origin`, and are asked for none.
#[derive(Debug, Clone)]
pub struct AllowedOrigins {
    hosts: Vec<String>,
    origins: Vec<String>,
    local_pages: bool,
    any_origin: bool,
    /// What a host without a port means.
    default_port: &'static str,
}

/// A request is for somebody else, or from a page that is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a request names one host, and at most one origin"
)]
pub enum OriginRefusal {
    /// It names no host, or two that have to be one. Spec: RFC 9112 §3.2.
    #[error("the request does not name the one host it is for")]
    NoHost,
    /// It is for another host. Spec: RFC 9110 §15.5.20.
    #[error("the host that the request names is not served here")]
    Misdirected,
    /// It comes from a web page that may not call this. Spec: MCP, Streamable HTTP, Security.
    #[error("pages of this origin may not call this")]
    Origin,
}

impl AllowedOrigins {
    /// What the identifier itself says.
    pub fn of(resource: &ResourceUri) -> Self {
        let origin = resource.origin();
        let (scheme, host) = origin.split_once("://").unwrap_or_default();
        Self {
            hosts: vec![host.to_owned()],
            origins: vec![origin.to_owned()],
            local_pages: is_local_page(origin.as_bytes()),
            any_origin: false,
            default_port: if scheme == "http" { ":80" } else { ":443" },
        }
    }

    /// Requests may name this host as well: `mcp.internal:8443`, or `mcp.internal` for the default
    /// port of the resource's scheme. For what a proxy says instead of the name that clients use.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        let host = host.strip_suffix(self.default_port).unwrap_or(host);
        self.hosts.push(host.to_owned());
        self
    }

    /// Pages of this origin may call as well: `https://app.example`, or what else a browser sends as
    /// `Origin`.
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Self {
        let origin = origin.trim_end_matches('/');
        let default_port = match origin.split_once("://") {
            Some(("https", _)) => ":443",
            Some(("http", _)) => ":80",
            _ => "",
        };
        let origin = origin.strip_suffix(default_port).unwrap_or(origin);
        self.origins.push(origin.to_owned());
        self
    }

    /// Pages of any origin may call. They still need a token, which no browser sends by itself, and
    /// hosts are compared as before.
    #[must_use]
    pub fn danger_any_origin(mut self) -> Self {
        self.any_origin = true;
        self
    }

    /// Whether pages of any origin may call.
    pub const fn allows_any_origin(&self) -> bool {
        self.any_origin
    }

    /// Judges a request by all values of its `Host` header, by the authority of its target if that
    /// has one (HTTP/2, absolute form), and by all values of its `Origin` header.
    ///
    /// # Errors
    /// See [`OriginRefusal`].
    pub fn judge<'a>(
        &self,
        mut host: impl Iterator<Item = &'a [u8]>,
        authority: Option<&'a [u8]>,
        mut origin: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), OriginRefusal> {
        let named = (host.next(), authority);
        if named == (None, None) || host.next().is_some() {
            return Err(OriginRefusal::NoHost);
        }
        let mut named = [named.0, named.1].into_iter().flatten();
        if !named.all(|host| self.serves(host)) {
            return Err(OriginRefusal::Misdirected);
        }
        if self.any_origin {
            return Ok(());
        }
        match (origin.next(), origin.next()) {
            (None, _) => Ok(()),
            (Some(page), None) if self.allows(page) => Ok(()),
            _ => Err(OriginRefusal::Origin),
        }
    }

    fn serves(&self, host: &[u8]) -> bool {
        let host = host
            .strip_suffix(self.default_port.as_bytes())
            .unwrap_or(host);
        let mut served = self.hosts.iter();
        served.any(|served| host.eq_ignore_ascii_case(served.as_bytes()))
    }

    fn allows(&self, page: &[u8]) -> bool {
        let mut known = self.origins.iter();
        known.any(|known| page.eq_ignore_ascii_case(known.as_bytes()))
            || self.local_pages && is_local_page(page)
    }
}

/// Whether an origin is a loopback address, or the name for one, at any port.
fn is_local_page(origin: &[u8]) -> bool {
    let rest = [&b"http://"[..], b"https://"]
        .iter()
        .find_map(|scheme| origin.strip_prefix(*scheme));
    let hosts = [&b"localhost"[..], b"127.0.0.1", b"[::1]"];
    let port = rest.and_then(|rest| hosts.iter().find_map(|host| rest.strip_prefix(*host)));
    port.is_some_and(|port| match port {
        [] => true,
        [b':', port @ ..] => !port.is_empty() && port.iter().all(u8::is_ascii_digit),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use OriginRefusal::{Misdirected, NoHost, Origin};

    fn allowed(resource: &str) -> AllowedOrigins {
        AllowedOrigins::of(&ResourceUri::parse(resource).unwrap())
    }

    fn judge(
        allowed: &AllowedOrigins,
        hosts: &[&str],
        origins: &[&str],
    ) -> Result<(), OriginRefusal> {
        let hosts = hosts.iter().map(|host| host.as_bytes());
        allowed.judge(hosts, None, origins.iter().map(|origin| origin.as_bytes()))
    }

    /// RS-HTTP-1: a name that somebody made resolve to this machine is not this server's name.
    #[test]
    fn a_request_is_for_the_host_of_the_resource() {
        let remote = allowed("https://MCP.example/mcp").host("mcp.internal:8443");
        let local = allowed("http://127.0.0.1:3000/mcp");
        for (allowed, hosts, expected) in [
            (&remote, &["mcp.example"][..], Ok(())),
            (&remote, &["MCP.Example:443"], Ok(())),
            (&remote, &["mcp.internal:8443"], Ok(())),
            (&remote, &["mcp.internal"], Err(Misdirected)),
            (&remote, &["mcp.example:80"], Err(Misdirected)),
            (&remote, &["mcp.example.evil"], Err(Misdirected)),
            (&remote, &["mcp.example@evil.example"], Err(Misdirected)),
            (&remote, &["evil.example"], Err(Misdirected)),
            (&remote, &[""], Err(Misdirected)),
            (&remote, &[], Err(NoHost)),
            (&remote, &["mcp.example", "mcp.example"], Err(NoHost)),
            (&local, &["127.0.0.1:3000"], Ok(())),
            (&local, &["127.0.0.1:3001"], Err(Misdirected)),
            (&local, &["localhost:3000"], Err(Misdirected)),
            (&local, &["evil.example:3000"], Err(Misdirected)),
        ] {
            assert_eq!(judge(allowed, hosts, &[]), expected, "{hosts:?}");
        }
        // HTTP/2 names the host in the target, and whoever names it twice has to name it twice.
        let target = |host: &[&'static str], target: &'static str| {
            let host = host.iter().map(|host| host.as_bytes());
            remote.judge(host, Some(target.as_bytes()), std::iter::empty())
        };
        assert_eq!(target(&[], "mcp.example"), Ok(()));
        assert_eq!(target(&["mcp.example"], "evil.example"), Err(Misdirected));
        assert_eq!(target(&["evil.example"], "mcp.example"), Err(Misdirected));
    }

    /// RS-HTTP-1: only pages that were named, or are this server's own, may call.
    #[test]
    fn a_page_of_another_origin_is_refused() {
        let remote = allowed("https://mcp.example/mcp");
        let local = allowed("http://127.0.0.1:3000/mcp");
        let app = remote.clone().origin("https://app.example:443/");
        for (allowed, origins, expected) in [
            (&remote, &[][..], Ok(())),
            (&remote, &["https://mcp.example"], Ok(())),
            (&remote, &["https://app.example"], Err(Origin)),
            (&remote, &["http://mcp.example"], Err(Origin)),
            (&remote, &["https://mcp.example.evil"], Err(Origin)),
            (&remote, &["http://localhost:6274"], Err(Origin)),
            (&remote, &["null"], Err(Origin)),
            (&remote, &[""], Err(Origin)),
            (&remote, &["https://mcp.example", "null"], Err(Origin)),
            (&app, &["https://app.example"], Ok(())),
            (&app, &["https://app.example:444"], Err(Origin)),
            (&local, &["http://localhost:6274"], Ok(())),
            (&local, &["http://[::1]:1"], Ok(())),
            (&local, &["https://127.0.0.1"], Ok(())),
            (&local, &["http://localhost.evil.example"], Err(Origin)),
            (&local, &["http://localhost:6274.evil.example"], Err(Origin)),
            (&local, &["http://localhost:"], Err(Origin)),
            (&local, &["https://evil.example"], Err(Origin)),
        ] {
            let own = allowed.hosts[0].clone();
            assert_eq!(judge(allowed, &[&own], origins), expected, "{origins:?}");
        }
        let anybody = remote.danger_any_origin();
        assert_eq!(
            judge(&anybody, &["mcp.example"], &["https://x.example"]),
            Ok(())
        );
        let elsewhere = judge(&anybody, &["evil.example"], &["https://x.example"]);
        assert_eq!(elsewhere, Err(Misdirected));
    }
}
