//! Calls within calls: who keeps a container while it waits for another one, and who would wait for ever.
//!
//! Only a transaction that has a container and waits for another can be waited for in a circle, and only the one that begins to
//! wait can close it. So that one is told at once; the others go on with what it gives back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::DockerError;

/// A container, as those see it that have one of its connections.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) id: String,
    /// How many connections it has.
    pub(super) connections: usize,
    pub(super) retired: AtomicBool,
    /// True once it was counted among those that broke off.
    pub(super) blamed: AtomicBool,
}

impl Card {
    pub(super) fn new(id: &str, connections: usize) -> Self {
        Self { id: id.into(), connections, retired: AtomicBool::new(false), blamed: AtomicBool::new(false) }
    }
}

/// The transactions of a host that have containers.
#[derive(Debug)]
pub(crate) struct Chains {
    /// Containers of one image, and of all, at most.
    most: (usize, usize),
    next_pool: AtomicU64,
    transactions: Mutex<BTreeMap<u64, Chain>>,
}

#[derive(Debug, Default)]
struct Chain {
    held: Vec<Held>,
    /// The pool that it waits for.
    waits: Option<u64>,
}

/// A connection, and the pool of its container.
#[derive(Debug)]
struct Held {
    pool: u64,
    card: Arc<Card>,
}

/// As long as it exists, its transaction has a connection.
#[derive(Debug)]
pub(crate) struct Hold {
    chains: Arc<Chains>,
    transaction: u64,
    card: Arc<Card>,
}

/// As long as it exists, its transaction waits.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    chains: &'a Chains,
    transaction: u64,
    /// True if it has containers while it waits.
    pub(super) nested: bool,
}

impl Chains {
    /// For so many containers of one image at most, and of all.
    pub(crate) fn new(of_image: usize, of_all: usize) -> Arc<Self> {
        Arc::new(Self { most: (of_image, of_all), next_pool: AtomicU64::new(0), transactions: Mutex::default() })
    }

    /// A number for another pool.
    pub(super) fn pool(&self) -> u64 {
        self.next_pool.fetch_add(1, Ordering::Relaxed)
    }

    /// A transaction has got a connection of a container.
    pub(super) fn hold(self: &Arc<Self>, transaction: u64, pool: u64, card: &Arc<Card>) -> Hold {
        let mut transactions = self.transactions();
        transactions.entry(transaction).or_default().held.push(Held { pool, card: card.clone() });
        Hold { chains: self.clone(), transaction, card: card.clone() }
    }

