//! What every operator costs, and what a frame takes of the stack. A difference is a change of consensus: it needs a new
//! version of the gas schedule.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use vm_core::GasSchedule;
use wasmparser::{Operator, Parser, Payload};

use super::pin::{self, TABLE};
use super::tests::{Ended, PLENTY, metered, rewrite};

/// Where operators are given their classes.
const CLASSES: [&str; 2] = [include_str!("class.rs"), include_str!("float.rs")];

macro_rules! define_names {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        const OPERATORS: &[&str] = &[$( stringify!($op), )*];
    };
}
wasmparser::for_each_operator!(define_names);

/// A contract with this body in its entry.
fn contract(body: &str) -> Vec<u8> {
    wat::parse_str(pin::contract(body)).unwrap_or_else(|error| panic!("{body}: {error}"))
}

fn gas_of(body: &str) -> u64 {
    let (seen, used) = metered(&rewrite(&contract(body)), PLENTY, 1_000_000);
    assert_eq!(seen.result, Ok(0), "{body}");
    used
}

/// The operators of a module, as the parser names them.
fn operators(wasm: &[u8], into: &mut BTreeSet<String>) {
    for payload in Parser::new(0).parse_all(wasm) {
        let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
        for op in body.get_operators_reader().unwrap() {
            let name = |op: &Operator<'_>| format!("{op:?}").split([' ', '{', '(']).next().unwrap().to_owned();
            into.insert(name(&op.unwrap()));
        }
    }
}

/// With the variable `VM_BLESS` the table is written anew.
#[test]
fn every_operator_costs_what_it_did() {
    let nothing = gas_of("");
    assert_eq!(nothing, 2, "the entry and the status");
    let (mut found, mut seen) = (String::new(), BTreeSet::new());
    for line in TABLE.lines() {
        let (_, body) = line.split_once('\t').unwrap();
        operators(&contract(body), &mut seen);
        writeln!(found, "{}\t{body}", gas_of(body) - nothing).unwrap();
    }
    let classes = CLASSES
        .iter()
        .flat_map(|text| text.split("O::"))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default());
    let classes: BTreeSet<_> = classes.collect();
    for operator in OPERATORS.iter().filter(|operator| classes.contains(*operator)) {
        assert!(seen.contains(*operator), "the table has no line with {operator}");
    }
    if std::env::var_os("VM_BLESS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/meter/pinned.txt"), &found).unwrap();
    } else {
        for (expected, found) in TABLE.lines().zip(found.lines()) {
            assert_eq!(expected, found, "an operator's gas changed; VM_BLESS=1 writes the table anew");
        }
    }
    assert_eq!(GasSchedule::v1().version, 1, "the table is that of version 1");
}

/// How often a function gets deeper before the stack is used up, for frames of several sizes.
#[test]
fn the_stack_is_as_deep_as_it_was() {
    for (frame, expected) in [
        ("(call $down)", 14_994),
        ("(local i64 i64 i64 i64 i64 i64) (call $down)", 5_997),
        ("(call $chain) (call $down)", 14_994),
        ("(call_indirect (type $t) (i32.const 0))", 9_996),
    ] {
        let wat = format!(
            r#"(module (memory (export "memory") 1) (type $t (func)) (table 1 funcref) (elem (i32.const 0) $down)
                (func $chain (call $leaf)) (func $leaf (local i64 i64))
                (func $down (type $t) {frame})
                (func $count (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))))
                (func (export "vm_call") (param i32 i32 i32) (result i32) (call $down) (i32.const 0)))"#
        );
        let counted = wat.replacen(frame, &frame.replacen("(call", "(call $count) (call", 1), 1);
        let (seen, _) = metered(&rewrite(&wat::parse_str(&counted).unwrap()), PLENTY, PLENTY);
        assert_eq!(seen.result, Err(Ended::StackOverflow));
        let depth = u32::from_le_bytes(seen.memory.unwrap()[..4].try_into().unwrap());
        assert_eq!(depth, expected, "{frame}");
    }
}
