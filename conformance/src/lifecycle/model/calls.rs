//! What calls do, word for word.

use vm_core::{Block, Excess, Status, Trap};
use vm_sdk::Amount;

use super::super::answer::{Refused, Text, Told};
use super::super::request::{TIME, address, hex};
use super::super::step::{Calling, peer};
use super::contract::{Contract, Writes};
use super::policy::Asker;
use super::{Model, Why};

/// A call from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'s> {
    pub(super) to: &'static str,
    pub(super) by: Asker<'s>,
    pub(super) calling: Calling,
    /// It may change nothing.
    pub(super) is_static: bool,
    pub(super) block: u64,
}

/// How a call ended that was not refused.
#[derive(Debug, Clone, Default)]
pub(super) struct Ended {
    /// `done`, `reverted` or `trapped`.
    pub(super) how: &'static str,
    /// What it returned or reverted with, as text, or how it trapped.
    pub(super) text: String,
    /// How many events it emitted.
    pub(super) events: usize,
    pub(super) writes: Writes,
    /// What was refused to contracts meanwhile.
    pub(super) denials: Vec<Told>,
}

impl Ended {
    fn done(text: String, writes: Writes) -> Self {
        Self { how: "done", text, writes, ..Self::default() }
    }

    fn reverted(text: String, denials: Vec<Told>) -> Self {
        Self { how: "reverted", text, denials, ..Self::default() }
    }

    fn trapped(trap: Trap) -> Self {
        Self { how: "trapped", text: Status::Trap(trap).to_string(), ..Self::default() }
    }

    fn wrote(result: Result<Writes, Excess>) -> Self {
        match result {
            Ok(writes) => Self::done(String::new(), writes),
            Err(excess) => Self::trapped(Trap::NoRoom(excess)),
        }
    }
}

impl Model {
    /// Makes a call, unless it is refused. Nothing is left of one that fails.
    pub(super) fn call(&mut self, call: Call<'_>) -> Result<Ended, Why> {
        let Call { to, by, calling, .. } = call;
        let contract = self.contracts.get(to).ok_or_else(|| unknown(to))?;
        if contract.now.life != "active" {
            let text = format!("load: {}", not_callable(to, contract));
            return Err(Why { name: "not_callable", text: Some(text) });
        }
        let asker = Asker { owner: Some(contract.owner), ..by };
        self.host
            .permits(contract.callers(calling.method()), asker)
            .map_err(|rule| Why::denied(format!("permission: {}", denied(by.actor, &wanted(calling), to, &rule))))?;
        let mut next = self.clone();
        let ended = next.run(call)?;
        if ended.how == "done" {
            *self = next;
        }
        Ok(ended)
    }

    /// Runs a method.
    fn run(&mut self, call: Call<'_>) -> Result<Ended, Why> {
        let Call { to, calling, is_static, .. } = call;
        let contract = self.contracts.get_mut(to).ok_or_else(|| unknown(to))?;
        Ok(match calling {
            Calling::Count | Calling::Put(..) | Calling::Delete(_) | Calling::Emit if is_static => {
                Ended::trapped(Trap::StaticViolation)
            }
            Calling::Count => match contract.count(to) {
                Ok((number, writes)) => Ended::done(number.to_string(), writes),
                Err(excess) => Ended::trapped(Trap::NoRoom(excess)),
            },
            Calling::Put(key, length) => Ended::wrote(contract.write(to, key, Some(vec![7; length]))),
            Calling::Delete(key) => Ended::wrote(contract.write(to, key, None)),
            Calling::Get(key) => match contract.state.get(key) {
                Some(value) => Ended::done(hex(value), Writes::new()),
                None => Ended::reverted("no such key".into(), Vec::new()),
            },
            Calling::Emit if contract.may_use("events") => {
                Ended { events: 1, ..Ended::done(String::new(), Writes::new()) }
            }
            Calling::Emit => {
                let denials = vec![missing(to, "events", Trap::NoCapability.to_string())];
                Ended { denials, ..Ended::trapped(Trap::NoCapability) }
            }
            Calling::Env => Ended::done(environment(contract, call), Writes::new()),
            Calling::Forward | Calling::Attempt if !is_static && !contract.may_use("calls") => {
                lacking(calling, to, "calls")
            }
            Calling::Forward | Calling::Attempt | Calling::Ask
                if !contract.may_use("calls") && !contract.may_use("state") =>
            {
                lacking(calling, to, "state")
            }
            Calling::Forward | Calling::Attempt | Calling::Ask => self.pass_on(to, calling, is_static),
        })
    }

