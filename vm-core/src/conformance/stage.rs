//! A machine with actors, each transaction of which is compared with the model.

use futures_executor::block_on;

use super::encode::{gas_of, input, program};
use super::model::{Model, World};
use super::tree::{Body, End};
use super::{effects, told};
use crate::{
    Address, CallRequest, Code, ContractName, DeployRequest, Event, Gas, InvokeRequest, Receipt, StateKey, Target,
    TraceLevel, Vm, VmProvider,
};

/// What a whole tree may use.
const GAS: u64 = 1 << 50;

/// The balance that each actor begins with.
const BALANCE: u64 = 1_000;

/// Who deploys the actors and sends the transactions.
#[must_use]
pub fn owner() -> Address {
    Address::from_name("owner")
}

/// How an actor is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// With a method, and borsh.
    Sdk,
    /// With call data.
    Solidity,
}

/// A runtime's actor.
#[derive(Debug, Clone)]
pub struct Form {
    label: &'static str,
    code: Code,
    dialect: Dialect,
}

impl Form {
    /// `contracts/actor`, for a runtime that contracts of vm-sdk run on.
    #[must_use]
    pub const fn sdk(label: &'static str, code: Code) -> Self {
        Self { label, code, dialect: Dialect::Sdk }
    }

    /// `contracts/actor-sol`.
    #[must_use]
    pub const fn solidity(label: &'static str, code: Code) -> Self {
        Self { label, code, dialect: Dialect::Solidity }
    }

    /// Of which runtime, in words.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        self.label
    }
}

/// A deployed actor.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) name: ContractName,
    pub(super) dialect: Dialect,
}

impl Actor {
    pub(super) fn address(&self) -> Address {
        self.name.address()
    }

    /// Where one of its keys is in the state.
    pub(super) fn key(&self, key: u8) -> StateKey {
        let mut slot = [0; 32];
        if let Some(last) = slot.last_mut() {
            *last = key;
        }
        match self.dialect {
            Dialect::Sdk => StateKey::contract(&self.name, &[key]),
            Dialect::Solidity => StateKey::evm_storage(&self.address(), &slot),
        }
    }
}

/// Actors on a machine, and what the model says of them.
#[derive(Debug)]
pub struct Stage<'v> {
    vm: &'v Vm,
    actors: Vec<Actor>,
    world: World,
}

impl<'v> Stage<'v> {
    /// Deploys one actor of each form under names that begin with `prefix`. Actors are numbered as the forms.
    ///
    /// # Errors
    /// When one cannot be deployed, in words.
    pub fn deploy<'f>(vm: &'v Vm, prefix: &str, forms: impl IntoIterator<Item = &'f Form>) -> Result<Self, String> {
        let (mut actors, mut world) = (Vec::new(), World::default());
        for (number, form) in forms.into_iter().enumerate() {
            let said = |error: &dyn std::fmt::Display| format!("{}: {error}", form.label);
            let name: ContractName = format!("{prefix}-{number}").parse().map_err(|error| said(&error))?;
            let version = "1".parse().map_err(|error| said(&error))?;
            let request = DeployRequest::new(name.clone(), version, form.code.clone()).from(owner());
            block_on(vm.deploy(request)).map_err(|error| said(&error))?;
            let actor = Actor { name, dialect: form.dialect };
            // Its balance: a call that does nothing, with a value.
            let funded = request_of(&actor, program(&[], &actor, &Body::new(Vec::new()), None));
            let receipt =
                block_on(vm.invoke(funded.value(u128::from(BALANCE).into()))).map_err(|error| said(&error))?;
            if !receipt.status.is_success() {
                return Err(said(&receipt.status));
            }
            world.balances.insert(number, BALANCE);
            actors.push(actor);
        }
        Ok(Self { vm, actors, world })
    }

    /// Has an actor do something, as a transaction of the [`owner`], and compares all that there is to compare.
    ///
    /// # Errors
    /// The first difference, in words.
    pub fn run(&mut self, actor: usize, body: &Body) -> Result<Receipt, String> {
        self.run_with(actor, body, Some(GAS))
    }

    /// As [`run`](Self::run), with all gas handed down that may be if there is no limit.
    pub(super) fn run_with(&mut self, actor: usize, body: &Body, gas: Option<u64>) -> Result<Receipt, String> {
        let root = self.actors.get(actor).ok_or("no such actor")?;
        let given = if body.end == End::Burn { gas_of(body, GAS) } else { GAS };
        let request = request_of(root, program(&self.actors, root, body, gas));
        let request = request.gas(Gas::new(given)).traced(TraceLevel::Calls);
        let receipt = block_on(self.vm.invoke(request)).map_err(|error| error.to_string())?;
        let mut model = Model::of(self.world.clone());
        let ended = model.transact(&self.actors, &owner(), (actor, gas), body);
        same("success", &receipt.status.is_success(), &ended.is_ok())?;
        told::compare(&receipt, &model, &self.actors)?;
        effects::compare(&receipt, &self.world, &model, &self.actors)?;
        self.world = model.world;
        effects::compare_state(self.vm, &self.world, &self.actors)?;
        Ok(receipt)
    }

    /// The call with which another contract has an actor do something, for who measures it; none for an actor that is not there.
    #[must_use]
    pub fn call(&self, actor: usize, body: &Body) -> Option<CallRequest> {
        let actor = self.actors.get(actor)?;
        let (method, input) = input(actor, program(&self.actors, actor, body, None));
        Some(CallRequest::new(actor.address(), method, input))
    }

    /// Which actor emitted which number, in order.
    pub(super) fn events(&self, receipt: &Receipt) -> Vec<(Option<usize>, Option<u8>)> {
        let by = |event: &Event| self.actors.iter().position(|actor| actor.address() == event.address);
        receipt.events.iter().map(|event| (by(event), effects::number(event))).collect()
    }

    /// The keys and balances of all actors, for who compares stages.
    #[must_use]
    pub fn state(&self) -> String {
        format!("{:?}", self.world)
    }
}

/// Keys are below this.
pub(super) const KEYS: u8 = 6;

fn request_of(actor: &Actor, program: Vec<u8>) -> InvokeRequest {
    let (method, input) = input(actor, program);
    let target: Target = match actor.dialect {
        Dialect::Sdk => actor.name.clone().into(),
        Dialect::Solidity => actor.address().into(),
    };
    InvokeRequest::new(target, method).input(input).from(owner())
}

pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, and the model has {expected:?}")) }
}
