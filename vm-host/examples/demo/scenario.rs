//! What is done with each token, and what must come of it.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use vm_core::{Address, DeployRequest, Gas, InvokeRequest, Receipt, Status, UpgradeRequest, Version, Vm, VmProvider};

use crate::runtimes::Column;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    Alice,
    Bob,
    Carol,
}

impl Account {
    /// Everyone.
    pub(crate) const ALL: [Self; 3] = [Self::Alice, Self::Bob, Self::Carol];

    const fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One step: a row of the table.
#[derive(Debug)]
pub(crate) struct Step {
    /// What is done, for people.
    pub(crate) title: &'static str,
    action: Action,
    expected: Expected,
    /// How often it is done; the cell then shows the mean.
    times: u32,
}

#[derive(Debug)]
enum Action {
    Deploy(&'static [&'static str]),
    Invoke(Account, &'static str, &'static [&'static str]),
    Query(&'static str, &'static [&'static str]),
    Upgrade,
}

#[derive(Debug)]
enum Expected {
    Success,
    Returns(&'static str),
    /// The contract refuses, for a reason that mentions these; nothing is changed.
    Refusal(&'static [&'static str]),
}

/// What a runtime did in a step: a cell of the table.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Gas that was used.
    pub(crate) gas: Gas,
    /// Time from the request to the result, made durable if it changed something.
    pub(crate) duration: Duration,
    /// The result or the reason of a refusal, if there is one worth showing.
    pub(crate) text: Option<String>,
    /// What was not as it should be.
    pub(crate) problem: Option<String>,
}

/// All steps, in order.
pub(crate) fn steps() -> Vec<Step> {
    use Account::{Alice, Bob};
    let step = |title, action, expected| Step { title, action, expected, times: 1 };
    vec![
        step("deploy v1, 1000000 to alice", Action::Deploy(&["1000000"]), Expected::Success),
        step("alice: transfer 250 to bob", Action::Invoke(Alice, "transfer", &["bob", "250"]), Expected::Success),
        step("balance of bob", Action::Query("balance_of", &["bob"]), Expected::Returns("250")),
        step(
            "bob: transfer 1000 to carol, must fail",
            Action::Invoke(Bob, "transfer", &["carol", "1000"]),
            Expected::Refusal(&["nsufficient", "250", "1000"]),
        ),
        step("alice: approve 100 for bob", Action::Invoke(Alice, "approve", &["bob", "100"]), Expected::Success),
        step(
            "bob: transfer 40 of alice's to carol",
            Action::Invoke(Bob, "transfer_from", &["alice", "carol", "40"]),
            Expected::Success,
        ),
        step("upgrade to v2, migrating", Action::Upgrade, Expected::Success),
        step("schema version", Action::Query("schema_version", &[]), Expected::Returns("2")),
        step("alice: burn 500", Action::Invoke(Alice, "burn", &["500"]), Expected::Success),
        step("balance of alice", Action::Query("balance_of", &["alice"]), Expected::Returns("999210")),
        step("total supply", Action::Query("total_supply", &[]), Expected::Returns("999500")),
        Step {
            times: 100,
            ..step(
                "alice: transfer 1 to bob, mean of 100",
                Action::Invoke(Alice, "transfer", &["bob", "1"]),
                Expected::Success,
            )
        },
        Step {
            times: 1000,
            ..step("balance of bob, mean of 1000", Action::Query("balance_of", &["bob"]), Expected::Returns("350"))
        },
    ]
}

/// Performs a step on one runtime.
pub(crate) async fn perform(vm: &Vm, column: &Column, step: &Step) -> Cell {
    let mut cell = Cell { gas: Gas::new(0), duration: Duration::ZERO, text: None, problem: None };
    let (mut gas, mut duration) = (0, Duration::ZERO);
    for _ in 0..step.times {
        let outcome = match step.expected {
            Expected::Refusal(_) => refused(vm, column, step).await,
            _ => request(vm, column, &step.action).await,
        };
        match outcome {
            Ok(receipt) => {
                gas += receipt.gas_used.get();
                duration += receipt.duration;
                cell.problem = step.expected.problem(&receipt);
                cell.text = receipt.text.filter(|text| !text.is_empty());
            }
            Err(error) => cell.problem = Some(error.to_string()),
        }
        if cell.problem.is_some() {
            return cell;
        }
    }
    Cell { gas: Gas::new(gas / u64::from(step.times)), duration: duration / step.times, ..cell }
}

/// What an account has.
pub(crate) async fn balance(vm: &Vm, column: &Column, account: Account) -> Result<String> {
    let request = InvokeRequest::new(column.name.clone(), column.spelling("balance_of")).args([account.name()]);
    let receipt = vm.query(request).await?;
    receipt.text.with_context(|| format!("{}: balance_of({account}) returned nothing", column.kind))
}

/// Performs a step that must change nothing, and looks whether it did.
async fn refused(vm: &Vm, column: &Column, step: &Step) -> Result<Receipt> {
    let before = balances(vm, column).await?;
    let receipt = request(vm, column, &step.action).await?;
    let after = balances(vm, column).await?;
    anyhow::ensure!(before == after, "balances changed from {before:?} to {after:?}");
    Ok(receipt)
}

async fn balances(vm: &Vm, column: &Column) -> Result<Vec<String>> {
    let mut balances = Vec::new();
    for account in Account::ALL {
        balances.push(balance(vm, column, account).await?);
    }
    Ok(balances)
}

async fn request(vm: &Vm, column: &Column, action: &Action) -> Result<Receipt> {
    let name = column.name.clone();
    let caller = |account: Account| Address::from_name(account.name());
    Ok(match *action {
        Action::Deploy(args) => {
            let request = DeployRequest::new(name, Version::new("1")?, column.v1.clone());
            vm.deploy(request.from(caller(Account::Alice)).args(args.iter().copied())).await?
        }
        Action::Upgrade => {
            let request = UpgradeRequest::new(name, Version::new("2")?, column.v2.clone());
            vm.upgrade(request.from(caller(Account::Alice))).await?
        }
        Action::Invoke(account, method, args) => {
            let request = InvokeRequest::new(name, column.spelling(method));
            vm.invoke(request.from(caller(account)).args(args.iter().copied())).await?
        }
        Action::Query(method, args) => {
            vm.query(InvokeRequest::new(name, column.spelling(method)).args(args.iter().copied())).await?
        }
    })
}

impl Expected {
    fn problem(&self, receipt: &Receipt) -> Option<String> {
        let text = receipt.text.as_deref().unwrap_or_default();
        let status = &receipt.status;
        match self {
            Self::Success if status.is_success() => None,
            Self::Returns(expected) if status.is_success() && text == *expected => None,
            Self::Refusal(reasons)
                if *status == Status::Revert
                    && receipt.writes.is_empty()
                    && reasons.iter().all(|reason| text.contains(reason)) =>
            {
                None
            }
            expected => Some(format!("expected {expected:?}, got {status} '{text}'")),
        }
    }
}
