//! What the callers of a Vm ask for.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Address, Amount, Argument, Arguments, Block, Capabilities, Change, Code, ContractName, Gas, Governance, Right,
    Rule, Target, TraceLevel, Version,
};

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
    /// Who endorses it beside the caller. The embedder has authenticated them, as it has the caller. Default: nobody.
    pub endorsers: Vec<Address>,
    /// How much of it the receipt shall [tell](crate::Receipt::trace). Default: nothing.
    pub trace: TraceLevel,
}

impl Default for Sender {
    fn default() -> Self {
        let (caller, value, trace) = (Address::ZERO, Amount::ZERO, TraceLevel::Off);
        Self { caller, value, gas: None, block: None, endorsers: Vec::new(), trace }
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

            /// Sets who endorses it.
            #[must_use]
            pub fn endorsed_by(mut self, endorsers: impl IntoIterator<Item = Address>) -> Self {
                self.sender.endorsers = endorsers.into_iter().collect();
                self
            }

            /// Sets how much of it the receipt shall tell.
            #[must_use]
            pub const fn traced(mut self, level: TraceLevel) -> Self {
                self.sender.trace = level;
                self
            }

            /// Sets the block that it belongs to.
            #[must_use]
            pub fn block(mut self, block: Arc<Block>) -> Self {
                self.sender.block = Some(block);
                self
            }
        }
    };
}

