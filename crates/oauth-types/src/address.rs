//! Which addresses anybody may be sent to, and by whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// How far inside one's own network an address lies; what is further inside is greater.
///
/// Whoever was reached at one of these may send us on to the same or a lesser one, never further
/// inside: a server of the public internet cannot point at a private one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// An address of the public internet, by [`is_public`].
    Public,
    /// An address of somebody's own network: 10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7.
    Private,
    /// This computer, and everything else that is special: link-local addresses (cloud metadata
    /// services among them), IPv4 addresses in an IPv6 coat, documentation, multicast.
    Local,
}

impl Reach {
    /// Where an address lies.
    pub fn of(address: IpAddr) -> Self {
        let own = match address {
            _ if is_public(address) => return Self::Public,
            IpAddr::V4(address) => {
                let [a, b, ..] = address.octets();
                address.is_private() || (a == 100 && b & 0xc0 == 64)
            }
            IpAddr::V6(address) => address.segments()[0] & 0xfe00 == 0xfc00,
        };
        if own { Self::Private } else { Self::Local }
    }

    /// Where a URL leads as far as its text tells: a literal address, or a name that means this
    /// computer. `None` for other names, which have to be resolved, and for what is no URL.
    pub fn of_url(url: &str) -> Option<Self> {
        match Url::parse(url).ok()?.host()? {
            Host::Ipv4(address) => Some(Self::of(address.into())),
            Host::Ipv6(address) => Some(Self::of(address.into())),
            Host::Domain(name) => {
                let name = name.trim_end_matches('.');
                let local = name == "localhost" || name.ends_with(".localhost");
                local.then_some(Self::Local)
            }
        }
    }
}

/// Whether an address is one of the public internet. Special-purpose addresses are not: loopback,
/// private, link-local (cloud metadata services among them), shared, benchmarking, documentation,
/// multicast, reserved; and no IPv6 address that carries an IPv4 one is, mapped, compatible,
/// translated (NAT64) or tunnelled (6to4, Teredo), whatever it carries.
///
/// Spec: RFC 6890 and the IANA special-purpose registries.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224.., _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 31, 196)
            | (192, 52, 193)
            | (192, 88, 99)
            | (192, 168, _)
            | (192, 175, 48)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Global unicast is `2000::/3`; everything else is something special.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, _, e, f, ..] = address.segments();
    let global_unicast = a & 0xe000 == 0x2000;
    let special = match a {
        // Protocol assignments, Teredo and benchmarking among them; documentation.
        0x2001 => b < 0x200 || b == 0xdb8,
        // 6to4.
        0x2002 => true,
        // Documentation.
        0x3fff => b < 0x1000,
        // The anycast service of which the IPv4 half is refused above.
        0x2620 => b == 0x4f && c == 0x8000,
        _ => false,
    };
    // ISATAP: an IPv4 address in the interface identifier, under any prefix.
    let tunnelled = matches!((e, f), (0 | 0x200, 0x5efe));
    global_unicast && !special && !tunnelled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// CIMD-14: special-purpose addresses, in every disguise.
    #[test]
    fn special_addresses_are_refused_in_every_disguise() {
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
            "2003::1",
            "3ffe::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    /// CL-DISC-8: what lies further inside is greater.
    #[test]
    fn a_network_of_ones_own_is_not_this_computer() {
        for (address, reach) in [
            ("8.8.8.8", Reach::Public),
            ("2606:4700::1111", Reach::Public),
            ("10.0.0.1", Reach::Private),
            ("192.168.1.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("fd12:3456::1", Reach::Private),
            ("127.0.0.1", Reach::Local),
            ("169.254.169.254", Reach::Local),
            ("::1", Reach::Local),
            ("::ffff:10.0.0.1", Reach::Local),
            ("fe80::1", Reach::Local),
            ("0.0.0.0", Reach::Local),
        ] {
            assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
        }
        assert!(Reach::Public < Reach::Private && Reach::Private < Reach::Local);
        for (url, reach) in [
            ("https://127.1/x", Some(Reach::Local)),
            ("https://0x7f000001/", Some(Reach::Local)),
            ("https://[::ffff:7f00:1]/", Some(Reach::Local)),
            ("http://localhost:3000/", Some(Reach::Local)),
            ("http://a.LOCALHOST./", Some(Reach::Local)),
            ("https://192.168.1.1/", Some(Reach::Private)),
            ("https://h.example/", None),
            ("nothing", None),
        ] {
            assert_eq!(Reach::of_url(url), reach, "{url}");
        }
    }

    proptest! {
        /// CIMD-14: no IPv6 address that carries an IPv4 one passes, whatever it carries.
        #[test]
        fn an_ipv4_address_in_another_coat_is_refused(octets: [u8; 4], rest: [u16; 6]) {
            let carried = Ipv4Addr::from(octets);
            let [a, b, c, d] = octets;
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for coat in [
                carried.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, rest[0], rest[1], rest[2], rest[3], rest[4]),
                Ipv6Addr::new(0x2001, 0, rest[0], rest[1], rest[2], rest[3], high, low),
                Ipv6Addr::new(0x2606, rest[0], rest[1], rest[2], 0x200, 0x5efe, high, low),
            ] {
                prop_assert!(!is_public(IpAddr::V6(coat)), "{}", coat);
            }
        }

        /// What the standard library calls special is never public here.
        #[test]
        fn we_are_at_least_as_strict_as_the_standard_library(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_multicast()
                || address.is_unspecified();
            prop_assert!(!(special && is_public(IpAddr::V4(address))));
        }
    }
}
