//! Under which keys everything lies. `docs/adr/0013-redis.md` says why.
//!
//! | what | key |
//! |---|---|
//! | a record | `oauth:{TENANT/KIND/BUCKET}:ID` |
//! | when the records of a bucket may be forgotten | `oauth:{TENANT/KIND/BUCKET}/due` |
//! | what is listed under a person or a client | `oauth:{TENANT/KIND/subject/WHO}`, `…/client/…` |
//! | a count of attempts | `oauth:{TENANT/limits/WHAT/DIGEST}` |
//!
//! What stands in braces decides the slot of a cluster, so a record and its bucket's dates are
//! always together, and one script changes both.

use std::borrow::Cow;
use std::sync::Arc;

use oauth_storage::{DigestId, Filter, Kind, key_text};
use oauth_types::TenantId;

/// Into how many buckets the records of a kind fall. Part of the layout: never changed.
pub(crate) const BUCKETS: u16 = 1024;

/// Ends the key of the dates of a bucket.
const DUE: &str = "/due";

/// One tenant's keys.
#[derive(Clone)]
pub(crate) struct Keys {
    prefix: Arc<str>,
    tenant: Arc<str>,
}

impl Keys {
    pub(crate) fn new(prefix: &str, tenant: &TenantId) -> Self {
        Self {
            prefix: part(prefix).into(),
            tenant: tenant_part(tenant).into(),
        }
    }

    pub(crate) fn tenant(&self, tenant: &TenantId) -> Self {
        Self {
            prefix: Arc::clone(&self.prefix),
            tenant: tenant_part(tenant).into(),
        }
    }

    /// The record under this text of an identifier, which [`part`] made.
    pub(crate) fn record(&self, kind: Kind, id: &str) -> String {
        let mut key = self.head(kind, bucket(id), 1 + id.len());
        key.push(':');
        key.push_str(id);
        key
    }

    /// The dates of the bucket of this text of an identifier.
    pub(crate) fn due(&self, kind: Kind, id: &str) -> String {
        self.due_of(kind, bucket(id))
    }

    /// The dates of a bucket.
    pub(crate) fn due_of(&self, kind: Kind, bucket: u16) -> String {
        let mut key = self.head(kind, bucket, DUE.len());
        key.push_str(DUE);
        key
    }

    /// What is listed under a filter; `None` for a filter that this version does not know.
    pub(crate) fn listing(&self, kind: Kind, by: &Filter) -> Option<String> {
        let (what, who) = match by {
            Filter::Subject(subject) => ("subject", subject.as_str()),
            Filter::Client(client) => ("client", client.as_str()),
            _ => return None,
        };
        let Self { prefix, tenant } = self;
        let (kind, who) = (kind.as_str(), part(who));
        Some(format!("{prefix}:{{{tenant}/{kind}/{what}/{who}}}"))
    }

    /// A count of attempts. What is counted by may be somebody's name, so only its digest is kept.
    pub(crate) fn attempts(&self, what: &str, by: &str) -> String {
        let Self { prefix, tenant } = self;
        let by = DigestId::of(&[by]);
        format!("{prefix}:{{{tenant}/limits/{}/{by}}}", part(what))
    }

    /// What the keys of a bucket begin with, and room for so much more.
    fn head(&self, kind: Kind, bucket: u16, more: usize) -> String {
        let (Self { prefix, tenant }, kind) = (self, kind.as_str());
        let digit = |shift: u16| char::from(b"0123456789abcdef"[usize::from(bucket >> shift & 15)]);
        let mut key = String::with_capacity(prefix.len() + tenant.len() + kind.len() + 8 + more);
        for piece in [&**prefix, ":{", &**tenant, "/", kind, "/"] {
            key.push_str(piece);
        }
        key.extend([digit(8), digit(4), digit(0), '}']);
        key
    }
}

/// An identifier as a part of a key: itself, unless it is too long, or holds what would move the
/// braces or what separates the parts of an index entry.
pub(crate) fn part(id: &str) -> Cow<'_, str> {
    let moves = |byte: u8| byte.is_ascii_control() || matches!(byte, b'{' | b'}');
    if id.bytes().any(moves) {
        return Cow::Owned(key_text::digest(id));
    }
    key_text::short(id)
}

/// A tenant stands before other parts, so it may not hold what separates them either.
fn tenant_part(tenant: &TenantId) -> String {
    match tenant.as_str() {
        id if id.contains('/') => key_text::digest(id),
        id => part(id).into_owned(),
    }
}

fn bucket(id: &str) -> u16 {
    crc16(id.as_bytes()) % BUCKETS
}

/// The slot of a key in a cluster: of what stands in its first braces, if anything does.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| {
        let (tag, _) = rest.split_once('}')?;
        (!tag.is_empty()).then_some(tag)
    });
    crc16(tag.unwrap_or(key).as_bytes()) % SLOTS
}

/// How many slots a cluster has.
pub(crate) const SLOTS: u16 = 16384;

/// CRC-16/XMODEM, as clusters use it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

const TABLE: [u16; 256] = {
    let mut table = [0u16; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = (at as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use oauth_types::Subject;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12182);
        assert_eq!(slot("{user1000}.following"), slot("user1000"));
        assert_eq!(slot("foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
        assert_eq!(slot("foo{{bar}}zap"), slot("{bar"));
    }

    #[test]
    fn a_record_lies_with_the_dates_of_its_bucket_whatever_it_is_called() {
        for tenant in ["one", "a/b", "{", "}{", "{}", ""] {
            let keys = Keys::new("oauth", &TenantId::new(tenant));
            for id in ["alice", "a}b", "{x}", "}", "", "a:b", "a/b", "\u{0}"] {
                let id = part(id);
                let record = keys.record(Kind::Client, &id);
                assert_eq!(
                    slot(&record),
                    slot(&keys.due(Kind::Client, &id)),
                    "{record}"
                );
            }
        }
    }

    /// What lies in a store already stays where it is.
    #[test]
    fn keys_are_spelled_as_ever() {
        let keys = Keys::new("oauth", &TenantId::new("default"));
        let id = "0000000000000000000001";
        assert_eq!(bucket(id), 0x37e);
        assert_eq!(
            keys.record(Kind::Grant, id),
            "oauth:{default/grants/37e}:0000000000000000000001"
        );
        assert_eq!(
            keys.due_of(Kind::Grant, 7),
            "oauth:{default/grants/007}/due"
        );
    }

    #[test]
    fn no_two_things_share_a_key() {
        let mut seen = std::collections::HashSet::new();
        for tenant in ["a", "a/grants", "A", "a}", "a{"] {
            let keys = Keys::new("oauth", &TenantId::new(tenant));
            for kind in Kind::ALL {
                for bucket in [0, 1] {
                    assert!(seen.insert(keys.due_of(kind, bucket)));
                }
                for id in ["x", "y}", "y{", "client/x", "due"] {
                    assert!(seen.insert(keys.record(kind, &part(id))));
                    let by = Filter::Subject(Subject::new(id));
                    assert!(seen.insert(keys.listing(kind, &by).unwrap()));
                }
            }
        }
    }
}
