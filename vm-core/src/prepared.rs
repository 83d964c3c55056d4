use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{self, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use lru::LruCache;

use crate::metrics::CacheMetrics;
use crate::{CodeHash, Contract, ContractName, HostFault, Interrupt, PrepareError};

/// Prepared contracts by code hash: least recently used ones go first when the weight exceeds the limit. Pinned contracts
/// stay, and do not count against it. What was prepared for a trial alone goes with it.
///
/// Preparing happens outside the cache's lock, once per hash however many ask for it.
pub(crate) struct PreparedCache {
    entries: Mutex<Entries>,
    limit: usize,
    pinned: BTreeSet<ContractName>,
}

#[derive(Default)]
struct Entries {
    slots: Slots,
    /// The code of each pinned contract, since it was called first.
    pins: BTreeMap<ContractName, CodeHash>,
    /// Code that is being tried.
    trials: BTreeMap<CodeHash, Trial>,
    /// Of all slots, pinned or not.
    weight: usize,
}

/// What is made of code only because somebody tries it.
struct Trial {
    /// How many try it.
    running: usize,
    /// True when it was there before, or somebody has use for it since: then it outlives the trial.
    kept: bool,
}

/// What a prepared contract is wanted for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'n> {
    /// To be used: as the code of the contract with this name, where it has one that can be pinned.
    Use(Option<&'n ContractName>),
    /// To be tried, which is no reason to keep it.
    Trial,
}

struct Slots(LruCache<CodeHash, Entry>);

impl Default for Slots {
    fn default() -> Self {
        Self(LruCache::unbounded())
    }
}

/// A slot and what it weighs; nothing before it is filled.
#[derive(Default)]
struct Entry {
    slot: Arc<Slot>,
    weight: usize,
}

#[derive(Default)]
struct Slot {
    content: Mutex<Content>,
    changed: Condvar,
}

enum Content {
    /// With the number of times that making it has failed, and how the last time, if that is the same for all who wait.
    Nothing(u64, Option<HostFault>),
    /// Somebody makes it, after so many failures.
    InTheMaking(u64),
    Contract(Arc<dyn Contract>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Nothing(0, None)
    }
}

/// Why a contract could not be prepared.
pub(crate) trait Failure: From<PrepareError> {
    /// The fault, if it is one.
    fn fault(&self) -> Option<&HostFault>;
}

impl Failure for PrepareError {
    fn fault(&self) -> Option<&HostFault> {
        match self {
            Self::Fault(fault) => Some(fault),
            Self::Code(_) => None,
        }
    }
}

/// A failure's fault if whoever tries again at once would meet it, too: not that one's time is over.
fn shared(failure: &impl Failure) -> Option<HostFault> {
    let shared = |fault: &&HostFault| {
        matches!(fault, HostFault::Unavailable { .. } | HostFault::Process { .. } | HostFault::Load { .. })
    };
    failure.fault().filter(shared).cloned()
}

impl Slot {
    fn set(&self, content: Content) {
        *lock(&self.content) = content;
        self.changed.notify_all();
    }

    /// How often making it has failed.
    fn failures(&self) -> u64 {
        match &*lock(&self.content) {
            Content::Nothing(failures, _) | Content::InTheMaking(failures) => *failures,
            Content::Contract(_) => 0,
        }
    }

    fn is_filled(&self) -> bool {
        matches!(*lock(&self.content), Content::Contract(_))
    }
}

/// The duty to fill a slot; who fails, in whichever way, leaves it to the next.
struct Making<'a> {
    slot: &'a Slot,
    failures: u64,
    /// What is told to all who wait.
    fault: Option<HostFault>,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if !self.slot.is_filled() {
            self.slot.set(Content::Nothing(self.failures.saturating_add(1), self.fault.take()));
        }
    }
}

/// How long a thread waits before it looks whether it was interrupted.
const SLICE: Duration = Duration::from_millis(50);