macro_rules! argument_setters {
    ($type:ident) => {
        impl $type {
            /// Adds positional arguments as text.
            #[must_use]
            pub fn args<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
                for value in values {
                    self.push(Argument::positional(value));
                }
                self
            }

            /// Adds a named argument as text.
            #[must_use]
            pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.push(Argument::named(name, value));
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

macro_rules! reason_setter {
    ($type:ident) => {
        impl $type {
            /// Says why, for the history.
            #[must_use]
            pub fn because(mut self, reason: impl Into<String>) -> Self {
                self.reason = reason.into();
                self
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
    /// What it may use of its host. Default: everything.
    pub capabilities: Capabilities,
    /// Why, for the history; at most 1,024 bytes.
    pub reason: String,
    /// Who sends it.
    pub sender: Sender,
}

impl DeployRequest {
    /// A deployment without arguments.
    pub fn new(name: ContractName, version: Version, code: Code) -> Self {
        let (arguments, reason, sender) = (Arguments::NONE, String::new(), Sender::default());
        Self { name, version, code, arguments, capabilities: Capabilities::ALL, reason, sender }
    }

    /// Sets what it may use of its host.
    #[must_use]
    pub const fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }
}

sender_setters!(DeployRequest);
argument_setters!(DeployRequest);
reason_setter!(DeployRequest);

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
argument_setters!(InvokeRequest);

/// New code for a contract.
#[derive(Debug, Clone)]
pub struct UpgradeRequest {
    /// The contract.
    pub name: ContractName,
    /// The new version, one that it never had.
    pub version: Version,
    /// The new code.
    pub code: Code,
    /// The arguments of its migration.
    pub arguments: Arguments,
    /// True to leave out the migration that the new code has. The right to do that stands in the place of that to upgrade. Default: false.
    pub skip_migration: bool,
    /// True when the code may be for another runtime than the contract's. Native, WASM and container contracts keep their
    /// state in one form; whether the new code understands it is its author's business. EVM contracts keep theirs in
    /// another, and cannot change. Default: false.
    pub change_runtime: bool,
    /// Why, for the history; at most 1,024 bytes.
    pub reason: String,
    /// Who sends it.
    pub sender: Sender,
}

impl UpgradeRequest {
    /// An upgrade without arguments.
    pub fn new(name: ContractName, version: Version, code: Code) -> Self {
        let (arguments, reason, sender) = (Arguments::NONE, String::new(), Sender::default());
        Self { name, version, code, arguments, skip_migration: false, change_runtime: false, reason, sender }
    }

    /// Leaves out the migration that the new code has.
    #[must_use]
    pub const fn skip_migration(mut self) -> Self {
        self.skip_migration = true;
        self
    }

    /// Lets the runtime change.
    #[must_use]
    pub const fn change_runtime(mut self) -> Self {
        self.change_runtime = true;
        self
    }
}

sender_setters!(UpgradeRequest);
argument_setters!(UpgradeRequest);
reason_setter!(UpgradeRequest);

/// A return to the code of an earlier version.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// The contract.
    pub name: ContractName,
    /// A version that it had.
    pub version: Version,
    /// The arguments of the migration down, if there is to be one. The code that is left performs it: its migration is
    /// entered with its own version as `from` and the one to return to as `to`. Default: none, the state stays as it is.
    pub migration: Option<Arguments>,
    /// True when the version may be one for another runtime. Default: false.
    pub change_runtime: bool,
    /// Why, for the history; at most 1,024 bytes.
    pub reason: String,
    /// Who sends it.
    pub sender: Sender,
}

impl RollbackRequest {
    /// A rollback without migration.
    pub fn new(name: ContractName, version: Version) -> Self {
        let (reason, sender) = (String::new(), Sender::default());
        Self { name, version, migration: None, change_runtime: false, reason, sender }
    }

    /// Lets the code that is left migrate the state down, with these arguments.
    #[must_use]
    pub fn migrate(mut self, arguments: Arguments) -> Self {
        self.migration = Some(arguments);
        self
    }

    /// Lets the runtime change.
    #[must_use]
    pub const fn change_runtime(mut self) -> Self {
        self.change_runtime = true;
        self
    }
}

sender_setters!(RollbackRequest);
reason_setter!(RollbackRequest);

/// A migration by itself: the contract's current code brings the state into its own form. For migrations that an upgrade skipped, that a
/// rollback left out, or that are done in several transactions.
#[derive(Debug, Clone)]
pub struct MigrateRequest {
    /// The contract.
    pub name: ContractName,
    /// The version that wrote the state, one that the contract had: the migration is entered with it as `from`, and with the
    /// current version as `to`.
    pub written_by: Version,
    /// The arguments of the migration.
    pub arguments: Arguments,
    /// Why, for the history; at most 1,024 bytes.
    pub reason: String,
    /// Who sends it.
    pub sender: Sender,
}

impl MigrateRequest {
    /// A migration without arguments.
    pub fn new(name: ContractName, written_by: Version) -> Self {
        let (arguments, reason, sender) = (Arguments::NONE, String::new(), Sender::default());
        Self { name, written_by, arguments, reason, sender }
    }
}

sender_setters!(MigrateRequest);
argument_setters!(MigrateRequest);
reason_setter!(MigrateRequest);

/// A step in a contract's life that replaces no code and runs none. Costs no gas and moves no value.
#[derive(Debug, Clone)]
pub struct ChangeRequest {
    /// The contract.
    pub name: ContractName,
    /// The step.
    pub change: Change,
    /// Why, for the history; at most 1,024 bytes.
    pub reason: String,
    /// Who sends it.
    pub sender: Sender,
}

impl ChangeRequest {
    /// A step without reason.
    pub fn new(name: ContractName, change: Change) -> Self {
        Self { name, change, reason: String::new(), sender: Sender::default() }
    }
}

sender_setters!(ChangeRequest);
reason_setter!(ChangeRequest);

/// Another policy for a contract.
#[derive(Debug, Clone)]
pub struct GrantRequest {
    /// The contract.
    pub name: ContractName,
    /// The rules that change; no rule takes back that of a method. An EVM contract's methods are given by selector, such as
    /// `0xa9059cbb`, or by signature, such as `transfer(address,uint256)`.
    pub rules: Vec<(Right, Option<Rule>)>,
    /// Why, for the history; at most 1,024 bytes.
    pub reason: String,
    /// Who sends it.
    pub sender: Sender,
}

impl GrantRequest {
    /// A request that changes nothing yet.
    pub fn new(name: ContractName) -> Self {
        Self { name, rules: Vec::new(), reason: String::new(), sender: Sender::default() }
    }

    /// Changes a rule.
    #[must_use]
    pub fn set(mut self, right: Right, rule: Rule) -> Self {
        self.rules.push((right, Some(rule)));
        self
    }

    /// Takes back the rule of a method.
    #[must_use]
    pub fn clear(mut self, method: impl Into<String>) -> Self {
        self.rules.push((Right::Method(method.into()), None));
        self
    }
}

sender_setters!(GrantRequest);
reason_setter!(GrantRequest);

/// Another policy for the host.
#[derive(Debug, Clone, Default)]
pub struct GovernRequest {
    /// What changes, in this order.
    pub changes: Vec<Governance>,
    /// Why, kept with the policy; at most 1,024 bytes.
    pub reason: String,
    /// Who sends it.
    pub sender: Sender,
}

impl GovernRequest {
    /// A request for one change.
    pub fn new(change: Governance) -> Self {
        Self { changes: vec![change], ..Self::default() }
    }

    /// True unless all that changes are records of contracts: then the host's policy gets no new version.
    pub fn changes_the_policy(&self) -> bool {
        self.changes.iter().any(|change| !matches!(change, Governance::Room { .. }))
    }

    /// With one more change.
    #[must_use]
    pub fn and(mut self, change: Governance) -> Self {
        self.changes.push(change);
        self
    }
}

sender_setters!(GovernRequest);
reason_setter!(GovernRequest);
