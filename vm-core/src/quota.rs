//! How much callers and contracts may ask of this host. A host's own business: what it admits depends on its clock, so it never
//! has a part in a result, and requests that belong to a block are not asked.
//!
//! Deployments, upgrades, migrations and rollbacks cost a host more than calls, so they count for their caller, too. They do not
//! count for the contract: its owner gets through when others have used up what it may be asked. What runs no code (freeze,
//! unfreeze, revoke, grant, govern) is never refused here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::transaction::now;
use crate::{Address, Gas, HostFault, InvokeRequest, Sender, Target};

/// What one caller, or all callers of one contract, may ask of this host. Default: no bounds.
///
/// A caller's requests count from the moment they are made, a contract's calls from the moment they enter it: so whoever may not call
/// it takes nothing from those who may.
///
/// A caller's deployments, upgrades, migrations and rollbacks count as calls do, but may ask for more gas than a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quota {
    /// Requests of a caller that are in flight at once, waiting ones included; calls of a contract that are carried out at once.
    pub in_flight: Option<u32>,
    /// Requests in the long run, and at once.
    pub rate: Option<Rate>,
    /// The gas that one call may ask for; a call that asks for none in particular gets that much.
    pub gas_per_call: Option<Gas>,
    /// The gas that is used in a window of time. A call is admitted as long as anything is left, so the last one may use more than that. What
    /// calls in flight may use is kept for them until they have ended, and one that asks for no gas in particular may use all of a window: where
    /// several are to run at a time, bound the gas per call, too. Operations count when they have ended.
    pub gas_per_window: Option<(Gas, Duration)>,
}

/// A bucket of tokens, one for each call: it holds `burst`, and gets one back every `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The most calls at once, at least 1.
    pub burst: u32,
    /// The time after which one more is admitted.
    pub every: Duration,
}

/// The bounds of a host. What is counted are calls, queries, deployments, upgrades, migrations, rollbacks, and dry runs of them,
/// without a block of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quotas {
    /// Of each caller.
    pub caller: Quota,
    /// Of each contract.
    pub contract: Quota,
}

/// Something that is counted.
pub(crate) struct Demand<'r> {
    pub(crate) sender: &'r Sender,
    /// Whom it calls, if it is a call.
    pub(crate) call: Option<&'r Target>,
}

impl<'r> Demand<'r> {
    pub(crate) const fn call(request: &'r InvokeRequest) -> Self {
        Self { sender: &request.sender, call: Some(&request.target) }
    }
}

/// Those who are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Caller(Address),
    Contract(Address),
}

impl Who {
    const fn quota(self, quotas: &Quotas) -> &Quota {
        match self {
            Self::Caller(_) => &quotas.caller,
            Self::Contract(_) => &quotas.contract,
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Caller(address) => write!(f, "caller {address}"),
            Self::Contract(address) => write!(f, "contract {address}"),
        }
    }
}

/// What somebody uses.
struct Usage {
    in_flight: u32,
    /// When the bucket will be full again.
    full_at: Instant,
    window_ends: Instant,
    /// Used in the window,
    gas: Gas,
    /// and kept for calls in flight.
    kept: Gas,
}

impl Usage {
    const fn new(time: Instant) -> Self {
        Self { in_flight: 0, full_at: time, window_ends: time, gas: Gas::ZERO, kept: Gas::ZERO }
    }

    /// True when it says no more than that nobody was here.
    fn is_idle(&self, time: Instant) -> bool {
        self.in_flight == 0 && self.full_at <= time && self.window_ends <= time
    }

    /// Which bound another call would break, and when to try again.
    fn refusal(&self, quota: &Quota, time: Instant) -> Option<(String, Option<Duration>)> {
        if let Some(most) = quota.in_flight.filter(|most| self.in_flight >= *most) {
            return Some((
                match most {
                    1 => "1 call is in flight, which is the limit; try again when it has ended".to_owned(),
                    _ => {
                        format!("{most} calls are in flight, which is the limit; try again when one of them has ended")
                    }
                },
                None,
            ));
        }
        if let Some(Rate { burst, every }) = quota.rate {
            // Full later than this, it has not one token.
            let latest = every.saturating_mul(burst.saturating_sub(1));
            let missing = self.full_at.saturating_duration_since(time).saturating_sub(latest);
            if !missing.is_zero() {
                let calls = if burst == 1 { "call" } else { "calls" };
                let told = format!("the limit is {burst} {calls} at once, and then one every {}", Seconds(every));
                return Some((told, Some(missing)));
            }
        }
        if let Some((most, window)) = quota.gas_per_window
            && self.left(most, time) == Gas::ZERO
        {
            return Some(match self.used(time) >= most {
                true => {
                    let told = format!("the limit of {most} gas in {} is used up", Seconds(window));
                    (told, Some(self.window_ends.saturating_duration_since(time)))
                }
                false => {
                    let left = format!("of the limit of {most} gas in {} the rest is kept for calls", Seconds(window));
                    (format!("{left} in flight; try again when one of them has ended, or bound the gas of calls"), None)
                }
            });
        }
        None
    }

