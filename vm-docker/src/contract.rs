use std::sync::Arc;

use vm_core::{Call, Contract, Gas, Host, HostFault, Interface, Interrupt, Return, Stop};

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
    pub(crate) interface: Box<dyn Interface>,
}

impl Contract for DockerContract {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        let price = Gas::new(host.transaction().schedule().docker.call);
        if let Err(stop) = host.charge(price) {
            return stop.into_return();
        }
        let interrupt = host.transaction().interrupt().clone();
        if !self.pool.engine().config().replay_check {
            return Ok(self.perform(host, call, &interrupt, None)?.0);
        }
        let mut script = Script::default();
        let (returned, process) = self.perform(host, call, &interrupt, Some(&mut script))?;
        self.repeat(&script, &process, &interrupt)?;
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
    /// Performs a call; tells also which container did. What is not released is given up when it is dropped here: killed and
    /// removed, once no other call is on it.
    fn perform(
        &self,
        host: &mut dyn Host,
        call: &Call,
        interrupt: &Interrupt,
        mut script: Option<&mut Script>,
    ) -> Result<(Return, String), HostFault> {
        // Why a container broke off before it said anything, when another one is tried.
        let mut before = None;
        loop {
            let mut container = match (self.pool.acquire(interrupt, None), before.take()) {
                (Ok(container), earlier) => {
                    before = earlier;
                    container
                }
                (Err(_), Some(cause)) => return Err(self.cause(cause)),
                (Err(fault), None) => return Err(fault),
            };
            let number = container.call_number();
            let (transaction, name) = (host.transaction().id(), host.env().name.clone());
            container.label.begin(name.as_ref(), transaction);
            let ran = session::run(&mut container.connection, number, host, call, script.as_deref_mut());
            container.label.end(name.as_ref(), transaction);
            let id = container.id().to_owned();
            match ran.end {
                End::Returned(returned) => {
                    self.keep(container);
                    return Ok((returned, id));
                }
                End::Stopped { stop, settled } => {
                    if settled {
                        self.keep(container);
                    }
                    return match stop {
                        Stop::Trap(trap) => Ok((Return::trap(trap), id)),
                        Stop::Fault(fault) => Err(fault),
                    };
                }
                End::Late => return Err(interrupt.fault()),
                // It broke off between two calls, which is no fault of this one.
                End::Closed | End::Broken(_) if !ran.taken && container.is_used() && before.is_none() => {
                    tracing::info!(container = id, "a container broke off between two calls and is replaced");
                    self.pool.engine().metrics().broken();
                    before = Some(Broken::of(&container, ran.end));
                }
                end => return Err(self.cause(Broken::of(&container, end))),
            }
        }
    }

    /// Has another container than `process` perform a call that was performed, and compares.
    fn repeat(&self, script: &Script, process: &str, interrupt: &Interrupt) -> Result<(), HostFault> {
        let mut container = self.pool.acquire(interrupt, Some(process))?;
        let number = container.call_number();
        match replay(&mut container.connection, number, script, interrupt) {
            Ok(settled) => {
                if settled {
                    self.keep(container);
                }
                Ok(())
            }
            Err(End::Late) => Err(interrupt.fault()),
            Err(end) => Err(self.cause(Broken::of(&container, end))),
        }
    }

    /// Gives a container back for the next call, if it may have one.
    fn keep(&self, container: Pooled) {
        if self.pool.isolation() == Isolation::Contract || container.hello.fresh_calls {
            self.pool.release(container);
        }
    }

    fn cause(&self, broken: Broken) -> HostFault {
        self.pool.engine().metrics().broken();
        match broken {
            Broken::Rules(error) => error.into(),
            Broken::Off(exit) => exit.cause(self.pool.engine()).into(),
        }
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