    /// A transaction begins to wait for a container of a pool.
    ///
    /// # Errors
    /// When it would wait for ever: what it waits for is held by those alone that wait for what it has, or by itself.
    pub(super) fn wait(&self, transaction: u64, pool: u64) -> Result<Wait<'_>, DockerError> {
        let mut transactions = self.transactions();
        let Some(chain) = transactions.get_mut(&transaction) else {
            // It has nothing that anybody could wait for.
            return Ok(Wait { chains: self, transaction, nested: false });
        };
        chain.waits = Some(pool);
        let all = transactions.iter().filter(|(_, chain)| chain.waits.is_some());
        if !self.is_stuck(transaction, all) {
            return Ok(Wait { chains: self, transaction, nested: true });
        }
        let alone = self.is_stuck(transaction, transactions.iter().filter(|(number, _)| **number == transaction));
        if let Some(chain) = transactions.get_mut(&transaction) {
            chain.waits = None;
        }
        let (of_image, of_all) = self.most;
        Err(if alone { DockerError::TooNested { of_image, of_all } } else { DockerError::Circle })
    }

    /// True if one of these transactions, which wait, gets nothing though all others come to an end.
    fn is_stuck<'a>(&self, transaction: u64, waiting: impl Iterator<Item = (&'a u64, &'a Chain)>) -> bool {
        let mut stuck: Vec<_> = waiting.collect();
        loop {
            let held: Vec<&Held> = stuck.iter().flat_map(|(_, chain)| &chain.held).collect();
            let before = stuck.len();
            stuck.retain(|(_, chain)| chain.waits.is_some_and(|pool| !self.will_be_there(pool, &held)));
            if !stuck.iter().any(|(number, _)| **number == transaction) {
                return false;
            }
            if stuck.len() == before {
                return true;
            }
        }
    }

    /// True if a pool has or gets a connection to give, as long as all that is not `held` comes free.
    fn will_be_there(&self, pool: u64, held: &[&Held]) -> bool {
        let mut of_pool: BTreeMap<&str, (&Card, usize)> = BTreeMap::new();
        for Held { card, .. } in held.iter().filter(|held| held.pool == pool) {
            of_pool.entry(&card.id).or_insert((card, 0)).1 += 1;
        }
        let shared =
            |(card, taken): &(&Card, usize)| *taken < card.connections && !card.retired.load(Ordering::Acquire);
        let all: BTreeSet<&str> = held.iter().map(|held| &*held.card.id).collect();
        of_pool.values().any(shared) || (of_pool.len() < self.most.0 && all.len() < self.most.1)
    }

    fn transactions(&self) -> MutexGuard<'_, BTreeMap<u64, Chain>> {
        self.transactions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut transactions = self.chains.transactions();
        let Some(chain) = transactions.get_mut(&self.transaction) else { return };
        if let Some(at) = chain.held.iter().rposition(|held| Arc::ptr_eq(&held.card, &self.card)) {
            chain.held.remove(at);
        }
        if chain.held.is_empty() {
            transactions.remove(&self.transaction);
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.nested
            && let Some(chain) = self.chains.transactions().get_mut(&self.transaction)
        {
            chain.waits = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem;

    use super::*;

    fn card(id: &str, connections: usize) -> Arc<Card> {
        Arc::new(Card::new(id, connections))
    }

    /// Has a transaction wait for the rest of the test.
    fn waits(chains: &Chains, transaction: u64, pool: u64) -> Result<(), DockerError> {
        chains.wait(transaction, pool).map(mem::forget)
    }

    #[test]
    fn who_has_all_containers_of_an_image_gets_no_other() {
        let chains = Chains::new(2, 9);
        let first = chains.hold(1, 0, &card("a", 1));
        waits(&chains, 1, 0).unwrap();
        let _second = chains.hold(1, 0, &card("b", 1));
        assert!(matches!(waits(&chains, 1, 0), Err(DockerError::TooNested { of_image: 2, of_all: 9 })));
        waits(&chains, 1, 1).unwrap();
        drop(first);
        waits(&chains, 1, 0).unwrap();
        waits(&chains, 2, 0).unwrap();
    }

    #[test]
    fn who_closes_a_circle_is_told_and_the_others_go_on() {
        let chains = Chains::new(1, 9);
        let _a = chains.hold(1, 0, &card("a", 1));
        let b = chains.hold(2, 1, &card("b", 1));
        let _c = chains.hold(3, 2, &card("c", 1));
        waits(&chains, 1, 1).unwrap();
        waits(&chains, 3, 0).unwrap();
        assert!(matches!(waits(&chains, 2, 2), Err(DockerError::Circle)));
        assert!(waits(&chains, 2, 0).is_err(), "the first waits for it");
        drop(b);
        waits(&chains, 2, 0).unwrap();
    }

    #[test]
    fn who_waits_for_one_that_goes_on_is_not_stuck() {
        let chains = Chains::new(2, 9);
        let _held = [(1, "a"), (2, "b")].map(|(transaction, id)| chains.hold(transaction, 0, &card(id, 1)));
        waits(&chains, 1, 0).unwrap();
        // The other one could have gone on, and waits now: nobody gives anything back.
        assert!(matches!(waits(&chains, 2, 0), Err(DockerError::Circle)));
    }

    #[test]
    fn what_all_images_together_may_have_counts_too() {
        let chains = Chains::new(8, 2);
        let _held = [(1, 0, "a"), (1, 1, "b")].map(|(_, pool, id)| chains.hold(1, pool, &card(id, 1)));
        assert!(matches!(waits(&chains, 1, 2), Err(DockerError::TooNested { .. })));
    }

    #[test]
    fn connections_of_one_container_are_as_good_as_containers() {
        let chains = Chains::new(1, 9);
        let shared = card("a", 2);
        let _held = [1, 2].map(|transaction| chains.hold(transaction, 0, &shared));
        waits(&chains, 1, 0).unwrap();
        assert!(waits(&chains, 2, 0).is_err(), "each has one of the two");

        let chains = Chains::new(1, 9);
        let _held = chains.hold(1, 0, &shared);
        waits(&chains, 1, 0).unwrap();
        shared.retired.store(true, Ordering::Release);
        assert!(waits(&chains, 1, 0).is_err(), "it takes no more calls, and its place is taken");
    }
}