    /// The gas that was used in the window.
    fn used(&self, time: Instant) -> Gas {
        if self.window_ends > time { self.gas } else { Gas::ZERO }
    }

    /// What is left of it for another call.
    fn left(&self, most: Gas, time: Instant) -> Gas {
        most.saturating_sub(self.used(time)).saturating_sub(self.kept)
    }

    fn begin(&mut self, quota: &Quota, time: Instant, kept: Gas) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.kept = self.kept.saturating_add(kept);
        if let Some(Rate { every, .. }) = quota.rate {
            self.full_at = later(self.full_at.max(time), every);
        }
        if let Some((_, window)) = quota.gas_per_window.filter(|_| self.window_ends <= time) {
            (self.window_ends, self.gas) = (later(time, window), Gas::ZERO);
        }
    }
}

/// A time after another; what a clock cannot tell any more is years away.
fn later(time: Instant, after: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(1 << 30);
    time.checked_add(after).or_else(|| time.checked_add(YEARS)).unwrap_or(time)
}

struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}

/// How many are remembered before those that are idle are forgotten.
const REMEMBERED: usize = 4_096;

/// How many are remembered at all, apart from those whose requests are in flight, of which queue and workers bound the number.
const MOST: usize = 16 * REMEMBERED;

/// Admits calls.
pub(crate) struct Gate {
    quotas: Quotas,
    usage: Mutex<Usages>,
}

/// What everybody uses who is not idle.
#[derive(Default)]
struct Usages {
    of: BTreeMap<Who, Usage>,
    /// How many were left when those that are idle were forgotten last.
    busy: usize,
}

impl Usages {
    /// Forgets those that are idle, whenever there are twice as many as were left the last time: so an admission looks at a few
    /// of them on average, however many there are.
    fn forget_idle(&mut self, time: Instant) {
        if self.of.len() > REMEMBERED.max(self.busy.saturating_mul(2)).min(MOST) {
            self.of.retain(|_, usage| !usage.is_idle(time));
            self.busy = self.of.len();
        }
    }

    /// Makes room when all are busy: a quarter goes, of those who are free to ask on, and soonest idle, first. Whoever is forgotten begins
    /// anew, so nobody is refused for what others do; and who is refused now is remembered longest.
    fn forget_some(&mut self, quotas: &Quotas, time: Instant) {
        if self.of.len() <= MOST {
            return;
        }
        let waiting = self.of.iter().filter(|(_, usage)| usage.in_flight == 0);
        let mut all: Vec<_> = waiting
            .map(|(who, usage)| {
                let is_refused = usage.refusal(who.quota(quotas), time).is_some();
                (is_refused, usage.full_at.max(usage.window_ends), *who)
            })
            .collect();
        let some = MOST / 4;
        if all.len() > some {
            all.select_nth_unstable(some);
        }
        for (_, _, who) in all.into_iter().take(some) {
            self.of.remove(&who);
        }
        self.busy = self.of.len();
    }
}

/// A request that was admitted, until it is answered.
pub(crate) struct Ticket {
    gate: Arc<Gate>,
    caller: Who,
    /// The contract that it calls.
    contract: Option<Who>,
    /// True when it counts for the contract, too.
    entered: bool,
    /// What a call gets that asks for no gas in particular. It is no part of the request, which is made again without it.
    pub(crate) gas: Option<Gas>,
    /// What is kept for it of the windows.
    kept: Gas,
}

