use std::sync::Arc;

use vm_core::{Call, Contract, Gas, Host, HostFault, Interface, Return};

use crate::{
    pool::Pool,
    session::{self, End},
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
        let mut container = self.pool.acquire(&interrupt)?;
        let end = session::run(&mut container.connection, host, call);
        // A container that is not released is killed and removed when it is dropped here.
        match end {
            End::Returned(returned) => {
                self.pool.release(container);
                Ok(returned)
            }
            End::Stopped { stop, settled } => {
                if settled {
                    self.pool.release(container);
                }
                stop.into_return()
            }
            End::Late => Err(interrupt.fault()),
            End::Closed => Err(container.cause(self.pool.engine()).into()),
            End::Broken(error) => Err(error.into()),
        }
    }

    fn interface(&self) -> &dyn Interface {
        self.interface.as_ref()
    }

    fn weight(&self) -> usize {
        self.pool.weight()
    }
}