/// Waits for a future as long as `patience` allows, for ever without one; `None` if it is over.
pub(crate) fn block_on_within<T>(future: impl Future<Output = T>, patience: Option<&Interrupt>) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut task::Context::from_waker(&waker)) {
            return Some(value);
        }
        let left = patience.map_or(SLICE, Interrupt::remaining);
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left.min(SLICE));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entries {
    fn is_pinned(&self, hash: &CodeHash) -> bool {
        self.pins.values().any(|pinned| pinned == hash)
    }

    /// The weight that counts against the limit.
    fn counted(&self) -> usize {
        let pinned: BTreeSet<_> = self.pins.values().collect();
        let weights = pinned.into_iter().filter_map(|hash| self.slots.0.peek(hash)).map(|entry| entry.weight);
        self.weight.saturating_sub(weights.sum())
    }

    fn remove(&mut self, hash: &CodeHash) -> Option<Entry> {
        let removed = self.slots.0.pop(hash)?;
        self.weight = self.weight.saturating_sub(removed.weight);
        Some(removed)
    }

    /// Removes least recently used entries, never `kept`, what is pinned, and what somebody makes or waits for, until the limit
    /// holds.
    fn shrink(&mut self, limit: usize, kept: &CodeHash) -> Vec<Entry> {
        let mut excess = self.counted().saturating_sub(limit);
        let idle = |entry: &Entry| Arc::strong_count(&entry.slot) == 1;
        let may_go = |hash: &CodeHash, entry: &Entry| hash != kept && idle(entry) && !self.is_pinned(hash);
        let mut least = self.slots.0.iter().rev().filter(|(hash, entry)| may_go(hash, entry));
        let mut chosen = Vec::new();
        while excess > 0
            && let Some((hash, entry)) = least.next()
        {
            excess = excess.saturating_sub(entry.weight);
            chosen.push(*hash);
        }
        chosen.iter().filter_map(|hash| self.remove(hash)).collect()
    }
}

impl PreparedCache {
    /// A cache that keeps `limit` bytes, and the contracts with these names.
    pub(crate) fn new(limit: usize, pinned: BTreeSet<ContractName>) -> Self {
        Self { entries: Mutex::default(), limit, pinned }
    }

