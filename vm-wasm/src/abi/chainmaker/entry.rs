//! The function that enters a ChainMaker contract: generated, since such a contract exports a function for each method
//! instead of one for all.

use std::collections::BTreeMap;

use wasm_encoder::{BlockType, Function, Instruction as I, ValType};

use super::import::PARAMETERS_INDEX;
use crate::meter::stack;

/// The entry that a deployment enters.
pub(crate) const INIT: &str = "init_contract";
/// The entry that an upgrade enters.
pub(crate) const UPGRADE: &str = "upgrade";

/// What `runtime_type` returns for contracts in Rust and in TinyGo.
const RUNTIME_TYPES: [i32; 2] = [2, 4];

/// The entry's status for a contract of another kind: that breaks the ABI.
const FOREIGN: i32 = 2;

/// Exports of the type `() -> ()` that TinyGo's runtime needs for itself.
const INTERNAL: [&str; 2] = ["go_scheduler", "resume"];

/// The functions of a ChainMaker contract, by their indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Exports<'a> {
    pub(crate) runtime_type: Option<u32>,
    pub(crate) allocate: Option<u32>,
    /// Set up the language's runtime, in this order; TinyGo has one of them.
    pub(crate) start: Option<u32>,
    pub(crate) initialize: Option<u32>,
    /// The methods, with the constructor and the migration.
    pub(crate) methods: BTreeMap<&'a str, u32>,
}

/// The longest name of a method, in bytes.
const NAME_BYTES: usize = 128;

/// Whether an exported function of the type `() -> ()` with this name is a method.
pub(crate) fn is_method(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=NAME_BYTES).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('_')
        && !INTERNAL.contains(&name)
}

/// The stack units of the entry: three parameters, a local, three operands and what calls return.
pub(crate) fn units() -> u64 {
    stack::units(4, 3, 8)
}

impl Exports<'_> {
    /// Whether this is a contract in TinyGo.
    pub(crate) fn is_tinygo(&self) -> bool {
        self.start.or(self.initialize).is_some()
    }

    /// The body of the entry, before instrumentation, of type `(method: i32, _: i32, length: i32) -> (status: i32)`. The
    /// method is its place in the order of the names; the length is that of the parameters.
    pub(crate) fn entry(&self) -> Vec<u8> {
        const LENGTH: u32 = 2;
        const KIND: u32 = 3;
        let mut code = Function::new([(1, ValType::I32)]);
        let mut emit = |instructions: &[I<'_>]| {
            for instruction in instructions {
                code.instruction(instruction);
            }
        };
        for start in [self.start, self.initialize].into_iter().flatten() {
            emit(&[I::Call(start)]);
        }
        emit(&[I::Call(self.runtime_type.unwrap_or_default()), I::LocalSet(KIND)]);
        let [rust, tinygo] = RUNTIME_TYPES;
        emit(&[I::LocalGet(KIND), I::I32Const(rust), I::I32Ne, I::LocalGet(KIND), I::I32Const(tinygo), I::I32Ne]);
        emit(&[I::I32And, I::If(BlockType::Empty), I::I32Const(FOREIGN), I::Return, I::End]);
        emit(&[I::LocalGet(LENGTH), I::Call(self.allocate.unwrap_or_default()), I::Call(PARAMETERS_INDEX)]);
        let count = u32::try_from(self.methods.len()).unwrap_or(u32::MAX);
        let targets: Vec<u32> = (0..count).collect();
        for _ in 0..=count {
            emit(&[I::Block(BlockType::Empty)]);
        }
        emit(&[I::LocalGet(0), I::BrTable(targets.into(), count), I::End]);
        for method in self.methods.values() {
            emit(&[I::Call(*method), I::I32Const(0), I::Return, I::End]);
        }
        emit(&[I::I32Const(FOREIGN), I::End]);
        code.into_raw_body()
    }
}
