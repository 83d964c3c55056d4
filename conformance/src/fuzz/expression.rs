//! Contracts that are nothing but expressions: what engines fuse, fold and reorder, close together.
//!
//! wasm-smith spreads its operators thinly over all there are. Here a condition is made of comparisons, conversions, selections and
//! results of blocks, one in the other, as compilers never write them and as interpreters that merge operators expect them least.
//! Memory and table grow in the midst of it, and what is new of them is read and written.

use std::fmt::Write;

use super::random::Random;
use crate::text;

/// A type of values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Type {
    #[default]
    I32,
    I64,
    F32,
    F64,
}

use Type::{F32, F64, I32, I64};

const TYPES: [Type; 4] = [I32, I64, F32, F64];

impl Type {
    const fn name(self) -> &'static str {
        match self {
            I32 => "i32",
            I64 => "i64",
            F32 => "f32",
            F64 => "f64",
        }
    }

    /// One of the two parameters of a function that have the type.
    fn local(self, random: &mut Random) -> u64 {
        2 * self as u64 + random.below(2)
    }

    const fn constants(self) -> &'static [&'static str] {
        match self {
            I32 => &["0", "1", "-1", "2", "31", "32", "64", "255", "0x7fffffff", "0x80000000"],
            I64 => &[
                "0",
                "1",
                "-1",
                "2",
                "63",
                "64",
                "0xffffffff",
                "0x100000000",
                "0x7fffffffffffffff",
                "-0x8000000000000000",
            ],
            F32 | F64 => &[
                "0",
                "-0",
                "1",
                "1.5",
                "-2.5",
                "3e9",
                "-3e9",
                "1e19",
                "0x1p-149",
                "inf",
                "-inf",
                "nan",
                "-nan",
                "nan:0x200001",
            ],
        }
    }

    /// How it is read from memory; writing has the same names, without signs.
    const fn widths(self) -> &'static [&'static str] {
        match self {
            I32 => &["", "8_s", "8_u", "16_s", "16_u"],
            I64 => &["", "8_s", "8_u", "16_s", "16_u", "32_s", "32_u"],
            F32 | F64 => &[""],
        }
    }
}

/// Operators that only compute: what they give, what they take, and their names.
const OPERATORS: &[(Type, &[Type], &str)] = &[
    (I32, &[I32, I32], "i32.add i32.sub i32.mul i32.and i32.or i32.xor i32.shl i32.shr_s i32.shr_u i32.rotl i32.rotr"),
    (I64, &[I64, I64], "i64.add i64.sub i64.mul i64.and i64.or i64.xor i64.shl i64.shr_s i64.shr_u i64.rotl i64.rotr"),
    (I32, &[I32, I32], "i32.eq i32.ne i32.lt_s i32.lt_u i32.gt_s i32.gt_u i32.le_s i32.le_u i32.ge_s i32.ge_u"),
    (I32, &[I64, I64], "i64.eq i64.ne i64.lt_s i64.lt_u i64.gt_s i64.gt_u i64.le_s i64.le_u i64.ge_s i64.ge_u"),
    (I32, &[F32, F32], "f32.eq f32.ne f32.lt f32.gt f32.le f32.ge"),
    (I32, &[F64, F64], "f64.eq f64.ne f64.lt f64.gt f64.le f64.ge"),
    (I32, &[I32], "i32.eqz"),
    (I32, &[I64], "i64.eqz"),
    (I32, &[I64], "i32.wrap_i64"),
    (I64, &[I32], "i64.extend_i32_s i64.extend_i32_u"),
    (I32, &[I32], "i32.clz i32.ctz i32.popcnt i32.extend8_s i32.extend16_s"),
    (I64, &[I64], "i64.clz i64.ctz i64.popcnt i64.extend8_s i64.extend16_s i64.extend32_s"),
    (I32, &[F32], "i32.trunc_sat_f32_s i32.trunc_sat_f32_u i32.reinterpret_f32"),
    (I32, &[F64], "i32.trunc_sat_f64_s i32.trunc_sat_f64_u"),
    (I64, &[F32], "i64.trunc_sat_f32_s i64.trunc_sat_f32_u"),
    (I64, &[F64], "i64.trunc_sat_f64_s i64.trunc_sat_f64_u i64.reinterpret_f64"),
    (F32, &[F32, F32], "f32.add f32.sub f32.mul f32.div f32.min f32.max f32.copysign"),
    (F64, &[F64, F64], "f64.add f64.sub f64.mul f64.div f64.min f64.max f64.copysign"),
    (F32, &[F32], "f32.abs f32.neg f32.sqrt f32.ceil f32.floor f32.trunc f32.nearest"),
    (F64, &[F64], "f64.abs f64.neg f64.sqrt f64.ceil f64.floor f64.trunc f64.nearest"),
    (F32, &[I32], "f32.convert_i32_s f32.convert_i32_u f32.reinterpret_i32"),
    (F32, &[I64], "f32.convert_i64_s f32.convert_i64_u"),
    (F64, &[I32], "f64.convert_i32_s f64.convert_i32_u"),
    (F64, &[I64], "f64.convert_i64_s f64.convert_i64_u f64.reinterpret_i64"),
    (F32, &[F64], "f32.demote_f64"),
    (F64, &[F32], "f64.promote_f32"),
];

