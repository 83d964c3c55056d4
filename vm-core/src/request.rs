//! What the callers of a Vm ask for.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Address, Amount, Argument, Arguments, Block, Change, Code, ContractName, Gas, Target, Version};

/// Who pays for what: the parts that all requests share.
#[derive(Debug, Clone)]
pub struct Sender {
    /// Who sends the transaction. Default: the zero address.
    pub caller: Address,
    /// What is transferred to the contract. Default: nothing.
    pub value: Amount,
    /// The gas that the transaction may use; at most the limit of the Vm, which is the default.
    pub gas: Option<Gas>,
    /// The block that it belongs to. Default: the Vm's block.
    pub block: Option<Arc<Block>>,
}

impl Default for Sender {
    fn default() -> Self {
        Self { caller: Address::ZERO, value: Amount::ZERO, gas: None, block: None }
    }
}

macro_rules! sender_setters {
    ($type:ident) => {
        impl $type {
            /// Sets who sends it.
            #[must_use]
            pub const fn from(mut self, caller: Address) -> Self {
                self.sender.caller = caller;
                self
            }

            /// Sets what is transferred to the contract.
            #[must_use]
            pub const fn value(mut self, value: Amount) -> Self {
                self.sender.value = value;
                self
            }

            /// Sets the gas that it may use.
            #[must_use]
            pub const fn gas(mut self, gas: Gas) -> Self {
                self.sender.gas = Some(gas);
                self
            }

            /// Sets the block that it belongs to.
            #[must_use]
            pub fn block(mut self, block: Arc<Block>) -> Self {
                self.sender.block = Some(block);
                self
            }

            /// Adds positional arguments as text.
            #[must_use]
            pub fn args<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
                for value in values {
                    self.push(Argument { name: None, value: value.into() });
                }
                self
            }

            /// Adds a named argument as text.
            #[must_use]
            pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.push(Argument { name: Some(name.into()), value: value.into() });
                self
            }

            /// Sets the arguments in the contract's encoding.
            #[must_use]
            pub fn input(mut self, input: impl Into<Bytes>) -> Self {
                self.arguments = Arguments::Raw(input.into());
                self
            }

            /// Sets the arguments.
            #[must_use]
            pub fn arguments(mut self, arguments: Arguments) -> Self {
                self.arguments = arguments;
                self
            }

            fn push(&mut self, argument: Argument) {
                match &mut self.arguments {
                    Arguments::Text(list) => list.push(argument),
                    raw => *raw = Arguments::Text(vec![argument]),
                }
            }
        }
    };
}

/// A new contract.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// Its name, not yet taken.
    pub name: ContractName,
    /// Its first version.
    pub version: Version,
    /// Its code.
    pub code: Code,
    /// The arguments of its constructor.
    pub arguments: Arguments,
    /// Who sends it.
    pub sender: Sender,
}

impl DeployRequest {
    /// A deployment without arguments.
    pub fn new(name: ContractName, version: Version, code: Code) -> Self {
        Self { name, version, code, arguments: Arguments::NONE, sender: Sender::default() }
    }
}

sender_setters!(DeployRequest);

/// A call of a method.
#[derive(Debug, Clone)]
pub struct InvokeRequest {
    /// Who is called.
    pub target: Target,
    /// The method.
    pub method: String,
    /// Its arguments.
    pub arguments: Arguments,
    /// Who sends it.
    pub sender: Sender,
}

impl InvokeRequest {
    /// A call without arguments.
    pub fn new(target: impl Into<Target>, method: impl Into<String>) -> Self {
        Self { target: target.into(), method: method.into(), arguments: Arguments::NONE, sender: Sender::default() }
    }
}

sender_setters!(InvokeRequest);

/// New code for a contract.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    /// The contract.
    pub name: ContractName,
    /// The new version, one that it never had.
    pub version: Version,
    /// The new code.
    pub code: Code,
    /// The arguments of its migration hook.
    pub arguments: Arguments,
    /// Who sends it.
    pub sender: Sender,
}

impl UpgradeRequest {
    /// An upgrade without arguments.
    pub fn new(name: ContractName, version: Version, code: Code) -> Self {
        Self { name, version, code, arguments: Arguments::NONE, sender: Sender::default() }
    }
}

sender_setters!(UpgradeRequest);

/// A step in a contract's life other than deployment and upgrade.
#[derive(Debug, Clone)]
pub struct ChangeRequest {
    /// The contract.
    pub name: ContractName,
    /// The step.
    pub change: Change,
    /// Who asks for it.
    pub caller: Address,
}
