//! Analysed byte code by its hash.

use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use revm::{bytecode::Bytecode, primitives::B256};

/// Shared by all sessions of a runtime. What is in it decides nothing but time: code is addressed by its hash.
pub(crate) struct CodeCache(Mutex<Inner>);

struct Inner {
    codes: LruCache<B256, Bytecode>,
    bytes: usize,
}

/// Room for the code of a few thousand contracts.
const CAPACITY: usize = 64 << 20;

impl CodeCache {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Inner { codes: LruCache::unbounded(), bytes: 0 }))
    }

    pub(super) fn get(&self, hash: &B256) -> Option<Bytecode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).codes.get(hash).cloned()
    }

    pub(super) fn insert(&self, hash: B256, code: Bytecode) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.bytes += weight(&code);
        if let Some(old) = inner.codes.put(hash, code) {
            inner.bytes -= weight(&old);
        }
        while inner.bytes > CAPACITY {
            let Some((_, oldest)) = inner.codes.pop_lru() else { break };
            inner.bytes -= weight(&oldest);
        }
    }

    /// Codes and their bytes, for status.
    pub(crate) fn usage(&self) -> (usize, usize) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.codes.len(), inner.bytes)
    }
}

/// Padded code, jump table of a bit a byte, and bookkeeping.
fn weight(code: &Bytecode) -> usize {
    code.bytes_slice().len() * 9 / 8 + 256
}

impl std::fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (codes, bytes) = self.usage();
        f.debug_struct("CodeCache").field("codes", &codes).field("bytes", &bytes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_below_the_capacity_and_the_oldest_goes_first() {
        let cache = CodeCache::new();
        let code = Bytecode::new_legacy(vec![0; 24 * 1024].into());
        let fits = CAPACITY / weight(&code);
        let hash = |n: usize| B256::left_padding_from(&n.to_be_bytes());
        for n in 0..=fits {
            cache.insert(hash(n), code.clone());
        }
        cache.insert(hash(fits), code.clone());
        assert_eq!(cache.usage(), (fits, fits * weight(&code)));
        assert!(cache.get(&hash(0)).is_none() && cache.get(&hash(1)).is_some());
    }
}