    /// The prepared contract of a hash; `prepare` makes it if it is not there. While somebody else prepares it, it is waited for as long as `patience` allows; a fault
    /// of that one is the same for all who wait.
    pub(crate) fn get<E: Failure>(
        &self,
        hash: CodeHash,
        purpose: Purpose<'_>,
        patience: Option<&Interrupt>,
        metrics: &CacheMetrics,
        prepare: impl FnOnce() -> Result<Arc<dyn Contract>, E>,
    ) -> Result<Arc<dyn Contract>, E> {
        let (slot, before) = {
            let mut entries = lock(&self.entries);
            if let Purpose::Use(name) = purpose {
                if let Some(name) = name.filter(|name| self.pinned.contains(*name)) {
                    entries.pins.insert(name.clone(), hash);
                }
                if let Some(trial) = entries.trials.get_mut(&hash) {
                    trial.kept = true;
                }
            }
            let slot = entries.slots.0.get_or_insert(hash, Entry::default).slot.clone();
            let before = slot.failures();
            (slot, before)
        };
        let mut content = lock(&slot.content);
        let failures = loop {
            match &*content {
                Content::Contract(contract) => {
                    metrics.hit();
                    return Ok(contract.clone());
                }
                Content::Nothing(failures, fault) => match fault {
                    Some(fault) if before < *failures => {
                        let fault = fault.clone();
                        drop(content);
                        self.forget(&hash, &slot);
                        return Err(PrepareError::Fault(fault).into());
                    }
                    _ => break *failures,
                },
                Content::InTheMaking(_) => {}
            }
            let left = patience.map_or(SLICE, Interrupt::remaining);
            if let Some(patience) = patience.filter(|_| left.is_zero()) {
                drop(content);
                self.forget(&hash, &slot);
                return Err(PrepareError::Fault(patience.fault()).into());
            }
            let waited = slot.changed.wait_timeout(content, left.min(SLICE));
            content = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        *content = Content::InTheMaking(failures);
        drop(content);
        metrics.miss();
        let mut making = Making { slot: &slot, failures, fault: None };
        let contract = match prepare() {
            Ok(contract) => contract,
            Err(error) => {
                making.fault = shared(&error);
                drop(making);
                self.forget(&hash, &slot);
                return Err(error);
            }
        };
        slot.set(Content::Contract(contract.clone()));
        drop(making);
        self.weigh(hash, &slot, contract.weight(), metrics);
        Ok(contract)
    }

    /// True when the hash is prepared.
    pub(crate) fn contains(&self, hash: &CodeHash) -> bool {
        let slot = lock(&self.entries).slots.0.peek(hash).map(|entry| entry.slot.clone());
        slot.is_some_and(|slot| slot.is_filled())
    }

    /// Begins to try code, as long as until [`end_trial`](Self::end_trial).
    pub(crate) fn begin_trial(&self, hash: CodeHash) {
        let mut entries = lock(&self.entries);
        let kept = entries.slots.0.contains(&hash);
        entries.trials.entry(hash).or_insert(Trial { running: 0, kept }).running += 1;
    }

    /// What is made of code that is being tried outlives the trial.
    pub(crate) fn keep(&self, hash: &CodeHash) {
        if let Some(trial) = lock(&self.entries).trials.get_mut(hash) {
            trial.kept = true;
        }
    }

    /// Ends a trial. With the last one of code that nobody else has had use for it is forgotten: its contract is released as soon
    /// as no call uses it.
    pub(crate) fn end_trial(&self, hash: &CodeHash, metrics: &CacheMetrics) {
        let removed = {
            let mut entries = lock(&self.entries);
            let Some(trial) = entries.trials.get_mut(hash) else { return };
            trial.running = trial.running.saturating_sub(1);
            let (is_last, kept) = (trial.running == 0, trial.kept);
            if !is_last {
                return;
            }
            entries.trials.remove(hash);
            let removed = if kept { None } else { entries.remove(hash) };
            metrics.weighs(entries.weight);
            removed
        };
        // Releasing may take time (a container is stopped), so it happens outside the lock.
        drop(removed);
    }

    /// Forgets everything.
    pub(crate) fn clear(&self, metrics: &CacheMetrics) {
        let removed = std::mem::take(&mut *lock(&self.entries));
        metrics.weighs(0);
        drop(removed);
    }

    /// Removes a slot that is not filled, unless somebody else fills it or waits for that.
    fn forget(&self, hash: &CodeHash, slot: &Arc<Slot>) {
        let mut entries = lock(&self.entries);
        // One is the cache's, one is ours; new ones are made under the lock only.
        let unused = Arc::strong_count(slot) == 2 && !slot.is_filled();
        if unused && entries.slots.0.peek(hash).is_some_and(|entry| Arc::ptr_eq(&entry.slot, slot)) {
            entries.remove(hash);
        }
    }

    /// Counts a slot that was filled, unless it was dropped in the meantime, and makes room for it.
    fn weigh(&self, hash: CodeHash, slot: &Arc<Slot>, weight: usize, metrics: &CacheMetrics) {
        let mut entries = lock(&self.entries);
        let Some(entry) = entries.slots.0.peek_mut(&hash).filter(|entry| Arc::ptr_eq(&entry.slot, slot)) else {
            return;
        };
        entry.weight = weight;
        entries.weight += weight;
        let evicted = entries.shrink(self.limit, &hash);
        evicted.iter().for_each(|_| metrics.eviction());
        metrics.weighs(entries.weight);
        // Releasing may take time, so it happens outside the lock.
        drop(entries);
        drop(evicted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Call, Code, Host, Interface, Opaque, Return, RuntimeKind};

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

    fn name(name: &str) -> ContractName {
        name.parse().unwrap()
    }

    struct Bench {
        cache: PreparedCache,
        metrics: CacheMetrics,
    }

    impl Bench {
        fn new(pinned: &[&str]) -> Self {
            let pinned = pinned.iter().copied().map(name).collect();
            Self { cache: PreparedCache::new(100, pinned), metrics: CacheMetrics::new() }
        }

        fn put(&self, n: u64, called: &str, weight: usize) {
            self.get(n, Purpose::Use(Some(&name(called))), weight);
        }

        fn get(&self, n: u64, purpose: Purpose<'_>, weight: usize) {
            let make = || Ok::<_, PrepareError>(Arc::new(Heavy(weight)) as Arc<dyn Contract>);
            self.cache.get(hash(n), purpose, None, &self.metrics, make).map(drop).unwrap();
        }

        /// Tries code while somebody does something else.
        fn try_out(&self, n: u64, meanwhile: impl FnOnce(&Self)) {
            self.cache.begin_trial(hash(n));
            self.get(n, Purpose::Trial, 30);
            meanwhile(self);
            self.cache.end_trial(&hash(n), &self.metrics);
        }

        fn has(&self, n: u64) -> bool {
            self.cache.contains(&hash(n))
        }

        fn weight(&self) -> usize {
            lock(&self.cache.entries).weight
        }
    }

    #[test]
    fn the_sum_of_weights_is_that_of_what_is_kept() {
        let bench = Bench::new(&[]);
        for n in 0..1_000 {
            if n % 7 == 0 {
                bench.try_out(n, |_| {});
            } else {
                bench.put(n, "any", 30);
            }
        }
        let kept = (0..1_000).filter(|n| bench.has(*n)).count();
        assert_eq!((kept, bench.weight(), lock(&bench.cache.entries).slots.0.len()), (3, 90, 3));
        assert_eq!(bench.metrics.bytes(), 90);
    }

    #[test]
    fn a_slot_that_is_dropped_while_it_is_filled_weighs_nothing() {
        let Bench { cache, metrics } = Bench::new(&[]);
        let filled = cache.get(hash(1), Purpose::Trial, None, &metrics, || {
            cache.clear(&metrics);
            Ok::<_, PrepareError>(Arc::new(Heavy(50)) as Arc<dyn Contract>)
        });
        assert!(filled.is_ok() && !cache.contains(&hash(1)));
        assert_eq!(lock(&cache.entries).weight, 0);
    }

    /// However much is made meanwhile: it would be made again, and again not be kept.
    #[test]
    fn what_is_in_the_making_stays() {
        let bench = Bench::new(&[]);
        let made = bench.cache.get(hash(1), Purpose::Use(None), None, &bench.metrics, || {
            for n in 2..5 {
                bench.put(n, "any", 70);
            }
            Ok::<_, PrepareError>(Arc::new(Heavy(30)) as Arc<dyn Contract>)
        });
        assert!(made.is_ok() && bench.has(1) && bench.has(4) && !bench.has(3));
        assert_eq!(bench.weight(), 100);
    }

    #[test]
    fn what_cannot_be_prepared_leaves_nothing() {
        let Bench { cache, metrics } = Bench::new(&[]);
        for n in 0..100 {
            let failed = cache
                .get(hash(n), Purpose::Use(None), None, &metrics, || Err(PrepareError::Fault(HostFault::Stopping)));
            assert!(failed.is_err());
        }
        assert_eq!(lock(&cache.entries).slots.0.len(), 0);
    }

    #[test]
    fn what_is_prepared_for_a_trial_goes_with_it_unless_somebody_else_has_use_for_it() {
        let bench = Bench::new(&["system"]);
        let used = Purpose::Use(None);
        bench.try_out(1, |_| {});
        bench.try_out(2, |bench| bench.get(2, used, 30));
        bench.try_out(3, |bench| bench.cache.keep(&hash(3)));
        // Several try it: the last one clears up, and what the others leave they still have.
        bench.try_out(4, |bench| {
            bench.try_out(4, |_| {});
            assert!(bench.has(4));
        });
        bench.try_out(5, |bench| bench.try_out(5, |bench| bench.get(5, used, 30)));
        assert_eq!([1, 2, 3, 4, 5].map(|n| bench.has(n)), [false, true, true, false, true]);
        // What was there before, for whatever reason.
        bench.get(6, Purpose::Trial, 30);
        bench.try_out(6, |_| {});
        bench.put(7, "system", 30);
        bench.try_out(7, |_| {});
        // Pinned meanwhile.
        bench.try_out(8, |bench| bench.put(8, "system", 30));
        assert_eq!([6, 7, 8].map(|n| bench.has(n)), [true, true, true]);
        assert!(lock(&bench.cache.entries).trials.is_empty());
    }

    #[test]
    fn pinned_contracts_stay_and_leave_the_limit_to_the_others() {
        let bench = Bench::new(&["system", "other"]);
        bench.put(1, "system", 90);
        for n in 10..20 {
            bench.put(n, "any", 40);
        }
        assert!(bench.has(1) && bench.has(19) && bench.has(18) && !bench.has(17));
        assert_eq!(bench.weight(), 90 + 2 * 40);
        // Another version of the contract takes the place of the first, which is as any other then.
        bench.put(2, "system", 70);
        for n in 20..30 {
            bench.put(n, "any", 40);
        }
        assert!(bench.has(2) && !bench.has(1));
        // Two contracts with one code count once.
        bench.put(2, "other", 70);
        bench.put(30, "any", 40);
        assert_eq!(bench.weight(), 70 + 2 * 40);
    }

    #[test]
    fn who_waits_for_what_another_prepares_has_an_end() {
        let Bench { cache, metrics } = Bench::new(&[]);
        let made = cache.get(hash(1), Purpose::Use(None), None, &metrics, || {
            let patience = Interrupt::after(Duration::from_millis(20));
            let waited = cache
                .get(hash(1), Purpose::Use(None), Some(&patience), &metrics, || unreachable!("it is in the making"));
            assert!(matches!(waited, Err(PrepareError::Fault(HostFault::Deadline(_)))));
            Ok::<_, PrepareError>(Arc::new(Heavy(1)) as Arc<dyn Contract>)
        });
        assert!(made.is_ok() && cache.contains(&hash(1)));
        let over = Interrupt::after(Duration::from_millis(20));
        assert_eq!(block_on_within(std::future::pending::<()>(), Some(&over)), None);
        assert_eq!(block_on_within(async { 7 }, Some(&over)), Some(7), "what is ready needs no time");
    }

    #[test]
    fn a_fault_is_told_to_all_who_wait_and_to_nobody_who_comes_later() {
        let Bench { cache, metrics } = Bench::new(&[]);
        let fault = || HostFault::Unavailable { runtime: RuntimeKind::Docker, message: "hung".into() };
        let get = |make: &dyn Fn() -> Result<Arc<dyn Contract>, PrepareError>| {
            cache.get(hash(1), Purpose::Use(None), None, &metrics, make)
        };
        // Everybody waits whose share of the slot is counted: the cache has one, and who prepares.
        let slot = || lock(&cache.entries).slots.0.peek(&hash(1)).map(|entry| Arc::strong_count(&entry.slot));
        thread::scope(|scope| {
            let made = scope.spawn(|| {
                get(&|| {
                    while slot() < Some(5) {
                        thread::park_timeout(Duration::from_millis(1));
                    }
                    Err(PrepareError::Fault(fault()))
                })
            });
            while slot() < Some(2) {
                thread::park_timeout(Duration::from_millis(1));
            }
            let waiting: Vec<_> =
                (0..3).map(|_| scope.spawn(|| get(&|| unreachable!("one failure is enough")))).collect();
            for thread in waiting.into_iter().chain([made]) {
                let failed = thread.join().unwrap().err();
                assert!(matches!(failed, Some(PrepareError::Fault(HostFault::Unavailable { .. }))), "{failed:?}");
            }
        });
        assert_eq!(lock(&cache.entries).slots.0.len(), 0);
        assert!(get(&|| Ok(Arc::new(Heavy(1)))).is_ok(), "later calls try again");
    }

    #[test]
    fn who_panics_while_preparing_leaves_it_to_the_next() {
        let bench = Bench::new(&[]);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let make = || -> Result<Arc<dyn Contract>, PrepareError> { panic!("no contract") };
            bench.cache.get(hash(1), Purpose::Use(None), None, &bench.metrics, make)
        }));
        assert!(panicked.is_err());
        bench.put(1, "any", 1);
        assert!(bench.has(1));
    }

    /// A contract that is heavier than the limit is kept while it is the last that was used.
    #[test]
    fn the_newest_stays() {
        let bench = Bench::new(&[]);
        bench.put(1, "any", 30);
        bench.put(2, "any", 1_000);
        assert!(bench.has(2) && !bench.has(1));
        bench.put(3, "any", 30);
        assert!(bench.has(3) && !bench.has(2));
    }
}
