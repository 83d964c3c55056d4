use std::sync::Arc;

use vm_core::{Call, Contract, ContractName, Gas, Host, HostFault, Interface, Interrupt, Return, Stop};

use crate::{
    DockerError, Isolation,
    container::Container,
    pool::{Pool, Pooled},
    session::{
        self, End,
        replay::{Script, replay},
    },
};

/// A contract that containers run.
pub(crate) struct DockerContract {
    pub(crate) pool: Arc<Pool>,
    /// Where each call is repeated, by a container of its own; absent without `replay_check`.
    pub(crate) checker: Option<Arc<Pool>>,
    pub(crate) interface: Box<dyn Interface>,
}

impl Contract for DockerContract {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        let price = Gas::new(host.transaction().schedule().docker.call);
        if let Err(stop) = host.charge(price) {
            return stop.into_return();
        }
        let (interrupt, transaction) = (host.transaction().interrupt().clone(), host.transaction().id());
        let Some(checker) = &self.checker else { return self.perform(host, call, &interrupt, None) };
        let mut script = Script::default();
        let returned = self.perform(host, call, &interrupt, Some(&mut script))?;
        let name = host.env().name.clone();
        self.repeat(checker, &script, &interrupt, (name.as_ref(), transaction))?;
        Ok(returned)
    }

    fn interface(&self) -> &dyn Interface {
        self.interface.as_ref()
    }

    fn weight(&self) -> usize {
        self.pool.weight()
    }
}

impl DockerContract {
    /// Performs a call. What is not released is given up when it is dropped here: killed and removed, once no other call is on
    /// it.
    fn perform(
        &self,
        host: &mut dyn Host,
        call: &Call,
        interrupt: &Interrupt,
        mut script: Option<&mut Script>,
    ) -> Result<Return, HostFault> {
        let transaction = host.transaction().id();
        // Why a container broke off before it said anything, when another one is tried.
        let mut before = None;
        loop {
            let mut container = match (self.pool.acquire(interrupt, transaction), before.take()) {
                (Ok(container), earlier) => {
                    before = earlier;
                    container
                }
                (Err(_), Some(broken)) => return Err(cause(&self.pool, broken, interrupt, || {}).into()),
                (Err(fault), None) => return Err(fault),
            };
            let number = container.call_number();
            let name = host.env().name.clone();
            container.label.begin(name.as_ref(), transaction);
            let ran = session::run(&mut container.connection, number, host, call, script.as_deref_mut());
            container.label.end(name.as_ref(), transaction);
            match ran.end {
                End::Returned(returned) => {
                    keep(&self.pool, container);
                    return Ok(returned);
                }
                End::Stopped { stop, settled } => {
                    match settled {
                        true => keep(&self.pool, container),
                        false => container.blame("it did not return when it was stopped"),
                    }
                    return match stop {
                        Stop::Trap(trap) => Ok(Return::trap(trap)),
                        Stop::Fault(fault) => Err(fault),
                    };
                }
                End::Late => return Err(interrupt.fault()),
                // It broke off between two calls, which is no fault of this one.
                End::Closed | End::Broken(_) if !ran.taken && container.is_used() && before.is_none() => {
                    tracing::info!(
                        container = container.id(),
                        "a container broke off between two calls and is replaced"
                    );
                    self.pool.counts().broken();
                    container.blame("it broke off between two calls");
                    before = Some(Broken::of(&container, ran.end));
                }
                end => return Err(broken(&self.pool, &container, end, interrupt).into()),
            }
        }
    }

    /// Has a container that has had no call before repeat one, and compares.
    fn repeat(
        &self,
        checker: &Pool,
        script: &Script,
        interrupt: &Interrupt,
        (name, transaction): (Option<&ContractName>, u64),
    ) -> Result<(), HostFault> {
        let mut container = checker.acquire(interrupt, transaction)?;
        let number = container.call_number();
        container.label.begin(name, transaction);
        let repeated = replay(&mut container.connection, number, script, interrupt);
        container.label.end(name, transaction);
        match repeated {
            Ok(settled) => {
                if settled {
                    keep(checker, container);
                }
                Ok(())
            }
            Err(End::Late) => Err(interrupt.fault()),
            // It has done as it should, as a process.
            Err(End::Broken(error @ DockerError::Differs { .. })) => Err(error.into()),
            Err(end) => Err(broken(checker, &container, end, interrupt).into()),
        }
    }
}

/// What a container of a pool has done in a call that has to be replaced for it.
fn broken(pool: &Pool, container: &Pooled, end: End, interrupt: &Interrupt) -> DockerError {
    container.give_up();
    pool.counts().broken();
    let cause = cause(pool, Broken::of(container, end), interrupt, || container.kill_if_alone());
    container.blame(&cause.to_string());
    cause
}

fn cause(pool: &Pool, broken: Broken, interrupt: &Interrupt, kill: impl FnOnce()) -> DockerError {
    match broken {
        Broken::Rules(error) => error,
        Broken::Off(exit) => exit.cause(pool.engine(), interrupt, kill),
    }
}

/// Gives a container back for the next call, if it may have one.
fn keep(pool: &Pool, container: Pooled) {
    let kept = match pool.isolation() {
        Isolation::Contract => true,
        Isolation::Call => container.hello.fresh_calls,
        Isolation::Container => false,
    };
    if kept {
        pool.release(container);
    }
}

/// How a container failed.
enum Broken {
    /// It closed the connection; the process tells why.
    Off(crate::container::ExitWatch),
    /// It broke the rules.
    Rules(DockerError),
}

impl Broken {
    fn of(container: &Container, end: End) -> Self {
        match end {
            End::Broken(error) => Self::Rules(error),
            _ => Self::Off(container.exit.clone()),
        }
    }
}
