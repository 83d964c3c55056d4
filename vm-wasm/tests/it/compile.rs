//! What is too expensive to compile is interpreted, with the same result.

use std::path::Path;

use vm_core::{Limits, Vm, VmProvider};
use vm_wasm::{EngineKind, WasmConfig, analyze};

use crate::machine::{contract_with, deploy, invoke, machine_of, on_invoke};

/// A body in which two thousand targets of a `br_table` meet four hundred locals that are live: seconds for a compiler.
pub(crate) fn monster() -> Vec<u8> {
    let (blocks, ends): (String, String) = (0..400)
        .map(|n| ("(block ".to_owned(), format!(") (local.set {n} (i64.add (local.get {n}) (i64.const 1)))")))
        .unzip();
    let targets: String = (0..2_000).map(|n| format!("{} ", n % 400)).collect();
    let sum =
        (0..400).map(|n| format!("(local.set 500 (i64.add (local.get 500) (local.get {n})))")).collect::<String>();
    let items = format!(
        "(func $monster (result i64) (local {}) {blocks} (br_table {targets} (i32.const 3)) {ends} {sum} (local.get 500))",
        "i64 ".repeat(501)
    );
    let body = r#"(if (i32.eq (local.get $entry) (i32.const 1)) (then
        (i64.store (i32.const 0) (call $monster)) (call $output (i32.const 0) (i32.const 8)))) (i32.const 0)"#;
    contract_with("", &items, body)
}

fn detail(vm: &Vm, name: &str) -> Option<String> {
    let (_, status) = &vm.status().runtimes[0];
    status.details.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

#[test]
fn what_is_over_the_budget_is_interpreted() {
    let analysis = analyze(&monster(), &WasmConfig::default());
    let compile = analysis.compile.unwrap();
    assert!(analysis.accepted && !compile.compiled && compile.microseconds > compile.budget, "{analysis}");
    assert!(analysis.to_string().contains("interpreted on every engine"), "{analysis}");
    let receipts = EngineKind::ALL.iter().map(|kind| {
        let mut config = WasmConfig::default();
        config.engine = *kind;
        let vm = machine_of(config, Limits::default());
        deploy(&vm, "plain", on_invoke("", "", "(i32.const 0)"));
        deploy(&vm, "monster", monster());
        let receipt = invoke(&vm, "monster");
        // The fourth block is left, so all locals but the first three are incremented.
        assert_eq!(receipt.output[..], 397u64.to_le_bytes(), "{kind}");
        let expected = (kind.as_str() != "wasmi").then(|| "1".to_owned());
        assert_eq!(detail(&vm, "over_budget"), expected, "{kind}");
        (kind, receipt.digest())
    });
    let receipts: Vec<_> = receipts.collect();
    assert!(receipts.iter().all(|(_, digest)| *digest == receipts[0].1), "{receipts:?}");
}

/// What compilers write is within the budget: four of any sample contract together would be.
#[test]
fn contracts_are_compiled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts");
    let modules = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let modules: Vec<_> =
        modules.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).collect();
    assert!(!modules.is_empty());
    for path in modules {
        let compile = analyze(&std::fs::read(&path).unwrap(), &WasmConfig::default()).compile.unwrap();
        assert!(compile.compiled && compile.microseconds * 4 < compile.budget, "{}: {compile:?}", path.display());
    }
}

/// Eight thousand plain functions, 320 kB: long modules are compiled if their functions are short.
#[test]
fn many_short_functions_are_compiled() {
    let body = "(local.set 2 (i32.add (local.get 0) (i32.mul (local.get 1) (i32.const 7)))) (i32.store (i32.and (local.get 2) (i32.const 65528)) (local.get 0))";
    let function = format!(
        "(func (param i32 i32) (result i32) (local i32) {body} (i32.xor (local.get 2) (i32.load (i32.const 8))))"
    );
    let module = contract_with("", &function.repeat(8_000), "(i32.const 0)");
    let analysis = analyze(&module, &WasmConfig::default());
    assert!(analysis.accepted && analysis.size > 250_000, "{analysis}");
    assert!(analysis.compile.unwrap().compiled, "{analysis}");
}

