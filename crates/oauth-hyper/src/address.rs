//! Which addresses anybody may be sent to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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

/// Whether an address is one that an operator gives to machines of their own: of a private or
/// shared network, or of this computer. Not link-local, where cloud metadata services are, and not
/// an IPv6 address that carries an IPv4 one.
///
/// Spec: RFC 1918, RFC 6598, RFC 4193, RFC 1122 §3.2.1.3.
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let shared = matches!((a, b), (100, 64..=127));
            address.is_private() || address.is_loopback() || shared
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
    }
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

    #[test]
    fn private_addresses_are_those_of_private_networks() {
        for private in [
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "::1",
            "fd12:3456::1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for other in [
            "0.0.0.0",
            "8.8.8.8",
            "169.254.169.254",
            "172.32.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fe80::1",
            "2606:4700::1111",
        ] {
            assert!(!is_private(other.parse().unwrap()), "{other}");
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
