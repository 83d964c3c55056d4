//! Runs a script on one engine.

use std::collections::BTreeMap;
use std::fmt;

use vm_core::Trap;
use vm_wasm::conformance::GAS;

use super::gate::{Module, Refusal};
use super::machine::{Failure, Machine};
use super::script::{Action, Expect, Step, What};
use super::value::{Value, list};
use crate::text;

/// The gas of each call: more than any needs.
const PLENTY: i64 = 1 << 40;

/// How a step came out.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

/// What a step did, to be compared between engines.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) outcome: Result<Vec<Value>, Failure>,
    /// The gas that was used, if the module counts it and did not trap.
    pub(super) gas: Option<i64>,
}

impl Trace {
    /// Whether two engines did the same. What they say about it may differ.
    pub(super) fn same(&self, other: &Self) -> bool {
        let outcome = match (&self.outcome, &other.outcome) {
            (Err(Failure::Trap(one)), Err(Failure::Trap(other))) => one == other,
            (Err(one), Err(other)) => std::mem::discriminant(one) == std::mem::discriminant(other),
            (one, other) => one == other,
        };
        outcome && self.gas == other.gas
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(values) => f.write_str(&list(values))?,
            Err(failure) => failure.fmt(f)?,
        }
        self.gas.map_or(Ok(()), |gas| write!(f, " for {gas} gas"))
    }
}

/// Where names of a script lead.
#[derive(Clone, Debug)]
enum Slot {
    Live(usize),
    /// Skipped, for this reason.
    Skipped(String),
}

/// A script under way.
pub(super) struct Run<'m> {
    machine: &'m mut dyn Machine,
    metered: bool,
    definitions: BTreeMap<Option<String>, Module>,
    /// The last one is without a name.
    instances: BTreeMap<Option<String>, Slot>,
    registered: BTreeMap<String, Slot>,
    /// Instances that a module was to change that was skipped, with the reason: what they do from then on is not known.
    tainted: BTreeMap<usize, String>,
}

/// An action that cannot be done for a reason that is no failure.
struct Skipped(String);

impl<'m> Run<'m> {
    pub(super) fn new(machine: &'m mut dyn Machine, metered: bool) -> Result<Self, Failure> {
        let spectest = text::binary(SPECTEST).map_err(Failure::Other)?;
        let spectest = Slot::Live(machine.instantiate(&spectest, &BTreeMap::new())?);
        Ok(Self {
            machine,
            metered,
            definitions: BTreeMap::new(),
            instances: BTreeMap::new(),
            registered: BTreeMap::from([(SPECTEST_NAME.into(), spectest)]),
            tainted: BTreeMap::new(),
        })
    }

    /// Does a step. Nothing is returned for those that only prepare others, and those that are the gate's.
    pub(super) fn step(&mut self, step: &Step) -> Option<(Verdict, Option<Trace>)> {
        match &step.what {
            What::Define { id, module } => {
                self.definitions.insert(id.clone(), module.clone());
                self.definitions.insert(None, module.clone());
                None
            }
            What::Instance { id, of } => {
                let Some(module) = self.definitions.get(of).cloned() else {
                    return Some((Verdict::Failed("there is no such definition".into()), None));
                };
                let action = Action::Instantiate { id: id.clone(), module };
                Some(self.expect(&action, &Expect::Result))
            }
            What::Register { name, id } => {
                let slot = self.slot(id);
                self.registered.insert(name.clone(), slot);
                None
            }
            What::Do { action, expect } => Some(self.expect(action, expect)),
            What::Refuse(_) | What::Skip(_) => None,
        }
    }

    fn expect(&mut self, action: &Action, expect: &Expect) -> (Verdict, Option<Trace>) {
        let trace = match self.act(action) {
            Ok(trace) => trace,
            Err(Skipped(reason)) => return (Verdict::Skipped(reason), None),
        };
        let wanted = match (expect, &trace.outcome) {
            (Expect::Result, Ok(_))
            | (Expect::Exhaustion, Err(Failure::Exhausted))
            | (Expect::Unlinkable, Err(Failure::Unlinkable(_))) => None,
            (Expect::Results(patterns), Ok(values))
                if patterns.len() == values.len()
                    && patterns.iter().zip(values).all(|(pattern, value)| pattern.fits(*value)) =>
            {
                None
            }
            (Expect::Trap(message), Err(Failure::Trap(trap))) if kind(message) == Some(*trap) => None,
            (Expect::Result, _) => Some("a result".into()),
            (Expect::Results(patterns), _) => Some(list(patterns)),
            (Expect::Trap(message), _) => Some(format!("the trap '{message}'")),
            (Expect::Exhaustion, _) => Some("exhaustion of the stack".into()),
            (Expect::Unlinkable, _) => Some("a failure to link".into()),
        };
        let verdict = wanted.map_or(Verdict::Passed, |wanted| Verdict::Failed(format!("{trace}, expected {wanted}")));
        (verdict, Some(trace))
    }

    fn act(&mut self, action: &Action) -> Result<Trace, Skipped> {
        match action {
            Action::Instantiate { id, module } => {
                let made = self.instantiate(module);
                let slot = match &made {
                    Ok(Ok(instance)) => Some(Slot::Live(*instance)),
                    Ok(Err(_)) => None,
                    Err(Skipped(reason)) => Some(Slot::Skipped(reason.clone())),
                };
                if let Some(slot) = slot {
                    self.instances.insert(id.clone(), slot.clone());
                    self.instances.insert(None, slot);
                }
                Ok(Trace { outcome: made?.map(|_| Vec::new()), gas: None })
            }
            Action::Invoke { id, function, args } => {
                let instance = self.live(id)?;
                if !self.metered {
                    return Ok(Trace { outcome: self.machine.invoke(instance, function, args), gas: None });
                }
                Ok(self
                    .invoke_metered(instance, function, args)
                    .unwrap_or_else(|failure| Trace { outcome: Err(failure), gas: None }))
            }
            Action::Get { id, global } => {
                let instance = self.live(id)?;
                Ok(Trace { outcome: self.machine.global(instance, global).map(|value| vec![value]), gas: None })
            }
        }
    }

