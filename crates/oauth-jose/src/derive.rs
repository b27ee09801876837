//! Keyed hashing: values that follow from a key and cannot be foreseen without it.

use aws_lc_rs::hmac;

/// A key for HMAC-SHA-256.
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Takes 32 bytes as a key. The key schedule is computed once, here.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The MAC of `label` and `fields`, each with its length before it, so that no two lists of
    /// fields run together into the same input.
    pub fn mac(&self, label: &str, fields: &[&[u8]]) -> [u8; 32] {
        // Everything this project derives fits the stack; a longer input takes the slower path.
        let mut buffer = [0u8; 384];
        let parts = || std::iter::once(label.as_bytes()).chain(fields.iter().copied());
        let length: usize = parts().map(|part| part.len() + 4).sum();
        let tag = if length <= buffer.len() {
            let mut at = 0;
            for part in parts() {
                buffer[at..at + 4].copy_from_slice(&(part.len() as u32).to_be_bytes());
                buffer[at + 4..at + 4 + part.len()].copy_from_slice(part);
                at += 4 + part.len();
            }
            hmac::sign(&self.0, &buffer[..length])
        } else {
            let mut context = hmac::Context::with_key(&self.0);
            for part in parts() {
                context.update(&(part.len() as u32).to_be_bytes());
                context.update(part);
            }
            context.sign()
        };
        let mut out = [0u8; 32];
        out.copy_from_slice(tag.as_ref());
        zeroize::Zeroize::zeroize(&mut buffer[..length.min(384)]);
        out
    }
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_run_together() {
        let key = MacKey::new(&[1; 32]);
        assert_ne!(key.mac("l", &[b"ab", b"c"]), key.mac("l", &[b"a", b"bc"]));
        assert_ne!(key.mac("l", &[b"a"]), key.mac("la", &[]));
        assert_ne!(key.mac("l", &[b""]), key.mac("l", &[]));
    }

    #[test]
    fn both_paths_agree_on_the_boundary() {
        let key = MacKey::new(&[1; 32]);
        let long = [5u8; 400];
        let mut context = hmac::Context::with_key(&key.0);
        for part in [b"l".as_slice(), &long[..370]] {
            context.update(&(part.len() as u32).to_be_bytes());
            context.update(part);
        }
        assert_eq!(
            key.mac("l", &[&long[..370]]).as_slice(),
            context.sign().as_ref()
        );
        assert_ne!(key.mac("l", &[&long]), key.mac("l", &[&long[..370]]));
    }
}