/// Those that trap for some operands, which ends a call: rare.
const TRAPPING: &[(Type, &[Type], &str)] = &[
    (I32, &[I32, I32], "i32.div_s i32.div_u i32.rem_s i32.rem_u"),
    (I64, &[I64, I64], "i64.div_s i64.div_u i64.rem_s i64.rem_u"),
    (I32, &[F32], "i32.trunc_f32_s i32.trunc_f32_u"),
    (I64, &[F64], "i64.trunc_f64_s i64.trunc_f64_u"),
];

/// How deep expressions are, and how many functions a contract has at most.
const DEPTH: u32 = 5;
const FUNCTIONS: u64 = 12;

/// The arguments that every function is called with.
const ARGUMENTS: [[&str; 8]; 3] = [
    ["0", "0", "0", "0", "0", "-0", "0", "1"],
    ["1", "5", "0", "-1", "nan", "1.5", "-nan", "inf"],
    ["0x80000000", "-1", "1", "0x100000000", "3e9", "nan:0x1", "nan:0x4", "-1e19"],
];

/// A random contract. Its entry calls all of its functions, adds what they give to a checksum in memory, and gives the memory as output.
///
/// It has at most `length / 64` functions: fewer random bytes make a smaller contract, as elsewhere.
pub(super) fn random(random: &mut Random, length: usize) -> Option<Vec<u8>> {
    let count = (1 + random.below(FUNCTIONS)).min(u64::try_from(length / 64).ok()?.max(1));
    let (mut functions, mut calls) = (String::new(), String::new());
    for number in 0..count {
        let mut random = Random::new(random.next());
        write!(functions, "(func $f{number} {SIGNATURE} {})", body(&mut random)).ok()?;
        for arguments in ARGUMENTS {
            let arguments = arguments.iter().zip([I32, I32, I64, I64, F32, F32, F64, F64]);
            let arguments: String = arguments.map(|(value, ty)| format!("({}.const {value})", ty.name())).collect();
            write!(calls, "(call $f{number} {arguments}) (call $note)").ok()?;
        }
    }
    text::binary(&format!("(module {AROUND} {functions} {ENTRY} {calls} {EXIT})")).ok()
}

/// Two parameters of each type; the locals are references.
const SIGNATURE: &str = "(param i32 i32 i64 i64 f32 f32 f64 f64) (result i32 i64 f32 f64) (local funcref funcref)";

