//! State that travels through the browser instead of lying in a table.
//!
//! A sealed value is bound to what it is for, to the issuer, to a moment at which it ends, and,
//! inside, to the browser that began it. It opens nowhere else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oauth_types::env::{Entropy, EntropyError};
use oauth_types::{Issuer, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::KeyRing;

const VERSION: u8 = 1;

/// What a sealed value is for. One never opens as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A validated authorization request on its way through sign-in and consent.
    Transaction,
    /// A person's decision about one, on its way back from a page elsewhere.
    Decision,
    /// A person's sign-in.
    Session,
    /// A form of a person's account pages.
    AccountForm,
    /// Where the next page of a person's grants begins.
    AccountPage,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Decision => "decision",
            Self::Session => "session",
            Self::AccountForm => "account-form",
            Self::AccountPage => "account-page",
        }
    }
}

/// Why a sealed value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsealable {
    /// Not ours, altered, or for another purpose.
    Foreign,
    /// Ours, but its time is over.
    Expired,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    exp: Timestamp,
    body: T,
}

/// Seals `body` until `expires_at`, as unpadded base64url.
pub(crate) fn seal<T: Serialize>(
    ring: &KeyRing,
    issuer: &Issuer,
    purpose: Purpose,
    expires_at: Timestamp,
    body: &T,
    entropy: &dyn Entropy,
) -> Result<String, EntropyError> {
    let key = ring.active();
    let mut nonce = [0u8; 12];
    entropy.fill(&mut nonce)?;
    let envelope = Envelope {
        exp: expires_at,
        body,
    };
    // proved: these are plain structs of strings and numbers, which JSON always holds.
    let plain = serde_json::to_vec(&envelope).expect("plain structs");
    let mut out = Vec::with_capacity(plain.len() + 31);
    out.push(VERSION);
    out.extend_from_slice(&key.id.to_be_bytes());
    out.extend_from_slice(&key.seal.seal(nonce, &context(issuer, purpose), &plain));
    Ok(URL_SAFE_NO_PAD.encode(out))
}

/// Opens what [`seal`] made for the same issuer and purpose.
pub(crate) fn open<T: DeserializeOwned>(
    ring: &KeyRing,
    issuer: &Issuer,
    purpose: Purpose,
    now: Timestamp,
    text: &str,
) -> Result<T, Unsealable> {
    let bytes = URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| Unsealable::Foreign)?;
    let Some((&[VERSION, high, low], sealed)) = bytes.split_first_chunk::<3>() else {
        return Err(Unsealable::Foreign);
    };
    let key = ring
        .find(u16::from_be_bytes([high, low]))
        .ok_or(Unsealable::Foreign)?;
    let plain = key
        .seal
        .open(&context(issuer, purpose), sealed)
        .map_err(|_| Unsealable::Foreign)?;
    let envelope: Envelope<T> = serde_json::from_slice(&plain).map_err(|_| Unsealable::Foreign)?;
    if envelope.exp <= now {
        return Err(Unsealable::Expired);
    }
    Ok(envelope.body)
}

fn context(issuer: &Issuer, purpose: Purpose) -> Vec<u8> {
    let mut context = vec![VERSION];
    context.extend_from_slice(purpose.as_str().as_bytes());
    context.push(0);
    context.extend_from_slice(issuer.as_str().as_bytes());
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::RootSecret;
    use oauth_storage_memory::MemoryStorage;
    use oauth_testkit::{SeededEntropy, block_on};

    #[test]
    fn a_sealed_value_opens_for_its_purpose_issuer_and_time_only() {
        let issuer = |text| Issuer::parse(text).unwrap();
        let here = issuer("https://mcp.example");
        let entropy = SeededEntropy::new(1);
        let root = RootSecret::from_text(&"root".repeat(8)).unwrap();
        let storage = MemoryStorage::new();
        let ring = block_on(KeyRing::open(
            &storage,
            &here,
            &root,
            &entropy,
            Timestamp::from_unix(1),
        ))
        .unwrap();
        let at = Timestamp::from_unix;
        let body = "what travels".to_owned();
        let text = seal(&ring, &here, Purpose::Transaction, at(100), &body, &entropy).unwrap();

        let read = |issuer: &Issuer, purpose, now, text: &str| {
            open::<String>(&ring, issuer, purpose, at(now), text)
        };
        assert_eq!(read(&here, Purpose::Transaction, 99, &text), Ok(body));
        assert_eq!(
            read(&here, Purpose::Transaction, 100, &text),
            Err(Unsealable::Expired)
        );
        let there = issuer("https://mcp.example/other");
        for (issuer, purpose, text) in [
            (&here, Purpose::Session, text.as_str()),
            (&here, Purpose::Decision, &text),
            (&there, Purpose::Transaction, &text),
            (&here, Purpose::Transaction, &text[1..]),
            (&here, Purpose::Transaction, "AAAA"),
            (&here, Purpose::Transaction, "not base64!"),
        ] {
            assert_eq!(read(issuer, purpose, 0, text), Err(Unsealable::Foreign));
        }
    }
}