    fn invoke_metered(&mut self, instance: usize, function: &str, args: &[Value]) -> Result<Trace, Failure> {
        self.machine.set_global(instance, GAS, PLENTY)?;
        let outcome = self.machine.invoke(instance, function, args);
        let left = match self.machine.global(instance, GAS)? {
            Value::I64(left) if outcome.is_ok() => Some(left),
            _ => None,
        };
        Ok(Trace { outcome, gas: left.map(|left| PLENTY.saturating_sub(left)) })
    }

    fn instantiate(&mut self, module: &Module) -> Result<Result<usize, Failure>, Skipped> {
        let metered = match &module.metered {
            Ok(metered) => metered,
            Err(Refusal::Rule(rule)) => return Err(self.skip(&module.plain, rule.id())),
            Err(Refusal::Invalid(why) | Refusal::Defect(why)) => return Ok(Err(Failure::Other(why.clone()))),
        };
        if let Some(reason) = self.skipped_import(&module.plain) {
            return Err(self.skip(&module.plain, &reason));
        }
        let mut names = BTreeMap::new();
        for (name, slot) in &self.registered {
            if let Slot::Live(instance) = slot {
                names.insert(name.clone(), *instance);
            }
        }
        let bytes = if self.metered { metered } else { &module.plain };
        match self.machine.instantiate(bytes, &names) {
            Err(Failure::Limit(why)) => Err(self.skip(&module.plain, &why)),
            made => Ok(made),
        }
    }

    /// Skips a module, and with it what others do whose memory, table or globals it was to change.
    fn skip(&mut self, module: &[u8], reason: &str) -> Skipped {
        for name in imported_modules(module).filter(|name| *name != SPECTEST_NAME) {
            if let Some(Slot::Live(instance)) = self.registered.get(name) {
                self.tainted.entry(*instance).or_insert_with(|| reason.into());
            }
        }
        Skipped(reason.into())
    }

    /// The reason why something that a module imports from was skipped.
    fn skipped_import(&self, module: &[u8]) -> Option<String> {
        imported_modules(module).find_map(|name| match self.registered.get(name)? {
            Slot::Skipped(reason) => Some(reason.clone()),
            Slot::Live(instance) => self.tainted.get(instance).cloned(),
        })
    }

    fn slot(&self, id: &Option<String>) -> Slot {
        self.instances.get(id).cloned().unwrap_or_else(|| Slot::Skipped("its module could not be instantiated".into()))
    }

    fn live(&self, id: &Option<String>) -> Result<usize, Skipped> {
        match self.slot(id) {
            Slot::Live(instance) => match self.tainted.get(&instance) {
                Some(reason) => Err(Skipped(reason.clone())),
                None => Ok(instance),
            },
            Slot::Skipped(reason) => Err(Skipped(reason)),
        }
    }
}

/// The names of the modules that a module imports from, as far as it can be read.
fn imported_modules(module: &[u8]) -> impl Iterator<Item = &str> {
    let sections = wasmparser::Parser::new(0).parse_all(module).map_while(Result::ok);
    let imports = sections.filter_map(|payload| match payload {
        wasmparser::Payload::ImportSection(section) => Some(section),
        _ => None,
    });
    imports.flat_map(|section| section.into_imports().map_while(Result::ok)).map(|import| import.module)
}

/// The trap that a message of the suite means.
fn kind(message: &str) -> Option<Trap> {
    const KINDS: [(&str, Trap); 11] = [
        ("unreachable", Trap::Unreachable),
        ("out of bounds", Trap::OutOfBounds),
        ("undefined element", Trap::OutOfBounds),
        ("undefined", Trap::OutOfBounds),
        ("integer divide by zero", Trap::DivisionByZero),
        ("integer overflow", Trap::IntegerOverflow),
        ("invalid conversion to integer", Trap::IntegerOverflow),
        ("uninitialized element", Trap::BadIndirectCall),
        ("uninitialized", Trap::BadIndirectCall),
        ("indirect call type mismatch", Trap::BadIndirectCall),
        ("indirect call", Trap::BadIndirectCall),
    ];
    KINDS.iter().find(|(start, _)| message.starts_with(start)).map(|(_, trap)| *trap)
}

const SPECTEST_NAME: &str = "spectest";

/// The module that scripts may import from, as the suite's authors describe it.
const SPECTEST: &str = r#"(module
    (func (export "print"))
    (func (export "print_i32") (param i32))
    (func (export "print_i64") (param i64))
    (func (export "print_f32") (param f32))
    (func (export "print_f64") (param f64))
    (func (export "print_i32_f32") (param i32 f32))
    (func (export "print_f64_f64") (param f64 f64))
    (global (export "global_i32") i32 (i32.const 666))
    (global (export "global_i64") i64 (i64.const 666))
    (global (export "global_f32") f32 (f32.const 666.6))
    (global (export "global_f64") f64 (f64.const 666.6))
    (table (export "table") 10 20 funcref)
    (memory (export "memory") 1 2))"#;
