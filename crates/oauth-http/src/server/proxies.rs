//! Where a request came from, when somebody stands in between.

use std::net::IpAddr;

use http::HeaderMap;
use oauth_core::{RequestId, Source};

/// Which header the trusted proxies write. They must overwrite or append to it; any other is the
/// requester's own words and is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For: client, proxy`.
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

/// The proxies whose word counts, and where they write it. None by default: without this no
/// forwarded header is believed, so nobody can give themselves an address.
///
/// It decides only by whose address attempts are counted. Scheme, host and path that clients use
/// come from the issuer's configuration, whatever a proxy says.
#[derive(Debug, Clone)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    header: ForwardedHeader,
    name_requests: bool,
}

#[derive(Debug, Clone, Copy)]
struct Network {
    address: IpAddr,
    length: u8,
}

/// Not a network: an address, or an address, a slash and the length of its prefix in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address, or an address with a prefix length, like 10.0.0.0/8")]
pub struct InvalidNetwork;

impl TrustedProxies {
    /// Believes proxies in these networks.
    ///
    /// # Errors
    /// [`InvalidNetwork`].
    pub fn new<'a>(
        networks: impl IntoIterator<Item = &'a str>,
        header: ForwardedHeader,
    ) -> Result<Self, InvalidNetwork> {
        let networks: Result<_, _> = networks.into_iter().map(Network::parse).collect();
        Ok(Self {
            networks: networks?,
            header,
            name_requests: false,
        })
    }

    /// Lets the proxies name requests too, by the trace id of `traceparent` (W3C Trace Context
    /// §3.2), so that their logs and our events speak of the same one. They must make or replace
    /// that header: one that they pass on is in the requester's words.
    #[must_use]
    pub const fn naming_requests(mut self) -> Self {
        self.name_requests = true;
        self
    }

    /// The name that a trusted proxy gave the request.
    pub(crate) fn request(&self, peer: Source, headers: &HeaderMap) -> Option<RequestId> {
        let peer = peer.0?.to_canonical();
        if !self.name_requests || !self.networks.iter().any(|network| network.holds(peer)) {
            return None;
        }
        let mut values = headers.get_all("traceparent").iter();
        let text = values.next()?.to_str().ok()?;
        // Version, trace, parent, flags; a later version may have more.
        let mut parts = text.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lengths = (version.len(), parent.len(), flags.len()) == (2, 16, 2);
        let ends = version != "00" || parts.next().is_none();
        let hexadecimal = [version, parent, flags]
            .iter()
            .all(|part| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        let sound = lengths && ends && hexadecimal && version != "ff" && parent != "0".repeat(16);
        (sound && values.next().is_none()).then(|| RequestId::parse(trace))?
    }

    /// The address that the outermost trusted proxy saw: reading from the right, the first that
    /// is not one of theirs. What stands further left, anybody may have written.
    pub(crate) fn source(&self, peer: Source, headers: &HeaderMap) -> Source {
        let Some(mut last) = peer.0.map(|address| address.to_canonical()) else {
            return peer;
        };
        let name = match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let values: Vec<&str> = headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        let mut hops = values.iter().rev().flat_map(|value| value.rsplit(','));
        while self.networks.iter().any(|network| network.holds(last)) {
            // A hop that cannot be read hides whoever is behind it: the proxy answers for them.
            let Some(next) = hops.next().and_then(|hop| self.address(hop)) else {
                break;
            };
            last = next;
        }
        Source(Some(last))
    }

    fn address(&self, hop: &str) -> Option<IpAddr> {
        let text = match self.header {
            ForwardedHeader::XForwardedFor => hop.trim(),
            ForwardedHeader::Forwarded => hop.split(';').find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                name.eq_ignore_ascii_case("for")
                    .then(|| value.trim().trim_matches('"'))
            })?,
        };
        let bare = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map(|(address, _)| address)?,
            // One colon separates an IPv4 address from a port; more are an IPv6 address.
            None if text.matches(':').count() == 1 => text.split(':').next()?,
            None => text,
        };
        bare.parse::<IpAddr>()
            .ok()
            .map(|address| address.to_canonical())
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length
            .map_or(Ok(most), str::parse)
            .map_err(|_| InvalidNetwork)?;
        if length > most {
            return Err(InvalidNetwork);
        }
        Ok(Self { address, length })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let length = u32::from(self.length);
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= length,
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= length,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(proxies: &TrustedProxies, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let peer = Source(Some(peer.parse().unwrap()));
        proxies.source(peer, &headers).0.unwrap().to_string()
    }

    /// AS-SEC-2: only configured proxies are believed, and only as far as they can have seen.
    #[test]
    fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
        let header = ForwardedHeader::XForwardedFor;
        let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8", "192.0.2.7"], header).unwrap();
        const NAME: &str = "x-forwarded-for";
        for (peer, lines, expected) in [
            ("203.0.113.5", vec![(NAME, "1.2.3.4")], "203.0.113.5"),
            ("10.1.1.1", vec![(NAME, "1.2.3.4")], "1.2.3.4"),
            ("::ffff:10.1.1.1", vec![(NAME, "1.2.3.4")], "1.2.3.4"),
            ("192.0.2.7", vec![(NAME, "1.2.3.4")], "1.2.3.4"),
            ("192.0.2.8", vec![(NAME, "1.2.3.4")], "192.0.2.8"),
            // What the requester wrote stands on the left.
            ("10.1.1.1", vec![(NAME, "9.9.9.9, 1.2.3.4")], "1.2.3.4"),
            (
                "10.1.1.1",
                vec![(NAME, "9.9.9.9, 1.2.3.4, 10.2.2.2")],
                "1.2.3.4",
            ),
            (
                "10.1.1.1",
                vec![(NAME, "9.9.9.9"), (NAME, "1.2.3.4")],
                "1.2.3.4",
            ),
            ("fd00::1", vec![(NAME, "2001:db8::9")], "2001:db8::9"),
            (
                "10.1.1.1",
                vec![(NAME, "[2001:db8::9]:4711")],
                "2001:db8::9",
            ),
            ("10.1.1.1", vec![(NAME, "1.2.3.4:4711")], "1.2.3.4"),
            // Nothing, or nothing that can be read: the proxy itself.
            ("10.1.1.1", vec![], "10.1.1.1"),
            ("10.1.1.1", vec![(NAME, "1.2.3.4, unknown")], "10.1.1.1"),
            ("10.1.1.1", vec![(NAME, "10.2.2.2")], "10.2.2.2"),
            // The other header is the requester's own.
            ("10.1.1.1", vec![("forwarded", "for=9.9.9.9")], "10.1.1.1"),
        ] {
            assert_eq!(source(&proxies, peer, &lines), expected, "{peer} {lines:?}");
        }
        let proxies = TrustedProxies::new(["10.0.0.0/8"], ForwardedHeader::Forwarded).unwrap();
        let line = [(
            "forwarded",
            "for=9.9.9.9;proto=http, proto=https;For=\"[2001:db8::9]:4711\"",
        )];
        assert_eq!(source(&proxies, "10.1.1.1", &line), "2001:db8::9");
    }

    #[test]
    fn networks_are_read_strictly() {
        let header = ForwardedHeader::Forwarded;
        for text in [
            "",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "host",
            "10.0.0.0/-1",
        ] {
            assert!(TrustedProxies::new([text], header).is_err(), "{text}");
        }
        assert!(TrustedProxies::new(["0.0.0.0/0", "::/0"], header).is_ok());
    }
}
