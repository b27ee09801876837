//! The text of codes and tokens.
//!
//! `<prefix>_<key><grant><generation><secret><tag>`, fixed width, `[0-9A-Za-z]` after the prefix:
//! key 2, grant 22, generation 6, secret 44 and tag 11 characters. The grant's name leads to the
//! record; the tag, a keyed digest over everything else, proves that we made the text whatever
//! the record still remembers, so garbage is refused without touching storage and a token of any
//! age is recognised as ours.

use oauth_types::base62;
use oauth_types::{GrantId, Secret, SecretHash};

use crate::keys::{KeyRing, RingKey};

/// What a text is for. Each kind is looked up only in its own place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Code,
    Access,
    Refresh,
}

impl TokenKind {
    const ALL: [Self; 3] = [Self::Access, Self::Refresh, Self::Code];

    const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "mcpc_",
            Self::Access => "mcpa_",
            Self::Refresh => "mcpr_",
        }
    }
}

const PREFIX: usize = 5;
const KEY: usize = 2;
const GENERATION: usize = 6;
const SECRET: usize = 4 * base62::WORD;
const TAG: usize = base62::WORD;
const LENGTH: usize = PREFIX + KEY + GrantId::TEXT_LEN + GENERATION + SECRET + TAG;

/// A text that was proved to be ours.
#[derive(Debug, Clone)]
pub(crate) struct TokenText {
    pub(crate) kind: TokenKind,
    pub(crate) grant: GrantId,
    pub(crate) generation: u32,
    pub(crate) secret: Secret,
    /// Digest of the secret, as the record holds it.
    pub(crate) hash: SecretHash,
}

/// Writes the text of a token.
pub(crate) fn write(
    ring: &KeyRing,
    kind: TokenKind,
    grant: &GrantId,
    generation: u32,
    secret: &Secret,
    hash: &SecretHash,
) -> String {
    let key = ring.active();
    let mut text = String::with_capacity(LENGTH);
    text.push_str(kind.prefix());
    base62::push(&mut text, u64::from(key.id), KEY);
    base62::push_bytes(&mut text, grant.as_bytes());
    base62::push(&mut text, u64::from(generation), GENERATION);
    base62::push_bytes(&mut text, secret.expose());
    base62::push_bytes(&mut text, &tag(key, kind, grant, generation, hash));
    text
}

/// Reads a text of any kind; `None` unless we made it.
pub(crate) fn read(ring: &KeyRing, text: &str) -> Option<TokenText> {
    let kind = TokenKind::ALL
        .into_iter()
        .find(|kind| text.starts_with(kind.prefix()))?;
    let text = text.as_bytes();
    if text.len() != LENGTH {
        return None;
    }
    let (key, rest) = text[PREFIX..].split_at(KEY);
    let (grant, rest) = rest.split_at(GrantId::TEXT_LEN);
    let (generation, rest) = rest.split_at(GENERATION);
    let (secret, presented) = rest.split_at(SECRET);
    let key = ring.find(u16::try_from(base62::read(key)?).ok()?)?;
    let grant = GrantId::from_bytes(base62::read_bytes(grant)?);
    let generation = u32::try_from(base62::read(generation)?).ok()?;
    let secret = Secret::from_bytes(base62::read_bytes(secret)?);
    let presented: [u8; 8] = base62::read_bytes(presented)?;
    let hash = secret.hash();
    let expected = tag(key, kind, &grant, generation, &hash);
    if !bool::from(subtle::ConstantTimeEq::ct_eq(&presented[..], &expected[..])) {
        return None;
    }
    Some(TokenText {
        kind,
        grant,
        generation,
        secret,
        hash,
    })
}

fn tag(
    key: &RingKey,
    kind: TokenKind,
    grant: &GrantId,
    generation: u32,
    hash: &SecretHash,
) -> [u8; 8] {
    let mac = key.tag.mac(
        kind.prefix(),
        &[grant.as_bytes(), &generation.to_be_bytes(), hash.as_bytes()],
    );
    let mut tag = [0u8; 8];
    tag.copy_from_slice(&mac[..8]);
    tag
}
