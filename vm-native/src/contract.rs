use std::panic::{AssertUnwindSafe, catch_unwind};

use vm_core::{Call, Contract, Entry, Host, HostFault, Interface, Return, TextInterface, Trap};
use vm_sdk::{Error, NativeContract};

use crate::host::LinkedHost;

/// A contract that was written with `vm-sdk`, as the core calls it.
pub(crate) struct Linked {
    pub(crate) contract: NativeContract,
    pub(crate) interface: TextInterface,
}

impl Contract for Linked {
    fn call(&self, host: &mut dyn Host, call: &Call) -> Result<Return, HostFault> {
        let mut linked = LinkedHost::new(host);
        let entry = match &call.entry {
            Entry::Deploy => vm_sdk::Entry::Deploy,
            Entry::Invoke => vm_sdk::Entry::Invoke,
            Entry::Upgrade { from, to } | Entry::Replace { from, to, .. } => {
                vm_sdk::Entry::Upgrade { from: from.as_str(), to: to.as_str() }
            }
        };
        let call = vm_sdk::Call { entry, method: &call.method, input: &call.input };
        // State is kept by the host only, so a contract that unwinds leaves nothing half done behind.
        let result = catch_unwind(AssertUnwindSafe(|| (self.contract.entry)(&mut linked, &call)));
        match (linked.into_stop(), result) {
            (Some(stop), _) => stop.into_return(),
            (None, Ok(Ok(output))) => Ok(Return::success(output)),
            (None, Ok(Err(Error::Revert(reason)))) => Ok(Return::revert(reason)),
            // A stop that no host gave is the contract's own invention.
            (None, Ok(Err(Error::Stop(_)))) => Ok(Return::trap(Trap::BadReturn)),
            (None, Err(_)) => Ok(Return::trap(Trap::Panic)),
        }
    }

    fn interface(&self) -> &dyn Interface {
        &self.interface
    }

    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}