impl Gate {
    pub(crate) fn new(quotas: Quotas) -> Arc<Self> {
        Arc::new(Self { quotas, usage: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Usages> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a request, and bounds the gas that a call asks for; or says which limit refuses it, and when to try again. It counts
    /// for its caller from now on.
    pub(crate) fn admit(self: &Arc<Self>, demand: Demand<'_>) -> Result<Ticket, HostFault> {
        let Demand { sender, call } = demand;
        let (caller, contract) = (Who::Caller(sender.caller), call.map(|to| Who::Contract(to.address())));
        let gas = contract.map(|contract| self.bound_gas([caller, contract], sender.gas)).transpose()?.flatten();
        let time = now();
        let mut usage = self.lock();
        usage.forget_idle(time);
        usage.forget_some(&self.quotas, time);
        // What would be refused later is refused before it waits.
        for who in [Some(caller), contract].into_iter().flatten() {
            self.check(&usage, who, time)?;
        }
        // Of the windows, if there are any, as much is kept as it may use.
        let kept = if call.is_some() { sender.gas.or(gas).unwrap_or(Gas::ZERO) } else { Gas::ZERO };
        self.begin(&mut usage, caller, time, kept);
        Ok(Ticket { gate: self.clone(), caller, contract, entered: false, gas, kept })
    }

    fn check(&self, usage: &Usages, who: Who, time: Instant) -> Result<(), HostFault> {
        let refused = usage.of.get(&who).and_then(|usage| usage.refusal(who.quota(&self.quotas), time));
        match refused {
            Some((limit, retry_after)) => Err(HostFault::Quota { who: who.to_string(), limit, retry_after }),
            None => Ok(()),
        }
    }

    fn begin(&self, usage: &mut Usages, who: Who, time: Instant, kept: Gas) {
        usage.of.entry(who).or_insert_with(|| Usage::new(time)).begin(who.quota(&self.quotas), time, kept);
    }

    /// The most that a call may use which asks for no gas in particular; or says which limit refuses the one that does.
    fn bound_gas(&self, who: [Who; 2], asked: Option<Gas>) -> Result<Option<Gas>, HostFault> {
        let limits = who.iter().flat_map(|who| {
            let Quota { gas_per_call, gas_per_window, .. } = *who.quota(&self.quotas);
            let of_window = gas_per_window.map(|(most, window)| (who, most, Some(window)));
            [gas_per_call.map(|most| (who, most, None)), of_window].into_iter().flatten()
        });
        let Some((who, most, window)) = limits.min_by_key(|(_, most, _)| *most) else { return Ok(None) };
        match asked.filter(|asked| *asked > most) {
            Some(asked) => {
                let of = window.map_or("a call".to_owned(), |window| format!("all calls in {}", Seconds(window)));
                let limit = format!("{asked} gas are asked for, and the limit of {of} is {most}; ask for less");
                Err(HostFault::Quota { who: who.to_string(), limit, retry_after: None })
            }
            None => Ok(Some(most)),
        }
    }
}

impl Ticket {
    /// A call that nothing has refused enters its contract, for which it counts from now on; or says which limit of the contract refuses
    /// it after all. A call that is executed once more counts once.
    pub(crate) fn enter(&mut self) -> Result<(), HostFault> {
        let Some(contract) = self.contract.filter(|_| !self.entered) else { return Ok(()) };
        let time = now();
        let mut usage = self.gate.lock();
        self.gate.check(&usage, contract, time)?;
        self.gate.begin(&mut usage, contract, time, self.kept);
        self.entered = true;
        Ok(())
    }

    /// For whom it counts.
    fn counted(&self) -> impl Iterator<Item = Who> {
        [Some(self.caller), self.contract.filter(|_| self.entered)].into_iter().flatten()
    }

    /// Counts what the request used, and of a dry run what the calls used that it replayed: those count for its caller alone.
    pub(crate) fn used(&self, gas: Gas, replayed: Gas) {
        let mut usage = self.gate.lock();
        for who in self.counted() {
            if let Some(usage) = usage.of.get_mut(&who) {
                let gas = if who == self.caller { gas.saturating_add(replayed) } else { gas };
                usage.gas = usage.gas.saturating_add(gas);
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut usage = self.gate.lock();
        for who in self.counted() {
            if let Some(usage) = usage.of.get_mut(&who) {
                usage.in_flight = usage.in_flight.saturating_sub(1);
                usage.kept = usage.kept.saturating_sub(self.kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_at_a_time() {
        let quota = Quota { rate: Some(Rate { burst: 3, every: SECOND }), ..Quota::default() };
        let start = now();
        let mut usage = Usage::new(start);
        let mut admitted = |time: Instant| {
            let refused = usage.refusal(&quota, time);
            if refused.is_none() {
                usage.begin(&quota, time, Gas::ZERO);
            }
            refused.map(|(_, after)| after)
        };
        assert_eq!((admitted(start), admitted(start), admitted(start)), (None, None, None));
        assert_eq!(admitted(start), Some(Some(SECOND)));
        assert_eq!(admitted(start + SECOND / 4), Some(Some(SECOND * 3 / 4)));
        assert_eq!(admitted(start + SECOND), None);
        assert_eq!(admitted(start + SECOND), Some(Some(SECOND)));
        // Nothing is saved up beyond the burst.
        let later = start + SECOND * 100;
        assert_eq!((admitted(later), admitted(later), admitted(later)), (None, None, None));
        assert_eq!(admitted(later), Some(Some(SECOND)));
    }

    #[test]
    fn a_window_ends_and_begins_with_the_next_call() {
        let quota = Quota { gas_per_window: Some((Gas::new(100), SECOND)), ..Quota::default() };
        let start = now();
        let mut usage = Usage::new(start);
        usage.begin(&quota, start, Gas::ZERO);
        usage.gas = Gas::new(100);
        assert_eq!(usage.refusal(&quota, start + SECOND / 2).map(|(_, after)| after), Some(Some(SECOND / 2)));
        assert_eq!(usage.refusal(&quota, start + SECOND), None);
        usage.begin(&quota, start + SECOND, Gas::ZERO);
        assert_eq!((usage.gas, usage.window_ends), (Gas::ZERO, start + SECOND * 2));
    }

    #[test]
    fn those_who_are_idle_are_forgotten() {
        let gate = Gate::new(Quotas { caller: Quota { in_flight: Some(1), ..Quota::default() }, ..Quotas::default() });
        let mut call = InvokeRequest::new(Target::Address(Address::ZERO), "");
        for n in 0..3 * REMEMBERED {
            call.sender.caller = Address::from_name(&n.to_string());
            assert!(gate.admit(Demand::call(&call)).is_ok());
        }
        assert!(gate.lock().of.len() <= REMEMBERED + 2);
    }

    /// However many there are that nobody can forget as idle, so many are remembered; those who have to wait go on to.
    #[test]
    fn many_who_are_busy_are_not_remembered_without_end_and_refuse_nobody() {
        let rate = Some(Rate { burst: 2, every: SECOND * 3_600 });
        let of_caller = Quota { rate, in_flight: Some(3), ..Quota::default() };
        let gate = Gate::new(Quotas { caller: of_caller, ..Quotas::default() });
        let call = |caller: &str| {
            let mut call = InvokeRequest::new(Target::Address(Address::ZERO), "");
            call.sender.caller = Address::from_name(caller);
            gate.admit(Demand::call(&call))
        };
        // One who has used up what it may ask, and one whose call goes on.
        assert!(call("greedy").is_ok() && call("greedy").is_ok() && call("greedy").is_err());
        let going_on = call("patient").ok();
        for n in 0..2 * MOST {
            assert!(call(&n.to_string()).is_ok(), "{n}: nobody is refused for the others");
            assert!(gate.lock().of.len() <= MOST + 2);
        }
        assert!(call("greedy").is_err(), "whoever has to wait is not forgotten for others");
        let who = Who::Caller(Address::from_name("patient"));
        assert_eq!(gate.lock().of.get(&who).map(|usage| usage.in_flight), Some(1));
        drop(going_on);
        assert_eq!(gate.lock().of.get(&who).map(|usage| usage.in_flight), Some(0));
    }

    #[test]
    fn those_who_are_busy_are_looked_at_now_and_then() {
        let window = Some((Gas::new(1), Duration::MAX));
        let rate = Some(Rate { burst: 1, every: Duration::MAX });
        let gate = Gate::new(Quotas {
            caller: Quota { rate, gas_per_window: window, ..Quota::default() },
            ..Quotas::default()
        });
        let mut call = InvokeRequest::new(Target::Address(Address::ZERO), "");
        let (mut looked, mut busy) = (0, 0);
        for n in 0..4 * REMEMBERED {
            call.sender.caller = Address::from_name(&n.to_string());
            assert!(gate.admit(Demand::call(&call)).is_ok());
            assert!(gate.admit(Demand::call(&call)).is_err(), "its bucket is empty for years");
            let usage = gate.lock();
            looked += usize::from(usage.busy != busy);
            busy = usage.busy;
        }
        assert!(gate.lock().of.len() >= 4 * REMEMBERED && looked <= 3, "{looked} of {}", 8 * REMEMBERED);
    }
}
