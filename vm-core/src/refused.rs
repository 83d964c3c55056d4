use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::{CodeError, CodeHash};

/// Why code was refused, by its hash, so that it is not checked again: whoever sends the same bad code over and over pays
/// nothing for it. What is here is a pure function of code and settings, so it stays true.
pub(crate) struct RefusedCode(Mutex<LruCache<CodeHash, CodeError>>);

/// The most that is kept.
const KEPT: std::num::NonZeroUsize = std::num::NonZeroUsize::new(1_024).unwrap();
/// The longest message that is kept, in bytes. What has more to say is checked again.
const MESSAGE: usize = 4_096;

impl RefusedCode {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }

    /// The error of code that was refused before.
    pub(crate) fn get(&self, hash: &CodeHash) -> Option<CodeError> {
        self.lock().get(hash).cloned()
    }

    /// Notes that code was refused.
    pub(crate) fn put(&self, hash: CodeHash, error: &CodeError) {
        if error.message().len() <= MESSAGE {
            self.lock().put(hash, error.clone());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<CodeHash, CodeError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Code, RuntimeKind};

    #[test]
    fn what_is_kept_is_bounded() {
        let refused = RefusedCode::new();
        let hash = |n: usize| Code::new(RuntimeKind::Wasm, n.to_string()).hash();
        for n in 0..3_000 {
            refused.put(hash(n), &CodeError::new("rule", n.to_string()));
        }
        assert_eq!(refused.lock().len(), KEPT.get());
        assert_eq!(refused.get(&hash(2_999)), Some(CodeError::new("rule", "2999")));
        assert_eq!(refused.get(&hash(1)), None);
        refused.put(hash(1), &CodeError::new("rule", "x".repeat(MESSAGE + 1)));
        assert_eq!(refused.get(&hash(1)), None);
    }
}