/// `$note` adds what a function gave to the sum of all, which lies at 16: order matters to it.
const AROUND: &str = r#"
    (import "vm1" "input" (func $input (param i32))) (import "vm1" "output" (func $output (param i32 i32)))
    (memory (export "memory") 1) (table $t 1 funcref) (global $g (mut i32) (i32.const 3)) (func $leaf) (elem declare func $leaf)
    (func $note (param i32 i64 f32 f64) (local $sum i64)
        (local.set $sum (i64.load offset=0x2000 (i32.const 16)))
        (local.set $sum (i64.mul (i64.xor (local.get $sum) (i64.extend_i32_u (local.get 0))) (i64.const 0x100000001b3)))
        (local.set $sum (i64.mul (i64.xor (local.get $sum) (local.get 1)) (i64.const 0x100000001b3)))
        (local.set $sum (i64.mul (i64.xor (local.get $sum) (i64.extend_i32_u (i32.reinterpret_f32 (local.get 2)))) (i64.const 0x100000001b3)))
        (local.set $sum (i64.mul (i64.xor (local.get $sum) (i64.reinterpret_f64 (local.get 3))) (i64.const 0x100000001b3)))
        (i64.store offset=0x2000 (i32.const 16) (local.get $sum)))"#;
const ENTRY: &str = r#"(func (export "vm_call") (param i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0)))) (call $input (i32.const 0))"#;
const EXIT: &str = "(call $output (i32.const 0) (i32.const 0x2040)) (i32.const 0))";

/// Some statements, and an expression for each result.
fn body(random: &mut Random) -> String {
    let mut body = "(if (local.get 0) (then (local.set 8 (ref.func $leaf))))".to_owned();
    for _ in 0..1 + random.below(3) {
        body.push_str(&statement(random, DEPTH));
    }
    for ty in TYPES {
        body.push_str(&expression(random, ty, DEPTH));
    }
    body
}

fn statement(random: &mut Random, depth: u32) -> String {
    let (ty, below) = (one(random, &TYPES), depth.saturating_sub(1));
    let set = |random: &mut Random, depth| {
        let local = ty.local(random);
        format!("(local.set {local} {})", expression(random, ty, depth))
    };
    match random.below(6) {
        0 => set(random, depth),
        1 => format!("(block (br_if 0 {}) {})", expression(random, I32, below), set(random, below)),
        2 => {
            let (condition, then) = (expression(random, I32, below), set(random, below));
            format!("(if {condition} (then {then}) (else {}))", set(random, below))
        }
        3 => format!("(global.set $g {})", expression(random, I32, depth)),
        4 => format!("(table.set $t {} {})", entry(random, below), reference(random, below)),
        _ => store(random, ty, below),
    }
}

fn store(random: &mut Random, ty: Type, depth: u32) -> String {
    let width = one(random, ty.widths()).trim_end_matches("_s").trim_end_matches("_u");
    let offset = random.below(16);
    format!("({}.store{width} offset={offset} {} {})", ty.name(), address(random, depth), expression(random, ty, depth))
}

/// In what the memory has: near its begin, or at its end.
fn address(random: &mut Random, depth: u32) -> String {
    if random.one_in(8) {
        return "(i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 32))".into();
    }
    format!("(i32.and {} (i32.const 0xfff))", expression(random, I32, depth))
}

/// What a growth gives, or the size of what grows. Memory grows rarely and by a page, which costs as much as thousands of operators.
fn size(random: &mut Random, depth: u32) -> String {
    let by = |random: &mut Random, mask| format!("(i32.and {} (i32.const {mask}))", expression(random, I32, depth));
    match random.below(12) {
        0 => format!("(memory.grow {})", by(random, 1)),
        1..4 => "(memory.size)".into(),
        4..8 => "(table.size $t)".into(),
        _ => format!("(table.grow $t {} {})", reference(random, depth), by(random, 15)),
    }
}