/// Three hundred locals over four thousand branches: compiled if each is used in one place, and not if all are live everywhere.
#[test]
fn locals_weigh_where_they_are_live() {
    let places = |read: &dyn Fn(usize) -> usize| {
        let branch = |n: usize| {
            let (set, read) = (n % 300, read(n));
            format!(
                "(block (local.set {set} (i32.load (i32.const {n}))) (br_if 0 (i32.eqz (local.get {set}))) (i32.store (i32.const 8) (local.get {read})))"
            )
        };
        let places = (0..4_000).map(branch).collect::<String>();
        let module = contract_with("", &format!("(func (local {}) {places})", "i32 ".repeat(300)), "(i32.const 0)");
        let analysis = analyze(&module, &WasmConfig::default());
        assert!(analysis.accepted, "{analysis}");
        analysis.compile.unwrap()
    };
    let (near, far) = (places(&|n| n % 300), places(&|n| n * 7 % 300));
    assert!(far.microseconds > 2 * near.microseconds && near.compiled && !far.compiled, "{near:?} {far:?}");
}

/// Two bytes each, and a call of the compiler's library: a mebibyte of them took 5 s, where that of arithmetic takes 2.
#[test]
fn what_is_a_call_of_a_library_weighs_as_one() {
    let module = |one: &str| {
        let block = format!("(block {} (br 0))", one.repeat(250));
        let function = format!("(func {})", block.repeat(30));
        contract_with("", &function.repeat(65), "(i32.const 0)")
    };
    let compiled = |one: &str| {
        let analysis = analyze(&module(one), &WasmConfig::default());
        assert!(analysis.accepted && analysis.size > 900_000, "{one}: {} bytes", analysis.size);
        analysis.compile.unwrap().compiled
    };
    assert!(compiled("(i32.const 7)") && !compiled("(memory.size)"));
}

/// What an attacker can have in mebibytes and hashes have in hundreds: rotations of each other's results took compilers 12 s, products of
/// the same factors, kept to be used again, 9 s, loads far off 14 s, divisions of many locals 6 s.
#[test]
fn what_contests_registers_weighs() {
    let compile = |setup: &str, unit: &dyn Fn(usize) -> String, count: usize| {
        let units = (0..count).map(unit).collect::<String>();
        let function = format!("(func (local {}) {setup} {units})", "i64 ".repeat(61));
        let analysis = analyze(&contract_with("", &function.repeat(8), "(i32.const 0)"), &WasmConfig::default());
        assert!(analysis.accepted, "{analysis}");
        analysis.compile.unwrap()
    };
    let locals = (0..61).map(|n| format!("(local.set {n} (i64.load (i32.const {})))", 8 * n)).collect::<String>();
    let get = |n: usize| format!("(local.get {})", n % 60);
    let rotation = |n: usize| format!("(local.set {} (i64.rotl {} {}))", 13 * n % 60, get(n), get(7 * n));
    let by_constant = |n: usize| format!("(local.set {} (i64.rotl {} (i64.const {})))", n % 60, get(n), n % 64);
    let division = |n: usize| format!("(local.set {} (i64.div_s {} {}))", 13 * n % 60, get(n), get(7 * n));
    let load = |n: usize| {
        let address = format!("(i32.wrap_i64 {})", get(n));
        format!("(local.set {} (i64.load offset={} {address}))", n % 60, 0xffff_fff0_usize - n % 5_000)
    };
    assert!(compile(&locals, &rotation, 100).compiled && !compile(&locals, &rotation, 12_000).compiled);
    assert!(compile(&locals, &by_constant, 8_000).compiled);
    assert!(compile(&locals, &division, 100).compiled && !compile(&locals, &division, 12_000).compiled);
    assert!(!compile(&locals, &load, 5_000).compiled);
    let product = |n: usize| {
        let factors = [get(n), get(n / 60 % 50)].concat();
        format!("(local.set 60 (i64.add (local.get 60) (i64.mul {factors})))")
    };
    assert!(!compile(&locals, &product, 11_000).compiled);
}

