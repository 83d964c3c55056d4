use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::metrics::{Metrics, add};
use crate::{CodeHash, Contract, PrepareError};

/// Prepared contracts by code hash: least recently used ones go first when the weight exceeds the limit.
///
/// Preparing happens outside the cache's lock, once per hash however many ask for it.
pub(crate) struct PreparedCache {
    entries: Mutex<Entries>,
    limit: usize,
}

struct Entries {
    slots: LruCache<CodeHash, Entry>,
    weight: usize,
}

/// A slot and what it weighs; nothing before it is filled.
#[derive(Default)]
struct Entry {
    slot: Arc<Slot>,
    weight: usize,
}

#[derive(Default)]
struct Slot(Mutex<Option<Arc<dyn Contract>>>);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PreparedCache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: Mutex::new(Entries { slots: LruCache::unbounded(), weight: 0 }), limit }
    }

    /// The prepared contract of a hash; `prepare` makes it if it is not there.
    pub(crate) fn get<E: From<PrepareError>>(
        &self,
        hash: CodeHash,
        metrics: &Metrics,
        prepare: impl FnOnce() -> Result<Arc<dyn Contract>, E>,
    ) -> Result<Arc<dyn Contract>, E> {
        let slot = lock(&self.entries).slots.get_or_insert(hash, Entry::default).slot.clone();
        let mut content = lock(&slot.0);
        if let Some(contract) = &*content {
            add(&metrics.cache_hits, 1);
            return Ok(contract.clone());
        }
        add(&metrics.cache_misses, 1);
        let contract = prepare()?;
        *content = Some(contract.clone());
        drop(content);
        self.weigh(hash, &slot, contract.weight());
        Ok(contract)
    }

    /// True when the hash is prepared.
    pub(crate) fn contains(&self, hash: &CodeHash) -> bool {
        let slot = lock(&self.entries).slots.peek(hash).map(|entry| entry.slot.clone());
        slot.is_some_and(|slot| lock(&slot.0).is_some())
    }

    /// Forgets a hash: its contract is released as soon as no call uses it.
    pub(crate) fn remove(&self, hash: &CodeHash) {
        let removed = {
            let mut entries = lock(&self.entries);
            let removed = entries.slots.pop(hash);
            entries.weight = entries.weight.saturating_sub(removed.as_ref().map_or(0, |entry| entry.weight));
            removed
        };
        // Releasing may take time (a container is stopped), so it happens outside the lock.
        drop(removed);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let removed = {
            let mut entries = lock(&self.entries);
            entries.weight = 0;
            std::mem::replace(&mut entries.slots, LruCache::unbounded())
        };
        drop(removed);
    }

    /// Counts a slot that was filled, unless it was dropped in the meantime, and makes room for it.
    fn weigh(&self, hash: CodeHash, slot: &Arc<Slot>, weight: usize) {
        let mut released = Vec::new();
        let mut entries = lock(&self.entries);
        let Some(entry) = entries.slots.peek_mut(&hash).filter(|entry| Arc::ptr_eq(&entry.slot, slot)) else { return };
        entry.weight = weight;
        entries.weight += weight;
        while entries.weight > self.limit && entries.slots.len() > 1 {
            let Some((_, entry)) = entries.slots.pop_lru() else { break };
            entries.weight = entries.weight.saturating_sub(entry.weight);
            released.push(entry);
        }
        // Releasing may take time, so it happens outside the lock.
        drop(entries);
        drop(released);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Code, Host, HostFault, Interface, Opaque, Return, RuntimeKind};

    struct Heavy(usize);

    impl Contract for Heavy {
        fn call(&self, _: &mut dyn Host, _: &Call) -> Result<Return, HostFault> {
            Err(HostFault::Stopping)
        }
        fn interface(&self) -> &dyn Interface {
            &Opaque
        }
        fn weight(&self) -> usize {
            self.0
        }
    }

    fn hash(n: u64) -> CodeHash {
        Code::new(RuntimeKind::Native, n.to_string()).hash()
    }

    fn put(cache: &PreparedCache, metrics: &Metrics, n: u64, weight: usize) -> Result<(), PrepareError> {
        cache.get(hash(n), metrics, || Ok(Arc::new(Heavy(weight)) as Arc<dyn Contract>)).map(drop)
    }

    #[test]
    fn the_sum_of_weights_is_that_of_what_is_kept() {
        let (cache, metrics) = (PreparedCache::new(100), Metrics::new());
        for n in 0..1_000 {
            put(&cache, &metrics, n, 30).unwrap();
            if n % 7 == 0 {
                cache.remove(&hash(n));
            }
        }
        let kept = (0..1_000).filter(|n| cache.contains(&hash(*n))).count();
        let entries = lock(&cache.entries);
        assert_eq!((kept, entries.weight, entries.slots.len()), (3, 90, 3));
    }

    #[test]
    fn a_slot_that_is_dropped_while_it_is_filled_weighs_nothing() {
        let (cache, metrics) = (PreparedCache::new(100), Metrics::new());
        let filled = cache.get(hash(1), &metrics, || {
            cache.remove(&hash(1));
            Ok::<_, PrepareError>(Arc::new(Heavy(50)) as Arc<dyn Contract>)
        });
        assert!(filled.is_ok() && !cache.contains(&hash(1)));
        assert_eq!(lock(&cache.entries).weight, 0);
    }
}