    /// A call of another contract.
    fn pass_on(&mut self, from: &str, calling: Calling, is_static: bool) -> Ended {
        let to = peer(from);
        let (method, mut denials) = (if calling == Calling::Ask { "has" } else { "count" }, Vec::new());
        let answer = match self.contracts.get(to) {
            None => Err(format!("there is no contract '{to}'")),
            Some(contract) if contract.now.life != "active" => Err(not_callable(to, contract)),
            Some(contract) => {
                // A contract is nobody's owner, has no role, and nobody endorses what it does.
                let actor = format!("contract:{from}");
                let asker = Asker { actor: &actor, endorsers: &[], owner: Some(contract.owner) };
                self.host.permits(contract.callers(method), asker).map(drop).map_err(|rule| {
                    let wanted = format!("call '{method}' of contract");
                    let text = denied(&actor, &wanted, to, &rule);
                    denials.push(Told::Refused(Refused {
                        on: Some((to.into(), wanted)),
                        actor: actor.clone(),
                        reason: String::new(),
                        why: Text::Exactly(text.clone()),
                        tried: false,
                        exists: true,
                    }));
                    text
                })
            }
        };
        let answer = answer.map_err(|text| ("1", text)).and_then(|()| {
            // What is permitted is there.
            let contract = self.contracts.get_mut(to).ok_or(("1", String::new()))?;
            match calling {
                Calling::Ask => Ok((hex(&[u8::from(contract.state.contains_key("n"))]), Writes::new())),
                // What changes something traps.
                _ if is_static => Err(("2", String::new())),
                _ => {
                    // One that fails leaves nothing.
                    let mut next = contract.clone();
                    let (number, writes) = next.count(to).map_err(|_| ("2", String::new()))?;
                    *contract = next;
                    Ok((hex(&number.to_le_bytes()), writes))
                }
            }
        });
        match (calling, answer) {
            (Calling::Attempt, Ok((output, writes))) => {
                Ended { denials, ..Ended::done(output.replacen("0x", "0x00", 1), writes) }
            }
            (Calling::Attempt, Err((status, text))) => {
                let output = hex(text.as_bytes()).replacen("0x", &format!("0x0{status}"), 1);
                Ended { denials, ..Ended::done(output, Writes::new()) }
            }
            (_, Ok((output, writes))) => Ended { denials, ..Ended::done(output, writes) },
            (_, Err(("2", _))) => Ended::reverted("the called contract failed".into(), denials),
            (_, Err((_, text))) => Ended::reverted(text, denials),
        }
    }
}

/// What an action on a call is called.
pub(super) fn wanted(calling: Calling) -> String {
    format!("call '{}' of contract", calling.method())
}

/// The text of a denial.
pub(super) fn denied(actor: &str, wanted: &str, name: &str, rule: &str) -> String {
    format!("{} may not {wanted} '{name}': {rule}", address(actor))
}

fn unknown(name: &str) -> Why {
    Why { name: "unknown_contract", text: Some(format!("load: there is no contract '{name}'")) }
}

fn not_callable(name: &str, contract: &Contract) -> String {
    format!("contract '{name}' is {} and cannot be called", contract.now.life)
}

/// A call of another contract that the host does not make.
fn lacking(calling: Calling, name: &str, capability: &str) -> Ended {
    let text = format!(
        "contract '{name}' was deployed without the capability '{capability}'; capabilities are granted with the deployment, and never later"
    );
    let denials = vec![missing(name, capability, text.clone())];
    match calling {
        Calling::Attempt => {
            Ended { denials, ..Ended::done(hex(text.as_bytes()).replacen("0x", "0x01", 1), Writes::new()) }
        }
        _ => Ended::reverted(text, denials),
    }
}

/// What is told of a contract that wants what it was deployed without.
fn missing(name: &str, capability: &str, why: String) -> Told {
    Told::Refused(Refused {
        on: Some((name.into(), format!("use the capability '{capability}' of contract"))),
        actor: format!("contract:{name}"),
        reason: String::new(),
        why: Text::Exactly(why),
        tried: false,
        exists: true,
    })
}

/// What `env` tells.
fn environment(contract: &Contract, call: Call<'_>) -> String {
    let (this, caller) = (address(&format!("contract:{}", call.to)), address(call.by.actor));
    let Block { coinbase, chain_id, .. } = Block::default();
    let time = if contract.may_use("time") { TIME } else { 0 };
    let says = contract.now.program.edition.caller();
    format!(
        "this={this}{says}{caller} origin={caller} coinbase={coinbase} value={:?} chain_id={chain_id} block_number={} timestamp={time} \
         is_static={} depth=0",
        Amount::default(),
        call.block,
        call.is_static
    )
}
