//! Authenticated encryption that forgives a repeated nonce (AES-256-GCM-SIV, RFC 8452).
//!
//! Anonymous requests make sealed values by the thousand, each with a random nonce. Plain GCM
//! would be at the end of what one key may do after 2³² of them; GCM-SIV reveals at worst that two
//! messages were the same.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// A key that hides and authenticates.
pub struct SealKey(LessSafeKey);

/// The bytes were not sealed with this key for this purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sealed with this key for this purpose")]
pub struct SealError;

impl SealKey {
    /// Takes 32 bytes as a key.
    pub fn new(key: &[u8; 32]) -> Self {
        // proved: the algorithm's key length is 32 bytes.
        let key = UnboundKey::new(&AES_256_GCM_SIV, key).expect("a key of 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Seals `plaintext` for the purpose that `context` names. Out comes nonce, ciphertext and
    /// tag: 28 bytes more than went in.
    pub fn seal(&self, nonce: [u8; NONCE_LEN], context: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut body = plaintext.to_vec();
        // proved: sealing fails only beyond 2^36 bytes, and no request comes near.
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut body,
            )
            .expect("a message of ordinary length");
        let mut out = Vec::with_capacity(NONCE_LEN + body.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&body);
        out
    }

    /// Opens what [`Self::seal`] made for the same purpose.
    ///
    /// # Errors
    /// [`SealError`] for anything else, without saying what was wrong.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError)?;
        let mut body = body.to_vec();
        let plaintext = self
            .0
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(context),
                &mut body,
            )
            .map_err(|_| SealError)?;
        let length = plaintext.len();
        body.truncate(length);
        Ok(body)
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bit_anywhere_is_noticed() {
        let key = SealKey::new(&[3; 32]);
        let sealed = key.seal([9; 12], b"context", b"hello");
        assert_eq!(key.open(b"context", &sealed).unwrap(), b"hello");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open(b"context", &changed), Err(SealError));
        }
        assert_eq!(key.open(b"other", &sealed), Err(SealError));
        assert_eq!(
            SealKey::new(&[4; 32]).open(b"context", &sealed),
            Err(SealError)
        );
        assert_eq!(key.open(b"context", &sealed[..11]), Err(SealError));
    }
}