/// A mebibyte of passive elements, one byte each, took wasmtime 10 s and 2.3 GiB; types of 64 parameters took 0.7 s in 85 kB, and functions of
/// them that are used as values 0.35 ms each.
#[test]
fn what_stands_around_functions_weighs() {
    let compile = |items: &str| {
        let module = contract_with("", items, "(i32.const 0)");
        let analysis = analyze(&module, &WasmConfig::default());
        assert!(analysis.accepted, "{analysis}");
        analysis.compile.unwrap()
    };
    let few = compile("(func $f) (elem func $f)");
    let segment = format!("(elem func {})", "$f ".repeat(1_000));
    let passive = compile(&format!("(func $f) {}", segment.repeat(1_000)));
    assert!(few.compiled && few.microseconds < 10_000 && !passive.compiled, "{few:?} {passive:?}");
    let declared = compile(&format!("(func $f) {}", segment.replace("elem", "elem declare").repeat(1_000)));
    assert!(declared.microseconds < few.microseconds + 200_000, "{declared:?}");

    let many = "i64 ".repeat(54);
    let ty = |n: usize| {
        let differ = (0..10).map(|bit| if n >> bit & 1 == 1 { "i32 " } else { "i64 " }).collect::<String>();
        format!("(type (func (param {differ} {many})))")
    };
    let types = compile(&(0..1_000).map(ty).collect::<String>());
    assert!((300_000..2_000_000).contains(&types.microseconds), "{types:?}");

    let functions = format!("(func (param {many}))").repeat(1_000);
    let names = (2..1_000).map(|n| format!("{n} ")).collect::<String>();
    let (plain, named) = (compile(&functions), compile(&format!("{functions} (elem declare func {names})")));
    assert!(named.microseconds > plain.microseconds + 300_000, "{plain:?} {named:?}");
}

/// Where control flow meets again and again, the values that go through all of it cost the square of how often: 22 kB of growths, each by
/// what the one before gave, took a compiler 5 s, and so did 123 kB of small ifs.
#[test]
fn meetings_of_control_flow_weigh_by_their_square() {
    let module = |function: &str, count: usize| {
        contract_with("", &format!("(func (param i32) (result i32) {function})").repeat(count), "(i32.const 0)")
    };
    let compile = |module: &[u8]| {
        let analysis = analyze(module, &WasmConfig::default());
        assert!(analysis.accepted, "{analysis}");
        analysis.compile.unwrap()
    };
    let repeated = |one: &str, count: usize| format!("local.get 0 {}", one.repeat(count));
    for (one, many) in [("memory.grow ", 11_000), ("(if (i32.const 1) (then (drop (i32.const 1)))) ", 15_000)] {
        let (many, few) = (repeated(one, many), repeated(one, 1_000));
        let (one, several) = (compile(&module(&many, 1)), compile(&module(&few, 8)));
        assert!(!one.compiled && several.compiled, "{one:?} {several:?}");
    }
}

/// Each is a loop of its own on an engine: 800 in a function took it 0.8 s, and more of them more than their share.
#[test]
fn stretches_of_tables_weigh_as_loops() {
    let compiled = |count: usize| {
        let copy = "(table.copy (local.get 0) (local.get 1) (local.get 2))".repeat(count);
        let items = format!("(table 9 funcref) (func (param i32 i32 i32) {copy})");
        let analysis = analyze(&contract_with("", &items, "(i32.const 0)"), &WasmConfig::default());
        assert!(analysis.accepted, "{analysis}");
        analysis.compile.unwrap().compiled
    };
    assert!(compiled(1_000) && !compiled(2_000));
}

/// What the operator admits by wider limits of shape, every engine takes: about as many functions, used as values, as the budget lets through.
#[test]
fn raised_limits_hold_on_every_engine() {
    for kind in EngineKind::ALL {
        let mut config = WasmConfig::default();
        (config.engine, config.shape.functions) = (*kind, 50_000);
        let functions: String = (0..13_000).map(|n| format!("(func $f{n})")).collect();
        let names: String = (0..13_000).map(|n| format!("$f{n} ")).collect();
        let module = contract_with("", &format!("{functions} (elem declare func {names})"), "(i32.const 0)");
        let compile = analyze(&module, &config).compile.unwrap();
        assert!(compile.compiled, "{compile:?}");
        deploy(&machine_of(config, Limits::default()), "wide", module);
    }
}
