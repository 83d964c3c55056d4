//! The imports that random modules have, and how their operands are kept in range: random numbers are no pointers.

use wasm_encoder::Instruction as I;

use super::random::Random;

/// What an operand is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operand {
    /// As it is, with these bits only.
    Bits(i32),
    /// The same for 64 bits.
    Wide(i64),
    /// Always this.
    Always(i32),
}

use Operand::{Always, Bits, Wide};

/// A pointer into what memory usually has.
const POINTER: Operand = Bits(0x1fff);
const LENGTH: Operand = Bits(0x3f);

/// A function of the ABI: name, operands, whether it returns an `i64`.
type Import = (&'static str, &'static [Operand], bool);

/// What every module has: the wrapper around its entry calls them.
const ALWAYS: [Import; 2] = [("input", &[POINTER], false), ("output", &[POINTER, LENGTH], false)];
pub(super) const INPUT: u32 = 0;
pub(super) const OUTPUT: u32 = 1;

const IMPORTS: [Import; 12] = [
    ("method", &[POINTER], false),
    ("get", &[POINTER, Bits(3), POINTER, LENGTH], true),
    ("result", &[POINTER], false),
    ("put", &[POINTER, Bits(3), POINTER, LENGTH], false),
    ("delete", &[POINTER, Bits(3)], false),
    ("scan", &[POINTER, Bits(1), POINTER, Bits(3), Bits(7)], true),
    ("emit", &[POINTER, Bits(3), POINTER, LENGTH], false),
    // The name of the other contract lies at 0; see `module`.
    ("call", &[Always(0), Always(NAME), POINTER, Bits(3), POINTER, LENGTH, Always(0), Wide(0xf_ffff), Bits(1)], true),
    ("env", &[POINTER], false),
    ("gas_left", &[], true),
    ("log", &[Bits(3), POINTER, Bits(3)], false),
    ("address_of", &[POINTER, Bits(7), POINTER], false),
];

/// The length of the names of contracts.
pub(super) const NAME: i32 = 20;

/// Which imports a module has.
#[derive(Debug)]
pub(super) struct Shape(Vec<&'static Import>);

impl Shape {
    /// A part of the imports, often none.
    pub(super) fn random(random: &mut Random) -> Self {
        let chosen = if random.one_in(3) { 0 } else { random.next() };
        let bit = |index: usize| chosen >> index & 1 == 1;
        let some = IMPORTS.iter().enumerate().filter(|(index, _)| bit(*index)).map(|(_, import)| import);
        Self(ALWAYS.iter().chain(some).collect())
    }

    /// A module with these imports and the exports of a contract, in the text format.
    pub(super) fn text(&self) -> String {
        let import = |(name, operands, returns): &&Import| {
            let types = operands.iter().map(|operand| if matches!(operand, Wide(_)) { " i64" } else { " i32" });
            let result = if *returns { " (result i64)" } else { "" };
            format!(r#"(import "vm1" "{name}" (func (param{}){result}))"#, types.collect::<String>())
        };
        let imports: String = self.0.iter().map(import).collect();
        format!(
            r#"(module {imports} (memory (export "memory") 1)
                (func (export "vm_call") (param i32 i32 i32) (result i32) unreachable))"#
        )
    }

    pub(super) fn imports(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// The bodies of functions that call the imports with operands in range, in the order of the imports.
    pub(super) fn bodies(&self) -> impl Iterator<Item = Vec<I<'static>>> {
        (0u32..).zip(&self.0).map(|(import, (_, operands, _))| {
            let mut body = Vec::new();
            for (local, operand) in (0u32..).zip(*operands) {
                match operand {
                    Bits(bits) => body.extend([I::LocalGet(local), I::I32Const(*bits), I::I32And]),
                    Wide(bits) => body.extend([I::LocalGet(local), I::I64Const(*bits), I::I64And]),
                    Always(value) => body.push(I::I32Const(*value)),
                }
            }
            body.extend([I::Call(import), I::End]);
            body
        })
    }
}