/// A reference to a function, or none.
fn reference(random: &mut Random, depth: u32) -> String {
    match random.below(5) {
        0 => "(local.get 8)".into(),
        1 => "(local.get 9)".into(),
        2 => "(ref.func $leaf)".into(),
        3 => {
            format!("(select (result funcref) (local.get 8) (local.get 9) {})", expression(random, I32, depth))
        }
        _ => format!("(table.get $t {})", entry(random, depth)),
    }
}

/// An entry that the table has.
fn entry(random: &mut Random, depth: u32) -> String {
    format!("(i32.rem_u {} (table.size $t))", expression(random, I32, depth))
}

fn expression(random: &mut Random, ty: Type, depth: u32) -> String {
    let name = ty.name();
    let Some(depth) = depth.checked_sub(1).filter(|_| !random.one_in(10)) else {
        return match random.below(6) {
            0 | 1 => format!("({name}.const {})", one(random, ty.constants())),
            2 if ty == I32 => "(global.get $g)".into(),
            _ => format!("(local.get {})", ty.local(random)),
        };
    };
    let kind = random.below(20);
    let mut any = |ty| expression(random, ty, depth);
    match kind {
        0..3 => format!("(select {} {} {})", any(ty), any(ty), any(I32)),
        3 => {
            let value = any(ty);
            format!("(local.tee {} {value})", ty.local(random))
        }
        4 => format!("(if (result {name}) {} (then {}) (else {}))", any(I32), any(ty), any(ty)),
        5 => format!("(block (result {name}) (drop (br_if 0 {} {})) {})", any(ty), any(I32), any(ty)),
        6 => {
            let inner = format!("(block (result {name}) (br_table 0 1 0 1 {} {}))", any(ty), any(I32));
            format!("(block (result {name}) (drop {inner}) {})", any(ty))
        }
        7 => {
            let kind = one(random, &["block", "loop"]);
            format!("({kind} (result {name}) {} {})", statement(random, depth), expression(random, ty, depth))
        }
        8 => {
            let (width, offset) = (one(random, ty.widths()), random.below(16));
            format!("({name}.load{width} offset={offset} {})", address(random, depth))
        }
        9 => {
            let of = one(random, &TYPES);
            format!("(block (result {name}) {} {})", store(random, of, depth), expression(random, ty, depth))
        }
        10 if ty == I32 => format!("(ref.is_null {})", reference(random, depth)),
        11 if ty == I32 => size(random, depth),
        _ => {
            let all = if random.one_in(100) { TRAPPING } else { OPERATORS };
            let fitting: Vec<_> = all.iter().filter(|(gives, ..)| *gives == ty).collect();
            let Some((_, takes, names)) = random.choose(&fitting) else { return expression(random, ty, depth) };
            let name = one(random, &names.split(' ').collect::<Vec<_>>());
            let operands: String = takes.iter().map(|ty| expression(random, *ty, depth)).collect();
            format!("({name} {operands})")
        }
    }
}

/// One of several, of which there is one at least.
fn one<T: Copy + Default>(random: &mut Random, of: &[T]) -> T {
    random.choose(of).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use wasmparser::{Operator, Parser, Payload};

    use super::*;

    /// Contracts grow by functions that are added to them, which the official suite does not run: these do, all the time.
    #[test]
    fn memory_and_table_grow_in_most_of_them() {
        let grows = |seed: u64| {
            let code = random(&mut Random::new(seed), usize::MAX).unwrap();
            let (mut memory, mut table) = (false, false);
            for payload in Parser::new(0).parse_all(&code) {
                let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
                for op in body.get_operators_reader().unwrap() {
                    let op = op.unwrap();
                    memory |= matches!(op, Operator::MemoryGrow { .. });
                    table |= matches!(op, Operator::TableGrow { .. });
                }
            }
            memory && table
        };
        let seeds = 0..100;
        let count = seeds.filter(|seed| grows(*seed)).count();
        assert!(count > 50, "{count}");
    }
}
